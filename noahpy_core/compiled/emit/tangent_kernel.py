"""The kernel of changes: steps forward together with what a change of all that enters them makes of their results."""

from __future__ import annotations

from noahpy_core.compiled.emit.builder import Kernel, KernelBuilder
from noahpy_core.compiled.emit.instructions import CodeTarget
from noahpy_core.compiled.emit.kernels import note_failure
from noahpy_core.compiled.graph.graph import Node
from noahpy_core.compiled.record.step_graph import (
    CHANGE,
    StepGraph,
    constant_sources,
    tangent_step,
)


def tangent_kernel(step: StepGraph, target: CodeTarget) -> Kernel:
    """Steps from `first_step` to before `last_step`, and their change in one direction.

    As the kernel of steps forward, except that `outputs` has, after the results, an entry for the change of each, and
    `final` after the state its change; states are not kept. `gradients` is a table as `inputs` with the changes; where
    it has no address, there is none.
    """
    names = [path for path, _ in step.shape.results()]
    changes = tangent_step(step)
    roots = [step.results[path] for path in names] + [node for node, _ in step.requirements]
    roots += [changes[path] for path in names]

    b = _TangentBuilder(step, target, roots)
    w = b.writer
    b.begin()

    with b.over_columns():
        for source, _ in constant_sources(step.shape):
            b.load_change(source)
        changing = b.load_constants()

        for path, layers, _ in b.rows:
            for table, slots in (("inputs", b.slots), ("gradients", b.changes)):
                address, distance, between = b.entry(table, b.sources["state", path][0], "%column")
                b.fetch_layers(address, distance, between, max(layers, 1), slots[path])

        with w.counting("%first_step", "%last_step", "1") as time:
            b.name_state(b.slots)
            b.name_state(b.changes, "state" + CHANGE)

            for path, _ in step.shape.fields("forcing"):
                b.load_input(("forcing", path), time.index)
                b.load_change(("forcing", path), time.index)

            w.emit([node for node in changing if node.op != "input"], roots)
            for position, (path, layers) in enumerate(step.shape.results()):
                b.write_entry("outputs", position, step.results[path], layers, time.index)
                b.write_entry("outputs", len(names) + position, changes[path], layers, time.index)

            for node, _ in step.requirements:
                note_failure(b, w.column(node), time.index)

            # Last of all: results and changes of this step may still read the old state and its change.
            b.replace_state({path: step.results[path] for path, _, _ in b.rows}, b.slots)
            b.replace_state(changes, b.changes, "state" + CHANGE)

        with b.if_wanted("%final"):
            b.move_states("final", b.slots, out=True)
            # `final` is laid out as two states: the change lies where a second step would.
            b.move_states("final", b.changes, out=True, step="1")
    return b.finish()


class _TangentBuilder(KernelBuilder):
    """What only this kernel has: a second state."""

    of_derivatives = True

    def __init__(self, step: StepGraph, target: CodeTarget, roots: list[Node]) -> None:
        super().__init__(step, target, "steps_tangent", roots)
        self.changes = self.room_for_state()

    def load_change(self, source: tuple[str, str], step: str | None = None) -> None:
        """Read the change of an input."""
        self.load_input((source[0] + CHANGE, source[1]), step, table="gradients", of=source)
