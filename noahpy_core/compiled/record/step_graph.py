"""The graph of one step of the model, and of its derivative, with names for what goes in and comes out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.compiled.graph.derivative import Reverse
from noahpy_core.compiled.graph.graph import Graph, Node, causes, needed
from noahpy_core.compiled.graph.tangent import Tangents
from noahpy_core.compiled.record.recorder import StepRecorder
from noahpy_core.compiled.shape import CONTAINERS, STEP_LENGTH, THICKNESS, Shape, Source
from noahpy_core.model import NoahModel
from noahpy_core.quantities import get_quantity, replace_quantity
from noahpy_core.recording import recorded_by

CHANGE = " change"
"""What the container of an input is followed by where its change is meant."""
_VARYING = ("state", "forcing", "cotangent", "adjoint")
VARYING = frozenset({*_VARYING, *(name + CHANGE for name in _VARYING)})
"""Sources whose values change from step to step."""


@dataclasses.dataclass
class StepGraph:
    """A recorded step.

    Parameters
    ----------
    results : Nodes of the next state and of the fluxes, by path.
    constants : Tables and the like that the step reads.
    requirements : Conditions without which the step has failed, and what to say then.
    """

    shape: Shape
    graph: Graph
    results: dict[str, Node]
    constants: list[Tensor]
    requirements: list[tuple[Node, str]]


@dataclasses.dataclass(frozen=True)
class OwnStep:
    """The recorded step of a model with schemes that are not built in.

    Parameters
    ----------
    digest : Of all that its kernels depend on; steps with the same one are equal.
    weights : Names of the weights it reads, with their number of values (0 for a single one).
    step : The recording, for first derivatives.
    again : Records it for derivatives of another order.
    """

    digest: str
    weights: tuple[tuple[str, int], ...] = dataclasses.field(compare=False)
    step: StepGraph = dataclasses.field(compare=False, repr=False)
    again: Callable[..., StepGraph] = dataclasses.field(compare=False, repr=False)


def record_step(shape: Shape, order: int = 1) -> StepGraph:
    """Record one step of the model on made-up values; only the operations matter.

    Parameters
    ----------
    shape : Of the step.
    order : Of the derivatives that will be taken.
    """
    if shape.own is not None:
        own = shape.own.step
        if order != 1:
            # Kernels are made while nothing is recorded for gradients, and then no operation would have one.
            with torch.enable_grad():
                own = shape.own.again(order=order)
        # Kernels add to the graph, each what it needs.
        return dataclasses.replace(own, shape=shape, graph=own.graph.copy())
    thickness = torch.full((shape.layers, 1), 0.5, dtype=shape.dtype)
    model = NoahModel(SoilColumn(thickness), shape.options)
    recorder = StepRecorder(order)
    with torch.no_grad():
        return recorded(model, shape, recorder)


def recorded(model: NoahModel, shape: Shape, recorder: StepRecorder) -> StepGraph:
    """One step of a model, recorded.

    Parameters
    ----------
    shape : Of the step.
    recorder : With what the model reads besides state, forcing, parameters, step length and layers.
    """
    columns = max(recorder.columns, 1)
    trees = {}
    for name in CONTAINERS:
        trees[name] = _filled(CONTAINERS[name], shape, columns)
        for owner, path in shape.absent:
            if owner == name:
                trees[name] = replace_quantity(trees[name], path, None)
        for path, _ in shape.fields(name):
            recorder.supply(get_quantity(trees[name], path), (name, path))
    # An input like any other: only operations on it are noted, not its value.
    length = torch.full((columns,), 3600.0, dtype=shape.dtype)
    recorder.supply(length, STEP_LENGTH)
    recorder.supply(model.column.thickness, THICKNESS)
    with recorded_by(recorder), recorder:
        # The step without the checks of its arguments: what is recorded has no values.
        state, fluxes = model.step(trees["state"], trees["forcing"], trees["parameters"], length)
    results = {}
    for tree, fields in ((state, shape.fields("state")), (fluxes, shape.fluxes())):
        for path, layers in fields:
            results[path] = _joined(recorder.graph, recorder.nodes(get_quantity(tree, path)), layers)
    return StepGraph(shape, recorder.graph, results, recorder.constants, recorder.requirements)


def _joined(graph: Graph, nodes: Sequence[Node], layers: int) -> Node:
    if layers == 0 or (len(nodes) == 1 and nodes[0].length == layers):
        return nodes[0]
    return graph.concat([(node, 1) for node in nodes])


def _filled(container: type, shape: Shape, columns: int) -> Any:
    """A container with the same harmless number everywhere."""
    values = {}
    for field in dataclasses.fields(container):
        metadata = dict(field.metadata)
        if "container" in metadata:
            values[field.name] = _filled(metadata["container"], shape, columns)
        else:
            layers = shape.length(metadata["dims"])
            values[field.name] = torch.full((layers, columns) if layers else (columns,), 0.3, dtype=shape.dtype)
    return container(**values)


def varying(nodes: Iterable[Node]) -> set[int]:
    """Numbers of the nodes whose values change from step to step; nodes come with operands before results."""
    return _depending(nodes, lambda source: source[0] in VARYING)


def _depending(nodes: Iterable[Node], chosen: Callable[[Source], bool]) -> set[int]:
    found: set[int] = set()
    for node in nodes:
        own = node.op == "input" and chosen(node.attribute[0])
        if own or any(operand.number in found for operand in causes(node)):
            found.add(node.number)
    return found


@dataclasses.dataclass
class ReverseGraph:
    """The derivative of a step, in two parts.

    Parameters
    ----------
    state, forcing : Derivatives with respect to the state before the step and its forcing, by path.
    carried : Values that do not change from step to step, and the derivative with respect to each by one step.
    """

    state: dict[str, Node]
    forcing: dict[str, Node]
    carried: list[tuple[Node, Node]]


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Which derivatives a kernel gives; that with respect to the state is always among them.

    Parameters
    ----------
    fluxes : Fluxes that are differentiated, besides the state.
    forcing : Whether with respect to forcing.
    constants : Groups of what does not change in time, with respect to which: see `group_of`.
    """

    fluxes: tuple[str, ...]
    forcing: bool
    constants: tuple[str, ...]

    def has(self, source: Source) -> bool:
        """Whether the derivative with respect to an input is wanted."""
        if source[0] in ("state", "forcing"):
            return source[0] == "state" or self.forcing
        return group_of(source) in self.constants


