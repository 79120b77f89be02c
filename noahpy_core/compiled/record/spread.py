"""What a tensor with features stands for while a step is recorded: nodes spread over axes that are no layers.

A tensor of the physics is ``[..., column]``. A network moves the column: it stacks features behind it, merges rows, and
multiplies by weights, which have no column at all. `Spread` says what each axis is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from noahpy_core.compiled.graph.graph import Graph, Node
from noahpy_core.compiled.record.recorded_values import SMALL, CannotCompile, Value, array_of


class Element(NamedTuple):
    """A part of an axis: axes are merged and split again by views.

    Parameters
    ----------
    kind : "layer" (within each node), "column" (in no node), or "index" (a dimension of the array of nodes).
    size : Number of places along it.
    """

    kind: str
    size: int


Axis = tuple[Element, ...]
"""Parts of an axis, the slowest first; none for an axis of one place."""


class Spread(NamedTuple):
    """Nodes of a tensor.

    Parameters
    ----------
    members : Array of nodes, a dimension for each "index" of the axes in order.
    axes : What the axes of the tensor are.
    """

    members: np.ndarray
    axes: tuple[Axis, ...]

    @property
    def layers(self) -> int:
        """Number of layers of the nodes, 0 for none."""
        return next((part.size for axis in self.axes for part in axis if part.kind == "layer"), 0)

    @property
    def has_column(self) -> bool:
        """Whether it differs from column to column."""
        return any(part.kind == "column" for axis in self.axes for part in axis)

    def indices(self, axis: int) -> int:
        """Number of dimensions of the members before those of an axis."""
        return sum(part.kind == "index" for before in self.axes[:axis] for part in before)

    def permuted(self, order: Sequence[int]) -> Spread:
        """The axes in another order."""
        dimensions: list[int] = []
        for axis in order:
            first = self.indices(axis)
            dimensions += range(first, first + sum(part.kind == "index" for part in self.axes[axis]))
        return Spread(self.members.transpose(dimensions), tuple(self.axes[axis] for axis in order))


def spread_of(value: Value, shape: Sequence[int]) -> Spread:
    """A value of the physics, ``[..., column]``, in this form.

    Parameters
    ----------
    value : Nodes in an array of leading dimensions, or one with layers.
    shape : Of its tensor.
    """
    if isinstance(value, Spread):
        return value
    column: Axis = (Element("column", shape[-1]),) if shape else ()
    if isinstance(value, Node):
        return Spread(array_of([value]).reshape(()), ((Element("layer", value.length),), column))
    sizes = [size for size in value.shape if size != 1]
    axes = tuple(index_axis(size) for size in value.shape)
    return Spread(value.reshape(sizes), (*axes, column) if shape else ())


def index_axis(size: int) -> Axis:
    """An axis along which nodes lie in an array."""
    return () if size == 1 else (Element("index", size),)


def plain(graph: Graph, spread: Spread) -> Value:
    """Back to the form of the physics, where the axes allow it."""
    *lead, last = spread.axes or ((),)
    if len(last) != 1 or last[0].kind != "column":
        return spread
    if lead == [(Element("layer", spread.layers),)]:
        node = spread.members.reshape(-1)[0]
        return node if node.length else graph.concat([(node, spread.layers)])
    if not all(len(axis) <= 1 and all(part.kind == "index" for part in axis) for axis in lead):
        return spread
    sizes = [axis[0].size if axis else 1 for axis in lead]
    if len(sizes) == 1 and sizes[0] > SMALL:
        return packed(graph, list(spread.members), 0)
    return spread.members.reshape(sizes)


# --- element by element -----------------------------------------------------------------------------------------------


def combined(graph: Graph, function: Callable[..., Node], spreads: Sequence[Spread]) -> Spread:
    """A function of nodes, element by element, axes broadcast from the last one as torch does."""
    count = max(len(spread.axes) for spread in spreads)
    padded = [Spread(one.members, ((),) * (count - len(one.axes)) + one.axes) for one in spreads]
    for axis in range(count):
        if any(_kind(one.axes[axis]) == "layer" for one in padded):
            padded = [layered(graph, one, axis) for one in padded]
    axes = tuple(_common(tuple(one.axes[axis] for one in padded)) for axis in range(count))
    arrays = np.broadcast_arrays(*(_stretched(one, axes) for one in padded))
    result = np.empty(arrays[0].shape, dtype=object)
    for place in np.ndindex(*result.shape):
        result[place] = function(*(array[place] for array in arrays))
    return Spread(result, axes)


def _kind(axis: Axis) -> str:
    return axis[0].kind if len(axis) == 1 else ""


def _common(axes: Sequence[Axis]) -> Axis:
    """What axes that are broadcast become."""
    found: Axis = ()
    for axis in axes:
        # A column of one place is the same in all.
        same = tuple(part.kind for part in axis) == tuple(part.kind for part in found) == ("column",)
        if same:
            found = max(found, axis)
        elif axis and found and axis != found:
            raise CannotCompile(f"dimensions that do not go together: {_words(found)} and {_words(axis)}")
        else:
            found = found or axis
    return found


def _words(axis: Axis) -> str:
    return " x ".join(f"{part.size} {part.kind if part.kind != 'index' else 'features'}" for part in axis)


def _stretched(one: Spread, axes: Sequence[Axis]) -> np.ndarray:
    """Its members with a dimension of one place for every index it does not have."""
    sizes: list[int] = []
    for own, whole in zip(one.axes, axes, strict=True):
        sizes += [part.size if own else 1 for part in whole if part.kind == "index"]
    return one.members.reshape(sizes)


def layered(graph: Graph, spread: Spread, axis: int) -> Spread:
    """An axis of nodes, one for each layer, as layers of one node."""
    if _kind(spread.axes[axis]) != "index":
        return spread
    size = spread.axes[axis][0].size
    moved = np.moveaxis(spread.members, spread.indices(axis), -1)
    result = np.empty(moved.shape[:-1], dtype=object)
    for place in np.ndindex(*result.shape):
        nodes = list(moved[place])
        result[place] = nodes[0] if all(node is nodes[0] for node in nodes) else packed(graph, nodes, 0)
    axes = (*spread.axes[:axis], (Element("layer", size),), *spread.axes[axis + 1 :])
    return Spread(result, axes)


def indexed(graph: Graph, spread: Spread, axis: int) -> Spread:
    """An axis of layers as an axis of nodes, one for each layer."""
    if _kind(spread.axes[axis]) != "layer":
        return spread
    size = spread.axes[axis][0].size
    result = np.empty((*spread.members.shape, size), dtype=object)
    for place in np.ndindex(*spread.members.shape):
        for layer in range(size):
            whole = (*place, layer)
            result[whole] = graph.extract(spread.members[place], layer)
    axes = (*spread.axes[:axis], (Element("index", size),), *spread.axes[axis + 1 :])
    return Spread(np.moveaxis(result, -1, spread.indices(axis)), axes)


def packed(graph: Graph, nodes: Sequence[Node], layers: int) -> Node:
    """Nodes one after the other in the layers of one: that which they were cut from, if they were.

    Parameters
    ----------
    layers : Of each node; 0 for none.
    """
    first, length = nodes[0], layers or 1
    if len(nodes) == 1 and first.length == length:
        return first
    op = "slice" if layers else "extract"
    if first.op == op:
        base, start = first.args[0], first.attribute
        if all(
            node.op == op and node.args[0] is base and node.attribute == start + k * length and node.length == layers
            for k, node in enumerate(nodes)
        ):
            return graph.slice(base, start, length * len(nodes))
    if not any(node.boolean for node in nodes):
        return graph.concat([(node, length) for node in nodes])
    # Memory holds numbers: truth values go there as such, and are compared when they come back.
    zero, one = graph.constant(0.0), graph.constant(1.0)
    numbers = [graph.node("select", node, one, zero) for node in nodes]
    return graph.node("ne", graph.concat([(node, length) for node in numbers]), zero)


# --- axes -------------------------------------------------------------------------------------------------------------


def viewed(spread: Spread, shape: Sequence[int]) -> Spread:
    """Axes merged and split as a view does it."""
    parts = [part for axis in spread.axes for part in axis][::-1]
    total = int(np.prod([part.size for part in parts]))
    known = int(np.prod([size for size in shape if size != -1]))
    wanted = [total // known if size == -1 else size for size in shape]
    axes: list[Axis] = []
    sizes: list[int] = []
    for size in wanted:
        axis: list[Element] = []
        while size > 1:
            part = parts.pop()
            if part.kind == "index" and part.size > size and part.size % size == 0:
                # A dimension of nodes is cut in two; the rest waits for the next axis.
                parts.append(Element("index", part.size // size))
                part = Element("index", size)
            if size % part.size:
                raise CannotCompile(f"a view that cuts {part.size} {part.kind}s apart")
            size //= part.size
            axis.append(part)
            sizes += [part.size] if part.kind == "index" else []
        axes.append(tuple(axis))
    return Spread(spread.members.reshape(sizes), tuple(axes))


def expanded(spread: Spread, shape: Sequence[int]) -> Spread:
    """Axes of one place repeated."""
    axes = [()] * (len(shape) - len(spread.axes)) + list(spread.axes)
    for position, size in enumerate(shape):
        if axes[position] == () and size not in (1, -1):
            axes[position] = index_axis(size)
        elif _kind(axes[position]) == "column" and size != -1:
            axes[position] = (Element("column", size),)
    old = Spread(spread.members, ((),) * (len(shape) - len(spread.axes)) + spread.axes)
    sizes = [part.size for axis in axes for part in axis if part.kind == "index"]
    return Spread(np.broadcast_to(_stretched(old, axes), sizes), tuple(axes))


def sizes_of(axes: Iterable[Axis]) -> list[int]:
    """Sizes of axes."""
    return [int(np.prod([part.size for part in axis])) for axis in axes]


def elements_of(values: Any, columns: int, make: Callable[[Any], Node]) -> Spread:
    """A tensor nobody supplied as numbers; along an axis as long as there are columns it must not change.

    Parameters
    ----------
    values : Array of numbers.
    columns : Number of columns of the recording.
    make : Number -> node.
    """
    axes: list[Axis] = []
    for position, size in enumerate(values.shape):
        if size == columns:
            if not (values == values.take([0], position)).all():
                raise CannotCompile("a tensor made for each column, with other values in each")
            values = values.take([0], position)
            axes.append((Element("column", size),))
        else:
            axes.append(index_axis(size))
    flat = array_of([make(value) for value in values.reshape(-1).tolist()])
    return Spread(flat.reshape([part.size for axis in axes for part in axis if part.kind == "index"]), tuple(axes))
