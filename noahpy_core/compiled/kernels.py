"""Kernels: a step, forward or back, in a loop over time, in a loop over blocks of columns.

Both take one argument, the address of an array of 64-bit integers, laid out as `ARGUMENTS` says. Tables of pointers
have for each entry its address and the distances, in numbers, between columns, layers and times (`ENTRY`); where an
address is 0, zero is read, and nothing written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from torch import Tensor

from noahpy_core.compiled.code import Target, Writer, users_of
from noahpy_core.compiled.graph import Node, needed
from noahpy_core.compiled.mathematics import FUNCTIONS, NumberType
from noahpy_core.compiled.schedule import base_of, needs
from noahpy_core.compiled.step_graph import (
    STEP_LENGTH,
    THICKNESS,
    ReverseGraph,
    Shape,
    Source,
    StepGraph,
    Wanted,
    reverse_constants,
    reverse_step,
    varying,
)

ARGUMENTS = (
    "columns", "begin", "end", "first_step", "last_step", "scratch", "inputs", "tables", "outputs", "states",
    "final", "failures", "gradients",
)  # fmt: skip
ENTRY = ("address", "column", "layer", "time")


class Kernel:
    """Text of one kernel, and what its caller must provide.

    Parameters
    ----------
    name : Of the function.
    text : LLVM code of a whole module.
    scratch : Numbers of scratch memory.
    """

    def __init__(self, name: str, text: str, scratch: int) -> None:
        self.name, self.text, self.scratch = name, text, scratch


def input_sources(shape: Shape, constants: Sequence[Tensor]) -> list[tuple[Source, int]]:
    """What the table of inputs points to, in order, with numbers of layers."""
    sources: list[tuple[Source, int]] = []
    for name in ("state", "forcing", "parameters"):
        sources += [((name, path), layers) for path, layers in shape.fields(name)]
    sources += [(STEP_LENGTH, 0), (THICKNESS, shape.layers)]
    for number, constant in enumerate(constants):
        if constant.ndim > 1:
            sources.append((("constant", number), constant.shape[0]))
    return sources


def state_rows(shape: Shape) -> list[tuple[str, int, int]]:
    """Path, number of layers and first row of each part of a state in flat form, ``[row, column]``."""
    rows, at = [], 0
    for path, layers in shape.fields("state"):
        rows.append((path, layers, at))
        at += max(layers, 1)
    return rows


class _Builder:
    """What both kernels share."""

    def __init__(self, step: StepGraph, target: Target, name: str, roots: Iterable[Node]) -> None:
        self.step, self.target, self.name = step, target, name
        self.roots = list(roots)
        self.writer = Writer(target, users_of(self.roots))
        sources = input_sources(step.shape, step.constants)
        self.sources = {source: (k, layers) for k, (source, layers) in enumerate(sources)}
        self.rows = state_rows(step.shape)
        self.row_count = sum(max(layers, 1) for _, layers, _ in self.rows)
        self.slots = {path: self.writer.arena.take(max(layers, 1)) for path, layers, _ in self.rows}
        self.inputs: dict[Source, list[Node]] = {}
        for node in needed(self.roots):
            if node.op == "input":
                self.inputs.setdefault(node.attribute[0], []).append(node)

    # --- access to memory of the caller -----------------------------------------------------------------------------

    def begin(self) -> None:
        """Arguments, tables and the start of the loop over columns."""
        w = self.writer
        for position, argument in enumerate(ARGUMENTS):
            place = w.put(f"getelementptr i64, ptr %arguments, i64 {position}")
            kind = "i64" if position < 5 else "ptr"
            w.lines.append(f"  %{argument} = load {kind}, ptr {place}, align 8")
        tables = sorted({node.attribute for node in needed(self.roots) if node.op == "gather"})
        for number, _ in tables:
            place = w.put(f"getelementptr ptr, ptr %tables, i64 {number}")
            w.lines.append(f"  %table{number} = load ptr, ptr {place}, align 8")

    def entry(self, table: str, position: int, column: str, step: str | None = None) -> tuple[str, str, str]:
        """Address of the first layer at a column (and step), distance of layers, distance of columns."""
        w = self.writer
        values = []
        for field in range(len(ENTRY)):
            place = w.put(f"getelementptr i64, ptr %{table}, i64 {position * len(ENTRY) + field}")
            kind = "ptr" if field == 0 else "i64"
            values.append(w.put(f"load {kind}, ptr {place}, align 8"))
        address, between, layer, time = values
        offset = w.put(f"mul i64 {column}, {between}")
        if step is not None:
            offset = w.put(f"add i64 {offset}, {w.put(f'mul i64 {step}, {time}')}")
        moved = w.put(f"getelementptr {self.target.number}, ptr {address}, i64 {offset}")
        null = w.put(f"icmp eq ptr {address}, null")
        return w.put(f"select i1 {null}, ptr null, ptr {moved}"), layer, between

    def fetch(self, address: str, between: str) -> str:
        """The values of a block of columns."""
        t = self.target.column.text
        return self.writer.put(f"call {t} @fetch(ptr {address}, i64 {between}, i64 %remaining)")

    def deliver(self, address: str, value: str, function: str = "deliver") -> None:
        """Write (or add) the values of a block of columns."""
        self.writer.do(f"call void @{function}(ptr {address}, {self.target.column.text} {value}, i64 %remaining)")

    def along(self, address: str, distance: str, layer: str | int) -> str:
        """Address of a layer."""
        w = self.writer
        return w.put(f"getelementptr {self.target.number}, ptr {address}, i64 {w.put(f'mul i64 {distance}, {layer}')}")

    def fetch_layers(self, address: str, distance: str, between: str, layers: int, offset: int) -> None:
        """Copy layers of the caller's memory to scratch memory."""
        w, wide = self.writer, self.target.columns
        with w.counting("0", str(layers), "1") as count:
            value = self.fetch(self.along(address, distance, count.index), between)
            place = count.index if wide == 1 else w.put(f"mul i64 {count.index}, {wide}")
            w.store(self.target.column, value, offset, place)

    def load_input(self, source: Source, step: str | None = None) -> None:
        """Read an input from the caller's memory."""
        nodes = self.inputs.get(source)
        if not nodes:
            return
        w = self.writer
        position, layers = self.sources[source]
        address, distance, between = self.entry("inputs", position, "%column", step)
        for node in nodes:
            part = node.attribute[1]
            if part is None and node.length:
                w.places[node.number] = w.arena.take(layers)
                self.fetch_layers(address, distance, between, layers, w.places[node.number])
            else:
                at = self.along(address, distance, part) if part else address
                w.column_values[node.number] = self.fetch(at, between)

    def state_address(self, base: str, path_row: int, step: str | None) -> str:
        """Address of a row of states kept in flat form, ``[step, row, column]``."""
        w = self.writer
        row: str = str(path_row)
        if step is not None:
            row = w.put(f"add i64 {w.put(f'mul i64 {step}, {self.row_count}')}, {path_row}")
        offset = w.put(f"add i64 {w.put(f'mul i64 {row}, %columns')}, %column")
        return w.put(f"getelementptr {self.target.number}, ptr %{base}, i64 {offset}")

    def move_states(self, base: str, slots: dict[str, int], *, out: bool, step: str | None = None) -> None:
        """Copy whole states between the caller's flat memory and scratch memory."""
        w, wide, kind = self.writer, self.target.columns, self.target.column
        for path, layers, row in self.rows:
            first = self.state_address(base, row, step)
            with w.counting("0", str(max(layers, 1)), "1") as count:
                address = self.along(first, "%columns", count.index)
                place = count.index if wide == 1 else w.put(f"mul i64 {count.index}, {wide}")
                if out:
                    self.deliver(address, w.load(kind, slots[path], place))
                else:
                    w.store(kind, self.fetch(address, "1"), slots[path], place)

    def name_state(self, slots: dict[str, int], container: str = "state") -> None:
        """Tell where the state's nodes have their values."""
        w = self.writer
        for path, _, _ in self.rows:
            for node in self.inputs.get((container, path), []):
                part = node.attribute[1]
                if node.length:
                    w.places[node.number] = slots[path]
                else:
                    w.column_values[node.number] = w.load(
                        self.target.column, slots[path] + (part or 0) * self.target.columns
                    )

    def load_constants(self) -> list[Node]:
        """Read what does not change in time, and compute what follows from it alone."""
        w = self.writer
        nodes = needed(self.roots)
        changing = varying(nodes)
        for source in self.sources:
            if source[0] in ("parameters", "constant") or source in (STEP_LENGTH, THICKNESS):
                self.load_input(source)
        known = [node for node in nodes if node.number not in changing and not self._late(node)]
        late = {node.number for node in nodes if self._late(node)}
        wanted = {
            operand.number: operand
            for node in nodes
            if node.number in changing or node.number in late
            for operand in needs(node)
            if operand.number not in changing and operand.number not in late
        }
        wanted |= {root.number: root for root in self.roots if root.number not in changing and root.number not in late}
        w.emit(known, wanted.values())
        self.constants = {node.number for node in known}
        return [node for node in nodes if node.number in changing and node.number not in late]

    def _late(self, node: Node) -> bool:
        return False

    def result(self, node: Node, layer: str | int) -> str:
        """Value of a result in one layer."""
        return self.writer.layer(node, layer)

    def write_entry(
        self, table: str, position: int, node: Node, layers: int, step: str | None, function: str = "deliver"
    ) -> None:
        """Write a result where the caller wants it, if it does."""
        w = self.writer
        address, distance, _ = self.entry(table, position, "%column", step)
        wanted, skip = w.label("write"), w.label("skip")
        null = w.put(f"icmp eq ptr {address}, null")
        w.do(f"br i1 {null}, label %{skip}, label %{wanted}")
        w.begin(wanted)
        if layers:
            with w.counting("0", str(layers), "1") as count:
                self.deliver(self.along(address, distance, count.index), self.result(node, count.index), function)
        else:
            self.deliver(address, w.column(node), function)
        w.jump(skip)
        w.begin(skip)

    def finish(self) -> Kernel:
        """The module."""
        body = "\n".join(self.writer.lines)
        function = f"define void @{self.name}(ptr %arguments) #0 {{\nentry:\n{body}\n  ret void\n}}"
        return Kernel(self.name, "\n\n".join([_support(self.target), function]), self.writer.arena.extent)

    def over_columns(self) -> _ColumnLoop:
        """The loop over blocks of columns."""
        return _ColumnLoop(self)


