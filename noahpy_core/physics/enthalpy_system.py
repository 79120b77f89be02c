"""The equations of the enthalpy heat step: conduction, linear, and the latent heat of liquid water, which is not."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.numerics import solve_tridiagonal


class Conduction(NamedTuple):
    """The linear part of the system, K T = right - latent W(T), ``[layer, column]`` per square metre. [J K-1, J]"""

    lower: Tensor
    diagonal: Tensor
    upper: Tensor
    right: Tensor
    latent: Tensor
    """Latent heat per volume fraction of liquid water. [J m-2]"""

    def apply(self, temperature: Tensor) -> Tensor:
        """K T."""
        none = torch.zeros_like(temperature[:1])
        above = torch.cat([none, temperature[:-1]])
        below = torch.cat([temperature[1:], none])
        return self.lower * above + self.diagonal * temperature + self.upper * below

    def step(self, temperature: Tensor, liquid: Tensor, slope: Tensor) -> Tensor:
        """A step of Newton's method, whose Jacobian is not differentiated. [K]

        Parameters
        ----------
        temperature, liquid : ``[layer, column]``. [K, m3 m-3]
        slope : Of liquid water by temperature. [m3 m-3 K-1]
        """
        jacobian = (self.diagonal + self.latent * slope).detach()
        residual = self.apply(temperature) + self.latent * liquid - self.right
        return -solve_tridiagonal(self.lower.detach(), jacobian, self.upper.detach(), residual)
