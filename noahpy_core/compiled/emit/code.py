"""LLVM code of scheduled nodes, for one column at a time or for a block of columns side by side.

A block has as many columns as a vector has lanes. Values without layers are then vectors over columns; values with
layers lie in scratch memory, one vector for each layer. With a single column they are plain numbers, and vectors run
over layers, so that one column uses the whole width of the processor too.
"""

from __future__ import annotations

from collections import ChainMap, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from noahpy_core.compiled.emit.dense import emit_dense, emit_outer
from noahpy_core.compiled.emit.function_text import NumberType
from noahpy_core.compiled.emit.instructions import CodeTarget, Count, Instructions
from noahpy_core.compiled.graph.graph import Loop, Node, needed
from noahpy_core.compiled.schedule.laziness import Laziness, Segment, find_laziness, segments, shortcut
from noahpy_core.compiled.schedule.nested import find_nested_laziness
from noahpy_core.compiled.schedule.recomputation import Recomputation
from noahpy_core.compiled.schedule.schedule import Action, base_of, needs, schedule, value_of


class Writer(Instructions):
    """Writes the instructions of nodes; knows where the value of each is."""

    def __init__(
        self, target: CodeTarget, users: dict[int, list[Node]], laziness: Laziness, *, spare_memory: bool = False
    ) -> None:
        super().__init__(target)
        self._spare_memory = spare_memory
        self.column_values: dict[int, str] = {}
        self.places: dict[int, int] = {}
        self._users, self._laziness = users, laziness
        self._stored: set[int] = set()

    # --- values -----------------------------------------------------------------------------------------------------

    def column(self, node: Node) -> str:
        """A value without layers."""
        node = value_of(node)
        if node.is_constant:
            return self.target.column.number(node.attribute[0])
        return self.column_values[node.number]

    def layer(self, node: Node, index: str | int) -> str:
        """The value of one layer, its number known now or at run time."""
        if node.length == 0:
            return self.column(node)
        base, start = base_of(node)
        kind, offset = self.target.column, self.places[base.number]
        if isinstance(index, int):
            value = self.load(kind, offset + (start + index) * self.target.columns)
        else:
            wide = index if self.target.columns == 1 else self.put(f"mul i64 {index}, {self.target.columns}")
            value = self.load(kind, offset + start * self.target.columns, wide)
        return self.as_truth(kind, value, base.boolean)

    def emit(self, nodes: Iterable[Node], roots: Iterable[Node], keep: Iterable[Node] = ()) -> None:
        """Compute nodes, whose operands among others are known.

        Parameters
        ----------
        roots : Nodes used later, elsewhere; those with layers stay in scratch memory for good.
        keep : More nodes whose places must not be used again.
        """
        nodes = list(nodes)
        # A slice has no place of its own: what must stay is the value it is a part of.
        kept = {base_of(node)[0].number for node in (*roots, *keep)}
        self._stored |= kept
        actions = schedule(nodes)
        if self._spare_memory:
            self._stored |= Recomputation(actions, self._users, self._stored, self._laziness).kept

        # The last action that reads a value; after it the place of the value is free.
        last: dict[int, int] = {}
        for position, action in enumerate(actions):
            for node in (*action.again, *action.nodes):
                for operand in needs(node):
                    last[base_of(operand)[0].number] = position

        # Places of values from outside, such as the state, are not ours to give away.
        mine = {node.number for node in nodes}
        for position, action in enumerate(actions):
            self._emit_action(action)
            for number in [key for key, at in last.items() if at == position]:
                del last[number]
                if number in mine and number in self.places and number not in kept:
                    self.arena.release(self.places[number])

    def _emit_action(self, action: Action) -> None:
        if action.kind == "columns":
            for node in action.nodes:
                self._emit_column(node)
        elif action.kind == "layers":
            self._emit_layers(action)
        elif action.kind == "loop":
            self._emit_loop(action)
        else:
            handler = getattr(self, f"_emit_{action.kind}")
            handler(action.nodes[0])

    def _emit_column(self, node: Node) -> None:
        if node.op == "extract":
            self.column_values[node.number] = self.layer(node.args[0], node.attribute)
            return
        kind, args = self.target.column, [self.column(arg) for arg in node.args]
        if node.op == "gather":
            self.column_values[node.number] = self._gather(kind, args[0], *node.attribute)
        else:
            self.column_values[node.number] = self.operation(node.op, kind, args, node.boolean)

    def _gather(self, kind: NumberType, place: str, table: int, size: int) -> str:
        """Entries of a table. Anything that is no valid place, not a number included, reads an end of the table."""
        # An ordered comparison is false for what is not a number, so that the index is never taken from one.
        inside = self.put(f"fcmp oge {kind.text} {place}, {kind.number(0.0)}")
        place = self.put(f"select {kind.truth} {inside}, {kind.text} {place}, {kind.text} {kind.number(0.0)}")
        below = self.put(f"fcmp olt {kind.text} {place}, {kind.number(size - 1.0)}")
        place = self.put(f"select {kind.truth} {below}, {kind.text} {place}, {kind.text} {kind.number(size - 1.0)}")
        whole = self.put(f"fptosi {kind.text} {place} to {kind.vector('i32')}")
        number, pointer = self.target.number, f"%table{table}"
        if kind.lanes == 1:
            address = self.put(f"getelementptr {number}, ptr {pointer}, i32 {whole}")
            return self.put(f"load {number}, ptr {address}, align {self.target.size}")

        # Lane by lane: not every processor has an instruction for it.
        result = "poison"
        for lane in range(kind.lanes):
            index = self.put(f"extractelement {kind.vector('i32')} {whole}, i32 {lane}")
            address = self.put(f"getelementptr {number}, ptr {pointer}, i32 {index}")
            entry = self.put(f"load {number}, ptr {address}, align {self.target.size}")
            result = self.put(f"insertelement {kind.text} {result}, {number} {entry}, i32 {lane}")
        return result

    # --- layers -----------------------------------------------------------------------------------------------------

    def in_every_lane(self, value: str, boolean: bool = False) -> str:
        """A column value in every layer of a piece."""
        kind, wide = self.target.layers, self.target.columns
        if wide == kind.lanes:
            return value
        if wide == 1:
            element = "i1" if boolean else self.target.number
            several = kind.truth if boolean else kind.text
            value = self.put(f"insertelement {several} poison, {element} {value}, i32 0")
        else:
            several = self.target.column.truth if boolean else self.target.column.text
        places = ", ".join(f"i32 {lane % wide}" for lane in range(kind.lanes))
        return self.put(f"shufflevector {several} {value}, {several} poison, <{kind.lanes} x i32> <{places}>")

    @contextmanager
    def pieces(self, length: int) -> Iterator[Count]:
        """A loop over the vectors that hold so many layers; its index counts numbers."""
        with self.counting("0", str(length * self.target.columns), str(self.target.lanes)) as count:
            yield count

    def _emit_layers(self, action: Action) -> None:
        together = {node.number for node in action.nodes}
        length = action.nodes[0].length
        spread: dict[int, str] = {}
        nodes = [*action.again, *action.nodes]
        for node in nodes:
            for arg in map(value_of, node.args):
                if arg.length == 0 and not arg.is_constant and arg.number not in spread:
                    spread[arg.number] = self.in_every_lane(self.column(arg), arg.boolean)

        # Only what is read outside this loop goes to memory; the rest lives in registers for one piece.
        stored = {node.number for node in action.nodes if self._is_stored(node, together)}
        for number in stored:
            self.places[number] = self.arena.reserve(length)
        # A branch needs its mask before it; one that is computed in this very loop is not there yet.
        masks = {number for number, mask in self._laziness.masks.items() if base_of(mask)[0].number in self.places}
        parts = segments(nodes, self._laziness, masks | spread.keys())
        with self.pieces(length) as count:
            values = LayerValues(self, count.index, spread)
            for part in parts:
                if part.conditions:
                    self._emit_unless(part, values, stored)
                else:
                    self._emit_nodes(part.nodes, values, stored)

    def _emit_nodes(self, nodes: Iterable[Node], values: LayerValues, stored: set[int]) -> None:
        kind = self.target.layers
        for node in nodes:
            args = [values.of(arg) for arg in node.args]
            values.known[node.number] = self.operation(node.op, kind, args, node.boolean)
            if node.number in stored:
                values.store(node)

    def _emit_unless(self, part: Segment, values: LayerValues, stored: set[int]) -> None:
        """Compute nodes unless one of their conditions holds in all lanes."""
        kind, askers = self.target.layers, self._laziness.askers
        masks = {one: values.of(self._laziness.masks[one.mask]) for one in sorted(part.conditions)}
        shortcuts: dict[int, str] = {}
        for node in part.nodes:
            if node.number in askers:
                equal = shortcut(node, askers[node.number].condition)
                shortcuts[node.number] = shortcuts.get(equal.number) or values.of(equal)

        # One lane that asks is enough: then all lanes compute, and the select picks as without the branch.
        needless, *more = (self.everywhere(mask, kind.lanes, one.when) for one, mask in masks.items())
        for other in more:
            needless = self.put(f"or i1 {needless}, {other}")
        before = self.block
        with self.unless(needless), values.apart() as inside:
            self._emit_nodes(part.nodes, values, stored - shortcuts.keys())
            last = self.block

        # What is used after the branch has two sources: the branch, or what the mask makes it equal to.
        own = {node.number for node in part.nodes}
        for node in part.nodes:
            if node.number not in shortcuts and all(user.number in own for user in self._users[node.number]):
                continue
            # Zero where nobody will look: an asker further on picks its other operand there.
            otherwise = shortcuts.get(node.number, "zeroinitializer")
            type_ = kind.truth if node.boolean else kind.text
            both = f"[ {otherwise}, %{before} ], [ {inside[node.number]}, %{last} ]"
            values.known[node.number] = self.put(f"phi {type_} {both}")
        for node in part.nodes:
            if node.number in stored and node.number in shortcuts:
                values.store(node)

    def _is_stored(self, node: Node, together: set[int]) -> bool:
        if node.number in self._stored or self._spare_memory:
            return node.number in self._stored
        return any(user.number not in together for user in self._users[node.number])

    def _emit_concat(self, node: Node) -> None:
        self.places[node.number] = offset = self.arena.reserve(node.length)
        self.fill(offset, zip(node.args, node.attribute, strict=True))

    def fill(self, offset: int, pieces: Iterable[tuple[Node, int]]) -> None:
        """Write layers one after the other. In order: a piece of vectors may run over into the place of the next."""
        wide = self.target.columns
        for piece, count in pieces:
            if piece.length == 0:
                value = self.as_number(self.target.column, self.column(piece), value_of(piece).boolean)
                for layer in range(count):
                    self.store(self.target.column, value, offset + layer * wide)
            else:
                base, start = base_of(piece)
                with self.pieces(count) as index:
                    moved = self.load(self.target.layers, self.places[base.number] + start * wide, index.index)
                    self.store(self.target.layers, moved, offset, index.index)
            offset += count * wide

    def _reduction(self, node: Node, combine: str) -> None:
        x, kind = node.args[0], self.target.column
        first = self.layer(x, 0)
        type_ = kind.truth if node.boolean else kind.text
        with self.counting("1", str(x.length), "1", carried=[(type_, first)]) as count:
            member = self.layer(x, count.index)
            if combine == "max":
                # As torch: what is not a number wins over every number.
                larger = self.put(f"fcmp olt {kind.text} {count.values[0]}, {member}")
                odd = self.put(f"fcmp uno {kind.text} {member}, {member}")
                larger = self.put(f"or {kind.truth} {larger}, {odd}")
                count.next[0] = self.put(
                    f"select {kind.truth} {larger}, {kind.text} {member}, {kind.text} {count.values[0]}"
                )
            else:
                count.next[0] = self.put(f"{combine} {type_} {count.values[0]}, {member}")
        self.column_values[node.number] = count.next[0]

    def _emit_sum(self, node: Node) -> None:
        self._reduction(node, "fadd")

    def _emit_max(self, node: Node) -> None:
        self._reduction(node, "max")

    def _emit_all(self, node: Node) -> None:
        self._reduction(node, "and")

    def _emit_tridiagonal(self, node: Node) -> None:
        """Gaussian elimination down the layers, then back substitution, with reciprocals of the pivots kept."""
        lower, diagonal, upper, right = node.args
        kind, last = self.target.column, node.length - 1
        t = kind.text
        self.places[node.number] = solution = self.arena.reserve(node.length)
        pivots = self.arena.reserve(node.length)

        def keep(offset: int, value: str, index: str) -> None:
            wide = index if self.target.columns == 1 else self.put(f"mul i64 {index}, {self.target.columns}")
            self.store(kind, value, offset, wide)

        def kept(offset: int, index: str) -> str:
            wide = index if self.target.columns == 1 else self.put(f"mul i64 {index}, {self.target.columns}")
            return self.load(kind, offset, wide)

        # Reciprocals are kept, because a division takes several times as long as a product, and each is used
        # twice.
        pivot = self.put(f"fdiv {t} {kind.number(1.0)}, {self.layer(diagonal, 0)}")
        first = self.layer(right, 0)
        keep(pivots, pivot, "0")
        keep(solution, first, "0")
        with self.counting("1", str(last + 1), "1", carried=[(t, pivot), (t, first)]) as count:
            above = self.put(f"sub i64 {count.index}, 1")
            factor = self.put(f"fmul {t} {self.layer(lower, count.index)}, {count.values[0]}")
            taken = self.put(f"fmul {t} {factor}, {self.layer(upper, above)}")
            reduced = self.put(f"fsub {t} {self.layer(diagonal, count.index)}, {taken}")
            count.next[0] = self.put(f"fdiv {t} {kind.number(1.0)}, {reduced}")
            taken = self.put(f"fmul {t} {factor}, {count.values[1]}")
            count.next[1] = self.put(f"fsub {t} {self.layer(right, count.index)}, {taken}")
            keep(pivots, count.next[0], count.index)
            keep(solution, count.next[1], count.index)
        value = self.put(f"fmul {t} {count.next[1]}, {count.next[0]}")
        self.store(kind, value, solution + last * self.target.columns)

        # Counts from the layer above the last one upwards; the loop itself only knows how to count up.
        with self.counting("1", str(last + 1), "1", carried=[(t, value)]) as count:
            layer = self.put(f"sub i64 {last}, {count.index}")
            taken = self.put(f"fmul {t} {self.layer(upper, layer)}, {count.values[0]}")
            rest = self.put(f"fsub {t} {kept(solution, layer)}, {taken}")
            count.next[0] = self.put(f"fmul {t} {rest}, {kept(pivots, layer)}")
            keep(solution, count.next[0], layer)
        self.arena.release(pivots)

    def _emit_dense(self, node: Node) -> None:
        emit_dense(self, node)

    def _emit_outer(self, node: Node) -> None:
        emit_outer(self, node)

    # --- iterations -------------------------------------------------------------------------------------------------

    def _emit_loop(self, action: Action) -> None:
        """An iteration until its last carried value is true in all columns."""
        loop, kind = action.loop, self.target.column
        firsts = []
        for carried, initial in zip(loop.carried, loop.initial, strict=True):
            if carried.length:
                self.places[carried.number] = self.arena.reserve(carried.length)
                self.fill(self.places[carried.number], [(initial, carried.length)])
            else:
                firsts.append((carried, self.column(initial)))

        head, inside, after, before = self.label("rounds"), self.label("round"), self.label("done"), self.block
        self.jump(head)
        self.begin(head)

        # What a phi takes at the end of a round is known when the round is written; its line is filled in
        # then.
        mark = len(self.lines)
        number = self.put("phi")
        for carried, _ in firsts:
            self.column_values[carried.number] = self.put("phi")
        solved = self.everywhere(self.column(loop.carried[-1]), self.target.columns)
        # All lanes go on until the slowest is done: a lane that is done keeps its value by the body's own
        # select.
        spent = self.put(f"icmp sge i64 {number}, {loop.limit}")
        finished = self.put(f"or i1 {solved}, {spent}")
        self.do(f"br i1 {finished}, label %{after}, label %{inside}")

        self.begin(inside)
        self._emit_round(loop)
        following = self.put(f"add i64 {number}, 1")
        new = {c.number: self.column(f) for c, f in zip(loop.carried, loop.final, strict=True) if not c.length}
        last = self.block
        self.jump(head)

        self.lines[mark] = f"  {number} = phi i64 [ 0, %{before} ], [ {following}, %{last} ]"
        for k, (carried, first) in enumerate(firsts):
            type_ = kind.truth if carried.boolean else kind.text
            name = self.column_values[carried.number]
            self.lines[mark + 1 + k] = (
                f"  {name} = phi {type_} [ {first}, %{before} ], [ {new[carried.number]}, %{last} ]"
            )

        self.begin(after)
        for result in action.nodes:
            carried = loop.carried[result.attribute[1]]
            if carried.length:
                self.places[result.number] = self.places[carried.number]
            else:
                self.column_values[result.number] = self.column_values[carried.number]

        # Results took over the places of their carried values; the places of those nobody reads are free
        # again.
        unread = {loop.carried[result.attribute[1]].number for result in action.nodes}
        for carried in loop.carried:
            if carried.length and carried.number not in unread:
                self.arena.release(self.places[carried.number])

    def _emit_round(self, loop: Loop) -> None:
        self.emit(loop.body, loop.final)
        for carried, final in zip(loop.carried, loop.final, strict=True):
            if carried.length:
                self.fill(self.places[carried.number], [(final, carried.length)])
        for final in {base_of(node)[0].number: base_of(node)[0] for node in loop.final}.values():
            if final.length and final.number in {node.number for node in loop.body}:
                self.arena.release(self.places[final.number])

    def everywhere(self, truth: str, lanes: int, when: bool = True) -> str:
        """Whether a truth value is `when` in all lanes."""
        if lanes == 1:
            return truth if when else self.put(f"xor i1 {truth}, true")
        # All lanes in one comparison: the truth values as the bits of a whole number.
        bits = self.put(f"bitcast <{lanes} x i1> {truth} to i{lanes}")
        return self.put(f"icmp eq i{lanes} {bits}, {-1 if when else 0}")


