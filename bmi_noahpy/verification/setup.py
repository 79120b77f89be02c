"""What a run of the Fortran original was set up with: options, parameters and initial values from file attributes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bmi_noahpy.config.namelist_text import parse_namelist
from bmi_noahpy.forcing.monthly import monthly_value
from noahpy_core import tables
from noahpy_core.column import SoilColumn
from noahpy_core.options import Options
from noahpy_core.parameters import Parameters

INITIAL_EMISSIVITY = 0.96
INITIAL_CONDUCTANCE = 1.0e-4
"""The original starts the exchange coefficients of heat and momentum here. [m s-1]"""

SCHEMES: dict[str, dict[str, dict[int, str]]] = {
    "opt_frz": {"supercooled_water": {1: "koren1999", 2: "niu_yang2006"}},
    "opt_inf": {
        "infiltration": {1: "koren1999", 2: "schaake1996"},
        "soil_hydraulics": {1: "noah", 2: "zhang2007"},
    },
    "opt_tcnd": {"soil_thermal": {1: "peters_lidard1998", 2: "cote_konrad2005"}},
    "sfcdif_option": {"turbulence": {0: "paulson1970", 1: "chen1997", 2: "yang2008"}},
    "iz0tlnd": {"thermal_roughness": {0: "zilitinkevich1995", 1: "chen_zhang2009"}},
}


@dataclasses.dataclass(frozen=True)
class RunSetup:
    """A run of one column.

    Attributes
    ----------
    time_step : Length of a step. [s]
    initial : Values of the state variables before the first step, by original name and in the original's units.
    """

    options: Options
    column: SoilColumn
    parameters: Parameters
    time_step: float
    prescribed_albedo: bool
    prescribed_leaf_area: bool
    initial: Mapping[str, np.ndarray]

    def initial_record(self, records: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The record before the first; the surface starts with the humidity of the first step's air."""
        return {**self.initial, "q1": records["q2"][0]}


def scheme_options(flags: Mapping[str, int], *, phase_change: str = "heat_limited") -> Options:
    """Scheme names for the numbers the original uses.

    Raises
    ------
    ValueError : a number the original does not know; names option and number.
    """
    chosen = {}
    for flag, slots in SCHEMES.items():
        for slot, names in slots.items():
            number = int(flags[flag])
            if number not in names:
                raise ValueError(f"reference option {flag}: {number} is unknown. Use one of {sorted(names)}.")
            chosen[slot] = names[number]
    return Options(**chosen, phase_change=phase_change)


def run_setup(attributes: Mapping[str, Any]) -> RunSetup:
    """Set up the run described by the global attributes of a run file.

    Raises
    ------
    KeyError : an attribute or a key of the namelist is missing.
    """
    namelist = parse_namelist(attributes["namelist"])
    flags = {
        "opt_frz": 1,
        "opt_inf": attributes["frozen_hydraulics_option"],
        "opt_tcnd": attributes["thermal_conductivity_option"],
        "sfcdif_option": namelist["sfcdif_option"],
        "iz0tlnd": namelist["iz0tlnd"],
    }
    return RunSetup(
        options=scheme_options(flags, phase_change=attributes.get("phase_change", "heat_limited")),
        column=SoilColumn(_column(namelist["soil_layer_thickness"])),
        parameters=_parameters(namelist),
        time_step=float(namelist["noahlsm_timestep"]),
        prescribed_albedo=bool(namelist["usemonalb"]),
        prescribed_leaf_area=bool(namelist["rdlai2d"]),
        initial=_initial(namelist),
    )


def _column(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def _parameters(namelist: Mapping[str, Any]) -> Parameters:
    vegetation = torch.tensor([namelist["vegetation_type_index"]])
    return Parameters(
        soil=tables.soil_parameters(torch.tensor(namelist["soil_htype"])[:, None]),
        vegetation=tables.vegetation_parameters(
            vegetation,
            minimum_fraction=namelist["green_vegetation_min"],
            maximum_fraction=namelist["green_vegetation_max"],
        ),
        snow=tables.snow_parameters(vegetation, deep_snow_albedo=namelist["max_snow_albedo"]),
        general=tables.general_parameters(
            1,
            slope_class=namelist["slope_type_index"],
            deep_temperature=namelist["deep_soil_temperature"],
            air_temperature_height=namelist["air_temperature_level"],
            wind_height=namelist["wind_level"],
        ),
    )


def _initial(namelist: Mapping[str, Any]) -> dict[str, np.ndarray]:
    start = np.datetime64(_iso(namelist["startdate"]), "s")
    roughness = monthly_value(namelist["z0brd_monthly"], start)
    values = {
        "stc": namelist["soil_temperature"],
        "smc": namelist["soil_moisture"],
        "sh2o": namelist["soil_liquid"],
        "t1": namelist["skin_temperature"],
        "cmc": namelist["canopy_water"],
        "snowh": namelist["snow_depth"],
        "sneqv": namelist["snow_equivalent"],
        "snotime1": 0.0,
        "albedo": monthly_value(namelist["albedo_monthly"], start),
        "emissi": INITIAL_EMISSIVITY,
        "z0": roughness,
        "z0brd": roughness,
        "ch": INITIAL_CONDUCTANCE,
        "cm": INITIAL_CONDUCTANCE,
    }
    return {name: np.asarray(value, dtype=np.float64) for name, value in values.items()}


def _iso(date: str) -> str:
    """``YYYYMMDDHHmm`` as ``YYYY-MM-DDTHH:mm``."""
    return f"{date[:4]}-{date[4:6]}-{date[6:8]}T{date[8:10]}:{date[10:12]}"
