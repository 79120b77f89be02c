"""Observations, and the simulated values that belong to them as differentiable functions of a run's output."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bmi_noahpy.observations.observed import Observed, duration, window_means
from bmi_noahpy.observations.simulated import SECOND, Times
from noahpy_core.column import SoilColumn

Index = NDArray[np.int64]

OUTPUTS: Mapping[str, tuple[str, ...]] = {
    "soil_temperature": ("soil.temperature",),
    "soil_liquid_water": ("soil.liquid_water",),
    "soil_moisture": ("soil.moisture",),
    "snow_depth": ("snow.depth",),
    "snow_water_equivalent": ("snow.water_equivalent",),
    "skin_temperature": ("skin_temperature",),
    "albedo": ("albedo",),
    "net_radiation": ("absorbed_radiation", "longwave_up"),
    "sensible_heat_flux": ("sensible_heat_flux",),
    "latent_heat_flux": ("latent_heat_flux",),
    "ground_heat_flux": ("ground_heat_flux",),
}
"""Observed quantity -> what a run has to put out for it."""

MEANS = ("albedo", "net_radiation", "sensible_heat_flux", "latent_heat_flux", "ground_heat_flux")
"""Quantities that are means over a step; the others hold at its end."""


@dataclasses.dataclass(frozen=True)
class Steps:
    """When the steps of a run are."""

    start: np.datetime64
    length: float
    count: int

    @property
    def begin(self) -> Times:
        """Beginning of each step."""
        offsets = np.arange(self.count) * self.length * 1e9
        found: Times = self.start.astype("datetime64[ns]") + offsets.round().astype("timedelta64[ns]")
        return found

    @property
    def end(self) -> Times:
        """End of each step."""
        return self.begin + duration(self.length)


@dataclasses.dataclass(frozen=True)
class Sampling:
    """Values out of a series of steps: means over steps, or between two steps.

    Parameters
    ----------
    first, last : Means are over the steps from first up to, not including, last, ``[observation]``.
    weight : None for means. Else the value is (1 - weight) of step `first` plus weight of step `last`.
    """

    first: Tensor
    last: Tensor
    weight: Tensor | None

    @property
    def steps(self) -> int:
        """Number of steps from the start of the run that are needed."""
        return int(self.last.max()) + (0 if self.weight is None else 1)

    def of(self, series: Tensor) -> Tensor:
        """Values ``[observation, start]`` of a series ``[step, start]``."""
        if self.weight is not None:
            weight = self.weight[:, None]
            return (1.0 - weight) * series[self.first] + weight * series[self.last]
        count = self.last - self.first
        if bool((count == 1).all()):
            return series[self.first]
        total = torch.cat([torch.zeros_like(series[:1]), torch.cumsum(series, 0)])
        return (total[self.last] - total[self.first]) / count[:, None]

    def only(self, chosen: Tensor) -> Sampling:
        """Those of some observations."""
        weight = None if self.weight is None else self.weight[chosen]
        return Sampling(self.first[chosen], self.last[chosen], weight)


@dataclasses.dataclass(frozen=True)
class Level:
    """Where between the middles of two layers a depth is."""

    upper: int
    weight: float

    def of(self, series: Tensor) -> Tensor:
        """``[step, start]`` of ``[step, layer, start]``."""
        above = series[:, self.upper]
        return above if self.weight == 0.0 else (1.0 - self.weight) * above + self.weight * series[:, self.upper + 1]


@dataclasses.dataclass(frozen=True)
class Target:
    """One observed series and how the run meets it.

    Parameters
    ----------
    name : Its column in the file.
    cell : Column of the run.
    level : Depth among the layers; None for what has no layers.
    times : Middle of what each value stands for.
    values : ``[observation]``.
    weight, error : How it counts; the error is a standard deviation in the unit of the values.
    """

    name: str
    quantity: str
    depth: float | None
    cell: int
    level: Level | None
    sampling: Sampling
    times: Times
    values: Tensor
    weight: float
    error: float

    def of(self, outputs: Mapping[str, Tensor], columns: int) -> Tensor:
        """Simulated values ``[observation, start]`` of outputs ``[step, (layer,) start * column]``."""
        own = [outputs[path].unflatten(-1, (-1, columns))[..., self.cell] for path in OUTPUTS[self.quantity]]
        series = own[0] - own[1] if len(own) == 2 else own[0]
        return self.sampling.of(series if self.level is None else self.level.of(series))

    def only(self, counting: NDArray[np.bool_]) -> Target | None:
        """The part of the series that counts, ``[observation]``; None when there is none."""
        chosen = np.flatnonzero(counting)
        if chosen.size == 0:
            return None
        index = torch.as_tensor(chosen)
        return dataclasses.replace(
            self, sampling=self.sampling.only(index), times=self.times[chosen], values=self.values[index]
        )


def outputs_of(targets: Sequence[Target]) -> list[str]:
    """What a run has to put out for these targets."""
    return sorted({path for target in targets for path in OUTPUTS[target.quantity]})


def level_of(depth: float, column: SoilColumn, cell: int = 0) -> Level | None:
    """Place of a depth among the middles of the layers, constant beyond the outer ones; None below the soil."""
    thickness = column.thickness[:, min(cell, column.thickness.shape[1] - 1)].double()
    bottom = torch.cumsum(thickness, 0)
    if depth > float(bottom[-1]):
        return None
    nodes = (bottom - 0.5 * thickness).numpy()
    upper = int(np.clip(np.searchsorted(nodes, depth) - 1, 0, nodes.size - 2))
    weight = float(np.clip((depth - nodes[upper]) / (nodes[upper + 1] - nodes[upper]), 0.0, 1.0))
    return Level(upper, weight)


def sample(observed: Observed, steps: Steps, window: str) -> tuple[Sampling, Times, NDArray[np.float64]] | None:
    """How the steps of a run meet an observed series, by the rules of `bmi_noahpy.observations.observed.pair`.

    Returns
    -------
    The sampling, the middle of what each pair stands for, and the observed values; None without a common time.
    """
    spacing, times, window = observed.spacing, observed.times_for(window), observed.stamped(window)
    if spacing < 0.75 * steps.length:
        offset = duration(spacing / 2 if window == "start" else 0.0)
        values = window_means(times + offset, observed.values, steps.begin, steps.end)
        number = np.arange(steps.count)
        return _means(number, number + 1, steps.begin + duration(steps.length / 2), values)
    if window == "instant":
        return _instants(observed, times, steps)
    begin = times - duration(spacing / 2 if window == "centre" else 0.0)
    middle = steps.begin + duration(steps.length / 2)
    first, last = np.searchsorted(middle, begin), np.searchsorted(middle, begin + duration(spacing))
    return _means(first, last, begin + duration(spacing / 2), observed.values)


def _means(
    first: Index, last: Index, times: Times, values: NDArray[np.float64]
) -> tuple[Sampling, Times, NDArray[np.float64]] | None:
    present = (last > first) & np.isfinite(values)
    if not present.any():
        return None
    sampling = Sampling(torch.as_tensor(first[present]), torch.as_tensor(last[present]), None)
    return sampling, times[present], values[present]


def _instants(observed: Observed, times: Times, steps: Steps) -> tuple[Sampling, Times, NDArray[np.float64]] | None:
    valid = steps.begin + duration(steps.length / 2) if observed.quantity in MEANS else steps.end
    place = (times - valid[0]) / SECOND / steps.length
    inside = (place >= 0.0) & (place <= steps.count - 1) & np.isfinite(observed.values)
    if not inside.any() or steps.count < 2:
        return None
    lower = np.clip(np.floor(place[inside]), 0, steps.count - 2).astype(np.int64)
    sampling = Sampling(
        torch.as_tensor(lower), torch.as_tensor(lower + 1), torch.as_tensor(place[inside] - lower, dtype=torch.float64)
    )
    return sampling, times[inside], observed.values[inside]
