"""Muskingum-Cunge routing on a river network, as a component of its own: BMI, and derivatives by autograd.

Cunge, J. A. (1969): On the subject of a flood propagation computation method (Muskingum method), J. Hydraul. Res. 7(2);
coefficients with a reference discharge of each reach and step as in Ponce, V. M. (1989): Engineering Hydrology, chapter
9.4. With coefficients that change, the scheme keeps the volume to about a percent only.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent))

from small_component import Floats
from torch_component import Tensors, TorchComponent

RUNOFF = "land_surface_water_runoff__mass_flux"
DISCHARGE = "channel_water_x-section__volume_flow_rate"
ROUGHNESS = "channel_bottom_water_flow__manning_n_parameter"
WATER_DENSITY = 1000.0
LEAST_FLOW = 1.0e-3
"""Keeps the celerity of a dry reach finite. [m3 s-1]"""


class MuskingumCunge(TorchComponent):
    """Reaches of wide rectangular section, each fed by the runoff of its own cell.

    Parameters
    ----------
    downstream : Reach below each reach, with a smaller number; -1 below the outlet.
    area : Of the cells. [m2]
    length : Of the reaches. [m]
    slope : Of their bed. [1]
    step : [s]
    """

    def __init__(self, downstream: NDArray[np.int64], area: float, length: float, slope: float, step: float) -> None:
        count = len(downstream)
        super().__init__(
            inputs={RUNOFF: (count, "kg m-2 s-1", 1.0e-6)},
            outputs={DISCHARGE: (count, "m3 s-1", 0.0)},
            parameters={ROUGHNESS: (count, "s m-1/3", 0.04)},
            bounds={ROUGHNESS: (0.005, 0.2)},
            state=np.zeros(2 * count),
            step=step,
        )
        self.area, self.length, self.slope = area, length, slope
        self.cells = upstream_cells(downstream)
        # Channels widen with the square root of what they drain.
        self.width = torch.from_numpy(6.0 * np.sqrt(self.cells))
        self.levels = [torch.from_numpy(level) for level in levels(downstream)]
        self.below = torch.from_numpy(np.where(downstream < 0, count, downstream))

    def advance(self, state: Tensor, given: Tensors) -> tuple[Tensor, Tensors]:
        """One step: inflow and outflow of each reach at its end."""
        inflow, outflow = state.chunk(2)
        lateral = given[RUNOFF] * (self.area / WATER_DENSITY)
        first, second, third, fourth = self._coefficients(0.5 * (inflow + outflow) + lateral, given[ROUGHNESS])
        known = second * inflow + third * outflow + fourth * lateral
        new_in, new_out = self._solve(first, known)
        return torch.cat([new_in, new_out]), {DISCHARGE: new_out}

    def _coefficients(self, flow: Tensor, roughness: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        flow = flow + LEAST_FLOW
        depth = (flow * roughness / (self.width * self.slope**0.5)) ** 0.6
        celerity = 5.0 / 3.0 * flow / (self.width * depth)
        travel = self.length / celerity
        weight = 0.5 * (1.0 - flow / (self.width * self.slope * celerity * self.length))
        total = 2.0 * travel * (1.0 - weight) + self.step
        first = (self.step - 2.0 * travel * weight) / total
        second = (self.step + 2.0 * travel * weight) / total
        return first, second, 1.0 - first - second, 2.0 * self.step / total

    def _solve(self, first: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """``outflow = first * (outflow of the reaches above) + known``: a sparse triangular system, level by level."""
        inflow = torch.zeros(len(known) + 1, dtype=known.dtype)
        outflow = torch.zeros_like(inflow)
        for reaches in self.levels:
            leaving = known[reaches] + first[reaches] * inflow[reaches]
            inflow = inflow.index_add(0, self.below[reaches], leaving)
            outflow = outflow.index_add(0, reaches, leaving)
        return inflow[:-1], outflow[:-1]


def upstream_cells(downstream: NDArray[np.int64]) -> Floats:
    """Cells that each reach drains, its own included."""
    cells = np.ones(len(downstream))
    for reach in reversed(range(len(downstream))):
        if downstream[reach] >= 0:
            cells[downstream[reach]] += cells[reach]
    return cells


def levels(downstream: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Reaches whose upstream neighbours are all in earlier groups."""
    height = np.zeros(len(downstream), dtype=np.int64)
    for reach in reversed(range(len(downstream))):
        if downstream[reach] >= 0:
            height[downstream[reach]] = max(height[downstream[reach]], height[reach] + 1)
    return [np.flatnonzero(height == level) for level in range(height.max() + 1)]


def random_network(count: int, seed: int = 0) -> NDArray[np.int64]:
    """A tree with the outlet first; each reach flows into one of the few before it."""
    random = np.random.default_rng(seed)
    return np.array([-1, *(int(random.integers(max(0, k - 25) // 2, k)) for k in range(1, count))])