class _ColumnLoop:
    def __init__(self, builder: _Builder) -> None:
        self.builder = builder

    def __enter__(self) -> None:
        w = self.builder.writer
        head, before = w.label("block"), w.block
        w.jump(head)
        w.begin(head)
        self.mark, self.head, self.before = len(w.lines), head, before
        w.lines.append("")
        w.lines.append("  %remaining = sub i64 %end, %column")

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        w = self.builder.writer
        following = w.put(f"add i64 %column, {self.builder.target.columns}")
        w.lines[self.mark] = f"  %column = phi i64 [ %begin, %{self.before} ], [ {following}, %{w.block} ]"
        more = w.put(f"icmp slt i64 {following}, %end")
        after = w.label("end")
        w.do(f"br i1 {more}, label %{self.head}, label %{after}")
        w.begin(after)


def forward_kernel(step: StepGraph, target: Target) -> Kernel:
    """Steps from `first_step` to before `last_step`.

    Reads the state at the start from `inputs`; writes each result of each step to `outputs`, the states before the
    steps to `states` and the state after the last one to `final`; notes in `failures` the first step of a column that
    was not solved.
    """
    names = [path for path, _ in step.shape.results()]
    roots = [step.results[path] for path in names] + [node for node, _ in step.requirements]
    b = _Builder(step, target, "steps_forward", roots)
    w = b.writer
    b.begin()
    with b.over_columns():
        changing = b.load_constants()
        for path, layers, _ in b.rows:
            position, _ = b.sources["state", path]
            address, distance, between = b.entry("inputs", position, "%column")
            b.fetch_layers(address, distance, between, max(layers, 1), b.slots[path])
        with w.counting("%first_step", "%last_step", "1") as time:
            kept = w.put(f"sub i64 {time.index}, %first_step")
            _if_wanted(b, "states", lambda: b.move_states("states", b.slots, out=True, step=kept))
            b.name_state(b.slots)
            for path, _ in step.shape.fields("forcing"):
                b.load_input(("forcing", path), time.index)
            w.emit([node for node in changing if node.op != "input"], roots)
            for position, (path, layers) in enumerate(step.shape.results()):
                b.write_entry("outputs", position, step.results[path], layers, time.index)
            for node, _ in step.requirements:
                _note_failure(b, w.column(node), time.index)
            _advance(b, {path: step.results[path] for path, _, _ in b.rows}, b.slots)
        _if_wanted(b, "final", lambda: b.move_states("final", b.slots, out=True))
    return b.finish()


