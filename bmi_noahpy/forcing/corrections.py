"""Known or calibrated biases of the forcing: a factor and an offset for single quantities."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor

from noahpy_core.constants import FREEZING_POINT
from noahpy_core.numerics import at_most, positive_part, safe_divide
from noahpy_core.physics.atmosphere import saturation_specific_humidity
from noahpy_core.quantities import quantities
from noahpy_core.state import Forcing

HIGHEST_SATURATION = 0.99
"""Relative humidity that air keeps at most when its temperature is corrected. [1]"""

NEVER_NEGATIVE = ("precipitation", "shortwave_down", "longwave_down", "wind_speed", "specific_humidity")
SNOWFALL = "snowfall"
"""Snow among the precipitation, of which gauges catch less: as the records say, else that of air below freezing."""
CORRECTABLE = ("air_temperature", "air_pressure", *NEVER_NEGATIVE, SNOWFALL)


@dataclasses.dataclass(frozen=True)
class Correction:
    """``factor * value + offset``, numbers or ``[column]``; the offset is in the unit of the quantity."""

    factor: Tensor | float = 1.0
    offset: Tensor | float = 0.0


def correctable_units() -> dict[str, str]:
    """What can be corrected, and the unit of its offset."""
    units = {name: metadata["units"] for name, metadata in quantities(Forcing)}
    return {name: units["precipitation" if name == SNOWFALL else name] for name in CORRECTABLE}


def corrected(forcing: Forcing, corrections: Mapping[str, Correction]) -> Forcing:
    """Forcing with corrections by name of its fields, ``[column]`` or ``[time, column]``; differentiable.

    "snowfall" changes the snow of records that have it, else the precipitation of steps whose air, as given, is below
    freezing, after that of all steps. A correction of precipitation changes its snow by the same factor.
    What cannot be negative is kept at or above zero, and air that was cooled keeps no more vapour than at 99 % of
    saturation.
    """
    if not corrections:
        return forcing
    changed: dict[str, Tensor] = {}
    for name, correction in corrections.items():
        if name != SNOWFALL:
            value = getattr(forcing, name) * correction.factor + correction.offset
            changed[name] = positive_part(value) if name in NEVER_NEGATIVE else value
    changed |= _snow(forcing, changed.get("precipitation"), corrections)
    result = dataclasses.replace(forcing, **changed)
    if "air_temperature" not in changed:
        return result
    limit = HIGHEST_SATURATION * saturation_specific_humidity(result.air_temperature, result.air_pressure)
    return dataclasses.replace(result, specific_humidity=at_most(result.specific_humidity, limit))


def _snow(forcing: Forcing, precipitation: Tensor | None, corrections: Mapping[str, Correction]) -> dict[str, Tensor]:
    """Precipitation, and its snow where the forcing has it, after the correction of all precipitation."""
    changed: dict[str, Tensor] = {}
    total = forcing.precipitation if precipitation is None else precipitation
    snow = forcing.snowfall
    if snow is not None and precipitation is not None:
        share = safe_divide(snow, forcing.precipitation)
        snow = changed["snowfall"] = total * share
    if SNOWFALL not in corrections:
        return changed
    correction = corrections[SNOWFALL]
    if snow is None:
        cold = positive_part(total * correction.factor + correction.offset)
        return {"precipitation": torch.where(forcing.air_temperature < FREEZING_POINT, cold, total)}
    more = positive_part(snow * correction.factor + correction.offset)
    return {"precipitation": positive_part(total - snow) + more, "snowfall": more}
