"""Area fraction covered by snow."""

from __future__ import annotations

from typing import Annotated, Any, Protocol

import torch
from torch import Tensor

from noahpy_core.contract import Slot, by_column
from noahpy_core.parameters import SnowParameters
from noahpy_core.physics.surface import LARGEST_COVER


class SnowCoverScheme(Protocol):
    """Area fraction covered by a snowpack of some water equivalent."""

    def __call__(
        self, water_equivalent: Annotated[Tensor, by_column("kg m-2", 0.0)], parameters: SnowParameters
    ) -> Tensor: ...


def _none_without_snow(cover: Tensor, water_equivalent: Tensor, *given: Any) -> Tensor:
    return torch.where(water_equivalent > 0, cover, 0.0)


SLOT = Slot(
    name="snow_cover",
    contract=SnowCoverScheme,
    returns=(by_column("1", 0.0, LARGEST_COVER, name="snow cover"),),
    trial=lambda made: (made.values(5.0, 60.0), made.parameters.snow),
    limit=_none_without_snow,
    enforced="0 without snow; layered snow: at least 0.5 kg m-2 of snow on what is covered",
)
