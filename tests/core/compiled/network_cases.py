"""Models with networks, stepped by torch and by kernels."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from unittest import mock

import torch
from compiled_cases import DIFFERENTIATED, EVERYTHING, Values, leaves_of, results_of, series, weights_of
from random_columns import Case
from random_networks import SLOTS, random_scheme
from torch import Tensor, nn

from noahpy_core import numerics
from noahpy_core.model import NoahModel
from noahpy_core.options import Options
from noahpy_core.simulation import run
from noahpy_core.slots.acceptance import SchemeWarning
from noahpy_core.state import Forcing
from noahpy_core.trees import map_tensors


def everywhere(case: Case, phase_change: str) -> NoahModel:
    """A model with a random network in every slot that can have one."""
    slots = [slot for slot in SLOTS if phase_change == "heat_limited" or slot != "phase_change"]
    return with_schemes(case, phase_change, {slot: random_scheme(slot, phase_change, 0) for slot in slots})


def with_schemes(case: Case, phase_change: str, schemes: dict[str, nn.Module]) -> NoahModel:
    """A model with schemes of one's own, which may propose what is beyond the limits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchemeWarning)
        return NoahModel(case.column, Options(phase_change=phase_change), schemes)


class Conductivity(nn.Module):
    """A thermal conductivity from a layer of weights and what `head` makes of it."""

    def __init__(self, head: Callable[[Conductivity, Tensor], Tensor] | None = None, width: int = 5) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(2, width).double(), nn.Linear(width, 1).double()
        self.head, self.factor = head, 1.0
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for weight in self.parameters():
                weight.normal_(generator=generator)

    def forward(self, liquid, ice, soil):
        x = torch.stack([liquid, 2.0 * ice], -1)
        if self.head is None:
            return self.factor * (0.2 + 2.0 * torch.sigmoid(self.last(torch.tanh(self.first(x)))).squeeze(-1))
        return 0.2 + 0.5 * self.head(self, x)


def stepped(model: NoahModel, case: Case, execution: str) -> Values:
    """Everything that comes of a step."""
    with torch.no_grad():
        path = run(
            model, case.state, series(case, 1), case.parameters, case.dt, outputs=EVERYTHING, execution=execution
        )
    return path.outputs


def gradients_with_weights(
    model: NoahModel, case: Case, execution: str, weather: Forcing | None = None
) -> tuple[Values, Values]:
    """Derivatives by all that enters a run, ``[..., column]``, and by the weights of the model."""
    trees = {"state": case.state, "forcing": series(case, 1) if weather is None else weather}
    trees["parameters"] = case.parameters
    trees = {name: map_tensors(lambda x: x.detach().clone().requires_grad_(), tree) for name, tree in trees.items()}
    # Implicit functions take the one step of first derivatives that a kernel takes.
    with mock.patch.object(numerics, "SECOND", 1):
        path = run(model, *trees.values(), case.dt, outputs=DIFFERENTIATED, execution=execution)
    results = results_of(path)
    names, leaves = zip(*leaves_of(trees), strict=True)
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    found = torch.autograd.grad(
        list(results.values()), [*leaves, *weights.values()], weights_of(results),
        allow_unused=True, materialize_grads=True,
    )  # fmt: skip
    return dict(zip(names, found, strict=False)), dict(zip(weights, found[len(names) :], strict=True))
