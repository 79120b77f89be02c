"""LLVM instructions one after the other, and the scratch memory they work on."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from noahpy_core.compiled.emit.function_text import NumberType, function_name
from noahpy_core.compiled.emit.mathematics import FUNCTIONS

ARITHMETIC = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
# "o" is false and "u" true when either is not a number: as torch, where only "not equal" holds then.
COMPARISON = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
INTRINSIC = {"abs": "fabs", "sqrt": "sqrt", "truncate": "trunc"}
FALSE_AS_NUMBER, TRUE_AS_NUMBER = 0.0, 1.0


@dataclasses.dataclass(frozen=True)
class CodeTarget:
    """What code is generated for.

    Parameters
    ----------
    number : "double" or "float".
    lanes : Numbers in a piece of layers, a vector or several of them; 1 for code without vectors.
    columns : Columns side by side: as many as a vector has numbers, or 1.
    processor : "cpu", or "ptx" for a graphics processor: one thread for each column, without vectors.
    """

    number: str
    lanes: int
    columns: int
    processor: Literal["cpu", "ptx"] = "cpu"

    @property
    def column(self) -> NumberType:
        """The type of a value without layers."""
        return NumberType(self.number, self.columns)

    @property
    def layers(self) -> NumberType:
        """The type of a piece of a value with layers."""
        return NumberType(self.number, self.lanes)

    @property
    def size(self) -> int:
        """Bytes of a number."""
        return 8 if self.number == "double" else 4


class Arena:
    """Scratch memory of a kernel: places that are given back are used again."""

    def __init__(self, target: CodeTarget) -> None:
        self._target = target
        self._free: dict[int, list[int]] = defaultdict(list)
        self._size: dict[int, int] = {}
        self.extent = 0

    def reserve(self, length: int) -> int:
        """Offset of room for so many layers, in numbers."""
        lanes = self._target.lanes
        whole = -(-length * self._target.columns // lanes) * lanes
        # One more piece: where one has several layers, code reads and writes past the last layer, up to a whole piece.
        size = whole + (0 if self._target.columns == lanes else lanes)

        # Of the same size only: places of other sizes would have to be cut and joined, and few sizes occur.
        if self._free[size]:
            return self._free[size].pop()
        offset = self.extent
        self.extent += size
        self._size[offset] = size
        return offset

    def release(self, offset: int) -> None:
        """The room at an offset may be used for something else."""
        self._free[self._size[offset]].append(offset)


@dataclasses.dataclass
class Count:
    """A loop under way: its index, its carried values, and what they become (to be set)."""

    index: str
    values: list[str]
    next: list[str]


class Instructions:
    """Writes instructions."""

    def __init__(self, target: CodeTarget) -> None:
        self.target = target
        self.lines: list[str] = []
        self.arena = Arena(target)
        self.block = "entry"
        self._count = 0

    # --- instructions -----------------------------------------------------------------------------------------------

    def put(self, text: str) -> str:
        """An instruction with a result; its name is returned."""
        self._count += 1
        self.lines.append(f"  %v{self._count} = {text}")
        return f"%v{self._count}"

    def do(self, text: str) -> None:
        """An instruction without a result."""
        self.lines.append(f"  {text}")

    def label(self, stem: str) -> str:
        """A new name for a block."""
        self._count += 1
        return f"{stem}{self._count}"

    def begin(self, label: str) -> None:
        """Start a block."""
        self.lines.append(f"{label}:")
        self.block = label

    def jump(self, label: str) -> None:
        """Go on at a block."""
        self.do(f"br label %{label}")

    @contextmanager
    def unless(self, condition: str) -> Iterator[None]:
        """Code that is passed over when a condition holds."""
        inside, after = self.label("inside"), self.label("after")
        self.do(f"br i1 {condition}, label %{after}, label %{inside}")
        self.begin(inside)
        yield
        self.jump(after)
        self.begin(after)

    @contextmanager
    def counting(self, start: str, stop: str, step: str, *, carried: Sequence[tuple[str, str]] = ()) -> Iterator[Count]:
        """A loop from `start` while below `stop`, entered at least once; `carried` are types and first values."""
        head, before = self.label("loop"), self.block
        self.jump(head)
        self.begin(head)
        mark = len(self.lines)
        # The values of the second round are known only when the body is written: see below.
        index = self.put("phi")
        names = [self.put("phi") for _ in carried]
        count = Count(index, names, list(names))
        yield count
        following = self.put(f"add i64 {index}, {step}")
        more = self.put(f"icmp slt i64 {following}, {stop}")
        after, last = self.label("after"), self.block
        self.lines[mark] = f"  {index} = phi i64 [ {start}, %{before} ], [ {following}, %{last} ]"
        for k, (kind, first) in enumerate(carried):
            text = f"  {names[k]} = phi {kind} [ {first}, %{before} ], [ {count.next[k]}, %{last} ]"
            self.lines[mark + 1 + k] = text
        # Tested at the end: every loop has at least one round, and one branch less per round.
        self.do(f"br i1 {more}, label %{head}, label %{after}")
        self.begin(after)

    def operation(self, op: str, kind: NumberType, args: Sequence[str], boolean: bool) -> str:
        """One operation element by element."""
        t = kind.text
        if op in ARITHMETIC:
            return self.put(f"{ARITHMETIC[op]} {t} {args[0]}, {args[1]}")
        if op in COMPARISON:
            return self.put(f"fcmp {COMPARISON[op]} {t} {args[0]}, {args[1]}")
        if op == "neg":
            return self.put(f"fneg {t} {args[0]}")
        if op == "select":
            result = kind.truth if boolean else t
            return self.put(f"select {kind.truth} {args[0]}, {result} {args[1]}, {result} {args[2]}")
        if op in ("and", "or"):
            return self.put(f"{op} {kind.truth} {args[0]}, {args[1]}")
        if op == "not":
            true = "true" if kind.lanes == 1 else "splat (i1 true)"
            return self.put(f"xor {kind.truth} {args[0]}, {true}")
        if op in INTRINSIC:
            return self.put(f"call {t} @llvm.{INTRINSIC[op]}.{kind.suffix}({t} {args[0]})")
        if op in FUNCTIONS:
            return self.put(f"call {t} @{function_name(op, kind)}({t} {args[0]})")
        raise NotImplementedError(f"no code for {op}")

    # --- memory -----------------------------------------------------------------------------------------------------

    def address(self, offset: int, index: str | None = None) -> str:
        """Pointer to a place in scratch memory, in numbers from its start."""
        place = str(offset) if index is None else self.put(f"add i64 {index}, {offset}")
        return self.put(f"getelementptr {self.target.number}, ptr %scratch, i64 {place}")

    def load(self, kind: NumberType, offset: int, index: str | None = None) -> str:
        """A vector from scratch memory."""
        # Aligned to a number only: a piece may start at any layer.
        return self.put(f"load {kind.text}, ptr {self.address(offset, index)}, align {self.target.size}")

    def store(self, kind: NumberType, value: str, offset: int, index: str | None = None) -> None:
        """A vector to scratch memory."""
        self.do(f"store {kind.text} {value}, ptr {self.address(offset, index)}, align {self.target.size}")

    def as_number(self, kind: NumberType, value: str, boolean: bool) -> str:
        """A truth value as the number it is stored as."""
        if not boolean:
            return value
        one, zero = kind.number(TRUE_AS_NUMBER), kind.number(FALSE_AS_NUMBER)
        return self.put(f"select {kind.truth} {value}, {kind.text} {one}, {kind.text} {zero}")

    def as_truth(self, kind: NumberType, value: str, boolean: bool) -> str:
        """The truth value a number was stored for."""
        return self.put(f"fcmp une {kind.text} {value}, {kind.number(FALSE_AS_NUMBER)}") if boolean else value
