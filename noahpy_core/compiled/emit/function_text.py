"""An elementary function in LLVM's language, line by line, for numbers of any type, alone or side by side."""

from __future__ import annotations

import dataclasses
import math
import struct
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class NumberType:
    """A floating-point type and the number of values side by side; 1 is a scalar.

    Parameters
    ----------
    name : "double" or "float".
    lanes : Numbers in a vector.
    """

    name: str
    lanes: int

    @property
    def double(self) -> bool:
        """Whether it has 64 bits."""
        return self.name == "double"

    @property
    def text(self) -> str:
        """The type in LLVM's words."""
        return self.vector(self.name)

    @property
    def bits(self) -> str:
        """The integer type of the same size."""
        return self.vector("i64" if self.double else "i32")

    @property
    def truth(self) -> str:
        """The type of a comparison."""
        return self.vector("i1")

    @property
    def suffix(self) -> str:
        """In the names of intrinsic functions."""
        size = "f64" if self.double else "f32"
        return size if self.lanes == 1 else f"v{self.lanes}{size}"

    def vector(self, element: str) -> str:
        """As many of another type."""
        return element if self.lanes == 1 else f"<{self.lanes} x {element}>"

    def number(self, value: float) -> str:
        """A constant."""
        # LLVM takes a float as the bits of the double that is exactly equal to it.
        if not self.double:
            value = struct.unpack("f", struct.pack("f", value))[0] if math.isfinite(value) else value
        text = f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
        return text if self.lanes == 1 else f"splat ({self.name} {text})"

    def integer(self, value: int) -> str:
        """An integer constant of the same size."""
        if self.lanes == 1:
            return str(value)
        return f"splat ({'i64' if self.double else 'i32'} {value})"


class FunctionText:
    """Lines of one function under way."""

    def __init__(self, kind: NumberType) -> None:
        self.kind, self.lines, self.count = kind, list[str](), 0

    def put(self, text: str) -> str:
        """An instruction; its result's name is returned."""
        self.count += 1
        self.lines.append(f"  %t{self.count} = {text}")
        return f"%t{self.count}"

    def binary(self, op: str, a: str, b: str) -> str:
        """Floating-point arithmetic."""
        return self.put(f"{op} {self.kind.text} {a}, {b}")

    def whole(self, op: str, a: str, b: str) -> str:
        """Integer arithmetic."""
        return self.put(f"{op} {self.kind.bits} {a}, {b}")

    def fused(self, a: str, b: str, c: str) -> str:
        """a b + c."""
        t = self.kind.text
        return self.put(f"call {t} @llvm.fmuladd.{self.kind.suffix}({t} {a}, {t} {b}, {t} {c})")

    def polynomial(self, x: str, coefficients: Sequence[float]) -> str:
        """By Horner's rule, highest power first."""
        value = self.kind.number(coefficients[0])
        for coefficient in coefficients[1:]:
            value = self.fused(value, x, self.kind.number(coefficient))
        return value

    def where(self, comparison: str, a: str, b: str, x: str, y: str) -> str:
        """x where a compares with b, else y."""
        t = self.kind
        condition = self.put(f"fcmp {comparison} {t.text} {a}, {b}")
        return self.put(f"select {t.truth} {condition}, {t.text} {x}, {t.text} {y}")

    def size(self, x: str) -> str:
        """|x|."""
        return self.put(f"call {self.kind.text} @llvm.fabs.{self.kind.suffix}({self.kind.text} {x})")

    def with_sign_of(self, x: str, value: str) -> str:
        """A number that is not negative, with the sign of x."""
        sign = self.whole("and", self.as_bits(x), self.kind.integer(bits_of(self.kind, -0.0)))
        return self.as_number(self.whole("or", self.as_bits(value), sign))

    def call(self, name: str, x: str) -> str:
        """Another of these functions."""
        return self.put(f"call {self.kind.text} @{function_name(name, self.kind)}({self.kind.text} {x})")

    def as_bits(self, x: str) -> str:
        return self.put(f"bitcast {self.kind.text} {x} to {self.kind.bits}")

    def as_number(self, x: str) -> str:
        return self.put(f"bitcast {self.kind.bits} {x} to {self.kind.text}")

    def finish(self, name: str, result: str) -> str:
        """The whole function."""
        t = self.kind.text
        head = f"define internal {t} @{function_name(name, self.kind)}({t} %x) alwaysinline {{"
        return "\n".join([head, *self.lines, f"  ret {t} {result}", "}"])


def function_name(name: str, kind: NumberType) -> str:
    """Name of an elementary function for a type."""
    return f"{name}.{kind.suffix}"


def power_of_two(f: FunctionText, n: str) -> str:
    """2^n for a whole n given as bits, within the normal range."""
    bias, mantissa = (1023, 52) if f.kind.double else (127, 23)
    biased = f.whole("add", n, f.kind.integer(bias))
    return f.as_number(f.whole("shl", biased, f.kind.integer(mantissa)))


def rounding(kind: NumberType) -> tuple[float, int]:
    """A number whose sum with a moderate one ends in that one, rounded to a whole number; and its bits."""
    return (6755399441055744.0, 0x4338000000000000) if kind.double else (12582912.0, 0x4B400000)


def bits_of(kind: NumberType, value: float) -> int:
    """The bits of a number as a whole number."""
    wide, narrow = ("<q", "<d") if kind.double else ("<i", "<f")
    bits: int = struct.unpack(wide, struct.pack(narrow, value))[0]
    return bits
