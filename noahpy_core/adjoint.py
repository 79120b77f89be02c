"""Reverse mode through a whole run with bounded memory: states are kept, steps are computed again on the way back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from noahpy_core.differentiation import differentiable_once, is_transformed
from noahpy_core.parameters import Parameters
from noahpy_core.state import Forcing, State
from noahpy_core.trees import TreeSpec, tree_flatten, tree_unflatten

REPEATED = 1.0e3
"""By how many units of round-off a step may differ when it is taken again."""

StepFunction = Callable[[State, Forcing, Parameters, int], tuple[State, list[Tensor]]]


@dataclasses.dataclass(frozen=True)
class Plan:
    """How to run and how to come back.

    Parameters
    ----------
    step : (state, forcing of the step, parameters, number) -> (next state, outputs).
    steps : Number of steps.
    weights : What else the step uses and can be differentiated by: trained weights, step length, layer thickness.
    spacing : Steps between checkpoints.
    truncate_every : Steps after which the gradient in time is cut, or None.
    """

    step: StepFunction
    steps: int
    weights: tuple[Tensor, ...]
    spacing: int
    truncate_every: int | None
    inspect: Callable[[Sequence[Tensor | None], Sequence[Tensor]], None]
    """Called with the first derivatives of the way back, and with those by the state it has come to."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where state, forcing and parameters are in a flat list of tensors."""

    state: TreeSpec
    forcing: TreeSpec
    parameters: TreeSpec

    def split(self, tensors: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """State, forcing and parameter leaves of the flat list (weights, which follow, are left out)."""
        first, second = self.state.num_leaves, self.state.num_leaves + self.forcing.num_leaves
        third = second + self.parameters.num_leaves
        return list(tensors[:first]), list(tensors[first:second]), list(tensors[second:third])


def recorded_run(plan: Plan, state: State, forcing: Forcing, parameters: Parameters) -> tuple[State, list[Tensor]]:
    """The state after all steps and the outputs of each, ``[time, ...]``.

    Parameters
    ----------
    plan : How to step, and where to keep a state.
    state : At the start.
    forcing : ``[time, column]``.
    parameters : The same in all steps.
    """
    leaves: list[Any] = []
    specs = []
    for tree in (state, forcing, parameters):
        flat, spec = tree_flatten(tree)
        leaves += flat
        specs.append(spec)
    layout = Layout(*specs)
    wanted = any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in (*leaves, *plan.weights))
    # Transformations differentiate the loop itself; where no derivative is wanted, nothing need be kept.
    if is_transformed() or not (wanted and torch.is_grad_enabled()):
        return _loop(plan, layout, leaves)
    _refuse_hidden_weights(plan, layout, leaves)
    apply: Callable[..., tuple[Tensor, ...]] = _RecordedRun.apply
    results = apply(plan, layout, *leaves, *plan.weights)
    count = layout.state.num_leaves
    return tree_unflatten(list(results[:count]), layout.state), list(results[count:])


def _refuse_hidden_weights(plan: Plan, layout: Layout, leaves: Sequence[Any]) -> None:
    """Raise ValueError if the first step depends on a tensor to be differentiated that the way back would not reach."""
    state, forcing, parameters = layout.split([leaf.detach() if isinstance(leaf, Tensor) else leaf for leaf in leaves])
    with torch.enable_grad():
        after, outputs = plan.step(
            tree_unflatten(state, layout.state),
            _record(layout, forcing, 0),
            tree_unflatten(parameters, layout.parameters),
            0,
        )

    known = {id(weight) for weight in plan.weights}
    pending = [end.grad_fn for end in (*tree_flatten(after)[0], *outputs) if end.grad_fn is not None]
    seen = set(pending)
    while pending:
        node = pending.pop()
        # Only the nodes of leaves hold a tensor; what a leaf is computed into lies in between.
        leaf = getattr(node, "variable", None)
        if leaf is not None and id(leaf) not in known:
            raise ValueError(
                f"run: a scheme uses a tensor of shape {tuple(leaf.shape)} that requires a gradient and is no weight "
                "of the model; it would get none. Make it a torch.nn.Parameter of a torch.nn.Module that is the "
                "scheme, detach it, or step the model with noahpy_core.iterate, which records every operation."
            )
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                pending.append(following)