def group_of(source: Source) -> str:
    """What a constant input belongs to: "soil", "vegetation", "snow", "general", "step" or "column"."""
    return str(source[1]).partition(".")[0] if source[0] == "parameters" else source[0]


def constant_sources(shape: Shape) -> list[tuple[Source, int]]:
    """Inputs that do not change in time and can be differentiated by, with their number of layers."""
    sources: list[tuple[Source, int]] = [(("parameters", path), layers) for path, layers in shape.fields("parameters")]
    return [*sources, (STEP_LENGTH, 0), (THICKNESS, shape.layers), *shape.weights()]


def reverse_step(step: StepGraph, wanted: Wanted) -> ReverseGraph:
    """The derivative of the next state and of some fluxes.

    The derivative with respect to what does not change from step to step, parameters and all that follows from them
    alone, is left where it enters the changing part; `reverse_constants` takes it from there once, at the end.
    """
    graph = step.graph
    reverse = Reverse(graph)
    roots = []
    for path, layers in step.shape.fields("state"):
        roots.append(step.results[path])
        reverse.add(roots[-1], graph.node("input", attribute=(("adjoint", path), None), length=layers))
    for name in wanted.fluxes:
        root = step.results[name]
        roots.append(root)
        length = dict(step.shape.results())[name]
        reverse.add(root, graph.node("input", attribute=(("cotangent", name), None), length=length))

    nodes = needed(roots, causes)
    changing = varying(nodes)
    reverse.sweep(node for node in nodes if node.number in changing)

    tunable = _depending(nodes, lambda source: source[0] not in VARYING and wanted.has(source))
    # Here the sweep stops: these nodes are the same in every step, so their derivatives add up over time.
    carried = []
    for node in nodes:
        if node.number in tunable and node.number not in changing and reverse.touched(node):
            derivative = reverse.derivative(node)
            if derivative is not None and not node.boolean and node.op != "detach":
                carried.append((node, derivative))

    inputs = {node.attribute: node for node in nodes if node.op == "input"}
    found: dict[str, dict[str, Node]] = {"state": {}, "forcing": {}}
    for name, members in found.items():
        for path, layers in step.shape.fields(name):
            derivative = _input_derivative(graph, reverse, inputs, (name, path), layers)
            if derivative is not None and wanted.has((name, path)):
                members[path] = derivative
    return ReverseGraph(found["state"], found["forcing"], carried)


