"""Compiled kernels that read the cycle counter of the processor around every piece of code.

Every operation of a step knows the module it came from. Where a piece serves several modules, its cycles are shared out
by instructions.
"""

from __future__ import annotations

import ctypes
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any
from unittest import mock

import llvmlite.binding as llvm
import numpy as np

from noahpy_core.compiled.emit import builder
from noahpy_core.compiled.emit.code import Writer
from noahpy_core.compiled.emit.function_text import NumberType
from noahpy_core.compiled.emit.instructions import CodeTarget
from noahpy_core.compiled.emit.mathematics import FUNCTIONS
from noahpy_core.compiled.execute import program
from noahpy_core.compiled.execute.library import Artefact, Function, assemble
from noahpy_core.compiled.execute.program import Program
from noahpy_core.compiled.graph.graph import Node
from noahpy_core.compiled.record.step_graph import Wanted
from noahpy_core.compiled.schedule.laziness import Laziness
from noahpy_core.compiled.schedule.schedule import Action

DIVISION, SQUARE_ROOT, PIVOT = 16, 24, 20
"""Instructions that take as long, for vectors of eight numbers; PIVOT is a layer of elimination without divisions."""
TRIALS = 1000
SUPPORT = """
@profile_cycles = global [{size} x i64] zeroinitializer
@profile_sink = global [128 x i8] zeroinitializer, align 64
declare i64 @llvm.readcyclecounter()
define i64 @profile_now() {{
  call void asm sideeffect "lfence", "~{{memory}}"()
  %now = call i64 @llvm.readcyclecounter()
  ret i64 %now
}}
define i64 @profile_nothing(i64 %times) {{
entry:
  br label %again
again:
  %k = phi i64 [ 0, %entry ], [ %next, %again ]
  %sum = phi i64 [ 0, %entry ], [ %more, %again ]
  call void asm sideeffect "lfence", "~{{memory}}"()
  %a = call i64 @llvm.readcyclecounter()
  call void asm sideeffect "lfence", "~{{memory}}"()
  %b = call i64 @llvm.readcyclecounter()
  %spent = sub i64 %b, %a
  %more = add i64 %sum, %spent
  %next = add i64 %k, 1
  %go = icmp slt i64 %next, %times
  br i1 %go, label %again, label %done
done:
  ret i64 %more
}}
"""


class Piece:
    """One piece of code.

    Parameters
    ----------
    parent : Number of the piece it lies in: an iteration.
    weights : Instructions by module.
    """

    def __init__(self, action: Action, parent: int | None, kind: NumberType) -> None:
        self.parent, self.kind = parent, action.kind
        self.weights: dict[str, float] = defaultdict(float)
        for node in action.nodes:
            self.weights[node.origin or "model"] += weight(node, kind)


def weight(node: Node, kind: NumberType) -> float:
    """Instructions of a node for one block of columns, by operation and number of layers."""
    layers = max(node.length, 1)
    if node.op == "tridiagonal":
        return layers * (DIVISION + PIVOT)
    if node.op in ("sum", "max", "all"):
        return 2.0 * node.args[0].length
    if node.op in FUNCTIONS:
        return layers * float(FUNCTIONS[node.op](kind).count(" = "))
    return layers * {"div": DIVISION, "sqrt": SQUARE_ROOT, "concat": 2.0}.get(node.op, 1.0)