def _loop(
    plan: Plan, layout: Layout, leaves: Sequence[Any], kept: list[list[Tensor]] | None = None
) -> tuple[State, list[Tensor]]:
    """Run from the first step to the last; `kept` receives the state leaves before every `spacing`-th step."""
    state_leaves, forcing_leaves, parameter_leaves = layout.split(leaves)
    parameters = tree_unflatten(parameter_leaves, layout.parameters)
    state: State = tree_unflatten(state_leaves, layout.state)
    rows: list[list[Tensor]] = []
    for number in range(plan.steps):
        if kept is not None and number % plan.spacing == 0:
            kept.append(tree_flatten(state)[0])
        state, outputs = plan.step(state, _record(layout, forcing_leaves, number), parameters, number)
        rows.append(outputs)
    return state, [torch.stack(series) for series in zip(*rows, strict=True)]


def _record(layout: Layout, forcing_leaves: Sequence[Any], number: int) -> Forcing:
    picked = [leaf[number] if isinstance(leaf, Tensor) else leaf for leaf in forcing_leaves]
    record: Forcing = tree_unflatten(picked, layout.forcing)
    return record


class _RecordedRun(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: Plan, layout: Layout, *leaves: Any) -> tuple[Tensor, ...]:
        kept: list[list[Tensor]] = []
        state, outputs = _loop(plan, layout, leaves, kept)
        ctx.plan, ctx.layout, ctx.kept = plan, layout, kept
        # A copy: the state that is returned belongs to the caller.
        ctx.end = [leaf.clone() for leaf in tree_flatten(state)[0]]
        ctx.is_tensor = [isinstance(leaf, Tensor) for leaf in leaves]
        ctx.save_for_backward(*(leaf for leaf in leaves if isinstance(leaf, Tensor)))
        # None says that an output is not differentiated: no zeros are sent back for it.
        ctx.set_materialize_grads(False)
        return (*tree_flatten(state)[0], *outputs)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Any, ...]:
        saved = iter(ctx.saved_tensors)
        leaves = [next(saved) if is_tensor else None for is_tensor in ctx.is_tensor]
        sweep = _Sweep(ctx.plan, ctx.layout, leaves, ctx.needs_input_grad[2:], cotangents)
        for start in range(len(ctx.kept) - 1, -1, -1):
            end = ctx.kept[start + 1] if start + 1 < len(ctx.kept) else ctx.end
            sweep.segment(start * ctx.plan.spacing, ctx.kept[start], end)
            ctx.plan.inspect(cotangents, sweep.state_adjoint)
        return (None, None, *sweep.gradients())


