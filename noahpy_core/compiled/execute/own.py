"""Models with schemes that are not built in: their recordings, kept as long as the models stay what they were."""

from __future__ import annotations

import dataclasses
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn

from noahpy_core.compiled.execute.not_compiled import NotCompiled
from noahpy_core.compiled.execute.own_check import difference_from_model
from noahpy_core.compiled.record.own_step import (
    Same,
    own_slots,
    plain_copy,
    record_own_step,
    state_of,
    version_of,
    weights_of,
)
from noahpy_core.compiled.record.recorded_values import CannotCompile
from noahpy_core.compiled.record.step_graph import OwnStep
from noahpy_core.compiled.shape import Shape, number_name
from noahpy_core.fixed import hooks_so_far
from noahpy_core.limited import Limited
from noahpy_core.model import NoahModel
from noahpy_core.parameters import Parameters
from noahpy_core.physics.snow_layered import LayeredSnow
from noahpy_core.quantities import quantities
from noahpy_core.state import Forcing, State

SNOW_LAYERS = 3


@dataclasses.dataclass
class _Recordings:
    """Recordings of a model.

    Parameters
    ----------
    state : Of the model, while they are right (`state_of`).
    steps : By shape; where a model cannot be compiled, the reason.
    """

    state: Any
    steps: dict[Shape, OwnStep | str]


_known: weakref.WeakKeyDictionary[NoahModel, _Recordings] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def own_shape(model: NoahModel, shape: Shape) -> Shape:
    """The shape of a step with the recording of the model, if it has schemes that are not built in.

    Raises
    ------
    NotCompiled : It does what has no compiled form.
    """
    if not own_slots(model):
        return shape
    found = _recording(model, shape)
    if isinstance(found, str):
        raise NotCompiled(f"execution: {found}. Use execution 'eager'.")
    return dataclasses.replace(shape, own=found)


def why_not_recorded(model: NoahModel) -> str | None:
    """What keeps the schemes of a model that are not built in from being compiled, or None."""
    slots = own_slots(model)
    for slot in slots:
        scheme = model.schemes[slot]
        inner = getattr(scheme, "scheme", scheme) if isinstance(scheme, Limited) else scheme
        if not isinstance(inner, nn.Module):
            return f"its {slot} is supplied by the user and no torch.nn.Module, which could be watched for changes"
    if not slots:
        return None
    found = _recording(model, _usual_shape(model))
    return found if isinstance(found, str) else None


def weight_leaves(model: NoahModel, shape: Shape) -> list[Tensor]:
    """Weights in the order of `Shape.weights`, in the number type of the step, ``[value, 1]``.

    Derivatives by them reach the parameters of the model.
    """
    if shape.own is None:
        return []
    weights = weights_of(model)
    return [
        weights[name].to(shape.dtype).resolve_neg().reshape((size, 1) if size else (1,))
        for (_, name), size in shape.weights()
    ]


class Watch:
    """Whether the hooks, weights and schemes of a model are those that a call was prepared with.

    Parameters
    ----------
    model : Any; without schemes of its own only its hooks can change.
    """

    def __init__(self, model: NoahModel) -> None:
        # A model that a call is prepared with lives as long as the call.
        self._model = model
        self._own = bool(own_slots(model))
        self._seen = self._look()
        self._copied = self._copies() if self._own else []

    def same(self) -> bool:
        """Whether nothing has changed."""
        same: bool = self._look() == self._seen
        # One column takes a step in microseconds: no loop over nothing.
        return same if not self._copied else same and all(torch.equal(*pair) for pair in self._copied)

    def _look(self) -> Any:
        if not self._own:
            return hooks_so_far()
        # Where a weight is as well: its data can be replaced, which counts as no change in place.
        weights = [(Same(weight), weight.data_ptr(), version_of(weight)) for weight in weights_of(self._model).values()]
        return hooks_so_far(), weights, state_of(self._model)

    def _copies(self) -> list[tuple[Tensor, Tensor]]:
        """Weights that a kernel cannot read where they are, and what they were when they were copied for it.

        They can be changed without a trace, by way of their data.
        """
        dtype = self._model.column.thickness.dtype
        weights = weights_of(self._model).values()
        return [(w, w.detach().clone()) for w in weights if w.dtype != dtype or not w.is_contiguous()]


def _recording(model: NoahModel, shape: Shape) -> OwnStep | str:
    with _lock:
        state = state_of(model)
        kept = _known.get(model)
        if kept is None or kept.state != state:
            kept = _known[model] = _Recordings(state, {})
        if shape not in kept.steps:
            try:
                kept.steps[shape] = _checked(model, shape)
            except CannotCompile as error:
                kept.steps[shape] = f"its {_slots(model)} cannot be compiled: {error}"
        return kept.steps[shape]


def _checked(model: NoahModel, shape: Shape) -> OwnStep:
    # Transformations of torch.func, which would wrap all tensors made here, are those of a thread; so is `no_grad`.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(_compared, model, shape).result()


def _compared(model: NoahModel, shape: Shape) -> OwnStep:
    own = record_own_step(model, shape)
    try:
        made = plain_copy(model)
        different = difference_from_model(made, shape, own.step, weights_of(made))
    except Exception as error:  # A scheme can fail in any way.
        raise CannotCompile(f"it fails on made-up columns ({type(error).__name__}: {error})") from error
    if different is not None:
        raise CannotCompile(different)
    return own


def _slots(model: NoahModel) -> str:
    return " or ".join(own_slots(model))


def _usual_shape(model: NoahModel) -> Shape:
    """The shape of a step whose optional fields are absent; where the schemes may need them, all are there."""
    layered = isinstance(model.schemes["snow"], LayeredSnow)
    without = [("forcing", Forcing)] + ([] if layered else [("state", State), ("parameters", Parameters)])
    absent = frozenset(
        (name, path) for name, container in without for path, facts in quantities(container) if facts["optional"]
    )
    number = number_name(model.column.thickness.dtype)
    return Shape(model.options, model.column.layers, number, absent, SNOW_LAYERS if layered else 0)
