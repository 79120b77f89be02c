"""What no run can begin with, whatever file the numbers come from: checked on parameters and state themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bmi_noahpy.config.errors import ConfigurationError, Problem
from noahpy_core.constants import FREEZING_POINT
from noahpy_core.physics.soil_cover import parameters_of_cover
from noahpy_core.steps.noah import NoahStep

if TYPE_CHECKING:
    from bmi_noahpy.runs.run import Run


WARM_ICE = 0.5
"""So far above freezing soil may be and still hold ice, as rounded profiles do. [K]"""
LEAST_ICE = 0.005
"""Ice that counts. [m3 m-3]"""


def check_physics(run: Run) -> None:
    """Raise ConfigurationError, naming key, column and remedy, for a run that would compute nonsense.

    A lowest layer beyond the deep boundary has a negative conductance to it, a roughness above the measuring height a
    logarithm of less than 1, and ice in warm soil takes its heat of fusion from the soil around it in the first steps.
    """
    found = [*_deep_boundary(run), *_roughness(run), *_ice(run), *_cover(run)]
    if found:
        raise ConfigurationError(found, str(run.configuration.source or ""))


def _deep_boundary(run: Run) -> Iterator[Problem]:
    bottom, depth = run.model.column.bottom_depth[-1], run.parameters.general.deep_temperature_depth
    bottom, depth = torch.broadcast_tensors(bottom, depth)
    wrong = bottom > depth
    if wrong.any():
        column = _first(wrong)
        yield Problem(
            "soil.thickness",
            f"the layers reach to {float(bottom[column]):g} m{_in(wrong)}, beyond the deep boundary at "
            f"{float(depth[column]):g} m. Take fewer layers, or set general.parameters.deep_temperature_depth.",
        )


def _roughness(run: Run) -> Iterator[Problem]:
    general, vegetation = run.parameters.general, run.parameters.vegetation
    height = torch.minimum(general.wind_height, general.air_temperature_height)
    for key, roughness in (
        ("initial.roughness_length", run.initial_state.surface.roughness_length),
        ("vegetation.parameters.maximum_roughness_length", vegetation.maximum_roughness_length),
        ("vegetation.parameters.minimum_roughness_length", vegetation.minimum_roughness_length),
    ):
        rough, low = torch.broadcast_tensors(roughness, height)
        wrong = rough >= low
        if wrong.any():
            column = _first(wrong)
            yield Problem(
                key,
                f"{float(rough[column]):g} m{_in(wrong)} is not below the lower of general.wind_height and "
                f"general.air_temperature_height, {float(low[column]):g} m. Correct the heights or the roughness.",
            )


def _ice(run: Run) -> Iterator[Problem]:
    section = run.configuration.restart
    if section is not None and section.from_ is not None:
        return  # The state comes from there.
    soil = run.initial_state.soil
    wrong = (soil.ice > LEAST_ICE) & (soil.temperature > FREEZING_POINT + WARM_ICE)
    if wrong.any():
        layer, column = torch.nonzero(wrong)[0].tolist()
        where = f"layer {layer + 1}" + (f" of column {column}" if wrong.shape[1] > 1 else "")
        yield Problem(
            "initial.soil_liquid",
            f"leaves {float(soil.ice[layer, column]):.3g} of ice in {where}, at "
            f"{float(soil.temperature[layer, column]):g} K. There is none above {FREEZING_POINT:g} K: write "
            "equilibrium, or as much as soil_moisture.",
        )


def _cover(run: Run) -> Iterator[Problem]:
    if isinstance(run.model.schemes["surface_balance"], NoahStep):
        for name in parameters_of_cover(run.parameters.vegetation):
            yield Problem(
                f"vegetation.parameters.{name}",
                "is read by the closed surface balance, which these schemes have not. Remove it, or take schemes: "
                "{preset: conservative}.",
            )


def _first(wrong: Tensor) -> int:
    return int(torch.nonzero(wrong)[0])


def _in(wrong: Tensor) -> str:
    return f" in column {_first(wrong)} ({int(wrong.sum())} in all)" if len(wrong) > 1 else ""