def _if_wanted(b: _Builder, pointer: str, write: Callable[[], None]) -> None:
    w = b.writer
    wanted, skip = w.label("write"), w.label("skip")
    null = w.put(f"icmp eq ptr %{pointer}, null")
    w.do(f"br i1 {null}, label %{skip}, label %{wanted}")
    w.begin(wanted)
    write()
    w.jump(skip)
    w.begin(skip)


def _advance(b: _Builder, results: dict[str, Node], slots: dict[str, int]) -> None:
    """New values in place of the old ones. A result that is itself an old value would be read too late."""
    for path, layers, _ in b.rows:
        base, _ = base_of(results[path])
        if base.op == "input" and base.attribute[0] != ("state", path) and layers:
            raise NotImplementedError(f"{path} is a copy of {base.attribute[0]}")
        b.writer.fill(slots[path], [(results[path], max(layers, 1))])


def _note_failure(b: _Builder, fulfilled: str, step: str) -> None:
    """Remember the first step that failed in each column."""
    w, wide = b.writer, b.target.columns
    if wide > 1:
        bits = w.put(f"bitcast <{wide} x i1> {fulfilled} to i{wide}")
        failed = w.put(f"icmp ne i{wide} {bits}, -1")
    else:
        failed = w.put(f"xor i1 {fulfilled}, true")
    note, skip = w.label("note"), w.label("skip")
    w.do(f"br i1 {failed}, label %{note}, label %{skip}")
    w.begin(note)
    place = w.put("getelementptr i64, ptr %failures, i64 %column")
    bits = w.put(f"zext {b.target.column.truth} {fulfilled} to {b.target.column.vector('i64')}")
    w.do(f"call void @note_failures(ptr {place}, {b.target.column.vector('i64')} {bits}, i64 {step}, i64 %remaining)")
    w.jump(skip)
    w.begin(skip)


