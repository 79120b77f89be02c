"""Vertical geometry of the soil."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor


@dataclasses.dataclass(frozen=True)
class SoilColumn:
    """Layer thicknesses, the same for all columns or one set for each.

    Parameters
    ----------
    thickness : Thickness of each layer from the top down, ``[layer, 1]`` or ``[layer, column]``. [m]
    """

    thickness: Tensor

    def __post_init__(self) -> None:
        if not isinstance(self.thickness, Tensor):
            raise ValueError(
                f"soil column: thickness is a {type(self.thickness).__name__}, not a tensor. Give "
                "torch.tensor([0.1, 0.3, 0.6], dtype=torch.float64), for instance."
            )
        if not self.thickness.is_floating_point():
            raise ValueError(f"soil column: thickness is {self.thickness.dtype}. Use torch.float64, or float32.")
        if self.thickness.ndim == 1:
            object.__setattr__(self, "thickness", self.thickness[:, None])
        if self.thickness.ndim != 2 or self.thickness.shape[0] < 2:
            raise ValueError(
                f"soil column: thickness has shape {tuple(self.thickness.shape)}. "
                "Give at least two layers, as [layer] or [layer, column]."
            )
        if not bool((self.thickness > 0).all()):
            raise ValueError(f"soil column: every thickness must be positive, got {self.thickness.flatten().tolist()}.")

    @property
    def layers(self) -> int:
        """Number of soil layers."""
        return self.thickness.shape[0]

    @property
    def bottom_depth(self) -> Tensor:
        """Depth of the lower face of each layer, positive down (Noah: -ZSOIL). [m]"""
        return torch.cumsum(self.thickness, dim=0)

    @property
    def node_depth(self) -> Tensor:
        """Depth of the middle of each layer, positive down. [m]"""
        return self.bottom_depth - 0.5 * self.thickness

    @property
    def node_distance(self) -> Tensor:
        """Distance between the middles of neighbouring layers, ``[layer - 1, ...]``. [m]"""
        return 0.5 * (self.thickness[:-1] + self.thickness[1:])

    def to(self, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> SoilColumn:
        """The same geometry with another number type or on another device."""
        return SoilColumn(self.thickness.to(dtype=dtype, device=device))
