"""Recorded windows: their adjoint is the derivative of the BMI run, and their memory is bounded."""

from __future__ import annotations

import bmi_cases as cases
import gradient_cases as gradients
import numpy as np
import pytest

DAY = 86400.0
LAYERS = 4
SETUP = {
    "forcing": None,
    "period": {"start": "2007-09-01T00:00", "end": "2009-08-31T00:00", "step": int(DAY)},
    "soil": {"thickness": [0.1, 0.3, 0.6, 1.0], "classes": [7, 7, 6, 6]},
    "initial": {
        "soil_temperature": [276.0, 275.0, 273.5, 272.5],
        "soil_moisture": [0.25, 0.26, 0.28, 0.3],
        "soil_liquid": [0.25, 0.26, 0.28, 0.1],
        "skin_temperature": 276.0,
        "snow_depth": 0.0,
        "snow_water_equivalent": 0.0,
    },
}
SET_AT, PROFILE = 5, np.array([275.5, 274.8, 273.6, 272.6])
"""Step before which the soil temperature is set, as data assimilation would, and to what."""
RAIN_STEP = 9
PARAMETERS = (
    gradients.POROSITY,
    "soil~saturated_water__hydraulic_conductivity",
    "soil_water__brooks-corey_b_parameter",
    "soil__quartz_fraction",
    "soil_at-reference-depth__temperature",
    "snowpack__deep_snow_albedo",
    "land_vegetation__time_min_of_stomatal_resistance",
    "land_surface__mineral_heat_capacity",
)
STATES = {"initial soil temperature": 1, "initial liquid water": LAYERS + 2, "initial surface memory": 3 * LAYERS + 4}
"""Elements of the state."""
OTHERS = ("air temperature", "rain of one step", "temperature set")
SEEDS = {gradients.RUNOFF: 1.0e3, gradients.LATENT: 0.01, gradients.TEMPERATURE: 0.1, gradients.SNOW: 10.0}
STEP_SIZE = {
    "air temperature": 1.0e-4,
    "temperature set": 1.0e-4,
    "soil_at-reference-depth__temperature": 1.0e-6,
    "initial surface memory": 1.0e-4,
}
"""Of the difference, relative to the value (in K where the name is not that of a parameter or state); else 1e-5."""


def weather(step: int, year: int) -> dict[str, float]:
    """Daily weather of a permafrost region, with years of `year` days that begin in autumn."""
    season = -np.sin(2.0 * np.pi * step / year)
    return {
        gradients.AIR: 270.0 + 13.0 * season + 2.0 * np.sin(1.7 * step),
        "land_surface_air__pressure": 60000.0,
        gradients.HUMIDITY: 0.0035 + 0.0018 * season,
        gradients.WIND_X: 3.0 + np.sin(step),
        gradients.WIND_Y: 1.0,
        gradients.SUN: 190.0 + 80.0 * season,
        "land_surface_radiation~incoming~longwave__energy_flux": 255.0 + 50.0 * season,
        gradients.RAIN: 1.0e-5 * max(0.0, 1.0 + season + 2.0 * np.sin(0.9 * step)),
    }


class Driver:
    """A row of columns under the same weather, each with its own small changes; the objective of each column."""

    def __init__(self, folder, columns, transitions):
        schemes = {"phase_change": "enthalpy", "transitions": transitions}
        self.model, self.columns = gradients.row(folder, columns, **SETUP, schemes=schemes), columns
        self.extension = self.model.get_extension("gradient")
        self.changes = {name: np.zeros(columns) for name in OTHERS}
        self.ice = []

    def run(self, steps, year, *, record=False):
        total = np.zeros(self.columns)
        if record:
            self.extension.start_recording()
        for step in range(steps):
            self._set(step, year)
            self.model.update()
            self.ice.append(cases.read(self.model, gradients.ICE)[0])
            for name, weight in SEEDS.items():
                values = cases.read(self.model, name)
                total += weight * values.reshape(-1, self.columns).sum(0)
                if record:
                    self.extension.add_adjoint_seed(name, np.full(values.size, weight))
        if record:
            self.extension.stop_recording()
        return total

    def _set(self, step, year):
        for name, value in weather(step, year).items():
            values = np.full(self.columns, value)
            if name == gradients.AIR:
                values += self.changes["air temperature"]
            if name == gradients.RAIN and step == RAIN_STEP:
                values *= 1.0 + self.changes["rain of one step"]
            self.model.set_value(name, values)
        if step == SET_AT:
            profile = PROFILE[:, None] + self.changes["temperature set"]
            self.model.set_value(gradients.TEMPERATURE, profile)


