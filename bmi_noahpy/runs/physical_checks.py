"""What no run can begin with, whatever file the numbers come from: checked on parameters and state themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.config.errors import ConfigurationError, Problem
from noahpy_core.constants import FREEZING_POINT
from noahpy_core.parameters import COVER

if TYPE_CHECKING:
    from bmi_noahpy.runs.outline import Outline

Array = NDArray[Any]

WARM_ICE = 0.5
"""So far above freezing soil may be and still hold ice, as rounded profiles do. [K]"""
LEAST_ICE = 0.005
"""Ice that counts. [m3 m-3]"""


def check_physics(outline: Outline, ice: Array | None = None) -> None:
    """Raise ConfigurationError, naming key, column and remedy, for a run that would compute nonsense.

    A lowest layer beyond the deep boundary has a negative conductance to it, a roughness above the measuring height a
    logarithm of less than 1, and ice in warm soil takes its heat of fusion from the soil around it in the first steps.

    Parameters
    ----------
    ice : At the start, ``[layer, column]``; None: as the configuration says, and none in warm soil in equilibrium.
        [m3 m-3]
    """
    if ice is None and "soil_liquid" in outline.initial:
        ice = outline.initial["soil_moisture"] - outline.initial["soil_liquid"]
    found = [*_deep_boundary(outline), *_roughness(outline), *_ice(outline, ice), *_cover(outline)]
    if found:
        raise ConfigurationError(found, str(outline.configuration.source or ""))


def _deep_boundary(outline: Outline) -> Iterator[Problem]:
    bottom, depth = float(np.cumsum(outline.thickness)[-1]), outline.parameters["general"]["deep_temperature_depth"]
    wrong = bottom > depth
    if wrong.any():
        yield Problem(
            "soil.thickness",
            f"the layers reach to {bottom:g} m{_in(wrong)}, beyond the deep boundary at "
            f"{float(depth[_first(wrong)]):g} m. Take fewer layers, or set general.parameters.deep_temperature_depth.",
        )


def _roughness(outline: Outline) -> Iterator[Problem]:
    general, vegetation = outline.parameters["general"], outline.parameters["vegetation"]
    height = np.minimum(general["wind_height"], general["air_temperature_height"])
    for key, roughness in (
        ("initial.roughness_length", outline.initial["roughness_length"]),
        ("vegetation.parameters.maximum_roughness_length", vegetation["maximum_roughness_length"]),
        ("vegetation.parameters.minimum_roughness_length", vegetation["minimum_roughness_length"]),
    ):
        rough, low = np.broadcast_arrays(roughness, height)
        wrong = rough >= low
        if wrong.any():
            column = _first(wrong)
            yield Problem(
                key,
                f"{float(rough[column]):g} m{_in(wrong)} is not below the lower of general.wind_height and "
                f"general.air_temperature_height, {float(low[column]):g} m. Correct the heights or the roughness.",
            )


def _ice(outline: Outline, ice: Array | None) -> Iterator[Problem]:
    section = outline.configuration.restart
    if ice is None or (section is not None and section.from_ is not None):
        return  # The state comes from there.
    temperature = outline.initial["soil_temperature"]
    wrong = (ice > LEAST_ICE) & (temperature > FREEZING_POINT + WARM_ICE)
    if wrong.any():
        layer, column = np.argwhere(wrong)[0]
        where = f"layer {layer + 1}" + (f" of column {column}" if wrong.shape[1] > 1 else "")
        yield Problem(
            "initial.soil_liquid",
            f"leaves {float(ice[layer, column]):.3g} of ice in {where}, at "
            f"{float(temperature[layer, column]):g} K. There is none above {FREEZING_POINT:g} K: write "
            "equilibrium, or as much as soil_moisture.",
        )


def _cover(outline: Outline) -> Iterator[Problem]:
    if outline.configuration.schemes.surface_balance == "noah":
        for name in (name for name in COVER if name in outline.parameters["vegetation"]):
            yield Problem(
                f"vegetation.parameters.{name}",
                "is read by the closed surface balance, which these schemes have not. Remove it, or take schemes: "
                "{preset: conservative}.",
            )


def _first(wrong: Array) -> int:
    return int(np.flatnonzero(wrong)[0])


def _in(wrong: Array) -> str:
    return f" in column {_first(wrong)} ({int(wrong.sum())} in all)" if len(wrong) > 1 else ""
