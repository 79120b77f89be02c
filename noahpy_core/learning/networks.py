"""A small network between physical quantities, whose outputs cannot leave their bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

Bounds = Sequence[float]


class BoundedNetwork(nn.Module):
    """Fully connected layers with tanh between physical inputs and bounded physical outputs.

    Each input is scaled from its usual range to -1..1 (it may leave it); each output is its lower bound plus a sigmoid
    of its span, or the same in the logarithm. In and out are tensors of any equal shape, in the units of the ranges.

    Parameters
    ----------
    inputs : Name -> usual (lowest, highest) value.
    outputs : Name -> (lower, upper) bound.
    hidden : Width of each hidden layer; none makes a linear model with bounds.
    logarithmic : Outputs that span orders of magnitude; their bounds are positive.
    start : Name -> value that the untrained network gives everywhere, on average (default: the middle).
    seed : Of the random weights.

    Raises
    ------
    ValueError : for bounds that are not in order, or a start outside of them.
    """

    low: Tensor
    span: Tensor
    output_low: Tensor
    output_span: Tensor
    is_logarithm: Tensor

    def __init__(
        self,
        inputs: Mapping[str, Bounds],
        outputs: Mapping[str, Bounds],
        *,
        hidden: Sequence[int] = (16,),
        logarithmic: Sequence[str] = (),
        start: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, (low, high) in (*inputs.items(), *outputs.items()):
            if not low < high or (name in logarithmic and name in outputs and not low > 0):
                raise ValueError(f"{name}: bounds {low} and {high} must be in order, and positive for a logarithm.")
        ranges = torch.tensor([tuple(bounds) for bounds in inputs.values()], dtype=torch.float64).reshape(-1, 2)
        scaled = [
            [math.log(bound) if name in logarithmic else float(bound) for bound in bounds]
            for name, bounds in outputs.items()
        ]
        bounds = torch.tensor(scaled, dtype=torch.float64)
        self.register_buffer("low", ranges[:, 0], persistent=False)
        self.register_buffer("span", ranges[:, 1] - ranges[:, 0], persistent=False)
        self.register_buffer("output_low", bounds[:, 0], persistent=False)
        self.register_buffer("output_span", bounds[:, 1] - bounds[:, 0], persistent=False)
        self.register_buffer("is_logarithm", torch.tensor([name in logarithmic for name in outputs]), persistent=False)
        self.names = (tuple(inputs), tuple(outputs))
        widths = (len(inputs), *hidden, len(outputs))
        self.layers = nn.ModuleList(nn.Linear(before, after, dtype=torch.float64) for before, after in pairwise(widths))
        self._initialise(seed, start or {})

    def _initialise(self, seed: int, start: Mapping[str, float]) -> None:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for layer in self.layers:
                assert isinstance(layer, nn.Linear)
                nn.init.xavier_uniform_(layer.weight, generator=generator)
                layer.bias.uniform_(-0.5, 0.5, generator=generator)
            last = self.layers[-1]
            assert isinstance(last, nn.Linear)
            last.weight *= 0.5
            last.bias.zero_()
            for name, value in start.items():
                number = self.names[1].index(name)
                scaled = math.log(value) if bool(self.is_logarithm[number]) else value
                share = (scaled - self.output_low[number].item()) / self.output_span[number].item()
                if not 0.0 < share < 1.0:
                    raise ValueError(f"{name}: start {value} must lie inside of its bounds.")
                last.bias[number] = math.log(share / (1.0 - share))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Outputs in order, each in the shape of the inputs together.

        Parameters
        ----------
        inputs : In order, of shapes that go together.
        """
        x = 2.0 * (torch.stack(torch.broadcast_tensors(*inputs), dim=-1) - self.low) / self.span - 1.0
        for layer in self.layers[:-1]:
            x = torch.tanh(layer(x))
        bounded = self.output_low + self.output_span * torch.sigmoid(self.layers[-1](x))
        exponent = torch.where(self.is_logarithm, bounded, 0.0)
        return torch.where(self.is_logarithm, torch.exp(exponent), bounded).unbind(-1)