def reverse_kernel(step: StepGraph, target: Target, wanted: Wanted) -> Kernel:
    """Steps from before `last_step` back to `first_step`.

    Reads the states before the steps from `states`, the derivatives with respect to results from `outputs`, the
    derivative with respect to the state after the last step from `final`, where it leaves the one with respect to the
    state before the first. Writes derivatives with respect to forcing to `gradients`, and adds those with respect to
    parameters there.
    """
    back = reverse_step(step, wanted)
    constants = reverse_constants(step, back.carried, wanted)
    roots = [*back.state.values(), *back.forcing.values(), *(d for _, d in back.carried), *constants.values()]
    b = _ReverseBuilder(step, target, roots, back)
    w, kind = b.writer, target.column
    results = {path: k for k, (path, _) in enumerate(step.shape.results())}
    b.begin()
    with b.over_columns():
        changing = b.load_constants()
        b.move_states("final", b.adjoint, out=False)
        for (_, derivative), offset in zip(back.carried, b.sums, strict=True):
            with w.counting("0", str(max(derivative.length, 1)), "1") as count:
                place = count.index if target.columns == 1 else w.put(f"mul i64 {count.index}, {target.columns}")
                w.store(kind, kind.number(0.0), offset, place)
        with w.counting("%first_step", "%last_step", "1") as time:
            ahead = w.put(f"sub i64 {time.index}, %first_step")
            now = w.put(f"sub i64 {w.put(f'sub i64 %last_step, {ahead}')}, 1")
            b.move_states("states", b.slots, out=False, step=w.put(f"sub i64 {now}, %first_step"))
            b.add_cotangents(now, results)
            b.name_state(b.slots)
            b.name_state(b.adjoint, "adjoint")
            for path, _ in step.shape.fields("forcing"):
                b.load_input(("forcing", path), now)
            for name in wanted.fluxes:
                b.load_cotangent(name, results[name], now)
            w.emit([node for node in changing if node.op != "input"], b.changing_roots)
            b.write_forcing(now)
            for (_, derivative), offset in zip(back.carried, b.sums, strict=True):
                b.accumulate(derivative, offset)
            b.replace_adjoint()
        b.move_states("final", b.adjoint, out=True)
        b.write_parameters(constants)
    return b.finish()


