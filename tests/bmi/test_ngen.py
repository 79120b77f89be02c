"""The component called as NextGen's Python adapter calls it, with the files of the example."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import bmi_cases as cases
import numpy as np
import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "nextgen"
STEPS = 30
MASSES = ("ngen::mass_in", "ngen::mass_out", "ngen::mass_stored", "ngen::mass_leaked")

# Names and units under which ngen offers the columns of its forcing files.
PROVIDED = {
    "land_surface_air__temperature": "K",
    "land_surface_air__pressure": "Pa",
    "atmosphere_air_water~vapor__relative_saturation": "kg/kg",
    "land_surface_wind__x_component_of_velocity": "m s-1",
    "land_surface_wind__y_component_of_velocity": "m s-1",
    "land_surface_radiation~incoming~shortwave__energy_flux": "W m-2",
    "land_surface_radiation~incoming~longwave__energy_flux": "W m-2",
    "atmosphere_water__liquid_equivalent_precipitation_rate": "mm s^-1",
}


class Adapter:
    """What the adapter does with a Python component, call by call: types, arrays and order."""

    def __init__(self, python_type: str, config: str) -> None:
        module, _, name = python_type.rpartition(".")
        self.model = getattr(importlib.import_module(module), name)()
        self.model.initialize(config)
        assert str(self.model.get_time_units()) in ("s", "sec", "second", "seconds", "h", "d")

    def names(self, kind: str) -> list[str]:
        count = getattr(self.model, f"get_{kind}_item_count")()
        names = tuple(getattr(self.model, f"get_{kind}_var_names")())
        assert type(count) is int
        assert len(names) == count
        return [str(name) for name in names]

    def length(self, name: str) -> int:
        nbytes, itemsize = self.model.get_var_nbytes(name), self.model.get_var_itemsize(name)
        assert (type(nbytes), type(itemsize)) == (int, int)
        assert (self.model.get_var_type(name), itemsize) == ("float64", 8)
        return nbytes // itemsize

    def set_value(self, name: str, value: float) -> None:
        """A scalar of the provider is repeated for every item."""
        self.model.set_value(name, np.full(self.length(name), value))

    def get_value(self, name: str) -> np.ndarray:
        """ngen copies from the pointer."""
        self.length(name)
        pointer = self.model.get_value_ptr(name)
        assert (pointer.ndim, pointer.dtype) == (1, np.float64)
        return pointer.copy()

    def as_double(self, name: str) -> float:
        """The first item, as ngen reads what it writes and its main output."""
        if self.length(name) == 1:
            destination = np.zeros(1, dtype=self.model.get_var_type(name), order="C")
            self.model.get_value(name, destination)
        else:
            destination = np.zeros(1, dtype=self.model.get_var_type(name), order="C")
            self.model.get_value_at_indices(name, destination, np.zeros(1, dtype="int32"))
        return float(destination[0])

    def step(self, seconds: float, values: dict[str, float]) -> None:
        for name in self.names("input"):
            self.model.get_var_units(name)
            self.set_value(name, values[name])
        now = float(self.model.get_current_time())
        if seconds == float(self.model.get_time_step()):
            self.model.update()
        else:
            self.model.update_until(now + seconds)


@pytest.fixture(scope="module")
def parameters() -> dict[str, Any]:
    return json.loads((EXAMPLE / "realization.json").read_text())["global"]["formulations"][0]["params"]


@pytest.fixture(scope="module")
def adapter(parameters) -> Adapter:
    started = Adapter(parameters["python_type"], str(EXAMPLE / parameters["init_config"].replace("{{id}}", "cat-1")))
    for name, value in parameters["model_params"].items():
        started.set_value(name, value)
    return started


@pytest.fixture(scope="module")
def records(adapter, parameters) -> list[dict[str, float]]:
    """What ngen reads after each step of an hour."""
    weather = cases.weather()
    rows = []
    for step in range(STEPS):
        values = {name: float(weather[record][step]) for name, record in cases.INPUT_OF.items()}
        values["land_surface_wind__y_component_of_velocity"] = 1.0
        adapter.step(3600.0, values)
        row = {name: adapter.as_double(name) for name in parameters["output_variables"]}
        rows.append(row | {name: adapter.get_value(name)[0] for name in MASSES})
    return rows


def test_every_input_is_one_that_ngen_provides_in_units_it_converts(adapter):
    pint = pytest.importorskip("pint")
    units = pint.UnitRegistry()
    assert set(adapter.names("input")) == set(PROVIDED)
    for name, provided in PROVIDED.items():
        wanted = units.parse_units(adapter.model.get_var_units(name).replace("-", "**-"))
        assert wanted.is_compatible_with(units.parse_units(provided.replace("^", "").replace("-", "**-"))), name


def test_the_outputs_of_the_realization_exist_and_are_single_numbers(adapter, parameters):
    outputs = adapter.names("output")
    assert set(parameters["output_variables"]) <= set(outputs)
    assert parameters["main_output_variable"] in outputs
    assert adapter.model.get_var_units(parameters["main_output_variable"]) == "m"
    assert all(adapter.length(name) == 1 for name in parameters["output_variables"])
    assert len(parameters["output_header_fields"]) == len(parameters["output_variables"])


def test_model_params_reach_the_component(adapter, parameters):
    assert parameters["model_params"]
    for name, value in parameters["model_params"].items():
        assert np.array_equal(adapter.get_value(name), np.full(adapter.length(name), value))


def test_a_run_driven_by_ngen_gives_finite_outputs_that_respond_to_the_weather(records):
    table = {name: np.array([row[name] for row in records]) for name in records[0]}
    assert all(np.isfinite(values).all() for values in table.values())
    assert np.ptp(table["land_surface~0-to-10cm-below_soil__temperature"]) > 0.1
    assert np.ptp(table["snowpack__liquid-equivalent_depth"]) > 1e-4


def test_the_mass_variables_close_the_balance_within_the_tolerance_of_the_realization(records, parameters):
    for row in records:
        residual = row[MASSES[0]] - row[MASSES[1]] - row[MASSES[2]] - row[MASSES[3]]
        assert abs(residual) <= parameters["mass_balance"]["tolerance"]
    gained = records[-1]["ngen::mass_in"] - records[0]["ngen::mass_in"]
    assert gained == pytest.approx(1e-3 * 3600 * cases.weather()["precipitation"][1:STEPS].sum(), rel=1e-12)


def test_the_mass_variables_have_one_unit_and_are_not_published(adapter):
    assert {adapter.model.get_var_units(name) for name in MASSES} == {"m"}
    assert not set(MASSES) & {*adapter.names("input"), *adapter.names("output")}


def test_the_sum_of_the_main_output_is_the_runoff_of_the_balance(records, adapter):
    """Evapotranspiration and the main output together are all that leaves."""
    out = np.diff([row["ngen::mass_out"] for row in records])
    runoff = np.array([row["land_surface_water__runoff_depth"] for row in records])[1:]
    evaporation = 3600.0 * np.array([row["land_surface_water__evaporation_volume_flux"] for row in records])[1:]
    assert np.allclose(out, runoff + evaporation, rtol=0.0, atol=1e-14)


def test_a_time_step_of_ngen_that_spans_two_steps_of_the_component_is_taken_with_update_until(tmp_path):
    sections = cases.configuration(forcing=None)
    adapter = Adapter("bmi_noahpy.BmiNoahPy", str(cases.write_case(tmp_path, sections)))
    weather = {name: float(cases.weather()[record][0]) for name, record in cases.INPUT_OF.items()}
    adapter.step(2 * cases.STEP, weather | {"land_surface_wind__y_component_of_velocity": 0.0})
    assert adapter.model.get_current_time() == 2 * cases.STEP


def test_ngen_may_read_every_output_before_the_first_step_and_finalize_twice(tmp_path):
    adapter = Adapter("bmi_noahpy.BmiNoahPy", str(cases.write_case(tmp_path, cases.configuration(forcing=None))))
    assert all(isinstance(adapter.as_double(name), float) for name in adapter.names("output"))
    adapter.model.finalize()
    adapter.model.finalize()
