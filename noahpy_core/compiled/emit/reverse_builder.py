"""What only the kernel of the way back has: derivatives that come in, add up over time, and go out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from noahpy_core.compiled.emit.builder import KernelBuilder
from noahpy_core.compiled.emit.instructions import CodeTarget
from noahpy_core.compiled.graph.graph import Node, needed
from noahpy_core.compiled.record.step_graph import CHANGE, ReverseGraph, StepGraph
from noahpy_core.compiled.schedule.schedule import base_of, needs
from noahpy_core.compiled.shape import Source

SUMS = frozenset({"sum", "sum" + CHANGE})
"""Containers of what is added up over time."""


class ReverseBuilder(KernelBuilder):
    """What only the way back has."""

    of_derivatives = True

    def __init__(
        self, step: StepGraph, target: CodeTarget, roots: list[Node], back: ReverseGraph, name: str = "steps_back"
    ) -> None:
        super().__init__(step, target, name, roots)
        self.back = back
        reserve = self.writer.arena.reserve
        self.adjoint = self.room_for_state()
        self.sums = [reserve(max(derivative.length, 1)) for _, derivative in back.carried]
        nodes = needed(roots)
        # What follows from sums over time must wait until the last step back is taken.
        after: set[int] = set()
        for node in nodes:
            if (node.op == "input" and node.attribute[0][0] in SUMS) or any(
                operand.number in after for operand in needs(node)
            ):
                after.add(node.number)
        self.after = after
        self.changing_roots = [
            *back.state.values(), *back.forcing.values(), *(derivative for _, derivative in back.carried)
        ]  # fmt: skip

    def is_late(self, node: Node) -> bool:
        return node.number in self.after

    def clear(self, offset: int, node: Node) -> None:
        """Zero where a sum over time will be: scratch memory still has that of the block of columns before."""
        w, kind = self.writer, self.target.column
        with w.counting("0", str(max(node.length, 1)), "1") as count:
            place = count.index if self.target.columns == 1 else w.put(f"mul i64 {count.index}, {self.target.columns}")
            w.store(kind, kind.number(0.0), offset, place)

    @contextmanager
    def back_in_time(self) -> Iterator[str]:
        """The loop over steps, from the last one to the first; gives the name of the number of the step."""
        w = self.writer
        with w.counting("%first_step", "%last_step", "1") as time:
            # It counts up.
            ahead = w.put(f"sub i64 {time.index}, %first_step")
            yield w.put(f"sub i64 {w.put(f'sub i64 %last_step, {ahead}')}, 1")

    def add_cotangents(self, step: str, results: dict[str, int], adjoint: dict[str, int]) -> None:
        """Derivatives with respect to states that were asked for join that of the state.

        Parameters
        ----------
        step : Name of the number of the step.
        results : Place of each path in the table.
        adjoint : Where they go in scratch memory.
        """
        w, wide, kind = self.writer, self.target.columns, self.target.column
        for path, layers, _ in self.rows:
            address, distance, between = self.entry("outputs", results[path], "%column", step)
            with self.if_wanted(address), w.counting("0", str(max(layers, 1)), "1") as count:
                more = self.fetch(self.along(address, distance, count.index), between)
                place = count.index if wide == 1 else w.put(f"mul i64 {count.index}, {wide}")
                old = w.load(kind, adjoint[path], place)
                w.store(kind, w.put(f"fadd {kind.text} {old}, {more}"), adjoint[path], place)

    def load_cotangent(self, name: str, position: int, step: str, container: str = "cotangent") -> None:
        """Read the derivative with respect to a flux.

        Parameters
        ----------
        name : Of the flux.
        position : In the table.
        step : Name of the number of the step.
        container : Of the inputs that have it.
        """
        w = self.writer
        for node in self.inputs.get((container, name), []):
            address, distance, between = self.entry("outputs", position, "%column", step)
            if node.length:
                w.places[node.number] = w.arena.reserve(node.length)
                self.fetch_layers(address, distance, between, node.length, w.places[node.number])
            else:
                w.column_values[node.number] = self.fetch(address, between)

    def write_forcing(self, step: str, derivatives: dict[str, Node], container: str = "forcing") -> None:
        """Hand out derivatives with respect to forcing.

        Parameters
        ----------
        step : Name of the number of the step.
        derivatives : By path.
        container : Of the sources with their places in the table.
        """
        for path, derivative in derivatives.items():
            position, layers = self.sources[container, path]
            self.write_entry("gradients", position, derivative, layers, step)

    def accumulate(self, derivative: Node, offset: int) -> None:
        """Add one step's share to a sum over time."""
        w = self.writer
        if derivative.length:
            # A slice has no place of its own: it lies within what it is a slice of.
            base, start = base_of(derivative)
            kind = self.target.layers
            with w.pieces(derivative.length) as count:
                more = w.load(kind, w.places[base.number] + start * self.target.columns, count.index)
                old = w.load(kind, offset, count.index)
                w.store(kind, w.put(f"fadd {kind.text} {old}, {more}"), offset, count.index)
        else:
            kind = self.target.column
            old = w.load(kind, offset)
            w.store(kind, w.put(f"fadd {kind.text} {old}, {w.column(derivative)}"), offset)

    def replace_adjoint(self, derivatives: dict[str, Node], adjoint: dict[str, int]) -> None:
        """The derivative with respect to the state before the step takes the place of the one after.

        Parameters
        ----------
        derivatives : By path.
        adjoint : Their place in scratch memory.
        """
        w, zero = self.writer, self.step.graph.constant(0.0)
        for path, layers, _ in self.rows:
            # A part of the state that nothing reads has no derivative, which is zero here.
            derivative = derivatives.get(path, zero)
            base, _ = base_of(derivative)
            if base.op == "input" and layers:
                raise NotImplementedError(f"the derivative with respect to {path} is a copy of {base.attribute[0]}")
            w.fill(adjoint[path], [(derivative, max(layers, 1))])

    def write_constants(self, constants: dict[Source, Node]) -> None:
        """From sums over time to derivatives with respect to constants, added to what the caller has."""
        self.name_sums("sum", [derivative for _, derivative in self.back.carried], self.sums)
        late = [node for node in needed(self.roots) if node.number in self.after and node.op != "input"]
        self.writer.emit(late, constants.values())
        for source, derivative in constants.items():
            position, layers = self.sources[source]
            # Added: a run is taken back in stretches, and each brings its share.
            self.write_entry("gradients", position, derivative, layers, None, "add_to")

    def name_sums(self, container: str, sums: Sequence[Node], offsets: Sequence[int]) -> None:
        """Tell where nodes have sums over time.

        Parameters
        ----------
        container : Of the inputs that have them.
        sums : What was added up, in the order of what is carried.
        offsets : Of the sums in scratch memory.
        """
        w = self.writer
        for (node, _), summed, offset in zip(self.back.carried, sums, offsets, strict=True):
            for member in self.inputs.get((container, node.number), []):
                if summed.length:
                    w.places[member.number] = offset
                else:
                    w.column_values[member.number] = w.load(self.target.column, offset)