class _ReverseBuilder(_Builder):
    """What only the way back has."""

    def __init__(self, step: StepGraph, target: Target, roots: list[Node], back: ReverseGraph) -> None:
        super().__init__(step, target, "steps_back", roots)
        self.back = back
        take = self.writer.arena.take
        self.adjoint = {path: take(max(layers, 1)) for path, layers, _ in self.rows}
        self.sums = [take(max(derivative.length, 1)) for _, derivative in back.carried]
        nodes = needed(roots)
        after: set[int] = set()
        for node in nodes:
            if (node.op == "input" and node.attribute[0][0] == "sum") or any(
                operand.number in after for operand in needs(node)
            ):
                after.add(node.number)
        self.after = after
        self.changing_roots = [
            *back.state.values(), *back.forcing.values(), *(derivative for _, derivative in back.carried)
        ]  # fmt: skip

    def _late(self, node: Node) -> bool:
        return node.number in self.after

    def add_cotangents(self, step: str, results: dict[str, int]) -> None:
        """Derivatives with respect to states that were asked for join that of the state."""
        w, wide, kind = self.writer, self.target.columns, self.target.column
        for path, layers, _ in self.rows:
            address, distance, between = self.entry("outputs", results[path], "%column", step)
            wanted, skip = w.label("add"), w.label("skip")
            w.do(f"br i1 {w.put(f'icmp eq ptr {address}, null')}, label %{skip}, label %{wanted}")
            w.begin(wanted)
            with w.counting("0", str(max(layers, 1)), "1") as count:
                more = self.fetch(self.along(address, distance, count.index), between)
                place = count.index if wide == 1 else w.put(f"mul i64 {count.index}, {wide}")
                old = w.load(kind, self.adjoint[path], place)
                w.store(kind, w.put(f"fadd {kind.text} {old}, {more}"), self.adjoint[path], place)
            w.jump(skip)
            w.begin(skip)

    def load_cotangent(self, name: str, position: int, step: str) -> None:
        """Read the derivative with respect to a flux."""
        w = self.writer
        for node in self.inputs.get(("cotangent", name), []):
            address, distance, between = self.entry("outputs", position, "%column", step)
            if node.length:
                w.places[node.number] = w.arena.take(node.length)
                self.fetch_layers(address, distance, between, node.length, w.places[node.number])
            else:
                w.column_values[node.number] = self.fetch(address, between)

    def write_forcing(self, step: str) -> None:
        """Hand out derivatives with respect to forcing."""
        for path, derivative in self.back.forcing.items():
            position, layers = self.sources["forcing", path]
            self.write_entry("gradients", position, derivative, layers, step)

    def accumulate(self, derivative: Node, offset: int) -> None:
        """Add one step's share to a sum over time."""
        w = self.writer
        if derivative.length:
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

    def replace_adjoint(self) -> None:
        """The derivative with respect to the state before the step takes the place of the one after."""
        w, zero = self.writer, self.step.graph.constant(0.0)
        for path, layers, _ in self.rows:
            derivative = self.back.state.get(path, zero)
            base, _ = base_of(derivative)
            if base.op == "input" and layers:
                raise NotImplementedError(f"the derivative with respect to {path} is a copy of {base.attribute[0]}")
            w.fill(self.adjoint[path], [(derivative, max(layers, 1))])

    def write_parameters(self, constants: dict[str, Node]) -> None:
        """From sums over time to derivatives with respect to parameters, added to what the caller has."""
        w = self.writer
        for (node, derivative), offset in zip(self.back.carried, self.sums, strict=True):
            for member in self.inputs.get(("sum", node.number), []):
                if derivative.length:
                    w.places[member.number] = offset
                else:
                    w.column_values[member.number] = w.load(self.target.column, offset)
        late = [node for node in needed(self.roots) if node.number in self.after and node.op != "input"]
        w.emit(late, constants.values())
        for path, derivative in constants.items():
            position, layers = self.sources["parameters", path]
            self.write_entry("gradients", position, derivative, layers, None, "add_to")


