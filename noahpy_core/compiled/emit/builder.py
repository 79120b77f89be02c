"""What kernels have in common: the reading of arguments and tables, and the loop over blocks of columns."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

from noahpy_core.compiled.emit import thread
from noahpy_core.compiled.emit.access import support
from noahpy_core.compiled.emit.arguments import ARGUMENTS, ENTRY, input_sources, state_rows
from noahpy_core.compiled.emit.code import Writer, usage
from noahpy_core.compiled.emit.instructions import CodeTarget
from noahpy_core.compiled.graph.graph import Node, needed
from noahpy_core.compiled.record.step_graph import StepGraph, varying
from noahpy_core.compiled.schedule.schedule import base_of, needs
from noahpy_core.compiled.shape import STEP_LENGTH, THICKNESS, WEIGHT, Source


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


class KernelBuilder:
    """What both kernels share."""

    of_derivatives = False
    """Whether there are derivatives, which read most values once more, each where several masks let it through."""

    def __init__(self, step: StepGraph, target: CodeTarget, name: str, roots: Iterable[Node]) -> None:
        self.step, self.target, self.name = step, target, name
        self.roots = list(roots)
        self.writer = Writer(target, *usage(self.roots, nested=self.of_derivatives), spare_memory=self.of_derivatives)
        sources = input_sources(step.shape, step.constants)
        self.sources = {source: (k, layers) for k, (source, layers) in enumerate(sources)}
        self.rows = state_rows(step.shape)
        self.row_count = sum(max(layers, 1) for _, layers, _ in self.rows)
        self.rows_of_a_step = self.row_count
        self.slots = self.room_for_state()
        self.inputs: dict[Source, list[Node]] = {}
        for node in needed(self.roots):
            if node.op == "input":
                self.inputs.setdefault(node.attribute[0], []).append(node)

    def room_for_state(self) -> dict[str, int]:
        """Offsets in scratch memory of room for a state, or for what is like one, by path."""
        return {path: self.writer.arena.reserve(max(layers, 1)) for path, layers, _ in self.rows}

    # --- access to memory of the caller -----------------------------------------------------------------------------

    def begin(self) -> None:
        """Arguments, tables and the start of the loop over columns."""
        w = self.writer
        own = thread.OWN if self.target.processor == "ptx" else {}
        for position, argument in enumerate(ARGUMENTS):
            place = w.put(f"getelementptr i64, ptr %arguments, i64 {position}")
            # `ARGUMENTS` has numbers first, then addresses.
            kind = "i64" if position < 5 else "ptr"
            w.lines.append(f"  %{own.get(argument, argument)} = load {kind}, ptr {place}, align 8")
        if own:
            thread.begin(w)
        # Tables of constants are read by place, so they are no entries with distances.
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
        # A distance added to nothing would look like something.
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
        """Copy layers of the caller's memory to scratch memory.

        Parameters
        ----------
        address : Of the first layer at the block of columns.
        distance, between : Of layers, and of columns, in numbers.
        layers : How many.
        offset : In scratch memory.
        """
        w, wide = self.writer, self.target.columns
        with w.counting("0", str(layers), "1") as count:
            value = self.fetch(self.along(address, distance, count.index), between)
            place = count.index if wide == 1 else w.put(f"mul i64 {count.index}, {wide}")
            w.store(self.target.column, value, offset, place)

    def load_input(
        self, source: Source, step: str | None = None, table: str = "inputs", of: Source | None = None
    ) -> None:
        """Read an input from the caller's memory: from a table, where another source may stand for it.

        Parameters
        ----------
        source : Container and path of the input.
        step : Name of the number of the step, for what changes in time.
        table : Argument with the table.
        of : Source whose place in the table it has, if not its own.
        """
        nodes = self.inputs.get(source)
        if not nodes:
            return
        w = self.writer
        position, layers = self.sources[of or source]
        address, distance, between = self.entry(table, position, "%column", step)
        for node in nodes:
            part = node.attribute[1]
            if part is None and node.length:
                w.places[node.number] = w.arena.reserve(layers)
                self.fetch_layers(address, distance, between, layers, w.places[node.number])
            else:
                # The first layer, and what has no layers, is where the entry begins.
                at = self.along(address, distance, part) if part else address
                w.column_values[node.number] = self.fetch(at, between)

    def state_address(self, base: str, path_row: int, step: str | None) -> str:
        """Address of a row of states kept in flat form, ``[step, row, column]``."""
        w = self.writer
        row: str = str(path_row)
        if step is not None:
            row = w.put(f"add i64 {w.put(f'mul i64 {step}, {self.rows_of_a_step}')}, {path_row}")
        offset = w.put(f"add i64 {w.put(f'mul i64 {row}, %columns')}, %column")
        return w.put(f"getelementptr {self.target.number}, ptr %{base}, i64 {offset}")

    def move_states(
        self, base: str, slots: dict[str, int], *, out: bool, step: str | None = None, skipped: int = 0
    ) -> None:
        """Copy whole states between the caller's flat memory and scratch memory.

        Parameters
        ----------
        base : Argument with the address of the caller's memory.
        slots : Offset of each part of the state in scratch memory.
        out : Whether to the caller.
        step : Which of several states.
        skipped : Rows before the first of the state.
        """
        w, wide, kind = self.writer, self.target.columns, self.target.column
        for path, layers, row in self.rows:
            first = self.state_address(base, skipped + row, step)
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
                # Layers are read where they lie, a single number is loaded at once.
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
            if source[0] in ("parameters", "constant", WEIGHT) or source in (STEP_LENGTH, THICKNESS):
                self.load_input(source)
        known = [node for node in nodes if node.number not in changing and not self.is_late(node)]
        late = {node.number for node in nodes if self.is_late(node)}
        wanted = {
            operand.number: operand
            for node in nodes
            if node.number in changing or node.number in late
            for operand in needs(node)
            if operand.number not in changing and operand.number not in late
        }
        # A result may be constant itself, such as a parameter that is passed on.
        wanted |= {root.number: root for root in self.roots if root.number not in changing and root.number not in late}
        w.emit(known, wanted.values())
        self.constants = {node.number for node in known}
        return [node for node in nodes if node.number in changing and node.number not in late]

    def is_late(self, node: Node) -> bool:
        """Whether a node is computed after the last step."""
        return False

    def result(self, node: Node, layer: str | int) -> str:
        """Value of a result in one layer."""
        return self.writer.layer(node, layer)

    def write_entry(
        self, table: str, position: int, node: Node, layers: int, step: str | None, function: str = "deliver"
    ) -> None:
        """Write a result where the caller wants it, if it does.

        Parameters
        ----------
        table : Argument with the table.
        position : Of the entry in the table.
        node : The result.
        layers : Number of layers, 0 for none.
        step : Name of the number of the step, for what changes in time.
        function : "deliver", or "add_to" for a sum.
        """
        w = self.writer
        address, distance, _ = self.entry(table, position, "%column", step)
        with self.if_wanted(address):
            if layers:
                with w.counting("0", str(layers), "1") as count:
                    self.deliver(self.along(address, distance, count.index), self.result(node, count.index), function)
            else:
                self.deliver(address, w.column(node), function)

    def if_wanted(self, address: str) -> AbstractContextManager[None]:
        """Code that runs if the caller gave an address."""
        return self.writer.unless(self.writer.put(f"icmp eq ptr {address}, null"))

    def replace_state(self, results: dict[str, Node], slots: dict[str, int], container: str = "state") -> None:
        """New values in place of the old ones. A result that is itself another old value would be read too late.

        Parameters
        ----------
        results : New values by path.
        slots : Place of the old ones in scratch memory.
        container : Of the inputs that have the old ones.
        """
        for path, layers, _ in self.rows:
            base, _ = base_of(results[path])
            if base.op == "input" and base.attribute[0] != (container, path) and layers:
                raise NotImplementedError(f"{path} is a copy of {base.attribute[0]}")
            self.writer.fill(slots[path], [(results[path], max(layers, 1))])

    def finish(self) -> Kernel:
        """The module."""
        body = "\n".join(self.writer.lines)
        if self.target.processor == "ptx":
            text = thread.module(self.target, self.name, body, self.writer.arena.extent)
        else:
            function = f"define void @{self.name}(ptr %arguments) #0 {{\nentry:\n{body}\n  ret void\n}}"
            text = "\n\n".join([support(self.target, body), function])
        return Kernel(self.name, text, self.writer.arena.extent)

    def over_columns(self) -> ColumnLoop:
        """The loop over blocks of columns."""
        return ColumnLoop(self)


class ColumnLoop:
    """The loop over blocks of columns, as a context."""

    def __init__(self, builder: KernelBuilder) -> None:
        self.builder = builder

    def __enter__(self) -> None:
        w = self.builder.writer
        head, before = w.label("block"), w.block
        w.jump(head)
        w.begin(head)
        # The line of the column's phi, written when the loop is closed.
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
