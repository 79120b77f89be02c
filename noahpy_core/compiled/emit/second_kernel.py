"""The kernel of second derivatives: steps back, together with the change of all that they give in one direction."""

from __future__ import annotations

from noahpy_core.compiled.emit.builder import Kernel
from noahpy_core.compiled.emit.instructions import CodeTarget
from noahpy_core.compiled.emit.reverse_builder import ReverseBuilder
from noahpy_core.compiled.graph.graph import Node
from noahpy_core.compiled.record.second_order import SecondGraph, second_step
from noahpy_core.compiled.record.step_graph import CHANGE, StepGraph, Wanted, constant_sources


def second_kernel(step: StepGraph, target: CodeTarget, wanted: Wanted) -> Kernel:
    """Steps from before `last_step` back to `first_step`, and the change of their derivatives.

    As the kernel of steps back, except that every memory has the changes too: tables a second one behind the first,
    ``states`` and ``final`` as many rows again.
    """
    second = second_step(step, wanted)
    back, constants = second.back, second.constants
    changing = [*back.state.values(), *second.state.values(), *back.forcing.values(), *second.forcing.values()]
    changing += [*(derivative for _, derivative in back.carried), *second.carried]
    b = _SecondBuilder(step, target, [*changing, *constants.values()], second)
    w, results = b.writer, {path: k for k, (path, _) in enumerate(step.shape.results())}
    changed = {path: len(results) + k for path, k in results.items()}
    sums = [
        *zip((derivative for _, derivative in back.carried), b.sums, strict=True),
        *zip(second.carried, b.sums_of_changes, strict=True),
    ]

    b.begin()
    with b.over_columns():
        for (container, path), _ in constant_sources(step.shape):
            b.load_input((container + CHANGE, path))
        nodes = b.load_constants()
        b.move_pair("final", b.adjoint, b.adjoint_changes, out=False)
        for summed, offset in sums:
            b.clear(offset, summed)

        with b.back_in_time() as now:
            b.move_pair("states", b.slots, b.changes, out=False, step=w.put(f"sub i64 {now}, %first_step"))
            b.add_cotangents(now, results, b.adjoint)
            b.add_cotangents(now, changed, b.adjoint_changes)
            b.name_all()

            for path, _ in step.shape.fields("forcing"):
                for container in ("forcing", "forcing" + CHANGE):
                    b.load_input((container, path), now)
            for name in wanted.fluxes:
                b.load_cotangent(name, results[name], now)
                b.load_cotangent(name, changed[name], now, "cotangent" + CHANGE)

            w.emit([node for node in nodes if node.op != "input"], changing)
            b.write_forcing(now, back.forcing)
            b.write_forcing(now, second.forcing, "forcing" + CHANGE)
            for summed, offset in sums:
                b.accumulate(summed, offset)

            # Last of all: derivatives of this step may still read those of the state after it.
            b.replace_adjoint(back.state, b.adjoint)
            b.replace_adjoint(second.state, b.adjoint_changes)

        b.move_pair("final", b.adjoint, b.adjoint_changes, out=True)
        b.name_sums("sum" + CHANGE, second.carried, b.sums_of_changes)
        b.write_constants(constants)
    return b.finish()


class _SecondBuilder(ReverseBuilder):
    """What only this kernel has: a change of everything."""

    def __init__(self, step: StepGraph, target: CodeTarget, roots: list[Node], second: SecondGraph) -> None:
        super().__init__(step, target, roots, second.back, "steps_second")
        self.changes, self.adjoint_changes = self.room_for_state(), self.room_for_state()
        self.sums_of_changes = [self.writer.arena.reserve(max(node.length, 1)) for node in second.carried]
        self.rows_of_a_step = 2 * self.row_count
        count = len(self.sources)
        self.sources |= {
            (container + CHANGE, path): (count + position, layers)
            for (container, path), (position, layers) in self.sources.items()
        }

    def move_pair(
        self, base: str, slots: dict[str, int], changes: dict[str, int], *, out: bool, step: str | None = None
    ) -> None:
        """Copy states and their changes.

        Parameters
        ----------
        base : Argument with the address of the caller's memory.
        slots, changes : Offsets in scratch memory.
        out : Whether to the caller.
        step : Which of several pairs.
        """
        self.move_states(base, slots, out=out, step=step)
        self.move_states(base, changes, out=out, step=step, skipped=self.row_count)

    def name_all(self) -> None:
        """Tell where state, its derivative and the changes of both have their values."""
        self.name_state(self.slots)
        self.name_state(self.changes, "state" + CHANGE)
        self.name_state(self.adjoint, "adjoint")
        self.name_state(self.adjoint_changes, "adjoint" + CHANGE)