def _support(target: Target) -> str:
    """Functions every kernel uses: elementary ones, and access to the caller's memory."""
    kinds = {target.column, target.layers}
    texts = [function(kind) for kind in sorted(kinds, key=lambda k: k.lanes) for function in FUNCTIONS.values()]
    for kind in sorted(kinds, key=lambda k: k.lanes):
        t = kind.text
        for name in ("fabs", "sqrt", "trunc"):
            texts.append(f"declare {t} @llvm.{name}.{kind.suffix}({t})")
        texts.append(f"declare {t} @llvm.fmuladd.{kind.suffix}({t}, {t}, {t})")
    texts.append(_access(target.column, target.size))
    width = target.lanes * target.size * 8
    texts.append(f'attributes #0 = {{ "prefer-vector-width"="{width}" "min-legal-vector-width"="{width}" }}')
    return "\n\n".join(texts)


def _access(kind: NumberType, size: int) -> str:
    """fetch, deliver, add_to and note_failures: the last block of columns may not be full."""
    t, n, w = kind.text, kind.name, kind.lanes
    if w == 1:
        return f"""
define internal {t} @fetch(ptr %p, i64 %between, i64 %remaining) alwaysinline {{
entry:
  %none = icmp eq ptr %p, null
  br i1 %none, label %zero, label %some
some:
  %x = load {t}, ptr %p, align {size}
  ret {t} %x
zero:
  ret {t} 0.0
}}
define internal void @deliver(ptr %p, {t} %x, i64 %remaining) alwaysinline {{
  store {t} %x, ptr %p, align {size}
  ret void
}}
define internal void @add_to(ptr %p, {t} %x, i64 %remaining) alwaysinline {{
  %old = load {t}, ptr %p, align {size}
  %new = fadd {t} %old, %x
  store {t} %new, ptr %p, align {size}
  ret void
}}
define internal void @note_failures(ptr %p, i64 %fulfilled, i64 %step, i64 %remaining) noinline {{
entry:
  %old = load i64, ptr %p, align 8
  %fresh = icmp slt i64 %old, 0
  %failed = icmp eq i64 %fulfilled, 0
  %both = and i1 %fresh, %failed
  %new = select i1 %both, i64 %step, i64 %old
  store i64 %new, ptr %p, align 8
  ret void
}}"""
    last = """
  %more = icmp slt i64 %next, %limit
  br i1 %more, label %lane, label %done
done:
  ret void"""
    head = f"""
entry:
  %full = icmp sge i64 %remaining, {w}
  br i1 %full, label %whole, label %part
part:
  %short = icmp slt i64 %remaining, {w}
  %limit = select i1 %short, i64 %remaining, i64 {w}
  br label %lane
lane:
  %k = phi i64 [ 0, %part ], [ %next, %lane ]
  %at = getelementptr {n}, ptr %p, i64 %k
  %member = extractelement {t} %x, i64 %k
  %next = add i64 %k, 1"""
    return f"""
define internal {t} @fetch(ptr %p, i64 %between, i64 %remaining) noinline #0 {{
entry:
  %none = icmp eq ptr %p, null
  br i1 %none, label %zero, label %some
zero:
  ret {t} zeroinitializer
some:
  %same = icmp eq i64 %between, 0
  br i1 %same, label %one, label %several
one:
  %single = load {n}, ptr %p, align {size}
  %put = insertelement {t} poison, {n} %single, i32 0
  %spread = shufflevector {t} %put, {t} poison, <{w} x i32> zeroinitializer
  ret {t} %spread
several:
  %full = icmp sge i64 %remaining, {w}
  %dense = icmp eq i64 %between, 1
  %easy = and i1 %full, %dense
  br i1 %easy, label %whole, label %part
whole:
  %x = load {t}, ptr %p, align {size}
  ret {t} %x
part:
  %last = sub i64 %remaining, 1
  br label %lane
lane:
  %k = phi i64 [ 0, %part ], [ %next, %lane ]
  %v = phi {t} [ zeroinitializer, %part ], [ %more, %lane ]
  %beyond = icmp sgt i64 %k, %last
  %column = select i1 %beyond, i64 %last, i64 %k
  %offset = mul i64 %column, %between
  %at = getelementptr {n}, ptr %p, i64 %offset
  %member = load {n}, ptr %at, align {size}
  %more = insertelement {t} %v, {n} %member, i64 %k
  %next = add i64 %k, 1
  %again = icmp slt i64 %next, {w}
  br i1 %again, label %lane, label %done
done:
  ret {t} %more
}}
define internal void @deliver(ptr %p, {t} %x, i64 %remaining) noinline #0 {{{head}
  store {n} %member, ptr %at, align {size}{last}
whole:
  store {t} %x, ptr %p, align {size}
  ret void
}}
define internal void @add_to(ptr %p, {t} %x, i64 %remaining) noinline #0 {{{head}
  %old = load {n}, ptr %at, align {size}
  %new = fadd {n} %old, %member
  store {n} %new, ptr %at, align {size}{last}
whole:
  %all = load {t}, ptr %p, align {size}
  %sum = fadd {t} %all, %x
  store {t} %sum, ptr %p, align {size}
  ret void
}}
define internal void @note_failures(ptr %p, <{w} x i64> %fulfilled, i64 %step, i64 %remaining) noinline #0 {{
entry:
  %short = icmp slt i64 %remaining, {w}
  %limit = select i1 %short, i64 %remaining, i64 {w}
  br label %lane
lane:
  %k = phi i64 [ 0, %entry ], [ %next, %lane ]
  %at = getelementptr i64, ptr %p, i64 %k
  %good = extractelement <{w} x i64> %fulfilled, i64 %k
  %old = load i64, ptr %at, align 8
  %fresh = icmp slt i64 %old, 0
  %failed = icmp eq i64 %good, 0
  %both = and i1 %fresh, %failed
  %new = select i1 %both, i64 %step, i64 %old
  store i64 %new, ptr %at, align 8
  %next = add i64 %k, 1
  %more = icmp slt i64 %next, %limit
  br i1 %more, label %lane, label %done
done:
  ret void
}}"""
