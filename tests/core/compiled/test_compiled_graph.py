"""Recording torch operations as a graph, its simplification, and the derivative rules, on small functions.

The graph is evaluated here by torch, node by node, so that a wrong rule is not mistaken for wrong machine code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from noahpy_core.compiled.graph.derivative import Reverse
from noahpy_core.compiled.graph.graph import Graph, Node, needed
from noahpy_core.compiled.record.recorder import CannotCompile, StepRecorder
from noahpy_core.numerics import at_least, at_most, between, safe_divide, safe_power, safe_sqrt, solve_tridiagonal
from noahpy_core.recording import iterate_until, recorded_by

LAYERS, COLUMNS = 5, 6


def record(function: Callable[..., Tensor], *tensors: Tensor) -> tuple[Graph, list[Node], StepRecorder]:
    """The graph of a function whose arguments are inputs 0, 1 ..., and the nodes of its result."""
    recorder = StepRecorder()
    for number, tensor in enumerate(tensors):
        recorder.supply(tensor, number)
    with torch.no_grad(), recorded_by(recorder), recorder:
        result = function(*tensors)
    return recorder.graph, recorder.nodes(result), recorder


def evaluate(node: Node, inputs: Mapping[Any, Tensor], known: dict[int, Tensor]) -> Tensor:
    """The value of a node, ``[column]`` or ``[layer, column]``."""
    for each in needed([node]):
        if each.number not in known:
            known[each.number] = _value(each, [known[arg.number] for arg in each.args], inputs)
    return known[node.number]


def _value(node: Node, args: list[Tensor], inputs: Mapping[Any, Tensor]) -> Tensor:
    if node.op == "input":
        source, layer = node.attribute
        tensor = inputs[source]
        return tensor if layer is None or tensor.ndim == 1 else tensor[layer]
    if node.op == "constant":
        return torch.full((COLUMNS,), node.attribute[0], dtype=torch.float64)
    return OPERATIONS[node.op](node, *args)


def _concatenated(node: Node, *args: Tensor) -> Tensor:
    pieces = zip(args, node.attribute, strict=True)
    return torch.cat([x if x.ndim == 2 else x.expand(count, COLUMNS) for x, count in pieces])


def _thomas(node: Node, *args: Tensor) -> Tensor:
    return solve_tridiagonal(*(x.expand(node.length, COLUMNS) for x in args))


OPERATIONS: dict[str, Callable[..., Tensor]] = {
    **{name: (lambda f: lambda _, *x: f(*x))(getattr(torch, name)) for name in (
        "add", "sub", "mul", "div", "neg", "abs", "sqrt", "exp", "expm1", "log", "atan",
        "lt", "le", "gt", "ge", "eq", "ne",
    )},
    "select": lambda _, c, x, y: torch.where(c, x, y), "and": lambda _, x, y: x & y, "or": lambda _, x, y: x | y,
    "not": lambda _, x: ~x, "detach": lambda _, x: x, "truncate": lambda _, x: torch.trunc(x),
    "slice": lambda node, x: x[node.attribute : node.attribute + node.length],
    "extract": lambda node, x: x[node.attribute],
    "sum": lambda _, x: x.sum(0), "max": lambda _, x: x.amax(0), "all": lambda _, x: x.all(0),
    "concat": _concatenated, "tridiagonal": _thomas,
}  # fmt: skip


def joined(nodes: list[Node], inputs: Mapping[Any, Tensor], known: dict[int, Tensor]) -> Tensor:
    values = [evaluate(node, inputs, known) for node in nodes]
    values = [value.expand(max(node.length, 1), COLUMNS) for node, value in zip(nodes, values, strict=True)]
    return torch.cat(values)


FUNCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "arithmetic": lambda x, y: (x * y - 2.0 / x + (3.0 - y) * x) / (1.0 + y * y),
    "scaled sums": lambda x, y: torch.add(x, y, alpha=2.0) - torch.sub(y, x, alpha=3.0) + torch.addcmul(x, x, y),
    "products taken off": lambda x, y: torch.addcmul(y * x, x, y, value=-1.0),
    "functions": lambda x, y: torch.exp(-x) + torch.log(x) + torch.atan(y) + torch.expm1(y) + torch.log10(x),
    "powers": lambda x, y: x**2 + x**3 + x**4 + x**0.5 + x**1.7 + x**y + 0.3**x,
    "power of nothing": lambda x, y: safe_power(x - 1.0, 0.6) + safe_sqrt(y - 1.0),
    "division by nothing": lambda x, y: safe_divide(y, x - 1.0) * y,
    "bounds": lambda x, y: between(x, 0.7, y) + at_most(x, 1.0) * at_least(y, 1.0) + torch.clamp(x, 0.8, 1.3),
    "kinks": lambda x, y: torch.relu(x - 1.0) + (y - 1.0).abs() + torch.relu(-y),
    "larger and smaller": lambda x, y: torch.maximum(x, 1.01 * y) * 2.0 + torch.minimum(x, 0.99 * y) * y,
    "choices": lambda x, y: torch.where((x > y) & ~(y < 0.8) | (x == 1.0), x * y, 3.0 * y - x),
    "truth as number": lambda x, y: (x > 1.0).to(x.dtype) * y + x,
    "shifted layers": lambda x, y: torch.cat([x[:1] * y, x[1:] - x[:-1]]) * torch.cat([x[1:], torch.zeros_like(x[:1])]),
    "single layers": lambda x, y: x[0] * x[-1] + y * x[2],
    "pieces of layers": lambda x, y: torch.cat([x[:2] * y, x[2:] * x[2:].sum(0)]),
    "sums": lambda x, y: x.sum(0) * y + torch.cumsum(x, 0)[-2] * torch.cumsum(x * y, 0).sum(0),
    "largest": lambda x, y: x.amax(0) * y,
    "layers made of columns": lambda x, y: torch.stack([y, x[0] * y, y * y]).sum(0) * y.expand(4, COLUMNS).sum(0),
    "tridiagonal": lambda x, y: solve_tridiagonal(-0.3 * x, 3.0 + x * y, -0.2 * y.expand_as(x), x + y),
    "cut": lambda x, y: x * (y * x).detach(),
}  # fmt: skip


def arguments() -> list[Tensor]:
    """Layers and columns; some of their values are exactly at 1, where functions above have kinks and ties."""
    generator = torch.Generator().manual_seed(7)
    x = 0.5 + torch.rand(LAYERS, COLUMNS, generator=generator, dtype=torch.float64)
    y = 0.5 + torch.rand(COLUMNS, generator=generator, dtype=torch.float64)
    x[:, 1], x[2, 0], y[2] = 1.0, 1.0, 1.0
    y[3] = x[1, 3]
    return [x, y]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_recorded_function_has_the_value_of_the_function(name):
    tensors = arguments()
    _, nodes, _ = record(FUNCTIONS[name], *tensors)
    expected = FUNCTIONS[name](*tensors).reshape(-1, COLUMNS)
    torch.testing.assert_close(joined(nodes, dict(enumerate(tensors)), {}), expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_derivative_of_a_recorded_function_is_that_of_torch_at_kinks_and_ties_too(name):
    tensors = [x.requires_grad_() for x in arguments()]
    result = FUNCTIONS[name](*tensors)
    weight = torch.randn(result.shape, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    expected = torch.autograd.grad(result, tensors, weight, allow_unused=True, materialize_grads=True)
    tensors = [x.detach() for x in tensors]
    graph, nodes, _ = record(FUNCTIONS[name], *tensors)
    reverse, inputs, row = Reverse(graph), dict(enumerate(tensors)), 0
    for k, node in enumerate(nodes):
        rows = max(node.length, 1)
        inputs["weight", k] = weight.reshape(-1, COLUMNS)[row : row + rows].reshape(-1, COLUMNS)
        inputs["weight", k] = inputs["weight", k] if node.length else inputs["weight", k][0]
        reverse.add(node, graph.node("input", attribute=(("weight", k), None), length=node.length))
        row += rows
    reached = needed(nodes)
    reverse.sweep(reached)
    for number, (tensor, gradient) in enumerate(zip(tensors, expected, strict=True)):
        found = torch.zeros_like(tensor)
        for node in reached:
            if node.op == "input" and node.attribute[0] == number and reverse.touched(node):
                found = found + evaluate(reverse.derivative(node), inputs, {})
        torch.testing.assert_close(found, gradient, rtol=1e-12, atol=1e-12)


# --- simplification ---------------------------------------------------------------------------------------------------


def test_equal_operations_are_one_node():
    x, y = arguments()
    _, (node,), _ = record(lambda x, y: (x * y) / (x * y), x, y)
    assert node.args[0] is node.args[1]


def test_operations_that_change_nothing_are_left_out():
    x, y = arguments()
    for same in (
        lambda x, y: x * 1.0,
        lambda x, y: x / 1.0,
        lambda x, y: x.neg().neg(),
        lambda x, y: torch.where(y > 1, x, x),
    ):
        _, (node,), _ = record(same, x, y)
        assert node.op == "input"


def test_numbers_are_computed_while_recording():
    graph = Graph()
    three = graph.node("add", graph.constant(1.0), graph.constant(2.0))
    assert three is graph.constant(3.0)
    assert graph.node("neg", graph.constant(0.0)) is graph.constant(-0.0)
    assert graph.constant(0.0) is not graph.constant(-0.0)


def test_slices_of_slices_are_slices():
    x, y = arguments()
    _, (node,), _ = record(lambda x, y: x[1:][:-1], x, y)
    assert (node.op, node.attribute, node.length, node.args[0].op) == ("slice", 1, LAYERS - 2, "input")
    _, (node,), _ = record(lambda x, y: x[1:][1], x, y)
    assert (node.op, node.attribute) == ("extract", 2)


def test_what_nobody_needs_is_not_kept():
    x, y = arguments()

    def wasteful(x: Tensor, y: Tensor) -> Tensor:
        torch.exp(x * y)
        return x + y

    _, nodes, _ = record(wasteful, x, y)
    assert {node.op for node in needed(nodes)} == {"input", "add"}


def test_tensors_that_nobody_supplied_become_constants():
    x, y = arguments()
    profile = torch.linspace(0.0, 1.0, LAYERS, dtype=torch.float64)[:, None]
    _, nodes, recorder = record(lambda x, y: x * profile + torch.tensor(2.0) * y, x, y)
    assert [constant is profile for constant in recorder.constants] == [True]
    assert 2.0 in [node.attribute[0] for node in needed(nodes) if node.op == "constant"]


def test_an_iteration_is_one_loop_whatever_the_values():
    x, y = arguments()

    def root(x: Tensor, y: Tensor) -> Tensor:
        def halve(guess: Tensor, done: Tensor) -> tuple[Tensor, Tensor]:
            new = torch.where(done, guess, 0.5 * (guess + y / guess))
            return new, done | ((new - guess).abs() < 1e-12)

        return iterate_until(halve, (y, torch.zeros_like(y, dtype=torch.bool)), 50)[0] * x.sum(0)

    _, nodes, _ = record(root, x, y)
    (result,) = [node for node in needed(nodes) if node.op == "result"]
    loop = result.attribute[0]
    assert loop.limit == 50
    assert len(loop.carried) == len(loop.final) == 2
    assert {"select", "div"} <= {node.op for node in loop.body}


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, y: torch.sort(x, 0).values, "aten.sort.* has no compiled form"),
        (lambda x, y: torch.linalg.vector_norm(x, dim=0), "linalg_vector_norm.* has no compiled form"),
        (lambda x, y: torch.sin(y), "aten.sin.* has no compiled form"),
        (lambda x, y: x.sum(1), "reduction over dimension"),
        (lambda x, y: x[..., 0], "select along dimension 1"),
        (lambda x, y: x[::2], "slice along dimension 0 with step 2"),
        (lambda x, y: torch.cat([y, y], -1), "leading|cat|dimension"),
        (lambda x, y: torch.addcmul(x, x, y, value=2.0), "addcmul with a factor of 2.0"),
        (lambda x, y: torch.stack([x, x]), "stack of layers"),
    ],
)
def test_an_operation_without_a_compiled_form_is_named(function, message):
    with pytest.raises(CannotCompile, match=message):
        record(function, *arguments())


def test_a_decision_on_a_value_is_refused():
    """`if` on a value of the made-up step would be built into the kernel for good."""

    def decide(x: Tensor, y: Tensor) -> Tensor:
        return x if bool((y > 1.0).all()) else y

    with pytest.raises((CannotCompile, TypeError)):
        record(decide, *arguments())
