"""How much of the precipitation of a run falls as snow by its scheme, before anything is run."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from bmi_noahpy.forcing import PrescribedVegetation
from bmi_noahpy.forcing.corrections import Correction
from bmi_noahpy.forcing.judgement import RECORDS
from bmi_noahpy.runs.run import Run
from noahpy_core.physics.atmosphere import diagnose_air
from noahpy_core.state import Forcing
from noahpy_core.trees import map_tensors


def snow_share(run: Run) -> tuple[float, str] | None:
    """Share of the precipitation of the first column that falls as snow, and the scheme that says so.

    The steps that are looked at are as many as the records that are judged, from the first on.

    Returns
    -------
    None where a framework supplies the forcing, or nothing falls.
    """
    if run.forcing is None:
        return None
    # Vegetation does not matter to the phase; maps of it would be of other columns.
    series = dataclasses.replace(
        run.forcing,
        table=run.forcing.table.choose([0]),
        vegetation=PrescribedVegetation(0.0),
        columns=1,
        corrections={name: _of_first(correction) for name, correction in run.forcing.corrections.items()},
    )
    block = series.block(0, min(run.steps, RECORDS))
    forcing = map_tensors(lambda value: value[:, 0], block)
    total = float(forcing.precipitation.sum())
    if total == 0.0:
        return None
    return float(_snowfall(run, forcing).sum()) / total, _scheme(run)


def _snowfall(run: Run, forcing: Forcing) -> Tensor:
    """Of every step, each taken for a column. [kg m-2 s-1]"""
    snow = run.model.schemes["snow"]
    if not _layered(run):
        # The skin decides where rain freezes, not what falls as snow.
        fallen: Tensor = snow.precipitation(forcing, forcing.air_temperature).snow
        return fallen
    air = diagnose_air(forcing, run.parameters.general.select(0))
    layered: Tensor = snow.snowfall(forcing, air)
    return layered


def _layered(run: Run) -> bool:
    return hasattr(run.model.schemes["snow"], "snowfall")


def _scheme(run: Run) -> str:
    schemes = run.configuration.schemes
    return f"phase: {schemes.phase}" if _layered(run) else f"snow: {schemes.snow}"


def _of_first(correction: Correction) -> Correction:
    factor, offset = (
        value.reshape(-1)[:1] if isinstance(value, torch.Tensor) and value.ndim else value
        for value in (correction.factor, correction.offset)
    )
    return dataclasses.replace(correction, factor=factor, offset=offset)
