"""LLVM code of linear layers: loops over outputs, layers and features, with several outputs at a time.

A value with features is laid out as ``[feature, layer]``; weights as ``[output, feature]``, or turned. Sums go over the
features in order, from the bias on, whatever the width of vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from noahpy_core.compiled.emit.function_text import NumberType
from noahpy_core.compiled.emit.instructions import Instructions
from noahpy_core.compiled.graph.graph import Node
from noahpy_core.compiled.schedule.schedule import base_of

if TYPE_CHECKING:
    from noahpy_core.compiled.emit.code import Writer

AT_A_TIME = 12
"""Outputs whose sums are in registers together."""


def emit_dense(w: Writer, node: Node) -> None:
    """Weights times features, plus a bias: ``[output, layer]``."""
    x, weights, *bias = node.args
    outputs, inputs, layers, turned = node.attribute
    rows, target = max(layers, 1), w.target
    w.places[node.number] = place = w.arena.reserve(node.length)
    # Vectors over the layers of a single column run over into the next feature: outputs are then written in order.
    single = target.columns == 1 < target.lanes
    # Where pieces fill the layers, a weight that is read serves all layers of a piece.
    filled = layers * target.columns % target.lanes == 0
    kind = target.layers if layers and (single or filled) else target.column
    size = 1 if single else AT_A_TIME
    # From one feature to the next, and from one output to the next, among the weights.
    along, across = (outputs, 1) if turned else (1, inputs)
    for start, count, blocks in _blocks(outputs, size):
        with w.counting("0", str(blocks), "1") as block, _pieces(w, layers, kind) as piece:
            first = w.put(f"add i64 {w.put(f'mul i64 {block.index}, {count}')}, {start}")
            sums = [
                _shared(w, kind, bias[0], w.put(f"add i64 {first}, {k}")) if bias else kind.number(0.0)
                for k in range(count)
            ]
            with w.counting("0", str(inputs), "1", carried=[(kind.text, total) for total in sums]) as feature:
                value = _stored(w, kind, x, feature.index, rows, piece)
                weight = w.put(f"add i64 {_times(w, feature.index, along)}, {_times(w, first, across)}")
                for k in range(count):
                    factor = _shared(w, kind, weights, w.put(f"add i64 {weight}, {k * across}"))
                    feature.next[k] = _fused(w, kind, factor, value, feature.values[k])
            for k in range(count):
                row = _times(w, _times(w, w.put(f"add i64 {first}, {k}"), rows), target.columns)
                w.store(kind, feature.next[k], place, w.put(f"add i64 {row}, {piece}"))


def emit_outer(w: Writer, node: Node) -> None:
    """Products of every feature of one value and every one of another, summed over layers: ``[feature, feature]``."""
    x, y = node.args
    firsts, seconds, layers = node.attribute
    rows, kind, wide = max(layers, 1), w.target.column, w.target.columns
    w.places[node.number] = place = w.arena.reserve(node.length)
    for start, count, blocks in _blocks(firsts, AT_A_TIME):
        with w.counting("0", str(blocks), "1") as block, w.counting("0", str(seconds), "1") as second:
            first = w.put(f"add i64 {w.put(f'mul i64 {block.index}, {count}')}, {start}")
            zeros = [(kind.text, kind.number(0.0))] * count
            with w.counting("0", str(rows), "1", carried=zeros) as layer:
                piece = _times(w, layer.index, wide)
                value = _stored(w, kind, y, second.index, rows, piece)
                for k in range(count):
                    other = _stored(w, kind, x, w.put(f"add i64 {first}, {k}"), rows, piece)
                    layer.next[k] = _fused(w, kind, other, value, layer.values[k])
            for k in range(count):
                row = _times(w, w.put(f"add i64 {first}, {k}"), seconds)
                w.store(kind, layer.next[k], place, _times(w, w.put(f"add i64 {row}, {second.index}"), wide))


def _blocks(total: int, size: int) -> Iterator[tuple[int, int, int]]:
    """First member, members of a block, and number of blocks: the full blocks, then what is left."""
    if total >= size:
        yield 0, size, total // size
    if total % size:
        yield total - total % size, total % size, 1


@contextmanager
def _pieces(w: Writer, layers: int, kind: NumberType) -> Iterator[str]:
    """A loop over the pieces of so many layers, with the place of each in numbers; one piece without layers."""
    if not layers:
        yield "0"
        return
    with w.counting("0", str(layers * w.target.columns), str(kind.lanes)) as count:
        yield count.index


def _times(w: Instructions, value: str, factor: int) -> str:
    return value if factor == 1 else w.put(f"mul i64 {value}, {factor}")


def _place(w: Writer, node: Node) -> int:
    base, start = base_of(node)
    return w.places[base.number] + start * w.target.columns


def _stored(w: Writer, kind: NumberType, node: Node, feature: str, rows: int, piece: str) -> str:
    """A feature of a value in a piece of its layers."""
    row = _times(w, _times(w, feature, rows), w.target.columns)
    return w.load(kind, _place(w, node), w.put(f"add i64 {row}, {piece}"))


def _shared(w: Writer, kind: NumberType, node: Node, index: str) -> str:
    """A weight, in every lane."""
    value = w.load(w.target.column, _place(w, node), _times(w, index, w.target.columns))
    return value if kind == w.target.column else w.in_every_lane(value)


def _fused(w: Instructions, kind: NumberType, a: str, b: str, c: str) -> str:
    t = kind.text
    arguments: Sequence[str] = (f"{t} {a}", f"{t} {b}", f"{t} {c}")
    return w.put(f"call {t} @llvm.fmuladd.{kind.suffix}({', '.join(arguments)})")
