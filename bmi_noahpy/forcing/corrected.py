"""Forcing with its biases corrected, step by step."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor

from bmi_noahpy.forcing.corrections import NEVER_NEGATIVE, SNOWFALL, Correction
from noahpy_core.constants import FREEZING_POINT
from noahpy_core.numerics import at_most, positive_part, safe_divide
from noahpy_core.physics.atmosphere import saturation_specific_humidity
from noahpy_core.state import Forcing

HIGHEST_SATURATION = 0.99
"""Relative humidity that air keeps at most when its temperature is corrected. [1]"""


def corrected(forcing: Forcing, corrections: Mapping[str, Correction]) -> Forcing:
    """Forcing with corrections by name of its fields, ``[column]`` or ``[time, column]``; differentiable.

    "snowfall" changes the snow of records that have it, else the precipitation of steps whose air, as given, is below
    freezing, after that of all steps. A correction of precipitation changes its snow by the same factor.
    What cannot be negative is kept at or above zero, and air that was cooled keeps no more vapour than at 99 % of
    saturation. Air that is warmed or cooled otherwise keeps its specific humidity and longwave radiation, unless its
    correction says that it keeps its relative humidity or its emissivity.
    """
    if not corrections:
        return forcing
    changed: dict[str, Tensor] = {}
    for name, correction in corrections.items():
        if name != SNOWFALL:
            value = _changed(getattr(forcing, name), correction)
            changed[name] = positive_part(value) if name in NEVER_NEGATIVE else value
    changed |= _snow(forcing, changed.get("precipitation"), corrections)
    result = dataclasses.replace(forcing, **changed)
    if "air_temperature" not in changed:
        return result
    result = _as_kept(forcing, result, corrections["air_temperature"].keep)
    limit = HIGHEST_SATURATION * saturation_specific_humidity(result.air_temperature, result.air_pressure)
    return dataclasses.replace(result, specific_humidity=at_most(result.specific_humidity, limit))


def _changed(values: Tensor, correction: Correction) -> Tensor:
    factor, offset = (torch.as_tensor(number, dtype=values.dtype) for number in (correction.factor, correction.offset))
    return values * factor + offset


def _as_kept(before: Forcing, after: Forcing, keep: tuple[str, ...]) -> Forcing:
    """Humidity and longwave radiation of air of another temperature."""
    if "relative_humidity" in keep:
        saturated = [saturation_specific_humidity(air.air_temperature, air.air_pressure) for air in (before, after)]
        after = dataclasses.replace(after, specific_humidity=after.specific_humidity * saturated[1] / saturated[0])
    if "emissivity" in keep:
        warmer = (after.air_temperature / before.air_temperature) ** 4
        after = dataclasses.replace(after, longwave_down=after.longwave_down * warmer)
    return after


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
        cold = positive_part(_changed(total, correction))
        return {"precipitation": torch.where(forcing.air_temperature < FREEZING_POINT, cold, total)}
    more = positive_part(_changed(snow, correction))
    return {"precipitation": positive_part(total - snow) + more, "snowfall": more}
