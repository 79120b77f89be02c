"""A graph computed by torch, node by node: what kernels are made from, without making them.

It is slow, and differentiable like any other torch code. With it a recording is compared with what it was made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from noahpy_core.compiled.graph.graph import Loop, Node, causes, needed

Given = Mapping[tuple[Any, Any], Tensor]

_ELEMENTWISE: dict[str, Callable[..., Tensor]] = {
    **{
        name: getattr(torch, name) for name in ("add", "sub", "mul", "div", "neg", "abs", "sqrt", "exp", "expm1", "log")
    },
    **{name: getattr(torch, name) for name in ("atan", "tanh", "sigmoid", "log1p")},
    **{name: getattr(torch, name) for name in ("lt", "le", "gt", "ge", "eq", "ne")},
    "softplus": lambda x: torch.nn.functional.softplus(x, threshold=700.0),
    "truncate": torch.trunc,
    "and": torch.logical_and,
    "or": torch.logical_or,
    "not": torch.logical_not,
    "select": torch.where,
}


def evaluate(roots: Iterable[Node], given: Given, tables: list[Tensor], columns: int) -> dict[int, Tensor]:
    """Values of nodes by their number, ``[column]`` or ``[layer, column]``.

    Parameters
    ----------
    roots : Which nodes; what they depend on comes along.
    given : Values of inputs by their attribute: source, and layer if it is one of several.
    tables : What "gather" reads.
    columns : Number of columns.
    """
    return _Evaluation(given, tables, columns).of(list(roots), {})


class _Evaluation:
    def __init__(self, given: Given, tables: list[Tensor], columns: int) -> None:
        self.given, self.tables, self.columns = given, tables, columns
        self.dtype = next(iter(given.values())).dtype

    def of(self, roots: list[Node], known: dict[int, Tensor]) -> dict[int, Tensor]:
        """Values of roots and what they need, on top of those known."""
        values = dict(known)
        for node in needed(roots, lambda one: () if one.number in known else causes(one)):
            if node.number not in values:
                values[node.number] = self._value(node, values)
        return values

    def _value(self, node: Node, values: dict[int, Tensor]) -> Tensor:
        args = [values[arg.number] for arg in node.args]
        if node.op in _ELEMENTWISE:
            return _ELEMENTWISE[node.op](*args)
        if node.op == "input":
            given: Tensor = self.given[node.attribute]
            return given
        if node.op == "constant":
            return torch.full((self.columns,), node.attribute[0], dtype=self.dtype)
        if node.op == "result":
            return self._looped(node.attribute[0], values)[int(node.attribute[1])]
        simple: Tensor = getattr(self, f"_{node.op}")(node, *args)
        return simple

    def _looped(self, loop: Loop, values: dict[int, Tensor]) -> list[Tensor]:
        carried = [values[node.number].detach() for node in loop.initial]
        carried = [
            value.expand(node.length, self.columns) if node.length else value
            for node, value in zip(loop.carried, carried, strict=True)
        ]
        outside = {node.number: values[node.number].detach() for node in loop.invariants}
        for _ in range(loop.limit):
            if bool(carried[-1].all()):
                break
            inside = outside | {node.number: value for node, value in zip(loop.carried, carried, strict=True)}
            found = self.of(list(loop.final), inside)
            carried = [found[node.number] for node in loop.final]
        return carried

    def _attach(self, node: Node, value: Tensor, step: Tensor) -> Tensor:
        return value + (step - step.detach())

    def _detach(self, node: Node, x: Tensor) -> Tensor:
        return x.detach()

    def _slice(self, node: Node, x: Tensor) -> Tensor:
        return x[node.attribute : node.attribute + node.length]

    def _extract(self, node: Node, x: Tensor) -> Tensor:
        return x[node.attribute]

    def _concat(self, node: Node, *pieces: Tensor) -> Tensor:
        counted = zip(node.args, pieces, node.attribute, strict=True)
        return torch.cat([x if piece.length else x.expand(count, self.columns) for piece, x, count in counted])

    def _sum(self, node: Node, x: Tensor) -> Tensor:
        return x.sum(0)

    def _max(self, node: Node, x: Tensor) -> Tensor:
        return x.amax(0)

    def _all(self, node: Node, x: Tensor) -> Tensor:
        return x.all(0)

    def _gather(self, node: Node, place: Tensor) -> Tensor:
        number, size = node.attribute
        entries: Tensor = self.tables[number].to(self.dtype)[place.nan_to_num(0.0).clamp(0, size - 1).long()]
        return entries

    def _tridiagonal(self, node: Node, *parts: Tensor) -> Tensor:
        lower, diagonal, upper, right = (part.expand(node.length, self.columns).T for part in parts)
        matrix = torch.diag_embed(diagonal) + torch.diag_embed(lower[:, 1:], -1) + torch.diag_embed(upper[:, :-1], 1)
        solution: Tensor = torch.linalg.solve(matrix, right)
        return solution.T

    def _dense(self, node: Node, x: Tensor, weights: Tensor, *bias: Tensor) -> Tensor:
        outputs, inputs, layers, turned = node.attribute
        shape = (inputs, outputs) if turned else (outputs, inputs)
        matrix = weights.reshape(*shape, self.columns)
        features = x.reshape(inputs, max(layers, 1), self.columns)
        product = torch.einsum("ioc,ilc->olc" if turned else "oic,ilc->olc", matrix, features)
        for offset in bias:
            product = product + offset[:, None]
        return product.reshape(node.length, self.columns)
