"""Where steps are computed."""

from __future__ import annotations

import bmi_cases as cases
import pytest
import torch
from typer.testing import CliRunner

from bmi_noahpy.cli import app
from bmi_noahpy.config import ConfigurationError, load_configuration, read_configuration
from bmi_noahpy.runs.blocks import take_block
from bmi_noahpy.runs.prepare import prepare
from noahpy_core.quantities import get_quantity, quantities
from noahpy_core.state import State

ABSENT = f"cuda:{torch.cuda.device_count()}"


def test_a_processor_that_is_not_there_is_refused_before_the_run(tmp_path):
    path = cases.write_case(tmp_path, cases.configuration(device=ABSENT))
    with pytest.raises(ConfigurationError, match=f"device: '{ABSENT}', but PyTorch finds .* Use cpu"):
        prepare(load_configuration(path))
    result = CliRunner().invoke(app, ["run", str(path)])
    assert result.exit_code != 0
    assert not list(tmp_path.glob("*.nc"))


def test_an_unknown_device_is_named():
    with pytest.raises(ConfigurationError, match=r"device: .*'gpu' is no device. Use cpu, cuda"):
        read_configuration(cases.configuration(device="gpu"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics processor")
def test_a_graphics_processor_gives_the_same_numbers(tmp_path):
    path = cases.write_case(tmp_path, cases.grid_configuration())
    configuration = load_configuration(path)
    results = [
        take_block(run, run.initial_state, 0, 24, ["latent_heat_flux"])
        for run in (prepare(configuration, execution="eager"), prepare(configuration, device="cuda"))
    ]
    for field, _ in quantities(State):
        first, second = (get_quantity(block.final_state, field) for block in results)
        assert second.device.type == "cpu"
        assert torch.allclose(first, second, rtol=1e-9, atol=1e-9), field
