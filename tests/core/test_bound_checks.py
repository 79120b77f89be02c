"""Numbers in other units are refused where a run begins."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from random_columns import Case, random_case

from noahpy_core import BoundsError, NoahModel, run
from noahpy_core.trees import map_tensors


def begin(case: Case, *, air: dict | None = None, parameters=None, state=None, check: bool = True):
    """Two eager steps of a case with changed numbers."""
    forcing = map_tensors(lambda value: value.expand(2, *value.shape), case.forcing)
    changed = {name: change(getattr(forcing, name)) for name, change in (air or {}).items()}
    return run(
        NoahModel(case.column), state or case.state, dataclasses.replace(forcing, **changed),
        parameters or case.parameters, 600.0, outputs=["skin_temperature"], execution="eager", check=check,
    )  # fmt: skip


@pytest.fixture(scope="module")
def case() -> Case:
    return random_case(3, regime="temperate")


@pytest.mark.parametrize(
    ("name", "change", "units"),
    [
        ("air_temperature", lambda value: value - 273.15, "degC"),
        ("air_pressure", lambda value: value / 100.0, "hPa"),
        ("air_pressure", lambda value: value / 1000.0, "kPa"),
        ("specific_humidity", lambda value: 0.2 + 0.0 * value, "a relative humidity"),
        ("specific_humidity", lambda value: 5.0 + 0.0 * value, "g kg-1"),
        ("precipitation", lambda value: 5.0 + 0.0 * value, "mm of an hour or a day"),
        ("vegetation_fraction", lambda value: 60.0 + 0.0 * value, "per cent"),
    ],
)
def test_forcing_in_other_units_is_refused_and_the_units_are_named(case, name, change, units):
    with pytest.raises(BoundsError, match=f"forcing.{name}: .* look like {units}: convert them"):
        begin(case, air={name: change})


def test_one_wrong_number_is_one_wrong_number(case):
    hot = torch.zeros(2, 3, dtype=torch.float64)
    hot[1, 2] = 500.0
    with pytest.raises(BoundsError, match=r"at \[1, 2\] is outside 150 to 350 K \(1 of 6 numbers\). Correct it"):
        begin(case, air={"air_temperature": lambda value: value + hot})


def test_state_and_parameters_are_looked_at_too(case):
    soil = dataclasses.replace(case.state.soil, temperature=case.state.soil.temperature - 273.15)
    with pytest.raises(BoundsError, match=r"state\.soil\.temperature: .* look like degC"):
        begin(case, state=dataclasses.replace(case.state, soil=soil))
    porous = dataclasses.replace(case.parameters.soil, porosity=100.0 * case.parameters.soil.porosity)
    with pytest.raises(BoundsError, match=r"parameters\.soil\.porosity"):
        begin(case, parameters=dataclasses.replace(case.parameters, soil=porous))


def test_a_number_at_its_bound_may_be_moved_by_a_difference_and_what_is_no_number_is_left_to_the_run(case):
    begin(case, air={"vegetation_fraction": lambda value: 1.0 + 1e-7 + 0.0 * value})
    begin(case, air={"wind_speed": lambda value: float("nan") * value})


def test_any_number_is_taken_when_asked_for(case):
    found = begin(case, air={"vegetation_fraction": lambda value: 1.01 + 0.0 * value}, check=False)
    assert torch.isfinite(found.outputs["skin_temperature"]).all()