class ProfiledWriter(Writer):
    """Reads the cycle counter before and after every piece of code."""

    last: ProfiledWriter

    def __init__(
        self, target: CodeTarget, users: dict[int, list[Node]], laziness: Laziness, *, spare_memory: bool = False
    ) -> None:
        super().__init__(target, users, laziness, spare_memory=spare_memory)
        ProfiledWriter.last = self
        self.pieces_of_code: list[Piece] = []
        self._inside: list[int] = []

    def _emit_action(self, action: Action) -> None:
        number = len(self.pieces_of_code)
        parent = self._inside[-1] if self._inside else None
        self.pieces_of_code.append(Piece(action, parent, self.target.column))
        before = self._now()
        self._inside.append(number)
        super()._emit_action(action)
        self._inside.pop()
        self._hold(action.nodes)
        self._add(2 * number, self.put(f"sub i64 {self._now()}, {before}"))
        self._add(2 * number + 1, "1")

    def _now(self) -> str:
        """The counter, after all that comes before is done."""
        self.do('call void asm sideeffect "lfence", "~{memory}"()')
        return self.put("call i64 @llvm.readcyclecounter()")

    def _hold(self, nodes: Iterable[Node]) -> None:
        """Have values computed here, where the compiler might put it off until they are used."""
        for node in nodes:
            if node.length == 0 and node.number in self.column_values:
                kind = self.target.column.truth if node.boolean else self.target.column.text
                self.do(f"store volatile {kind} {self.column_values[node.number]}, ptr @profile_sink, align 64")

    def _add(self, place: int, value: str) -> None:
        address = self.put(f"getelementptr i64, ptr @profile_cycles, i64 {place}")
        old = self.put(f"load i64, ptr {address}, align 8")
        self.do(f"store i64 {self.put(f'add i64 {old}, {value}')}, ptr {address}, align 8")


class ProfiledFunction(Function):
    """A kernel with counters.

    Parameters
    ----------
    calls : For each piece of work, cycles of the whole, of the pieces, and their counts, call by call.
    work : Number of the piece of work that is done.
    counting : Whether calls are entered.
    """

    call: Any

    def __init__(self, artefact: Artefact, pieces: list[Piece]) -> None:
        super().__init__(artefact)
        self.pieces = pieces
        self.calls: dict[int, list[tuple[int, np.ndarray, np.ndarray]]] = defaultdict(list)
        self.work, self.counting = 0, True
        find: Callable[[str], int] = self._engine.get_function_address
        self._now = ctypes.CFUNCTYPE(ctypes.c_int64)(find("profile_now"))
        self._nothing = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(find("profile_nothing"))
        address = self._engine.get_global_value_address("profile_cycles")
        self._counters = np.ctypeslib.as_array((ctypes.c_int64 * (2 * len(pieces))).from_address(address))
        self._kernel: Callable[[Any], None] = self.call
        self.call = self._counted

    def _counted(self, arguments: Any) -> None:
        self._counters[:] = 0
        before = self._now()
        self._kernel(arguments)
        whole = self._now() - before
        if self.counting:
            self.calls[self.work].append((whole, self._counters[0::2].copy(), self._counters[1::2].copy()))

    def cost_of_looking(self) -> tuple[float, float]:
        """Cycles a measurement of nothing shows, and cycles it takes."""
        shown, taken = [], []
        for _ in range(20):
            before = self._now()
            shown.append(self._nothing(TRIALS))
            taken.append(self._now() - before)
        return min(shown) / TRIALS, min(taken) / TRIALS

    def shortest(self) -> tuple[float, np.ndarray, np.ndarray]:
        """Cycles of the whole, those of each piece without the pieces within it, and how often it was done.

        Of all calls that did the same the least each, because something may have come between; then all work together.
        """
        shown, taken = self.cost_of_looking()
        whole = float(sum(min(call[0] for call in calls) for calls in self.calls.values()))
        cycles = np.sum([np.min([call[1] for call in calls], axis=0) for calls in self.calls.values()], axis=0)
        counts = np.sum([calls[0][2] for calls in self.calls.values()], axis=0).astype(float)
        own = cycles - shown * counts
        for k, piece in enumerate(self.pieces):
            if piece.parent is not None:
                own[piece.parent] -= cycles[k] + (taken - shown) * counts[k]
        return whole - taken * float(counts.sum()), own.clip(min=0.0), counts


class ProfiledProgram(Program):
    """A program whose kernels count. They are not kept."""

    def _function(self, wanted: Wanted | None) -> ProfiledFunction:
        llvm.initialize_native_asmparser()

        def assembled(text: str, processor: str) -> bytes:
            return assemble(text + SUPPORT.format(size=2 * len(ProfiledWriter.last.pieces_of_code)))

        with mock.patch.object(builder, "Writer", ProfiledWriter), mock.patch.object(program, "assemble", assembled):
            artefact = self._build(wanted)
        self.latest = ProfiledFunction(artefact, ProfiledWriter.last.pieces_of_code)
        return self.latest
