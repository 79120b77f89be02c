"""Known or calibrated biases of the forcing: a factor and an offset for single quantities."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from noahpy_core.quantities import quantities
from noahpy_core.state import Forcing

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

NEVER_NEGATIVE = ("precipitation", "shortwave_down", "longwave_down", "wind_speed", "specific_humidity")
SNOWFALL = "snowfall"
"""Snow among the precipitation, of which gauges catch less: as the records say, else that of air below freezing."""
CORRECTABLE = ("air_temperature", "air_pressure", *NEVER_NEGATIVE, SNOWFALL)
KEEP = {
    "specific_humidity": "vapour as given, at most 99 % of saturation",
    "relative_humidity": "vapour in proportion to saturation over water",
    "longwave_down": "longwave radiation as given",
    "emissivity": "longwave radiation in proportion to the fourth power of the temperature",
}
"""What other air may keep when its temperature is corrected, in words; the first of each pair is usual."""
PAIRS = (("specific_humidity", "relative_humidity"), ("longwave_down", "emissivity"))


@dataclasses.dataclass(frozen=True)
class Correction:
    """``factor * value + offset``; the offset is in the unit of the quantity.

    Parameters
    ----------
    factor, offset : Numbers, or arrays or tensors ``[column]``; derivatives reach tensors.
    keep : Of the air temperature: what of `KEEP` stays the same.
    """

    factor: Tensor | NDArray[Any] | float = 1.0
    offset: Tensor | NDArray[Any] | float = 0.0
    keep: tuple[str, ...] = ()


def correctable_units() -> dict[str, str]:
    """What can be corrected, and the unit of its offset."""
    units = {name: metadata["units"] for name, metadata in quantities(Forcing)}
    return {name: units["precipitation" if name == SNOWFALL else name] for name in CORRECTABLE}
