"""The two kernels: steps forward and steps back, in a loop over time, in a loop over blocks of columns."""

from __future__ import annotations

from noahpy_core.compiled.emit.builder import Kernel, KernelBuilder
from noahpy_core.compiled.emit.instructions import CodeTarget
from noahpy_core.compiled.emit.reverse_builder import ReverseBuilder
from noahpy_core.compiled.record.step_graph import StepGraph, Wanted, reverse_constants, reverse_step


def forward_kernel(step: StepGraph, target: CodeTarget) -> Kernel:
    """Steps from `first_step` to before `last_step`.

    Reads the state at the start from `inputs`; writes each result of each step to `outputs`, the states before the
    steps to `states` and the state after the last one to `final`; notes in `failures` the first step of a column that
    was not solved.
    """
    names = [path for path, _ in step.shape.results()]
    roots = [step.results[path] for path in names] + [node for node, _ in step.requirements]
    b = KernelBuilder(step, target, "steps_forward", roots)
    w = b.writer

    b.begin()
    with b.over_columns():
        changing = b.load_constants()
        for path, layers, _ in b.rows:
            position, _ = b.sources["state", path]
            address, distance, between = b.entry("inputs", position, "%column")
            b.fetch_layers(address, distance, between, max(layers, 1), b.slots[path])

        with w.counting("%first_step", "%last_step", "1") as time:
            # Room for states begins with the first step of this call.
            kept = w.put(f"sub i64 {time.index}, %first_step")
            with b.if_wanted("%states"):
                b.move_states("states", b.slots, out=True, step=kept)

            b.name_state(b.slots)
            for path, _ in step.shape.fields("forcing"):
                b.load_input(("forcing", path), time.index)

            w.emit([node for node in changing if node.op != "input"], roots)

            for position, (path, layers) in enumerate(step.shape.results()):
                b.write_entry("outputs", position, step.results[path], layers, time.index)
            for node, _ in step.requirements:
                note_failure(b, w.column(node), time.index)

            # Last of all: outputs of this step may still read the old state.
            b.replace_state({path: step.results[path] for path, _, _ in b.rows}, b.slots)

        with b.if_wanted("%final"):
            b.move_states("final", b.slots, out=True)
    return b.finish()


def note_failure(b: KernelBuilder, fulfilled: str, step: str) -> None:
    """Remember the first step that failed in each column.

    Parameters
    ----------
    b : Of the kernel under way.
    fulfilled : Name of the truth value, one for each column of the block.
    step : Name of the number of the step.
    """
    w, numbers = b.writer, b.target.column.vector("i64")
    # Nearly always all are fulfilled, and that costs one branch.
    with w.unless(w.everywhere(fulfilled, b.target.columns)):
        place = w.put("getelementptr i64, ptr %failures, i64 %column")
        bits = w.put(f"zext {b.target.column.truth} {fulfilled} to {numbers}")
        w.do(f"call void @note_failures(ptr {place}, {numbers} {bits}, i64 {step}, i64 %remaining)")


def reverse_kernel(step: StepGraph, target: CodeTarget, wanted: Wanted) -> Kernel:
    """Steps from before `last_step` back to `first_step`.

    Reads the states before the steps from `states`, the derivatives with respect to results from `outputs`, the
    derivative with respect to the state after the last step from `final`, where it leaves the one with respect to the
    state before the first. Writes derivatives with respect to forcing to `gradients`, and adds those with respect to
    what does not change in time there.
    """
    back = reverse_step(step, wanted)
    constants = reverse_constants(step, back.carried, wanted)
    roots = [*back.state.values(), *back.forcing.values(), *(d for _, d in back.carried), *constants.values()]
    b = ReverseBuilder(step, target, roots, back)
    w = b.writer
    results = {path: k for k, (path, _) in enumerate(step.shape.results())}

    b.begin()
    with b.over_columns():
        changing = b.load_constants()
        b.move_states("final", b.adjoint, out=False)

        for (_, derivative), offset in zip(back.carried, b.sums, strict=True):
            b.clear(offset, derivative)

        with b.back_in_time() as now:
            b.move_states("states", b.slots, out=False, step=w.put(f"sub i64 {now}, %first_step"))
            b.add_cotangents(now, results, b.adjoint)

            b.name_state(b.slots)
            b.name_state(b.adjoint, "adjoint")

            for path, _ in step.shape.fields("forcing"):
                b.load_input(("forcing", path), now)
            for name in wanted.fluxes:
                b.load_cotangent(name, results[name], now)

            w.emit([node for node in changing if node.op != "input"], b.changing_roots)

            b.write_forcing(now, back.forcing)
            for (_, derivative), offset in zip(back.carried, b.sums, strict=True):
                b.accumulate(derivative, offset)

            # Last of all: derivatives of this step may still read the adjoint of the state after it.
            b.replace_adjoint(back.state, b.adjoint)

        b.move_states("final", b.adjoint, out=True)
        b.write_constants(constants)
    return b.finish()
