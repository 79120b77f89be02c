"""Reference output of the Fortran original: netCDF files with single steps or whole runs, read into model inputs.

A file carries everything a step needs. Single-step files hold one step per case (``in_*`` and ``out_*``), run files one
record per step, where the record before a step is the state it starts from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import torch
from torch import Tensor

from bmi_noahpy.files.netcdf import check_netcdf
from bmi_noahpy.verification.setup import RunSetup, run_setup, scheme_options
from noahpy_core import tables
from noahpy_core.column import SoilColumn
from noahpy_core.options import Options
from noahpy_core.parameters import Parameters
from noahpy_core.state import Forcing, SnowState, SoilState, State, SurfaceMemory
from noahpy_core.trees import map_tensors

Records = Mapping[str, np.ndarray]

NOT_COMPUTED = -1.0e35
"""Values below this mark what the original did not compute (it writes -1e36)."""

OPTION_VARIABLES = ("opt_frz", "opt_inf", "opt_tcnd", "sfcdif_option", "iz0tlnd", "usemonalb", "rdlai2d")


@dataclasses.dataclass(frozen=True)
class Cases:
    """Steps that one model takes together, one per column.

    Attributes
    ----------
    index : Number of each column's case (or step) in the file, ``[column]``.
    time_step : Length of each column's step, ``[column]``. [s]
    """

    index: np.ndarray
    options: Options
    column: SoilColumn
    state: State
    forcing: Forcing
    parameters: Parameters
    time_step: Tensor

    def select(self, positions: np.ndarray) -> Cases:
        """The cases at these positions, in this order; a position may be repeated."""
        chosen = torch.as_tensor(positions)

        def pick(values: Tensor) -> Tensor:
            return values[..., chosen]

        thickness = self.column.thickness
        return dataclasses.replace(
            self,
            index=self.index[positions],
            column=SoilColumn(thickness if thickness.shape[1] == 1 else pick(thickness)),
            state=map_tensors(pick, self.state),
            forcing=map_tensors(pick, self.forcing),
            parameters=map_tensors(pick, self.parameters),
            time_step=pick(self.time_step),
        )


@dataclasses.dataclass(frozen=True)
class Reference:
    """One reference file.

    Attributes
    ----------
    labels : What to call each case in a report: its number, or the time of the record.
    groups : Every case once, gathered by options.
    records : What the original computed, ``[case]`` or ``[case, layer]``, by original name in lower case.
    run : The run the records belong to; None for single steps.
    """

    path: Path
    labels: tuple[str, ...]
    groups: tuple[Cases, ...]
    records: Records
    run: RunSetup | None

    @property
    def enthalpy(self) -> bool:
        """Whether the records come from the enthalpy scheme."""
        return self.run is not None and self.run.options.phase_change == "enthalpy"

    @property
    def cases(self) -> int:
        """Number of steps in the file."""
        return len(self.labels)


def read_reference(path: str | Path) -> Reference:
    """Read a reference file of either kind.

    Raises
    ------
    FileNotFoundError : there is no such file.
    ValueError : the file has neither cases nor time steps, or lacks a variable.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"reference file {path} does not exist. Give a netCDF file of the original's output.")
    check_netcdf(path, of_text="Give one of the original's output.")
    with netCDF4.Dataset(path) as dataset:
        dataset.set_auto_mask(False)
        attributes = {name: dataset.getncattr(name) for name in dataset.ncattrs()}
        values = {name: np.asarray(variable[:]) for name, variable in dataset.variables.items()}
        dimensions = set(dataset.dimensions)
    try:
        if {"case", "layer"} <= dimensions:
            return _single_steps(path, values)
        if {"time", "layer"} <= dimensions and "namelist" in attributes:
            return _run(path, values, attributes)
    except KeyError as error:
        missing = error.args[0]
        raise ValueError(f"reference file {path}: {missing!r} is missing. Give output of the original.") from error
    raise ValueError(
        f"reference file {path}: dimensions {sorted(dimensions)} are those of neither kind. "
        "Give a file with dimensions (case, layer), or (time, layer) and the attribute namelist."
    )


def _single_steps(path: Path, values: Records) -> Reference:
    inputs = {name[3:]: value for name, value in values.items() if name.startswith("in_")}
    records = {name[4:]: value for name, value in values.items() if name.startswith("out_")}
    keys = np.stack([inputs[name] for name in OPTION_VARIABLES], axis=1)
    groups = []
    for key in np.unique(keys, axis=0):
        chosen = np.flatnonzero((keys == key).all(axis=1))
        subset = {name: value[chosen] for name, value in inputs.items()}
        groups.append(_single_step_group(subset, chosen, dict(zip(OPTION_VARIABLES, key.tolist(), strict=True))))
    cases = len(keys)
    return Reference(path, tuple(str(case) for case in range(cases)), tuple(groups), records, None)


