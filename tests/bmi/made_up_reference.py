"""Reference files made with this model itself, to test how they are read and compared."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import torch

from bmi_noahpy.verification.reference import OPTION_VARIABLES, Cases, Reference, read_reference
from bmi_noahpy.verification.run import take_step
from bmi_noahpy.verification.variables import VARIABLES, Result

STEPS = 6
LAYERS = 4

NAMELIST = """&METADATA_NAMELIST
startdate = "200101100000"
noahlsm_timestep = 10800
Soil_layer_thickness = 0.1 0.3 0.6 1.0
Soil_Temperature = 272.0 273.0 275.0 277.0
Soil_Moisture = 0.298 0.294 0.271 0.307
Soil_Liquid = 0.2 0.28 0.271 0.307
Soil_htype = 8 8 6 6
Skin_Temperature = 271.5
Canopy_water = 0.0002
Snow_depth = 0.02
Snow_equivalent = 0.004
Deep_Soil_Temperature = 285.0
Vegetation_type_index = 7
Slope_type_index = 1
Max_snow_albedo = 0.75
Air_temperature_level = 3.0
Wind_level = 6.0
Green_Vegetation_Min = 0.01
Green_Vegetation_Max = 0.96
Usemonalb = .FALSE.
Rdlai2d = .FALSE.
sfcdif_option = 1
iz0tlnd = 0
Albedo_monthly = 12*0.18
Z0brd_monthly = 12*0.03
"""

WEATHER = {
    "sfctmp": [271.0, 272.5, 276.0, 279.0, 274.0, 270.0],
    "q2": [0.0025, 0.0027, 0.003, 0.0032, 0.003, 0.0026],
    "sfcprs": [9.6e4] * STEPS,
    "sfcspd": [2.0, 3.0, 4.0, 5.0, 3.5, 2.5],
    "soldn": [0.0, 120.0, 350.0, 380.0, 90.0, 0.0],
    "longwave": [240.0, 250.0, 270.0, 280.0, 275.0, 245.0],
    "prcp": [1.0e-5, 0.0, 0.0, 3.0e-5, 2.0e-5, 1.0e-5],
    "shdfac": [0.3] * STEPS,
}


def write_run(path: Path, weather: dict[str, list[float]] | None = None, **changes: np.ndarray) -> Path:
    """A run file: this model's own run of a cold day. `changes` replace variables afterwards."""
    given = {name: np.array(values) for name, values in (weather or WEATHER).items()}
    blank = {name: np.zeros(STEPS) for name in _record_names()} | {"et": np.zeros((STEPS, LAYERS))}
    blank |= {name: np.zeros((STEPS, LAYERS)) for name in ("stc", "smc", "sh2o")}
    _write_run(path, blank | given)
    records = blank | _own_run(read_reference(path)) | given
    _write_run(path, records | changes)
    return path


def write_single_steps(path: Path, options: list[dict[str, int]], **changes: np.ndarray) -> Path:
    """A file of single steps, one case for each set of options, with this model's answers."""
    inputs = _inputs(len(options))
    for name in OPTION_VARIABLES:
        inputs[name] = np.array([{"opt_frz": 1, **option}.get(name, 0) for option in options], dtype=np.int32)
    blank = {"ch": np.zeros(len(options))}
    _write_single_steps(path, inputs, blank)
    outputs: dict[str, np.ndarray] = {}
    for cases in read_reference(path).groups:
        for name, values in as_recorded(take_step(cases)).items():
            outputs.setdefault(name, np.zeros((len(options), *values.shape[1:])))[cases.index] = values
    _write_single_steps(path, inputs, outputs | changes)
    return path


def as_recorded(result: Result) -> dict[str, np.ndarray]:
    """What the original would have written after this step, ``[case]`` or ``[case, layer]``, for up to four layers."""
    return {one.record: one.compute(result).numpy().T for one in VARIABLES if one.name != "et (below)"}


