"""A run as a function of the unknowns: how well it fits the observations, and the derivatives of that."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import forward_ad

from bmi_noahpy.calibration.file.calibration import Calibration
from bmi_noahpy.calibration.problem.controls import build_controls
from bmi_noahpy.calibration.problem.inputs import InputMaker, Inputs, Repeated, first_steps, trajectory, with_tangents
from bmi_noahpy.calibration.problem.matching import match, within
from bmi_noahpy.calibration.problem.objectives import losses, residual_scales, robust_weights
from bmi_noahpy.calibration.problem.targets import Target, outputs_of
from bmi_noahpy.runs.prepare import prepare, warn_of_device
from bmi_noahpy.runs.run import Run
from noahpy_core.compiled import why_not_compiled
from noahpy_core.errors import ConvergenceError
from noahpy_core.physics.soil_heat import HeatLimitedSoilHeat
from noahpy_core.state import Forcing

COLUMNS_AT_ONCE = 2048
"""Columns of one run of a Jacobian; more go into further runs."""
JACOBIAN_MEMORY = 2**30
"""For the Jacobians of the starts that are linearised together, and what is made of them on the way. [byte]"""
DIFFERENCE = 1.0e-4
"""Half the step of central differences, in units of the unknowns."""

Simulated = list[Tensor]
"""``[observation, start]`` for each target."""


@dataclasses.dataclass
class Cost:
    """What a calibration has computed: single-column runs, those with a gradient, and with a tangent; seconds each."""

    runs: int = 0
    gradients: int = 0
    tangents: int = 0
    run_seconds: float = 0.0
    gradient_seconds: float = 0.0
    tangent_seconds: float = 0.0


@dataclasses.dataclass
class Lowest:
    """Simulated values of the lowest objective ever found, ``[observation]`` for each target; for reports."""

    loss: float = float("inf")
    simulated: Simulated = dataclasses.field(default_factory=list)

    def note(self, found: Tensor, simulated: Simulated) -> None:
        """Keep the best of some starts if it is better."""
        value, start = found.nan_to_num(torch.inf).min(0)
        if float(value) < self.loss:
            self.loss, self.simulated = float(value), [one.detach()[:, int(start)] for one in simulated]


class Linearised(NamedTuple):
    """Residuals ``[residual, start]`` and their derivatives ``[residual, start, unknown]``, objective, simulation."""

    residuals: Tensor
    jacobian: Tensor
    losses: Tensor
    simulated: Simulated


class Fit:
    """How well a run fits, as a function of unknowns ``[unknown, start]``.

    Parameters
    ----------
    calibration : What is calibrated, and on what.

    Raises
    ------
    ConfigurationError : the run cannot be prepared, or no observation can be met by it.
    """

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration
        self.run: Run = prepare(calibration.run)
        warn_of_device(self.run, "a calibration steps")
        wanted = list(calibration.parameters.values())
        self.controls = build_controls(self.run, wanted)
        self.maker = InputMaker(self.run, self.controls)
        self.targets = match(calibration, self.run)
        self.fitted = within(self.targets, calibration.calibration)
        self._own = self.controls.first_unknowns()[:, None]
        self.cost = Cost()
        self.lowest = Lowest()
        self._repeated = Repeated.of(calibration, self.run)
        assert self.run.forcing is not None
        self._forcing = self.run.forcing.block(0, self.run.steps)

    # --- values -----------------------------------------------------------------------------------------------------

    def losses(self, unknowns: Tensor) -> Tensor:
        """Objective of each start, ``[start]``; infinite where the model fails."""
        begin = time.perf_counter()
        with torch.no_grad():
            found = self._each(unknowns, lambda some: self._value(some, self.simulate(some)))
        self.cost.runs += unknowns.shape[1]
        self.cost.run_seconds += time.perf_counter() - begin
        return found

    def gradient(self, unknowns: Tensor) -> tuple[Tensor, Tensor]:
        """Objective ``[start]`` and its gradient ``[unknown, start]`` in reverse mode; 0 where the model fails."""
        begin = time.perf_counter()

        def both(some: Tensor) -> Tensor:
            leaf = some.detach().requires_grad_()
            value = self._value(leaf, self.simulate(leaf))
            (slope,) = torch.autograd.grad(value[torch.isfinite(value)].sum(), leaf, materialize_grads=True)
            return torch.cat([value.detach()[None], slope])

        found = self._each(unknowns, both, failed=torch.inf)
        self.cost.gradients += unknowns.shape[1]
        self.cost.gradient_seconds += time.perf_counter() - begin
        return found[0], torch.nan_to_num(found[1:], 0.0, 0.0, 0.0)

    def linearised(self, unknowns: Tensor) -> Linearised:
        """Residuals, whose sum of squares is the objective, with their Jacobian."""
        begin = time.perf_counter()
        count, starts = unknowns.shape
        scales = residual_scales(self.calibration.objective, self.fitted)
        with torch.no_grad():
            simulated = self.simulate(unknowns)
        derivative = self._forward if self._forward_mode else self._differences
        pairs = unknowns.repeat_interleave(count, dim=1)
        tangents = torch.eye(count, dtype=unknowns.dtype).repeat(1, starts)
        at_once = max(COLUMNS_AT_ONCE // self.run.domain.columns, 1)
        blocks = [slice(first, first + at_once) for first in range(0, count * starts, at_once)]
        slopes = [derivative(pairs[:, some], tangents[:, some]) for some in blocks]
        jacobian = [torch.cat(parts, 1).unflatten(1, (starts, count)) for parts in zip(*slopes, strict=True)]
        self.cost.runs += starts
        self.cost.tangents += count * starts
        self.cost.tangent_seconds += time.perf_counter() - begin
        weights = robust_weights(self.calibration.objective, self.fitted, simulated)
        factors = [scale * weight.sqrt() for scale, weight in zip(scales, weights, strict=True)]
        residuals = [
            factor * (model - target.values[:, None])
            for factor, model, target in zip(factors, simulated, self.fitted, strict=True)
        ]
        scaled = [factor[..., None] * slope for factor, slope in zip(factors, jacobian, strict=True)]
        departures, slopes_of_departures = self._forcing_departures(unknowns)
        residuals.append(departures)
        scaled.append(slopes_of_departures)
        prior = (self.calibration.objective.prior / count) ** 0.5
        residuals.append(prior * (unknowns - self._own))
        scaled.append((prior * torch.eye(count, dtype=unknowns.dtype))[:, None].expand(count, starts, count))
        return Linearised(torch.cat(residuals), torch.cat(scaled), self._value(unknowns, simulated), simulated)

    @property
    def starts_at_once(self) -> int:
        """Starts whose Jacobians fit into memory together."""
        numbers = self.controls.count * sum(len(target.values) for target in self.fitted)
        return max(JACOBIAN_MEMORY // (4 * 8 * numbers), 1)

    @property
    def air_temperature(self) -> NDArray[np.float64]:
        """Of each step, ``[step, column]``, as the file has it. [K]"""
        values = self._forcing.air_temperature
        return values.expand(values.shape[0], self.run.domain.columns).double().numpy()

    def forcing_bytes(self) -> bytes:
        """The forcing of the run, to tell whether it is the same."""
        leaves = [getattr(self._forcing, field.name) for field in dataclasses.fields(self._forcing)]
        return b"".join(leaf.numpy().tobytes() for leaf in leaves if leaf is not None)

    # --- runs -------------------------------------------------------------------------------------------------------

    def simulate(
        self, unknowns: Tensor | None, targets: Sequence[Target] | None = None, execution: str | None = None
    ) -> Simulated:
        """Simulated values of targets (those that are fitted) for unknowns, or for the run as configured.

        Parameters
        ----------
        unknowns : ``[unknown, start]``; None for the run as configured.
        targets : Those that are fitted, if not given.
        execution : As for `noahpy_core.run`; that of the configuration, if not given.
        """
        inputs = self.maker.unchanged() if unknowns is None else self.maker.make(unknowns)
        forcing = inputs.forcing(self._forcing, 1 if unknowns is None else unknowns.shape[1])
        return self._run(inputs, forcing, self.fitted if targets is None else targets, execution)

    def _run(self, inputs: Inputs, forcing: Forcing, targets: Sequence[Target], execution: str | None) -> Simulated:
        series = first_steps(forcing, max(target.sampling.steps for target in targets))
        outputs = trajectory(self.run, inputs, series, outputs_of(targets), self._repeated, execution)
        return [target.of(outputs, self.run.domain.columns) for target in targets]

    def _value(self, unknowns: Tensor, simulated: Simulated) -> Tensor:
        objective = self.calibration.objective
        found = losses(objective, self.fitted, simulated)
        if objective.prior:
            found = found + objective.prior * ((unknowns - self._own) ** 2).mean(0)
        if objective.forcing_prior:
            found = found + (self.controls.forcing_departures(unknowns) ** 2).sum(0) * objective.forcing_prior
        self.lowest.note(found.detach(), simulated)
        return found

    def _forcing_departures(self, unknowns: Tensor) -> tuple[Tensor, Tensor]:
        """Residuals ``[factor, start]`` of the prior of the forcing's factors, and their Jacobian."""
        scale = self.calibration.objective.forcing_prior**0.5
        with torch.enable_grad():
            leaf = unknowns.detach().requires_grad_()
            residuals = scale * self.controls.forcing_departures(leaf)
            # Starts do not mix: the slopes of a sum over starts are those of each start.
            slopes = [torch.autograd.grad(row.sum(), leaf, retain_graph=True)[0].T for row in residuals]
        none = unknowns.new_zeros(0, unknowns.shape[1], unknowns.shape[0])
        return residuals.detach(), torch.stack(slopes) if slopes else none

    @property
    def _forward_mode(self) -> bool:
        """Where derivatives of a season are no sensitivities, differences in compiled runs smooth them over."""
        asked = self.calibration.optimiser.jacobian
        if asked == "auto":
            rough = isinstance(self.run.model.schemes["phase_change"], HeatLimitedSoilHeat)
            return not (rough and self._is_compiled)
        return asked == "forward"

    @functools.cached_property
    def _is_compiled(self) -> bool:
        return self.run.execution != "eager" and why_not_compiled(self.run.model) is None

    def _forward(self, unknowns: Tensor, tangents: Tensor) -> Simulated:
        """Derivatives of simulated values along a tangent for each start, in forward mode."""
        with torch.no_grad(), forward_ad.dual_level():
            inputs = self.maker.make(forward_ad.make_dual(unknowns, tangents))
            forcing = inputs.forcing(self._forcing, unknowns.shape[1])
            dual, how = Inputs(inputs.parameters, inputs.state, {}), None
            # Kernels read zero where there is no tangent, torch needs the zeros.
            if not self._is_compiled:
                dual, how = Inputs(with_tangents(inputs.parameters), with_tangents(inputs.state), {}), "eager"
                forcing = with_tangents(forcing)
            found = [forward_ad.unpack_dual(one) for one in self._run(dual, forcing, self.fitted, how)]
            return [torch.zeros_like(one.primal) if one.tangent is None else one.tangent for one in found]

    def _differences(self, unknowns: Tensor, tangents: Tensor) -> Simulated:
        """The same by central differences: twice as many columns, but of plain runs."""
        step = DIFFERENCE * tangents
        with torch.no_grad():
            both = self.simulate(torch.cat([unknowns + step, unknowns - step], 1))
        halves = [one.chunk(2, dim=1) for one in both]
        return [(above - below) / (2.0 * DIFFERENCE) for above, below in halves]

    @staticmethod
    def _each(unknowns: Tensor, function: Callable[[Tensor], Tensor], failed: float = torch.inf) -> Tensor:
        """A function of all starts at once, or one by one when the model fails for some."""
        try:
            found = function(unknowns)
        except ConvergenceError:
            parts: list[Tensor | None] = []
            for number in range(unknowns.shape[1]):
                try:
                    parts.append(function(unknowns[:, number : number + 1]))
                except ConvergenceError:
                    parts.append(None)
            good = next((part for part in parts if part is not None), None)
            if good is None:
                raise
            found = torch.cat([torch.full_like(good, failed) if part is None else part for part in parts], -1)
        return torch.where(torch.isnan(found), failed, found)