class _Sweep:
    """The way back: adjoint of the state, and accumulated gradients of forcing, parameters and weights."""

    def __init__(
        self,
        plan: Plan,
        layout: Layout,
        leaves: list[Any],
        needed: Sequence[bool],
        cotangents: Sequence[Tensor | None],
    ) -> None:
        self.plan, self.layout = plan, layout
        self.state_leaves, self.forcing, parameters = layout.split(leaves)
        count = layout.state.num_leaves
        first, second = count, count + layout.forcing.num_leaves
        third = second + layout.parameters.num_leaves
        self.forcing_needed, self.weights_needed = needed[first:second], needed[third:]
        self.parameters = [
            leaf.detach().requires_grad_() if need else leaf
            for leaf, need in zip(parameters, needed[second:third], strict=True)
        ]
        self.state_adjoint = [
            torch.zeros_like(leaf) if cotangent is None else cotangent
            for leaf, cotangent in zip(self.state_leaves, cotangents[:count], strict=True)
        ]
        self.output_cotangents = cotangents[count:]
        self.forcing_gradients = [
            torch.zeros_like(leaf) if need else None
            for leaf, need in zip(self.forcing, self.forcing_needed, strict=True)
        ]
        self.constants = [leaf for leaf in self.parameters if leaf is not None and leaf.requires_grad]
        self.constants += list(plan.weights)
        self.constant_gradients = [torch.zeros_like(leaf) for leaf in self.constants]

    def segment(self, start: int, checkpoint: list[Tensor], following: list[Tensor]) -> None:
        """Reverse the steps from `start`, where the state was `checkpoint`, up to where it was `following`."""
        end = min(start + self.plan.spacing, self.plan.steps)
        states = [checkpoint]
        # Taken again from the state that was kept, without graphs: memory then holds the graph of one step only.
        with torch.no_grad():
            for number in range(start, end - 1):
                state, _ = self._step(states[-1], self._record(number), number)
                states.append(tree_flatten(state)[0])
        states.append(following)
        for number in range(end - 1, start - 1, -1):
            self._reverse(states[number - start], states[number - start + 1], number)
            if self.plan.truncate_every and number and number % self.plan.truncate_every == 0:
                # A cut: what comes after it does not reach the steps before.
                self.state_adjoint = [torch.zeros_like(adjoint) for adjoint in self.state_adjoint]

    def _record(self, number: int) -> list[Any]:
        return [leaf[number] if isinstance(leaf, Tensor) else leaf for leaf in self.forcing]

    def _step(self, state_leaves: Sequence[Tensor], record: Sequence[Any], number: int) -> tuple[State, list[Tensor]]:
        return self.plan.step(
            tree_unflatten(list(state_leaves), self.layout.state),
            tree_unflatten(list(record), self.layout.forcing),
            tree_unflatten(self.parameters, self.layout.parameters),
            number,
        )

    def _reverse(self, state_leaves: list[Tensor], reached: list[Tensor], number: int) -> None:
        """One step back, from the state that was reached."""
        before = [leaf.detach().requires_grad_() for leaf in state_leaves]
        record = [
            leaf.detach().requires_grad_() if need else leaf
            for leaf, need in zip(self._record(number), self.forcing_needed, strict=True)
        ]

        with torch.enable_grad():
            after, outputs = self._step(before, record, number)
        _check_same(tree_flatten(after)[0], reached, number)

        ends = list(zip(tree_flatten(after)[0], self.state_adjoint, strict=True))
        ends += [(o, c[number]) for o, c in zip(outputs, self.output_cotangents, strict=True) if c is not None]
        ends = [(tensor, adjoint) for tensor, adjoint in ends if tensor.requires_grad]

        wanted = [leaf for leaf, need in zip(record, self.forcing_needed, strict=True) if need]
        inputs = [*before, *wanted, *self.constants]
        gradients = torch.autograd.grad(
            [tensor for tensor, _ in ends],
            inputs,
            [adjoint for _, adjoint in ends],
            allow_unused=True,
            materialize_grads=True,
        )

        self.state_adjoint = list(gradients[: len(before)])
        forcing_gradients = iter(gradients[len(before) : len(before) + len(wanted)])
        for series in self.forcing_gradients:
            if series is not None:
                series[number] = next(forcing_gradients)
        for total, gradient in zip(self.constant_gradients, gradients[len(before) + len(wanted) :], strict=True):
            total += gradient

    def gradients(self) -> list[Tensor | None]:
        """Gradient of every leaf, in order, None where none was wanted."""
        constants = iter(self.constant_gradients)
        of_parameters = [
            next(constants) if leaf is not None and leaf.requires_grad else None for leaf in self.parameters
        ]
        return [*self.state_adjoint, *self.forcing_gradients, *of_parameters, *constants]


def _check_same(again: Sequence[Tensor], reached: Sequence[Tensor], number: int) -> None:
    """Raise RuntimeError unless a step taken again leads where it led: its derivative would be that of another."""
    for tensor, known in zip(again, reached, strict=True):
        # Products of matrices may be summed in another order when a graph is recorded.
        tolerance = REPEATED * torch.finfo(known.dtype).eps
        if not torch.allclose(tensor.detach(), known, rtol=tolerance, atol=tolerance, equal_nan=True):
            difference = float((tensor.detach() - known).abs().max())
            raise RuntimeError(
                f"run: step {number}, taken again for the gradient, differs by {difference:.3g} from what it was. "
                "Either a scheme gives another result each time (random numbers, as of dropout, or a count of calls): "
                "call model.eval(), or step with noahpy_core.iterate. Or a tensor that the step uses was changed in "
                "place since the run: change it after backward()."
            )
