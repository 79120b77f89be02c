"""Where steps are computed."""

from __future__ import annotations

import dataclasses
import warnings

import bmi_cases as cases
import numpy
import pytest
import torch
import xarray
from typer.testing import CliRunner

from bmi_noahpy.cli import app
from bmi_noahpy.config import ConfigurationError, load_configuration, read_configuration
from bmi_noahpy.runs.blocks import take_block
from bmi_noahpy.runs.prepare import prepare, warn_of_device
from bmi_noahpy.runs.scheme_warnings import warn_before
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


def test_what_steps_on_the_processor_in_any_case_says_so(tmp_path):
    run = prepare(load_configuration(cases.write_case(tmp_path, cases.configuration())))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_device(run, "a component steps")
    elsewhere = dataclasses.replace(run, device=torch.device("cuda:1"))
    with pytest.warns(RuntimeWarning, match="device: .cuda:1. is where .noahpy run. computes; a component"):
        warn_of_device(elsewhere, "a component steps")


def test_a_whole_run_on_a_graphics_processor_is_called_what_it_is(tmp_path):
    run = prepare(load_configuration(cases.write_case(tmp_path, cases.configuration())))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warn_before(run)
    with pytest.warns(RuntimeWarning, match=r"device: 'cuda:1': .* whole runs from files were never compared"):
        warn_before(dataclasses.replace(run, device=torch.device("cuda:1")))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics processor")
def test_a_graphics_processor_gives_the_same_numbers(tmp_path):
    path = cases.write_case(tmp_path, cases.grid_configuration())
    configuration = load_configuration(path)
    results = [
        take_block(run, run.initial_state, 0, 24, ["latent_heat_flux"])
        for run in (prepare(configuration), prepare(configuration, device="cuda", execution="compiled"))
    ]
    for field, _ in quantities(State):
        first, second = (get_quantity(block.final_state, field) for block in results)
        if first is not None:
            assert second.device.type == "cpu"
            assert torch.allclose(first, second, rtol=1e-9, atol=1e-9), field


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics processor")
def test_a_run_of_the_command_line_may_be_computed_there(tmp_path):
    path = cases.write_case(tmp_path, cases.grid_configuration())
    outputs = []
    for device in ("cpu", "cuda"):
        output = tmp_path / f"{device}.nc"
        result = CliRunner().invoke(app, ["run", str(path), "--device", device, "--output", str(output)])
        assert result.exit_code == 0, result.output
        with xarray.open_dataset(output) as found:
            outputs.append(found.load())
    for name, values in outputs[0].data_vars.items():
        if values.dtype.kind == "f":
            assert numpy.allclose(values, outputs[1][name], rtol=1e-6, atol=1e-6, equal_nan=True), name
