"""Products of features with weights: linear layers, as torch breaks them up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from noahpy_core.compiled.graph.graph import Graph, Node
from noahpy_core.compiled.record.feature_operations import Recorder
from noahpy_core.compiled.record.recorded_values import CannotCompile, Value, array_of
from noahpy_core.compiled.record.spread import Axis, Spread, combined, index_axis, indexed, packed, plain


def _mm(r: Recorder, x: Tensor, y: Tensor) -> Value:
    return plain(r.graph, _product(r.graph, r.spread(x), r.spread(y)))


def _addmm(r: Recorder, bias: Tensor, x: Tensor, y: Tensor, *, beta: float = 1, alpha: float = 1) -> Value:
    if (beta, alpha) != (1, 1):
        raise CannotCompile("addmm with a factor")
    offset = r.spread(bias)
    simple = not offset.has_column and len(offset.axes) == 1
    return plain(r.graph, _product(r.graph, r.spread(x), r.spread(y), offset, simple=simple))


def _bmm(r: Recorder, x: Tensor, y: Tensor) -> Value:
    if x.shape[0] != 1:
        raise CannotCompile("products of several matrices at once")
    first, second = (Spread(one.members, one.axes[1:]) for one in (r.spread(x), r.spread(y)))
    product = _product(r.graph, first, second)
    return plain(r.graph, Spread(product.members, ((), *product.axes)))


def _mv(r: Recorder, x: Tensor, y: Tensor) -> Value:
    column = r.spread(y)
    product = _product(r.graph, r.spread(x), Spread(column.members, (*column.axes, ())))
    return plain(r.graph, Spread(product.members, product.axes[:1]))


def _product(g: Graph, x: Spread, y: Spread, bias: Spread | None = None, *, simple: bool = True) -> Spread:
    """x y, of which one has no columns; a bias is one number for each column of the matrix y."""
    if not y.has_column:
        return _layer(g, x, y.permuted([1, 0]), bias if simple else None, bias if not simple else None)
    if x.has_column:
        raise CannotCompile("the product of two matrices that both differ from column to column")
    turned = _layer(g, y.permuted([1, 0]), x, None, None).permuted([1, 0])
    return turned if bias is None else combined(g, lambda a, b: g.node("add", a, b), [turned, bias])


def _layer(g: Graph, x: Spread, weights: Spread, bias: Spread | None, added: Spread | None) -> Spread:
    """A linear layer.

    Parameters
    ----------
    x : ``[rows, feature]``.
    weights : ``[output, feature]``.
    bias : ``[output]``.
    added : What is added in another way, of any shape.
    """
    x = indexed(g, x, 1)
    inputs = int(np.prod([part.size for part in x.axes[1]]))
    outputs = int(np.prod([part.size for part in weights.axes[0]]))
    if any(part.kind != "index" for axis in (x.axes[1], *weights.axes) for part in axis):
        raise CannotCompile("a matrix with columns along it")
    matrix = weights.members.reshape(outputs, inputs)
    offsets = None if bias is None else np.broadcast_to(bias.members.reshape(-1), (outputs,))
    rows = x.members.reshape(*_sizes(x.axes[:1]), inputs)
    result = np.empty((*rows.shape[:-1], outputs), dtype=object)
    for place in np.ndindex(*rows.shape[:-1]):
        result[place] = array_of(_dense(g, list(rows[place]), matrix, offsets))
    axes: tuple[Axis, ...] = (x.axes[0], index_axis(outputs))
    made = Spread(result if outputs > 1 else result[..., 0], axes)
    if not isinstance(made.members, np.ndarray):
        made = Spread(array_of([made.members]).reshape(()), axes)
    return made if added is None else combined(g, lambda a, b: g.node("add", a, b), [made, added])


def _sizes(axes: tuple[Axis, ...]) -> list[int]:
    return [part.size for axis in axes for part in axis if part.kind == "index"]


def _dense(g: Graph, features: list[Node], matrix: np.ndarray, bias: np.ndarray | None) -> list[Node]:
    """Outputs of a linear layer for one row of features."""
    outputs, inputs = matrix.shape
    layers = max(node.length for node in features)
    if outputs == inputs == 1:
        # Nothing to loop over, and a weight that is one number is no matrix.
        product = g.node("mul", features[0], matrix[0, 0])
        return [product if bias is None else g.node("add", product, bias[0])]
    matrix_node, turned = _matrix(g, matrix)
    args = [packed(g, features, layers), matrix_node]
    if bias is not None:
        args.append(packed(g, list(bias), 0))
    length = outputs * max(layers, 1)
    node = g.node("dense", *args, attribute=(outputs, inputs, layers, turned), length=length)
    if layers:
        return [g.slice(node, layers * k, layers) if outputs > 1 else node for k in range(outputs)]
    return [g.extract(node, k) for k in range(outputs)]


def _matrix(g: Graph, matrix: np.ndarray) -> tuple[Node, bool]:
    """Weights in one node, and whether features lie in it as rows."""
    by_output = packed(g, list(matrix.reshape(-1)), 0)
    if by_output.op != "concat" or min(matrix.shape) == 1:
        return by_output, False
    by_feature = packed(g, list(matrix.T.reshape(-1)), 0)
    return (by_feature, True) if by_feature.op != "concat" else (by_output, False)


MATRICES: dict[str, Callable[..., Any]] = {"mm": _mm, "addmm": _addmm, "bmm": _bmm, "mv": _mv}