def _single_step_group(inputs: Records, index: np.ndarray, flags: dict[str, int]) -> Cases:
    vegetation = _tensor(inputs["vegtyp"])
    parameters = Parameters(
        soil=tables.soil_parameters(_tensor(inputs["stype"])),
        vegetation=tables.vegetation_parameters(
            vegetation, minimum_fraction=_tensor(inputs["shdmin"]), maximum_fraction=_tensor(inputs["shdmax"])
        ),
        snow=tables.snow_parameters(vegetation, deep_snow_albedo=_tensor(inputs["snoalb"])),
        general=tables.general_parameters(
            len(index),
            slope_class=_tensor(inputs["slopetyp"]),
            deep_temperature=_tensor(inputs["tbot"]),
            air_temperature_height=_tensor(inputs["zlvl"]),
            wind_height=_tensor(inputs["zlvl_wind"]),
        ),
    )
    return Cases(
        index=index,
        options=scheme_options(flags),
        column=SoilColumn(_tensor(inputs["sldpth"])),
        state=state_of(inputs),
        forcing=forcing_of(inputs, albedo=bool(flags["usemonalb"]), leaf_area=bool(flags["rdlai2d"])),
        parameters=parameters,
        time_step=_tensor(inputs["dt"]),
    )


def _run(path: Path, values: dict[str, np.ndarray], attributes: dict[str, Any]) -> Reference:
    times = values.pop("time").astype("int64").astype("datetime64[s]")
    setup = run_setup(attributes)
    steps = len(times)
    initial = setup.initial_record(values)
    before = {name: np.concatenate([initial[name][None], values[name][:-1]]) for name in initial}
    cases = Cases(
        index=np.arange(steps),
        options=setup.options,
        column=setup.column,
        state=state_of(before),
        forcing=forcing_of(values, albedo=setup.prescribed_albedo, leaf_area=setup.prescribed_leaf_area),
        parameters=map_tensors(lambda one: one.expand(*one.shape[:-1], steps), setup.parameters),
        time_step=torch.full((steps,), setup.time_step, dtype=torch.float64),
    )
    return Reference(path, tuple(str(time) for time in times), (cases,), values, setup)


def _tensor(values: np.ndarray) -> Tensor:
    """``[case]`` as it is, ``[case, layer]`` as ``[layer, column]``; whole numbers stay whole."""
    return torch.from_numpy(np.ascontiguousarray(values.T if values.ndim == 2 else values))


def state_of(record: Records) -> State:
    """The state in a record of the original (metres of water, total soil water). [SI]"""
    liquid = _tensor(record["sh2o"])
    return State(
        soil=SoilState(temperature=_tensor(record["stc"]), liquid_water=liquid, ice=_tensor(record["smc"]) - liquid),
        snow=SnowState(
            water_equivalent=1000.0 * _tensor(record["sneqv"]),
            depth=_tensor(record["snowh"]),
            age=_tensor(record["snotime1"]),
        ),
        surface=SurfaceMemory(
            albedo=_tensor(record["albedo"]),
            emissivity=_tensor(record["emissi"]),
            roughness_length=_tensor(record["z0"]),
            snow_free_roughness_length=_tensor(record["z0brd"]),
            specific_humidity=_tensor(record["q1"]),
            aerodynamic_conductance=_tensor(record["ch"]),
            momentum_conductance=_tensor(record["cm"]),
        ),
        canopy_water=1000.0 * _tensor(record["cmc"]),
        skin_temperature=_tensor(record["t1"]),
    )


def forcing_of(record: Records, *, albedo: bool, leaf_area: bool) -> Forcing:
    """The forcing in records of the original; albedo and leaf area only where the run prescribes them."""
    return Forcing(
        air_temperature=_tensor(record["sfctmp"]),
        air_pressure=_tensor(record["sfcprs"]),
        specific_humidity=_tensor(record["q2"]),
        wind_speed=_tensor(record["sfcspd"]),
        shortwave_down=_tensor(record["soldn"]),
        longwave_down=_tensor(record["longwave"]),
        precipitation=_tensor(record["prcp"]),
        vegetation_fraction=_tensor(record["shdfac"]),
        leaf_area_index=_tensor(record["xlai"]) if leaf_area else None,
        snow_free_albedo=_tensor(record["alb"]) if albedo else None,
    )
