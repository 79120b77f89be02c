"""A run but for its tensors, and what is common to functions of its tensors that transformations may go through."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from noahpy_core.compiled.execute.case import NAMES, Case, build
from noahpy_core.compiled.execute.collect import make_case
from noahpy_core.compiled.execute.pairs import PairRun
from noahpy_core.compiled.execute.plan import Plan, spacing_for
from noahpy_core.compiled.shape import CONTAINERS, STEP_LENGTH, Source
from noahpy_core.model import NoahModel


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A run but for its tensors.

    Parameters
    ----------
    sources : Container and path of each leaf.
    outputs : Results of each step to return.
    memory, checkpoint_every, truncate_every : As for `noahpy_core.run`.
    """

    model: NoahModel
    sources: tuple[Source, ...]
    outputs: tuple[str, ...]
    memory: int
    checkpoint_every: int | None = None
    truncate_every: int | None = None

    def case(self, leaves: Sequence[Tensor]) -> Case:
        """The case of leaves that are plain tensors."""
        given = dict(zip(self.sources, leaves, strict=True))
        trees = [
            build(CONTAINERS[name], {source[1]: leaf for source, leaf in given.items() if source[0] == name})
            for name in NAMES
        ]
        return make_case(self.model, (trees[0], trees[1], trees[2]), given[STEP_LENGTH], timed=True)[0]

    def plan(self, leaves: Sequence[Tensor]) -> Plan:
        """The plan of a run of leaves that are plain tensors."""
        return self.plan_of(self.case(leaves))

    def plan_of(self, case: Case) -> Plan:
        """The plan of a run of a case."""
        spacing = self.checkpoint_every or spacing_for(case, self.memory)
        return Plan(case, self.outputs, spacing, self.truncate_every, self.model)


@dataclasses.dataclass
class Along:
    """A direction of forward mode that is known before it asks for changes: these are found together with the values.

    Parameters
    ----------
    changes : Of what a function is given; None for what does not change.
    found : Changes of what the function gives.
    """

    changes: Sequence[Tensor | None]
    found: Sequence[Tensor] = ()


class Tape:
    """What a run leaves for its way back; taken again where there is nothing, as of a batch whose members ran alone.

    Attributes
    ----------
    pairs : The run with its change in a direction, if it was taken along one.
    """

    def __init__(self, plan: Plan | None = None) -> None:
        self._plan, self._kept = plan, list[Tensor]()
        self.pairs: PairRun | None = None

    def record(self, recipe: Recipe, leaves: Sequence[Tensor]) -> list[Tensor]:
        """Run, and keep what the way back needs. Returns parts of the final state and series of outputs."""
        self._kept.clear()
        return self.plan(recipe, leaves).forward(leaves, self._kept)

    def read(self, recipe: Recipe, leaves: Sequence[Tensor]) -> tuple[Plan, list[Tensor]]:
        """The plan of the run, and the states that it kept."""
        if not self._kept:
            self.record(recipe, leaves)
        return self.plan(recipe, leaves), self._kept

    def plan(self, recipe: Recipe, leaves: Sequence[Tensor]) -> Plan:
        """The plan of the run."""
        self._plan = self._plan or recipe.plan(leaves)
        return self._plan


Mask = tuple[bool, ...]
Member = TypeVar("Member")


def mask_of(tensors: Iterable[Tensor | None]) -> Mask:
    """Which of them are there."""
    return tuple(tensor is not None for tensor in tensors)


def present(tensors: Iterable[Tensor | None]) -> list[Tensor]:
    """Those that are there."""
    return [tensor for tensor in tensors if tensor is not None]


def unpacked(mask: Mask, tensors: Iterator[Member]) -> list[Member | None]:
    """As many members as the mask has, those that are there taken in order."""
    return [next(tensors) if there else None for there in mask]


def one_after_another(
    function: Callable[..., tuple[Tensor, ...]], size: int, dims: Sequence[Any], arguments: Sequence[Any]
) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
    """A function of each member of a batch.

    Parameters
    ----------
    function : Of the arguments.
    size : Of the batch.
    dims : Dimension of the batch in each argument, None where it has none.
    arguments : Tensors, and whatever else.
    """
    found = []
    for member in range(size):
        picked = [
            value.select(dim, member) if isinstance(dim, int) else value
            for value, dim in zip(arguments, dims, strict=True)
        ]
        found.append(function(*picked))
    results = tuple(torch.stack(members) for members in zip(*found, strict=True))
    return results, (0,) * len(results)


def apart(results: Sequence[Tensor], count: int) -> tuple[Tensor, ...]:
    """Results of which the first ones are no longer parts of one tensor, which forward mode does not allow."""
    return (*(part.clone() for part in results[:count]), *results[count:])
