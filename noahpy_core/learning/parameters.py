"""Parameters of many columns at once: by a network from what is known of each place, or one value for each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from noahpy_core.learning.networks import BoundedNetwork
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import get_quantity, quantities, replace_quantity


class LearnedParameter(NamedTuple):
    """One parameter that is learned, one value for all layers of a column.

    Parameters
    ----------
    path : In `Parameters`, such as "soil.porosity".
    low, high : Bounds, within those of the quantity, in its units.
    logarithmic : For parameters that span orders of magnitude.
    """

    path: str
    low: float
    high: float
    logarithmic: bool = False


class ParameterNetwork(nn.Module):
    """Parameters from covariates, the same network for every column.

    Without hidden layers and with indicators of classes as covariates it is a table: one value for each class.

    Parameters
    ----------
    covariates : Name -> usual (lowest, highest) value, in the units they are given in.
    targets : What is learned.
    hidden : Width of each hidden layer.
    start : Path -> value of the untrained network (default: the middle of the bounds).
    seed : Of the random weights.

    Raises
    ------
    ValueError : for a path that is no differentiable parameter, or bounds outside of its own.
    """

    def __init__(
        self,
        covariates: Mapping[str, Sequence[float]],
        targets: Sequence[LearnedParameter],
        *,
        hidden: Sequence[int] = (16, 16),
        start: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_targets(targets)
        self.targets = tuple(targets)
        self.network = BoundedNetwork(
            covariates,
            {target.path: (target.low, target.high) for target in targets},
            hidden=hidden,
            logarithmic=[target.path for target in targets if target.logarithmic],
            start=start,
            seed=seed,
        )

    def forward(self, covariates: Tensor) -> dict[str, Tensor]:
        """Path -> value of each column.

        Parameters
        ----------
        covariates : ``[covariate, column]``, in order.
        """
        values = self.network(*covariates.unbind(0))
        return {target.path: value for target, value in zip(self.targets, values, strict=True)}


class ColumnParameters(nn.Module):
    """A value of its own for every column, within the same bounds: calibration column by column.

    Parameters
    ----------
    columns : Number of columns.
    """

    def __init__(
        self, columns: int, targets: Sequence[LearnedParameter], *, start: Mapping[str, float] | None = None
    ) -> None:
        super().__init__()
        check_targets(targets)
        self.targets = tuple(targets)
        first = torch.zeros(len(targets), columns, dtype=torch.float64)
        for row, target in zip(first, targets, strict=True):
            if start and target.path in start:
                low, high = _scaled(target, target.low), _scaled(target, target.high)
                share = (_scaled(target, start[target.path]) - low) / (high - low)
                row.fill_(math.log(share / (1.0 - share)))
        self.free = nn.Parameter(first)

    def forward(self) -> dict[str, Tensor]:
        """Path -> value of each column."""
        values = {}
        for target, free in zip(self.targets, self.free.unbind(0), strict=True):
            low, high = _scaled(target, target.low), _scaled(target, target.high)
            bounded = low + (high - low) * torch.sigmoid(free)
            values[target.path] = torch.exp(bounded) if target.logarithmic else bounded
        return values


def _scaled(target: LearnedParameter, value: float) -> float:
    return math.log(value) if target.logarithmic else value


def check_targets(targets: Sequence[LearnedParameter]) -> None:
    """Raise ValueError unless every target is a differentiable parameter with bounds inside of its own."""
    known = dict(quantities(Parameters))
    for target in targets:
        metadata = known.get(target.path)
        if metadata is None or not metadata["differentiable"]:
            learnable = ", ".join(path for path, of in known.items() if of["differentiable"])
            raise ValueError(f"{target.path} is no parameter that can be learned. Use {learnable}.")
        low, high = metadata["bounds"]
        if not low <= target.low < target.high <= high:
            raise ValueError(
                f"{target.path}: bounds {target.low:g} and {target.high:g} must be in order and within "
                f"{low:g} and {high:g} {metadata['units']}."
            )


def with_values(parameters: Parameters, values: Mapping[str, Tensor]) -> Parameters:
    """Parameters in which some are replaced by values of each column, ``[column]``, in all layers alike."""
    for path, value in values.items():
        old = get_quantity(parameters, path)
        shape = parameters.soil.porosity.shape if path.startswith("soil.") else old.shape
        parameters = replace_quantity(parameters, path, value.expand(shape))
    return parameters