class LayerValues:
    """Values of nodes in one piece of the layers, loaded when they are first asked for.

    Parameters
    ----------
    writer : Of the code.
    index : Of the piece, in numbers.
    spread : Values without layers, in every lane.
    """

    def __init__(self, writer: Writer, index: str, spread: dict[int, str]) -> None:
        self._writer, self._index, self._spread = writer, index, spread
        self.known: ChainMap[int, str] = ChainMap()

    def of(self, node: Node) -> str:
        """The value of a node."""
        w, node = self._writer, value_of(node)
        kind = w.target.layers
        if node.is_constant:
            return kind.number(node.attribute[0])
        if node.length == 0:
            return self._spread[node.number]
        if node.number not in self.known:
            base, start = base_of(node)
            loaded = w.load(kind, w.places[base.number] + start * w.target.columns, self._index)
            self.known[node.number] = w.as_truth(kind, loaded, base.boolean)
        return self.known[node.number]

    def store(self, node: Node) -> None:
        """Keep a value for later."""
        w = self._writer
        number = w.as_number(w.target.layers, self.known[node.number], node.boolean)
        w.store(w.target.layers, number, w.places[node.number], self._index)

    @contextmanager
    def apart(self) -> Iterator[ChainMap[int, str]]:
        """What becomes known in a branch is not known after it."""
        outside = self.known
        self.known = outside.new_child()
        yield self.known
        self.known = outside


def usage(roots: Iterable[Node], *, nested: bool = False) -> tuple[dict[int, list[Node]], Laziness]:
    """For each node the nodes that read its value, in iterations too, and which of them need not be computed.

    Parameters
    ----------
    nested : Whether what asks for a value may be left out itself.
    """
    users: dict[int, list[Node]] = defaultdict(list)
    kept = list(roots)
    pending, seen = [kept[:]], dict[int, Node]()
    while pending:
        # The body of an iteration is reached through its results only, so it is looked at apart.
        for node in needed(pending.pop()):
            if node.number in seen:
                continue
            seen[node.number] = node
            for operand in needs(node):
                users[operand.number].append(node)
            if node.op == "result":
                pending.append(list(node.attribute[0].final))
                kept += node.attribute[0].final
    find = find_nested_laziness if nested else find_laziness
    return users, find([seen[number] for number in sorted(seen)], users, kept)
