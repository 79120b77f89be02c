"""The elementary functions of compiled steps, against numpy in extended precision."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

import llvmlite.binding as llvm
import numpy as np
import pytest

from noahpy_core.compiled.emit.function_text import NumberType, function_name
from noahpy_core.compiled.emit.mathematics import FUNCTIONS
from noahpy_core.compiled.execute.library import assemble

KINDS = [NumberType("double", 8), NumberType("double", 1), NumberType("float", 16), NumberType("float", 1)]


def logistic(x: np.ndarray) -> np.ndarray:
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small, 1.0) / (1.0 + small)


def soft_positive_part(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


EXACT = {
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "atan": np.arctan, "tanh": np.tanh, "sigmoid": logistic,
    "log1p": np.log1p, "softplus": soft_positive_part,
}  # fmt: skip
COUNT = 40_000
LARGEST_ERROR = {
    "exp": 1.5, "expm1": 2.0, "log": 1.5, "atan": 1.5, "tanh": 2.0, "sigmoid": 3.0, "log1p": 2.5, "softplus": 3.0,
}  # fmt: skip
"""In units of the last digit. Where exp(x) is just above 2, a unit of exp(x) is two units of exp(x) - 1."""

needs_extended_precision = pytest.mark.skipif(
    np.finfo(np.longdouble).eps >= np.finfo(np.float64).eps, reason="no numbers more exact than double precision here"
)


LOOP = """
define void @run_{name}(ptr %p, ptr %q, i64 %count) {{
entry:
  br label %loop
loop:
  %k = phi i64 [ 0, %entry ], [ %next, %loop ]
  %from = getelementptr {t}, ptr %p, i64 %k
  %to = getelementptr {t}, ptr %q, i64 %k
  %x = load {t}, ptr %from, align 4
  %y = call {t} @{function}({t} %x)
  store {t} %y, ptr %to, align 4
  %next = add i64 %k, 1
  %more = icmp slt i64 %next, %count
  br i1 %more, label %loop, label %done
done:
  ret void
}}"""


@functools.cache
def compiled(kind: NumberType) -> tuple[object, dict[str, Callable[[int, int, int], None]]]:
    """The functions of a type, each called with the addresses of arguments and results, and how many vectors."""
    t = kind.text
    parts = [function(kind) for function in FUNCTIONS.values()]
    parts.append(f"declare {t} @llvm.fmuladd.{kind.suffix}({t}, {t}, {t})\ndeclare {t} @llvm.fabs.{kind.suffix}({t})")
    for name in FUNCTIONS:
        parts.append(LOOP.format(name=name, t=t, function=function_name(name, kind)))
    code = assemble("\n".join(parts))
    machine = llvm.Target.from_default_triple().create_target_machine(opt=2, jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    return engine, {name: signature(engine.get_function_address(f"run_{name}")) for name in FUNCTIONS}


def number_type(kind: NumberType) -> type:
    return np.float64 if kind.double else np.float32


def evaluate(kind: NumberType, name: str, x: np.ndarray) -> np.ndarray:
    _, functions = compiled(kind)
    whole = np.zeros(-(-len(x) // kind.lanes) * kind.lanes, number_type(kind))
    whole[: len(x)] = x
    result = np.empty_like(whole)
    functions[name](whole.ctypes.data, result.ctypes.data, len(whole) // kind.lanes)
    return result[: len(x)]


def arguments(kind: NumberType, name: str) -> np.ndarray:
    """Numbers over the whole range, and more of them where the function is near 0 or changes its form."""
    random = np.random.default_rng(1)
    limit = 700.0 if kind.double else 86.0
    wide, near = random.uniform(-limit, limit, COUNT), random.normal(0.0, 0.5, COUNT)
    tiny = np.exp(random.uniform(-limit, 0.0, COUNT)) * random.choice([-1.0, 1.0], COUNT)
    x = {
        "exp": [wide, near, tiny],
        "expm1": [wide, near, tiny, random.uniform(0.49, 0.51, COUNT), random.uniform(-0.51, -0.49, COUNT)],
        "log": [np.exp(wide), random.uniform(0.5, 2.0, COUNT), 1.0 + 1.0e-3 * near],
        "atan": [3.0 * near, tiny, wide, random.uniform(0.6, 0.7, COUNT), random.uniform(2.4, 2.43, COUNT)],
        "tanh": [3.0 * near, tiny, wide, random.uniform(0.6, 0.65, COUNT), random.uniform(-0.65, -0.6, COUNT)],
        "sigmoid": [wide, 5.0 * near, tiny],
        "log1p": [np.exp(wide), near.clip(-0.99), tiny.clip(-0.9)],
        "softplus": [wide, 5.0 * near, tiny],
    }[name]  # fmt: skip
    return np.concatenate(x).astype(number_type(kind))


@needs_extended_precision
@pytest.mark.parametrize("name", list(FUNCTIONS))
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.suffix)
def test_functions_are_right_to_the_last_digit_or_two(kind, name):
    x = arguments(kind, name)
    y = evaluate(kind, name, x)
    exact = EXACT[name](x.astype(np.longdouble))
    usual = np.abs(exact) >= np.finfo(number_type(kind)).tiny
    unit = np.spacing(np.abs(exact[usual]).astype(number_type(kind))).astype(np.longdouble)
    errors = np.abs(y[usual] - exact[usual]) / unit
    worst = int(errors.argmax())
    assert errors[worst] <= LARGEST_ERROR[name], (
        f"{name}({x[usual][worst]!r}) is off by {float(errors[worst]):.2f} units"
    )


@pytest.mark.parametrize("name", list(FUNCTIONS))
@pytest.mark.parametrize("double", [True, False])
def test_a_number_alone_gives_the_same_bits_as_among_others(double, name):
    vector, scalar = (kind for kind in KINDS if kind.double == double)
    x = arguments(scalar, name)
    assert np.array_equal(evaluate(vector, name, x), evaluate(scalar, name, x))


@pytest.mark.parametrize("name", list(FUNCTIONS))
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.suffix)
def test_special_values(kind, name):
    infinity, nothing = np.inf, np.nan
    x = np.array([0.0, -0.0, infinity, -infinity, nothing, -1.0, 1.0e9, -1.0e9])
    with np.errstate(all="ignore"):
        expected = EXACT[name](x)
        expected = expected.astype(number_type(kind))
    found = evaluate(kind, name, x)
    np.testing.assert_allclose(found, expected, rtol=1.0e-6)


@needs_extended_precision
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.suffix)
def test_numbers_below_the_normal_range_keep_their_digits(kind):
    about = np.finfo(number_type(kind))
    small = np.array([about.smallest_subnormal, 7 * about.smallest_subnormal, 0.3 * about.tiny, about.tiny])
    small = small.astype(number_type(kind))
    np.testing.assert_array_equal(evaluate(kind, "expm1", small), small)
    np.testing.assert_array_equal(evaluate(kind, "atan", small), small)
    np.testing.assert_array_equal(evaluate(kind, "exp", small), np.ones_like(small))
    np.testing.assert_allclose(
        evaluate(kind, "log", small), np.log(small.astype(np.longdouble)).astype(number_type(kind)), rtol=3 * about.eps
    )
    below = np.linspace(np.log(about.tiny) - (30 if kind.double else 12), np.log(about.tiny) - 0.5, 50)
    below = below.astype(number_type(kind))
    error = np.abs(evaluate(kind, "exp", below) - np.exp(below.astype(np.longdouble)))
    assert (error <= 1.5 * about.smallest_subnormal + 1.5 * about.eps * np.exp(below)).all()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.suffix)
def test_the_exponential_ends_in_infinity_and_in_zero(kind):
    largest = float(np.log(np.finfo(number_type(kind)).max))
    x = np.array(
        [largest * (1 - 1e-6), largest * 1.01, 2.0 * largest, 100.0 * largest, -1.3 * largest, -100.0 * largest]
    )
    y = evaluate(kind, "exp", x)
    assert np.isfinite(y[0])
    assert (y[1:4] == np.inf).all()
    assert (y[4:] == 0.0).all()
