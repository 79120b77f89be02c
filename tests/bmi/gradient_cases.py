"""Components and helpers for the tests of the gradient extension."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bmi_cases as cases
import numpy as np

from bmi_noahpy import BmiNoahPy

STATE = "@state"
POROSITY = "soil__porosity"
TEMPERATURE = "soil__temperature"
TOTAL = "soil_water__volume_fraction"
LIQUID = "soil_water~liquid__volume_fraction"
ICE = "soil_ice__volume_fraction"
SNOW = "snowpack__leq_depth"
RAIN = "atmosphere_water__liquid_equivalent_precipitation_rate"
AIR = "land_surface_air__temperature"
HUMIDITY = "atmosphere_air_water~vapor__relative_saturation"
WIND_X = "land_surface_wind__x_component_of_velocity"
WIND_Y = "land_surface_wind__y_component_of_velocity"
SUN = "land_surface_radiation~incoming~shortwave__energy_flux"
RUNOFF = "land_surface_water__runoff_depth"
LATENT = "land_surface__upward_component_of_latent_heat_energy_flux"

ENTHALPY = {"schemes": {"phase_change": "enthalpy"}}


def started(folder: Path, **changes: Any) -> BmiNoahPy:
    """One column with the enthalpy scheme."""
    return cases.started(folder, cases.configuration(**{**ENTHALPY, **changes}))


def row(folder: Path, columns: int, **changes: Any) -> BmiNoahPy:
    """A row of equal columns with the enthalpy scheme."""
    domain = {"latitude": [33.0], "longitude": [80.0 + 0.01 * k for k in range(columns)]}
    return started(folder, domain=domain, **changes)


def parameter(extension: Any, name: str) -> np.ndarray:
    return extension.get_parameter(name, np.empty(extension.get_parameter_size(name)))


def state(extension: Any) -> np.ndarray:
    return extension.get_state(np.empty(extension.get_state_size()))


def size(model: Any, name: str) -> int:
    extension = model.get_extension("gradient")
    if name == STATE:
        return extension.get_state_size()
    return model.get_var_nbytes(name) // model.get_var_itemsize(name)


def adjoint(model: Any, name: str) -> np.ndarray:
    return model.get_extension("gradient").get_adjoint(name, np.empty(size(model, name)))


def pulled(model: Any, of: list[str], wrt: list[str], seed: np.ndarray) -> np.ndarray:
    dest = np.empty(sum(size(model, name) for name in wrt))
    assert model.get_extension("gradient").get_adjoint_derivative(of, wrt, seed, dest) is dest
    return dest


def pushed(model: Any, of: list[str], wrt: list[str], vector: np.ndarray) -> np.ndarray:
    dest = np.empty(sum(size(model, name) for name in of))
    assert model.get_extension("gradient").get_directional_derivative(of, wrt, vector, dest) is dest
    return dest


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference over the largest expected value."""
    return float(np.abs(np.asarray(found) - expected).max() / np.abs(expected).max())