def adjoints(folder, steps, year, transitions):
    """Derivative of the objective of one column by each change, and the ice of its top layer."""
    driver = Driver(folder, 1, transitions)
    values = {name: gradients.parameter(driver.extension, name) for name in PARAMETERS}
    start = gradients.state(driver.extension)
    # As the differences do: a surface humidity that is set does not follow the first air.
    driver.extension.set_state(start)
    driver.run(steps, year, record=True)
    found = dict.fromkeys(OTHERS, 0.0)
    for step in reversed(range(steps)):
        driver.extension.update_adjoint()
        found["air temperature"] += gradients.adjoint(driver.model, gradients.AIR)[0]
        if step == RAIN_STEP:
            by_rain = gradients.adjoint(driver.model, gradients.RAIN)[0]
            found["rain of one step"] = by_rain * weather(step, year)[gradients.RAIN]
        by_value = gradients.adjoint(driver.model, gradients.TEMPERATURE)
        assert by_value.any() == (step == SET_AT)
        found["temperature set"] += by_value.sum()
    for name in PARAMETERS:
        found[name] = float(gradients.adjoint(driver.model, name) @ values[name])
    initial = gradients.adjoint(driver.model, gradients.STATE)
    for name, element in STATES.items():
        found[name] = initial[element] * start[element]
    return found, np.array(driver.ice)


def differences(folder, steps, year, transitions):
    """The same by central differences: two columns for each change, all in one BMI run."""
    names = (*OTHERS, *PARAMETERS, *STATES)
    driver = Driver(folder, 2 * len(names), transitions)
    sizes = np.array([STEP_SIZE.get(name, 1e-5) for name in names])
    signed = np.repeat(sizes, 2) * np.tile([1.0, -1.0], len(names))
    of_column = np.repeat(np.arange(len(names)), 2)
    for k, name in enumerate(names):
        change = np.where(of_column == k, signed, 0.0)
        if name in OTHERS:
            driver.changes[name] = change
        elif name in PARAMETERS:
            values = gradients.parameter(driver.extension, name).reshape(-1, driver.columns)
            driver.extension.set_parameter(name, values * (1.0 + change))
        else:
            state = gradients.state(driver.extension).reshape(-1, driver.columns)
            state[STATES[name]] *= 1.0 + change
            driver.extension.set_state(state)
    ends = driver.run(steps, year).reshape(-1, 2)
    return dict(zip(names, (ends[:, 0] - ends[:, 1]) / (2.0 * sizes), strict=True))


def assert_adjoint_equals_differences(folder, steps, year, transitions="sharp"):
    found, ice = adjoints(folder / "adjoint", steps, year, transitions)
    expected = differences(folder / "differences", steps, year, transitions)
    frozen = ice > 0.02
    assert (frozen[1:] & ~frozen[:-1]).sum() >= 2, "the soil must freeze twice"
    assert (~frozen[1:] & frozen[:-1]).sum() >= 2, "the soil must thaw twice"
    for name, value in expected.items():
        assert value != 0.0
        assert found[name] == pytest.approx(value, rel=1e-5), name


@pytest.mark.slow
@pytest.mark.parametrize("transitions", ["sharp", pytest.param("smooth", marks=pytest.mark.slow)])
def test_the_adjoint_of_two_short_freeze_thaw_seasons_equals_central_differences_of_the_bmi_run(tmp_path, transitions):
    assert_adjoint_equals_differences(tmp_path, 80, 40, transitions)


@pytest.mark.slow
def test_the_adjoint_of_two_years_of_daily_steps_equals_central_differences_of_the_bmi_run(tmp_path):
    assert_adjoint_equals_differences(tmp_path, 730, 365)
