"""How much of the precipitation of a run falls as snow by its scheme, before anything is run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.forcing import ForcingSeries, PrescribedVegetation
from bmi_noahpy.forcing.corrections import Correction
from bmi_noahpy.forcing.streamed import RECORDS_TO_LOOK_AT
from bmi_noahpy.runs.outline import Outline
from noahpy_core.constants import FREEZING_POINT
from noahpy_core.options import Options
from noahpy_core.physics.air_rules import ARRAYS, saturation_specific_humidity, snow_by_humidity

if TYPE_CHECKING:
    from bmi_noahpy.runs.run import Run

Air = Mapping[str, NDArray[np.float64]]
"""Of some steps of the first column, ``[time]`` by quantity."""
Share = NDArray[np.float64]


def snow_share(run: Run | Outline) -> tuple[float, str] | None:
    """Share of the precipitation of the first column that falls as snow, and the scheme that says so.

    The steps that are looked at are as many as the records that are judged, from the first on.

    Returns
    -------
    None where a framework supplies the forcing, or nothing falls.
    """
    if run.forcing is None:
        return None
    series, steps = _of_first_column(run.forcing), min(run.steps, RECORDS_TO_LOOK_AT)
    air = {name: values[:, 0] for name, values in series.arrays(0, steps).items()}
    total, schemes = float(air["precipitation"].sum()), run.configuration.schemes
    if total == 0.0:
        return None
    snow = _by_rule(schemes, air) if isinstance(run, Outline) else _by_model(run, air)
    return float(snow.sum()) / total, ": ".join(_scheme(schemes))


def _scheme(schemes: Options) -> tuple[str, str]:
    """The slot that tells snow from rain, and the scheme there."""
    slot = "phase" if schemes.snow == "layered" else "snow"
    return slot, str(getattr(schemes, slot))


def _by_rule(schemes: Options, air: Air) -> NDArray[np.float64]:
    """Snow of every step: what the records say, else by the air. [kg m-2 s-1]"""
    fallen = air["precipitation"]
    snow = air.get("snowfall")
    return fallen * RULES[_scheme(schemes)[1]](air) if snow is None else np.clip(snow, 0.0, fallen)


def _of_freezing_air(air: Air) -> Share:
    return (air["air_temperature"] < FREEZING_POINT).astype(np.float64)


def _by_humidity(air: Air) -> Share:
    temperature = air["air_temperature"]
    saturation = saturation_specific_humidity(temperature, air["air_pressure"], np.exp)
    share: Share = snow_by_humidity(temperature, air["specific_humidity"], saturation, ARRAYS)
    return share


RULES: Mapping[str, Callable[[Air], Share]] = {"noah": _of_freezing_air, "jennings2018": _by_humidity}
"""Share of snow in the precipitation by schemes that need no model. [1]"""


def needs_model(schemes: Options) -> bool:
    """Whether the share of snow is not known without the model of a run."""
    return _scheme(schemes)[1] not in RULES or schemes.transitions != "sharp"


def _by_model(run: Run, air: Air) -> NDArray[np.float64]:
    """Of every step, each taken for a column, by the scheme itself. [kg m-2 s-1]"""
    import torch

    from noahpy_core.physics.atmosphere import diagnose_air
    from noahpy_core.state import Forcing

    forcing = Forcing(**{name: torch.tensor(values) for name, values in air.items()})
    snow = run.model.schemes["snow"]
    if not hasattr(snow, "snowfall"):
        # The skin decides where rain freezes, not what falls as snow.
        fallen: NDArray[np.float64] = snow.precipitation(forcing, forcing.air_temperature).snow.numpy()
        return fallen
    air_of_step = diagnose_air(forcing, run.parameters.general.select(0))
    layered: NDArray[np.float64] = snow.snowfall(forcing, air_of_step).numpy()
    return layered


def _of_first_column(series: ForcingSeries) -> ForcingSeries:
    """The series without its vegetation, which does not matter to the phase: maps would be of other columns."""
    return dataclasses.replace(
        series,
        table=series.table.choose([0]),
        vegetation=PrescribedVegetation(0.0),
        columns=1,
        corrections={name: _of_first(correction) for name, correction in series.corrections.items()},
    )


def _of_first(correction: Correction) -> Correction:
    factor, offset = (_first(value) for value in (correction.factor, correction.offset))
    return dataclasses.replace(correction, factor=factor, offset=offset)


def _first(value: Any) -> Any:
    return value.reshape(-1)[:1] if getattr(value, "ndim", 0) else value
