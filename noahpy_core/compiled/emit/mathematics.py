"""Elementary functions as LLVM code for any vector width, to the last digit or two.

A C library's functions take one number at a time; these take a vector. They are the classical reductions: exp by a
power of two times a Taylor polynomial, log by fdlibm's series in f/(2 + f), atan by Cephes' reduction and rational
function.
"""

from __future__ import annotations

import math

from noahpy_core.compiled.emit.function_text import FunctionText, NumberType, bits_of, power_of_two, rounding


def _exp_parts(f: FunctionText, x: str) -> tuple[str, str]:
    """n as bits and r with x = n ln 2 + r, |r| <= ln 2/2."""
    k = f.kind
    if k.double:
        # ln 2 in two parts, the first with zeros at its end: n times it is exact, and r keeps all its digits.
        high, low = 6.93147180369123816490e-1, 1.90821492927058770002e-10
    else:
        high, low = 0.693359375, -2.12194440e-4
    shift, shift_bits = rounding(k)
    # Rounds to a whole number by pushing the digits after the point off the end; the bits then hold n.
    shifted = f.fused(x, k.number(1.0 / math.log(2.0)), k.number(shift))
    n = f.binary("fsub", shifted, k.number(shift))
    r = f.fused(n, k.number(-high), x)
    r = f.fused(n, k.number(-low), r)
    return f.whole("sub", f.as_bits(shifted), k.integer(shift_bits)), r


def exponential(kind: NumberType) -> str:
    """exp(x)."""
    f = FunctionText(kind)
    lowest, highest, degree = (-746.0, 710.0, 13) if kind.double else (-104.0, 89.0, 7)
    # Beyond these the result is 0 or infinite anyway; what is not a number passes both comparisons as it is.
    x = f.where("olt", "%x", kind.number(lowest), kind.number(lowest), "%x")
    x = f.where("ogt", x, kind.number(highest), kind.number(highest), x)
    n, r = _exp_parts(f, x)
    value = f.polynomial(r, [1.0 / math.factorial(k) for k in range(degree, -1, -1)])
    # In two factors: 2^n alone overflows or underflows before the result does.
    half = f.whole("ashr", n, kind.integer(1))
    rest = f.whole("sub", n, half)
    value = f.binary("fmul", value, power_of_two(f, half))
    return f.finish("exp", f.binary("fmul", value, power_of_two(f, rest)))


def exponential_minus_one(kind: NumberType) -> str:
    """exp(x) - 1, without loss of digits near 0."""
    f = FunctionText(kind)
    degree = 17 if kind.double else 9
    series = f.polynomial("%x", [1.0 / math.factorial(k) for k in range(degree, 0, -1)])
    near = f.binary("fmul", series, "%x")
    whole = f.call("exp", "%x")
    # Far from 0 the subtraction loses less than a digit.
    far = f.binary("fsub", whole, kind.number(1.0))
    size = f.size("%x")
    return f.finish("expm1", f.where("olt", size, kind.number(0.5), near, far))