def _own_run(reference: Reference) -> dict[str, np.ndarray]:
    (steps,) = reference.groups
    state = steps.select(np.array([0])).state
    records = []
    for number in range(reference.cases):
        one = steps.select(np.array([number]))
        result = take_step(_from(one, state))
        state = result.state
        records.append(as_recorded(result))
    return {name: np.concatenate([record[name] for record in records]) for name in records[0]}


def _from(cases: Cases, state: object) -> Cases:
    return Cases(**{**vars(cases), "state": state})


def _record_names() -> set[str]:
    return {variable.record for variable in VARIABLES}


def _write_run(path: Path, variables: dict[str, np.ndarray]) -> None:
    with netCDF4.Dataset(path, "w") as file:
        file.setncatts(
            {
                "namelist": NAMELIST,
                "frozen_hydraulics_option": 2,
                "thermal_conductivity_option": 2,
                "forcing": "made up",
            }
        )
        file.createDimension("time", STEPS)
        file.createDimension("layer", LAYERS)
        start = np.datetime64("2001-01-10", "s").astype(int)
        _put(file, "time", "time", start + 10800.0 * np.arange(STEPS))
        for name, values in variables.items():
            _put(file, "time", name, values)


def _write_single_steps(path: Path, inputs: dict[str, np.ndarray], outputs: dict[str, np.ndarray]) -> None:
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("case", len(inputs["dt"]))
        file.createDimension("layer", LAYERS)
        for prefix, group in (("in_", inputs), ("out_", outputs)):
            for name, values in group.items():
                _put(file, "case", prefix + name, values)


def _put(file: netCDF4.Dataset, first: str, name: str, values: np.ndarray) -> None:
    dimensions = (first, "layer")[: values.ndim]
    file.createVariable(name, values.dtype, dimensions)[:] = values


def _inputs(cases: int) -> dict[str, np.ndarray]:
    generator = torch.Generator().manual_seed(1)

    def between(low: float, high: float, *shape: int) -> np.ndarray:
        return (low + (high - low) * torch.rand(cases, *shape, generator=generator, dtype=torch.float64)).numpy()

    moisture = between(0.25, 0.35, LAYERS)
    return {
        "vegtyp": np.full(cases, 7, dtype=np.int32),
        "slopetyp": np.arange(cases, dtype=np.int32) % 3 + 1,
        "stype": np.tile(np.array([8, 6, 6, 4], dtype=np.int32), (cases, 1)),
        "sldpth": np.tile([0.1, 0.3, 0.6, 1.0], (cases, 1)),
        "dt": np.array([1800.0, 3600.0, 86400.0])[np.arange(cases) % 3],
        "zlvl": np.full(cases, 2.0),
        "zlvl_wind": np.full(cases, 10.0),
        "shdfac": between(0.1, 0.8),
        "shdmin": np.full(cases, 0.01),
        "shdmax": np.full(cases, 0.96),
        "snoalb": np.full(cases, 0.75),
        "tbot": between(275.0, 285.0),
        "alb": between(0.15, 0.3),
        "xlai": between(1.0, 4.0),
        "sfcspd": between(1.0, 8.0),
        "sfctmp": between(265.0, 295.0),
        "q2": between(0.001, 0.002),
        "sfcprs": between(8.0e4, 1.0e5),
        "soldn": between(0.0, 600.0),
        "longwave": between(200.0, 350.0),
        "prcp": between(0.0, 1.0e-4),
        "cmc": between(0.0, 4.0e-4),
        "t1": between(265.0, 295.0),
        "snowh": np.full(cases, 0.1),
        "sneqv": between(0.01, 0.03),
        "albedo": between(0.2, 0.6),
        "emissi": between(0.92, 0.97),
        "snotime1": between(0.0, 1.0e6),
        "z0": between(0.01, 0.1),
        "z0brd": between(0.01, 0.1),
        "q1": between(0.001, 0.002),
        "ch": between(0.001, 0.02),
        "cm": between(0.001, 0.02),
        "stc": between(268.0, 285.0, LAYERS),
        "smc": moisture,
        "sh2o": moisture * between(0.6, 1.0, LAYERS),
    }
