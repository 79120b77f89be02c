"""The activation functions of torch, as functions of nodes; at their kinks with torch's derivative."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

from noahpy_core.compiled.graph.graph import Graph, Node
from noahpy_core.compiled.record.recorded_values import CannotCompile, Value


class Recorder(Protocol):
    """What operations are noted with (`noahpy_core.compiled.record.recorder.StepRecorder`)."""

    graph: Graph

    def apply(self, function: Callable[..., Node], *args: Any) -> Value:
        """Several operations element by element."""


def _softplus_of(g: Graph, x: Node, beta: float, threshold: float) -> Node:
    scaled = g.node("mul", x, g.constant(beta))
    curved = g.node("div", g.node("softplus", scaled), g.constant(beta))
    return g.node("select", g.node("gt", scaled, g.constant(threshold)), x, curved)


def _softplus(r: Recorder, x: Any, beta: float = 1.0, threshold: float = 20.0) -> Value:
    return r.apply(lambda a: _softplus_of(r.graph, a, float(beta), float(threshold)), x)


def _log_sigmoid(r: Recorder, x: Any) -> tuple[Value, Value]:
    g = r.graph
    value = r.apply(lambda a: g.node("neg", g.node("softplus", g.node("neg", a))), x)
    # The second result is room for torch's own way back.
    return value, value


def _silu(r: Recorder, x: Any) -> Value:
    return r.apply(lambda a: r.graph.node("mul", a, r.graph.node("sigmoid", a)), x)


def _mish(r: Recorder, x: Any) -> Value:
    g = r.graph
    return r.apply(lambda a: g.node("mul", a, g.node("tanh", _softplus_of(g, a, 1.0, 20.0))), x)


def _elu(r: Recorder, x: Any, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Value:
    g = r.graph

    def elu(a: Node) -> Node:
        positive = g.node("gt", a, g.constant(0.0))
        above = g.node("mul", a, g.constant(float(scale)))
        # In the branch that is not taken an exponential must not overflow: its derivative would be no number.
        low = g.node("select", positive, g.constant(0.0), a)
        bent = g.node("expm1", g.node("mul", low, g.constant(float(input_scale))))
        below = g.node("mul", bent, g.constant(float(alpha) * float(scale)))
        return g.node("select", positive, above, below)

    return r.apply(elu, x)


def _celu(r: Recorder, x: Any, alpha: float = 1.0) -> Value:
    return _elu(r, x, alpha, 1.0, 1.0 / float(alpha))


def _leaky_relu(r: Recorder, x: Any, negative_slope: float = 0.01) -> Value:
    g = r.graph
    return r.apply(
        lambda a: g.node(
            "select", g.node("gt", a, g.constant(0.0)), a, g.node("mul", a, g.constant(float(negative_slope)))
        ),
        x,
    )


def _hardtanh(r: Recorder, x: Any, low: float = -1.0, high: float = 1.0) -> Value:
    g = r.graph
    bottom, top = g.constant(float(low)), g.constant(float(high))
    return r.apply(
        lambda a: g.node("select", g.node("le", a, bottom), bottom, g.node("select", g.node("ge", a, top), top, a)), x
    )


def _gelu(r: Recorder, x: Any, *, approximate: str = "none") -> Value:
    if approximate != "tanh":
        raise CannotCompile("torch operation aten.gelu with approximate='none' (use approximate='tanh')")
    g = r.graph
    scale, cubic = g.constant(math.sqrt(2.0 / math.pi)), g.constant(0.044715)

    def gelu(a: Node) -> Node:
        cube = g.node("mul", g.node("mul", a, a), a)
        inner = g.node("mul", scale, g.node("add", a, g.node("mul", cubic, cube)))
        half = g.node("mul", g.constant(0.5), a)
        return g.node("mul", half, g.node("add", g.constant(1.0), g.node("tanh", inner)))

    return r.apply(gelu, x)


def _log1p(r: Recorder, x: Any) -> Value:
    return r.apply(lambda a: r.graph.node("log1p", a), x)


ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "tanh": lambda r, x: r.apply(lambda a: r.graph.node("tanh", a), x),
    "sigmoid": lambda r, x: r.apply(lambda a: r.graph.node("sigmoid", a), x),
    "softplus": _softplus,
    "log_sigmoid_forward": _log_sigmoid,
    "silu": _silu,
    "mish": _mish,
    "elu": _elu,
    "celu": _celu,
    "leaky_relu": _leaky_relu,
    "hardtanh": _hardtanh,
    "gelu": _gelu,
    "log1p": _log1p,
}
