"""300 random single steps of the Fortran original that come with the tests: the agreement shown in any clone.

150 of the 2000 cases with 4 layers and 150 of the 3000 with 20, drawn at random; soils, plants, options, step lengths,
snow, melt and freezing rain are drawn at random in each.
"""

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from bmi_noahpy import verify

DATA = Path(__file__).resolve().parent / "data"
LAYERS = (4, 20)


def the_file(layers: int) -> Path:
    return DATA / f"single_step_{layers}_layers.nc"


@pytest.mark.parametrize("layers", LAYERS)
def test_every_packaged_step_agrees_with_the_original_in_every_output(layers):
    verification = verify(the_file(layers))
    assert verification.cases == 150
    assert [f"{one.label}: {one.variable} {one.ours!r} != {one.theirs!r}" for one in verification.failures] == []


@pytest.mark.parametrize("layers", LAYERS)
def test_a_step_that_differs_is_found(layers, tmp_path):
    changed = tmp_path / "changed.nc"
    changed.write_bytes(the_file(layers).read_bytes())
    with netCDF4.Dataset(changed, "r+") as file:
        file["out_stc"][7, 1] += 1.0e-6
    verification = verify(changed)
    assert not verification.passed
    assert {one.variable for one in verification.failures} == {"stc"}


@pytest.mark.parametrize("layers", LAYERS)
def test_the_packaged_steps_are_those_of_the_whole_file(layers, shared):
    whole = shared / "reference" / f"single_step_{layers}_layers.nc"
    with netCDF4.Dataset(the_file(layers)) as part, netCDF4.Dataset(whole) as file:
        chosen = np.asarray(part["case"][:])
        for name, variable in file.variables.items():
            np.testing.assert_array_equal(part[name][:], variable[:][chosen], err_msg=name)


def test_the_packaged_steps_are_small():
    assert sum(the_file(layers).stat().st_size for layers in LAYERS) < 1_000_000
