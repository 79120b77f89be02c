"""Containers as torch knows them: trees of tensors, and what a data loader makes a batch of.

This is the only module that knows how torch handles trees. Whoever imports it has all containers registered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.export import register_dataclass
from torch.utils._pytree import (
    TreeSpec,
    keystr,
    register_pytree_node,
    tree_flatten,
    tree_flatten_with_path,
    tree_leaves,
    tree_map,
    tree_map_only,
    tree_unflatten,
)
from torch.utils.data._utils.collate import default_collate_fn_map

from noahpy_core.containers import Container, join_columns
from noahpy_core.parameters import GeneralParameters, Parameters, SnowParameters, SoilParameters, VegetationParameters
from noahpy_core.state import Fluxes, Forcing, SnowState, SoilState, State, SurfaceMemory

__all__ = [
    "Fluxes",
    "Forcing",
    "GeneralParameters",
    "Parameters",
    "SnowParameters",
    "SnowState",
    "SoilParameters",
    "SoilState",
    "State",
    "SurfaceMemory",
    "Tree",
    "TreeSpec",
    "VegetationParameters",
    "join_columns",
    "keystr",
    "map_tensors",
    "register_pytree_node",
    "select",
    "tree_flatten",
    "tree_flatten_with_path",
    "tree_leaves",
    "tree_map",
    "tree_unflatten",
]

Tree = TypeVar("Tree")

_CONTAINERS: tuple[type, ...] = (
    SoilState, SnowState, SurfaceMemory, State, Forcing, Fluxes,
    SoilParameters, VegetationParameters, SnowParameters, GeneralParameters, Parameters,
)  # fmt: skip
for _container in _CONTAINERS:
    register_dataclass(_container)


def _collate(batch: Sequence[Container], *, collate_fn_map: Any = None) -> Container:
    return join_columns(batch)


default_collate_fn_map[Container] = _collate


def select(condition: Tensor, where_true: Tree, where_false: Tree) -> Tree:
    """Merge two containers of equal structure column by column.

    Parameters
    ----------
    condition : ``[column]`` of bool.
    where_true, where_false : Containers of equal structure.
    """
    merged: Tree = tree_map(lambda a, b: torch.where(condition, a, b), where_true, where_false)
    return merged


def map_tensors(function: Callable[[Tensor], Any], tree: Tree) -> Tree:
    """Apply a function to every tensor of a container (None is kept)."""
    changed: Tree = tree_map_only(Tensor, function, tree)
    return changed