def logarithm(kind: NumberType) -> str:
    """log(x): -infinity at 0, not a number below."""
    f = FunctionText(kind)
    mantissa, tiny, lift = (52, 2.2250738585072014e-308, 54) if kind.double else (23, 1.17549435e-38, 25)
    # Numbers below the normal range have no exponent to read; they are lifted into it first.
    small = f.put(f"fcmp olt {kind.text} %x, {kind.number(tiny)}")
    lifted = f.binary("fmul", "%x", kind.number(2.0**lift))
    x = f.put(f"select {kind.truth} {small}, {kind.text} {lifted}, {kind.text} %x")
    # The exponent, rounded so that the mantissa lies in sqrt(1/2) .. sqrt(2).
    root_half = bits_of(kind, math.sqrt(0.5))

    bits = f.whole("sub", f.as_bits(x), kind.integer(root_half))
    exponent = f.whole("ashr", bits, kind.integer(mantissa))
    reduced = f.whole("add", f.whole("and", bits, kind.integer((1 << mantissa) - 1)), kind.integer(root_half))
    g = f.binary("fsub", f.as_number(reduced), kind.number(1.0))

    # A whole number of moderate size to floating point by way of the mantissa, which every processor does for vectors.
    magic, magic_bits = rounding(kind)
    power = f.binary("fsub", f.as_number(f.whole("add", exponent, kind.integer(magic_bits))), kind.number(magic))
    correction = f.put(
        f"select {kind.truth} {small}, {kind.text} {kind.number(-float(lift))}, {kind.text} {kind.number(0.0)}"
    )
    power = f.binary("fadd", power, correction)

    s = f.binary("fdiv", g, f.binary("fadd", g, kind.number(2.0)))
    z = f.binary("fmul", s, s)
    series: tuple[float, ...]
    if kind.double:
        series = (
            1.479819860511658591e-1, 1.531383769920937332e-1, 1.818357216161805012e-1, 2.222219843214978396e-1,
            2.857142874366239149e-1, 3.999999999940941908e-1, 6.666666666666735130e-1,
        )  # fmt: skip
        high, low = 6.93147180369123816490e-1, 1.90821492927058770002e-10
    else:
        series = (0.24279078841, 0.28498786688, 0.40000972152, 0.66666662693)
        high, low = 0.69313812256, 9.0580006145e-6

    remainder = f.binary("fmul", z, f.polynomial(z, series))
    square = f.binary("fmul", f.binary("fmul", g, g), kind.number(0.5))
    inner = f.binary("fmul", s, f.binary("fadd", square, remainder))
    inner = f.fused(power, kind.number(low), inner)
    inner = f.binary("fsub", f.binary("fsub", square, inner), g)
    value = f.binary("fsub", f.binary("fmul", power, kind.number(high)), inner)

    value = f.where("oeq", "%x", kind.number(math.inf), "%x", value)
    value = f.where("oeq", "%x", kind.number(0.0), kind.number(-math.inf), value)
    return f.finish("log", f.where("ult", "%x", kind.number(0.0), kind.number(math.nan), value))


def arctangent(kind: NumberType) -> str:
    """atan(x)."""
    f = FunctionText(kind)
    size = f.size("%x")
    large, middle = 2.41421356237309504880, 0.66

    inverse = f.binary("fdiv", kind.number(-1.0), size)
    turned = f.binary("fdiv", f.binary("fsub", size, kind.number(1.0)), f.binary("fadd", size, kind.number(1.0)))
    y = f.where("ogt", size, kind.number(middle), turned, size)
    y = f.where("ogt", size, kind.number(large), inverse, y)

    start = f.where("ogt", size, kind.number(middle), kind.number(math.pi / 4), kind.number(0.0))
    start = f.where("ogt", size, kind.number(large), kind.number(math.pi / 2), start)

    z = f.binary("fmul", y, y)
    above = f.polynomial(
        z,
        (-8.750608600031904122785e-1, -1.615753718733365076637e1, -7.500855792314704667340e1,
         -1.228866684490136173410e2, -6.485021904942025371773e1),
    )  # fmt: skip
    below = f.polynomial(
        z,
        (1.0, 2.485846490142306297962e1, 1.650270098316988542046e2, 4.328810604912902668951e2,
         4.853903996359136964868e2, 1.945506571482613964425e2),
    )  # fmt: skip

    value = f.binary("fmul", z, f.binary("fdiv", above, below))
    value = f.binary("fadd", start, f.fused(y, value, y))
    negative = f.binary("fsub", kind.number(0.0), value)
    return f.finish("atan", f.where("olt", "%x", kind.number(0.0), negative, value))


COTANGENT = {
    8: (
        -1.9005663299007282e-08, 2.172844161108337e-07, -2.16376117275938e-06, 2.1377682394878477e-05,
        -2.1164020008987872e-04, 2.116402115839859e-03, -2.222222222221178e-02, 3.333333333333333e-01,
    ),
    4: (-1.9580631775372568e-04, 2.1126005151108638e-03, -2.22219271914878e-02, 3.333333297363293e-01),
}  # fmt: skip
"""(r coth r - 1)/r^2 in powers of r^2, highest first, by how many: through the Chebyshev nodes of |r| <= 0.625."""


