"""What a run may begin with, but hardly means to."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from bmi_noahpy.config import ConfigurationWarning
from noahpy_core.constants import FREEZING_POINT

WARM = FREEZING_POINT + 0.5
"""Soil this warm holds no ice. [K]"""
NOTABLE_ICE = 0.005
"""[m3 m-3]"""


def warn_of_ice_in_warm_soil(temperature: Tensor, moisture: Tensor, liquid: Tensor) -> None:
    """Warn of layers that begin with ice far above the freezing point, ``[layer, column]``."""
    ice = moisture - liquid
    wrong = (temperature > WARM) & (ice > NOTABLE_ICE)
    if not bool(wrong.any()):
        return
    layer, column = (int(index) for index in torch.nonzero(wrong)[0])
    count = int(wrong.sum())
    others = f" ({count} such layers)" if count > 1 else ""
    warm = float(temperature[layer, column])
    warnings.warn(
        f"initial.soil_liquid: {float(liquid[layer, column]):g} of {float(moisture[layer, column]):g} m3 m-3 in layer "
        f"{layer + 1}, so that {float(ice[layer, column]):g} are ice at {warm:g} K{others}: "
        "no ice exists there. Raise soil_liquid to soil_moisture, or give 'equilibrium'.",
        ConfigurationWarning,
        stacklevel=4,
    )
