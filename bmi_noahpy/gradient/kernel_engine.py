"""Recorded steps taken again and reversed by compiled kernels."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from bmi_noahpy.gradient.engine import Pulled, Seeds
from bmi_noahpy.gradient.names import Core, Find, pack, state_shapes, unpack
from bmi_noahpy.gradient.protocol import STATE
from bmi_noahpy.gradient.recorded import Fields, RecordedStep
from bmi_noahpy.gradient.result_seeds import DirectResults, ResultSeeds
from bmi_noahpy.gradient.step import changed_result, pull_back
from bmi_noahpy.gradient.taken_step import StepResult
from noahpy_core.compiled import Pushed, StepPull
from noahpy_core.model import NoahModel
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import quantities, replace_quantity
from noahpy_core.state import Fluxes, Forcing, State


class KernelEngine:
    """Steps in kernels; what a caller set before a step, and derived outputs, around them in torch.

    Parameters
    ----------
    model : Of built-in schemes.
    like : A state of the shapes in question.
    dt : Length of a step. [s]
    find : Gives the variable of a name.
    """

    def __init__(self, model: NoahModel, like: State, parameters: Parameters, dt: float, find: Find) -> None:
        self._model, self._like, self._parameters = model, like, parameters
        self._dt, self._find = dt, find
        self._direct = DirectResults(find, like, model.column)
        self._pulls: dict[Fields, StepPull] = {}
        self._by_parameters: dict[str, Tensor] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, in this process or another, prepares kernels and places of results itself; sums go along."""
        # Pickling for another process moves tensors into shared memory: addresses that are known here end with it.
        self._pulls.clear()
        given = (self._model, self._like, self._parameters, self._dt, self._find)
        return type(self), given, {"_by_parameters": self._by_parameters}

    @property
    def by_parameters(self) -> Core:
        """See `Engine`."""
        return self._by_parameters

    def clear(self) -> None:
        """See `Engine`."""
        # They are parts of one tensor, unless they came from another process.
        whole = {id(part._base): part._base for part in self._by_parameters.values() if part._base is not None}
        for part in whole.values() or self._by_parameters.values():
            part.zero_()

    def advance(self, record: RecordedStep, flat: Tensor) -> Tensor:
        """See `Engine`."""
        return self._pull_of(record).advance(self._start(record, flat), record.inputs)

    def reverse(self, record: RecordedStep, flat: Tensor, adjoint: Tensor, seeds: Seeds, span: float) -> Pulled:
        """See `Engine`."""
        pull, start = self._pull_of(record), self._start(record, flat)
        ends, late = ResultSeeds(adjoint.clone(), self._like), []
        for name, seed in seeds:
            path = self._direct.path(name)
            if path is None:
                late.append((name, seed))
            else:
                ends.add(path, seed if path == STATE else seed * self._find(name).scale)
        if late:
            self._add_indirect(record, pull, start, late, span, ends)
        by_forcing = pull.pull(start, record.inputs, ends.adjoint, ends.fluxes, self._by_parameters)
        entered = {f"forcing.{field}": row for field, row in record.by_field(by_forcing).items()}
        for path, more in ends.forcing.items():
            entered[path] = entered[path] + more
        if record.starts_as_kept:
            return Pulled(ends.adjoint, entered)
        return self._through_start(record, flat, ends.adjoint, entered)

    def push(self, record: RecordedStep, flat: Tensor, changes: Core, names: Sequence[str]) -> list[Tensor | None]:
        """See `Engine`."""
        pull = self._pull_of(record)
        before, change = self._changed_start(record, flat, changes)
        fields = torch.zeros_like(record.inputs[:-2])
        moving = [cause for cause in changes if cause.startswith("forcing.")]
        rows = record.by_field(fields) if moving else {}
        for cause in moving:
            row = rows[cause.removeprefix("forcing.")]
            row.copy_(changes[cause].reshape(row.shape))
        given = {
            cause.removeprefix("parameters."): value.to(flat)
            for cause, value in changes.items()
            if cause.startswith("parameters.")
        }
        pushed = pull.push(before, record.inputs, change, fields, given)
        found: dict[str, Tensor | None] = {}
        late = []
        for name in names:
            path = self._direct.path(name)
            if path == STATE:
                found[name] = pushed.changed_state
            elif path is not None and path in pushed:
                found[name] = pushed.change(path).reshape(-1) * self._find(name).scale
            else:
                late.append(name)
        if late:
            found |= self._changed_late(record, pushed, fields, late)
        return [found[name] for name in names]

    def _changed_late(
        self, record: RecordedStep, pushed: Pushed, fields: Tensor, names: Sequence[str]
    ) -> dict[str, Tensor | None]:
        """Changes of outputs that are made of several results."""
        with forward_ad.dual_level(), torch.no_grad():
            results = {path: forward_ad.make_dual(pushed.value(path), pushed.change(path)) for path in pushed.names}
            rows, changed = record.by_field(record.inputs), record.by_field(fields)
            forcing = {field: forward_ad.make_dual(row, changed[field]) for field, row in rows.items()}
            result = self._result(results, dataclasses.replace(record.forcing(), **forcing), self._dt)
            return {name: changed_result(name, self._find, result) for name in names}

    # --- inside -----------------------------------------------------------------------------------------------------

    def _pull_of(self, record: RecordedStep) -> StepPull:
        found = self._pulls.get(record.fields)
        if found is None or not found.serves():
            trees = (self._like, record.forcing(), self._parameters)
            found = self._pulls[record.fields] = StepPull(self._model, trees, self._dt)
            if not self._by_parameters:
                self._by_parameters = found.room_for_parameters()
        return found

    def _start(self, record: RecordedStep, flat: Tensor) -> Tensor:
        """The flat state the model is given, from that before the step."""
        if record.starts_as_kept:
            return flat
        return pack(record.step(record.core(flat, self._like), self._like, self._parameters).start)

    def _changed_start(self, record: RecordedStep, flat: Tensor, changes: Core) -> tuple[Tensor, Tensor]:
        """The flat state the model is given, and its change."""
        paths = [f"state.{path}" for path in state_shapes(self._like)]
        if record.starts_as_kept:
            if all(path in changes for path in paths):
                parts = [changes[path] for path in paths]
                return flat, torch.cat([part if part.ndim == 1 else part.reshape(-1) for part in parts]).to(flat)
            change = torch.zeros_like(flat)
            views = unpack(change, self._like)
            for path in changes.keys() & set(paths):
                part = views[path.removeprefix("state.")]
                part.copy_(changes[path].reshape(part.shape))
            return flat, change
        here = record.core(flat, self._like)
        moved = {path: torch.zeros_like(value) for path, value in here.items()}
        moved |= {path: change.to(flat).reshape(here[path].shape) for path, change in changes.items() if path in here}
        with forward_ad.dual_level(), torch.no_grad():
            dual = {path: forward_ad.make_dual(here[path], change) for path, change in moved.items()}
            start = forward_ad.unpack_dual(pack(record.step(dual, self._like, self._parameters).start))
            return start.primal.clone(), start.tangent.clone()

    def _through_start(self, record: RecordedStep, flat: Tensor, adjoint: Tensor, entered: Core) -> Pulled:
        """From the derivative by the state the model was given to that by what the state was made of."""
        core = {path: value.detach().requires_grad_() for path, value in record.core(flat, self._like).items()}
        with torch.enable_grad():
            start = pack(record.step(core, self._like, self._parameters).start)
            found = torch.autograd.grad(start, list(core.values()), adjoint, allow_unused=True, materialize_grads=True)
        gradients = dict(zip(core, found, strict=True))
        before = torch.cat([gradients[f"state.{path}"].reshape(-1) for path in state_shapes(self._like)])
        others = {path: value for path, value in gradients.items() if not path.startswith("state.")}
        return Pulled(before, {path: entered.get(path, 0.0) + value for path, value in others.items()})

    def _add_indirect(
        self, record: RecordedStep, pull: StepPull, start: Tensor, seeds: Seeds, span: float, into: ResultSeeds
    ) -> None:
        """Add the seeds of outputs that are computed from several results, or from forcing."""
        results = {path: value.requires_grad_() for path, value in pull.results(start, record.inputs).items()}
        fields = {path: row.detach().requires_grad_() for path, row in record.by_field(record.inputs).items()}
        with torch.enable_grad():
            result = self._result(results, dataclasses.replace(record.forcing(), **fields), span)
            leaves = results | {f"forcing.{path}": row for path, row in fields.items()}
            gradients = pull_back(result, seeds, self._find, leaves)
        for path, gradient in gradients.items():
            into.add(path, gradient)

    def _result(self, results: Core, forcing: Forcing, span: float) -> StepResult:
        """What outputs are read from, of results by path."""
        state = self._like
        for path in state_shapes(state):
            state = replace_quantity(state, path, results[path])
        given = {name: results.get(name) for name, _ in quantities(Fluxes)}
        fluxes = Fluxes(**given)  # type: ignore[arg-type]
        return StepResult(state, fluxes, forcing, self._model.column, span)