def hyperbolic_tangent(kind: NumberType) -> str:
    """tanh(x): of |x| = n ln 2/2 + r, from r coth r, which is a polynomial in r squared; one division.

    With s = 2^n and c = r coth r, exp(2 |x|) = s (c + r)/(c - r). Near 0 n is 0, and tanh(r) = r/c loses no digits;
    beyond, 1 - 2/(exp(2 |x|) + 1) = 1 - 2 (c - r)/(s (c + r) + (c - r)).
    """
    f = FunctionText(kind)
    # Beyond these it is 1; what is not a number passes the comparison as it is.
    highest, series = (20.0, COTANGENT[8]) if kind.double else (10.0, COTANGENT[4])
    size = f.size("%x")
    size = f.where("ogt", size, kind.number(highest), kind.number(highest), size)

    # As for exp, for twice the argument. Where the comparison does not hold, x may be no number, and stays so.
    shift, _ = rounding(kind)
    shifted = f.fused(size, kind.number(2.0 / math.log(2.0)), kind.number(shift))
    border = kind.number(0.625)
    shifted = f.where("ogt", size, border, shifted, kind.number(shift))
    n = f.binary("fsub", shifted, kind.number(shift))
    r = f.fused(n, kind.number(-0.5 * math.log(2.0)), size)

    one = kind.number(1.0)
    z = f.binary("fmul", r, r)
    c = f.fused(f.polynomial(z, series), z, one)
    above, below = f.binary("fadd", c, r), f.binary("fsub", c, r)
    # The end of the bits of the shifted number is n: moved to where the exponent is, it is added to that of 1.
    exponent = f.whole("shl", f.as_bits(shifted), kind.integer(52 if kind.double else 23))
    s = f.as_number(f.whole("add", exponent, kind.integer(bits_of(kind, 1.0))))
    top = f.where("ogt", size, border, f.binary("fadd", below, below), r)
    bottom = f.where("ogt", size, border, f.fused(s, above, below), c)
    ratio = f.binary("fdiv", top, bottom)
    value = f.where("ogt", size, border, f.binary("fsub", one, ratio), ratio)
    return f.finish("tanh", f.with_sign_of("%x", value))


def logistic(kind: NumberType) -> str:
    """1/(1 + exp(-x)), by the exponential that does not overflow."""
    f = FunctionText(kind)
    small = f.call("exp", f.put(f"fneg {kind.text} {f.size('%x')}"))
    value = f.binary("fdiv", kind.number(1.0), f.binary("fadd", small, kind.number(1.0)))
    return f.finish("sigmoid", f.where("oge", "%x", kind.number(0.0), value, f.binary("fmul", small, value)))


def logarithm_of_one_plus(kind: NumberType) -> str:
    """log(1 + x): the rounding of the sum is made good by what it has left of x."""
    f = FunctionText(kind)
    one = kind.number(1.0)
    total = f.binary("fadd", "%x", one)
    ratio = f.binary("fdiv", "%x", f.binary("fsub", total, one))
    value = f.binary("fmul", f.call("log", total), ratio)
    value = f.where("oeq", total, one, "%x", value)
    return f.finish("log1p", f.where("oeq", "%x", kind.number(math.inf), "%x", value))


def soft_positive_part(kind: NumberType) -> str:
    """log(1 + exp(x)), by the exponential that does not overflow."""
    f = FunctionText(kind)
    small = f.call("exp", f.put(f"fneg {kind.text} {f.size('%x')}"))
    positive = f.where("olt", "%x", kind.number(0.0), kind.number(0.0), "%x")
    return f.finish("softplus", f.binary("fadd", positive, f.call("log1p", small)))


BASIC = {
    "exp": exponential,
    "expm1": exponential_minus_one,
    "log": logarithm,
    "atan": arctangent,
}
"""Functions of the physics, in every kernel."""
OF_NETWORKS = {
    "tanh": hyperbolic_tangent,
    "sigmoid": logistic,
    "log1p": logarithm_of_one_plus,
    "softplus": soft_positive_part,
}
"""Functions of networks, in the kernels that have one."""
FUNCTIONS = {**BASIC, **OF_NETWORKS}