def tangent_step(step: StepGraph) -> dict[str, Node]:
    """The change of every result, by path, for changes of all that enters the step.

    The changes are inputs named as what changes, its container followed by `CHANGE`.
    """
    nodes = needed(step.results.values(), causes)
    wanted = {source for source, _ in constant_sources(step.shape)}
    wanted |= {(name, path) for name in ("state", "forcing") for path, _ in step.shape.fields(name)}
    tangents = changes_of(step.graph, nodes, lambda source: source in wanted)
    return {path: tangents.zero_or(node) for path, node in step.results.items()}


def changes_of(graph: Graph, nodes: Sequence[Node], chosen: Callable[[Source], bool]) -> Tangents:
    """The changes of nodes, for changes of their inputs; these are inputs named as what changes, with `CHANGE`.

    Parameters
    ----------
    graph : Of the nodes; changes are added to it.
    nodes : Operands before results.
    chosen : Whether an input changes.
    """
    given = {}
    for node in nodes:
        if node.op == "input" and chosen(node.attribute[0]):
            (container, path), part = node.attribute
            change = ((container + CHANGE, path), part)
            given[node.number] = graph.node("input", attribute=change, length=node.length)
    tangents = Tangents(graph, given)
    tangents.sweep(nodes)
    return tangents


def reverse_constants(step: StepGraph, carried: Sequence[tuple[Node, Node]], wanted: Wanted) -> dict[Source, Node]:
    """Derivatives with respect to what does not change in time, from the sums over time that `reverse_step` leaves.

    The sums are inputs named ``("sum", number of the node)``.
    """
    graph = step.graph
    reverse = Reverse(graph)
    for node, by_one_step in carried:
        reverse.add(node, graph.node("input", attribute=(("sum", node.number), None), length=by_one_step.length))
    nodes = needed([node for node, _ in carried], causes)
    reverse.sweep(nodes)
    inputs = {node.attribute: node for node in nodes if node.op == "input"}
    found = {}
    for source, layers in constant_sources(step.shape):
        derivative = _input_derivative(graph, reverse, inputs, source, layers)
        if derivative is not None and wanted.has(source):
            found[source] = derivative
    return found


def _input_derivative(
    graph: Graph, reverse: Reverse, inputs: dict[Any, Node], source: Source, layers: int
) -> Node | None:
    """Derivative with respect to an input, whose layers may be one node or several."""
    whole = inputs.get((source, None))
    if whole is not None:
        return reverse.derivative(whole)
    # A part that nothing reads has no node, and no derivative.
    parts = [inputs.get((source, layer)) for layer in range(max(layers, 1))]
    derivatives = [None if part is None else reverse.derivative(part) for part in parts]
    if all(derivative is None for derivative in derivatives):
        return None
    zero = graph.constant(0.0)
    members = [zero if derivative is None else derivative for derivative in derivatives]
    return members[0] if not layers else graph.concat([(member, 1) for member in members])
