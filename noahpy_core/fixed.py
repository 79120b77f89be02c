"""Parts of a model that stay as they were built.

A compiled step is generated from the names of the schemes, before the objects of a model are looked at. What would be
changed in such an object afterwards is felt by eager steps only, so it is refused.
"""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Callable
from types import FunctionType
from typing import Any

from torch import Tensor, nn
from torch.nn.modules import module as torch_module
from torch.utils.hooks import RemovableHandle

CHANGEABLE = frozenset({"training"})
"""What torch itself assigns (`train`, `eval`) and no scheme looks at."""
PACKAGE = __name__.partition(".")[0]


_registered: list[None] = []


def hooks_so_far() -> tuple[int, bool]:
    """Changes when a hook is registered with any part of a model, or with all modules of torch."""
    return len(_registered), has_global_hooks()


def has_global_hooks() -> bool:
    """Whether all modules of torch have hooks."""
    return bool(torch_module._global_forward_hooks or torch_module._global_forward_pre_hooks)


def _is_built_in(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == PACKAGE


class _FixedConstants(ABCMeta):
    """Numbers and methods of a built-in class stay: kernels made before would not follow a change.

    It is an `ABCMeta` so that a class of one's own can be derived from a built-in scheme and an abstract class.
    """

    def __setattr__(cls, name: str, value: Any) -> None:
        old = getattr(cls, name, None)
        if isinstance(old, int | float | tuple | FunctionType) and _is_built_in(cls):
            what, has = ("method", "another") if isinstance(old, FunctionType) else ("constant", f"{name} = {value!r}")
            raise AttributeError(
                f"{cls.__name__}.{name} is a {what} of a built-in scheme, which compiled steps would not follow. "
                f"Derive a class of your own that has {has}, and give it to NoahModel in `processes`."
            )
        super().__setattr__(name, value)


class ModelPart(nn.Module, metaclass=_FixedConstants):
    """A module whose members cannot be replaced any more once a model has been built with it."""

    _fixed = None
    """What it is in the model, once it is part of one."""

    def __setattr__(self, name: str, value: Any) -> None:
        self._refuse(name)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        self._refuse(name)
        super().__delattr__(name)

    def add_module(self, name: str, module: nn.Module | None) -> None:
        """Add a part, where there is none of this name."""
        self._refuse(name)
        super().add_module(name, module)

    def register_forward_pre_hook(self, *given: Any, **how: Any) -> RemovableHandle:
        """As of every module of torch. A model with hooks is stepped eagerly."""
        _registered.append(None)
        return super().register_forward_pre_hook(*given, **how)

    def register_forward_hook(self, *given: Any, **how: Any) -> RemovableHandle:
        """As of every module of torch. A model with hooks is stepped eagerly."""
        _registered.append(None)
        return super().register_forward_hook(*given, **how)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Convert or move all tensors (`torch.nn.Module.to`); tables of built-in schemes keep all their digits."""
        tables = dict(self._buffers) if _is_built_in(type(self)) else {}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, table in tables.items():
            moved = self._buffers[name]
            # A step reads tables in its own number type. Rounded here, they would stay so after another conversion,
            # and compiled steps would not follow.
            if table is not None and moved is not None and moved.dtype != table.dtype:
                self._buffers[name] = table.to(moved.device)
        return self

    def _refuse(self, name: str) -> None:
        place = self.__dict__.get("_fixed")
        if place is not None and name not in CHANGEABLE and hasattr(self, name):
            raise AttributeError(
                f"{place}: {name} of {type(self).__name__} cannot be changed once a model has been built with it, "
                "since compiled steps would not follow. Build another NoahModel with the options or `processes` you "
                "want."
            )


def fix(place: str, scheme: Any) -> None:
    """Keep a built-in scheme as it is.

    Parameters
    ----------
    place : The slot it stands in, for the message.
    scheme : Any object; only a `ModelPart` is fixed, one that has its place already keeps it.
    """
    if isinstance(scheme, ModelPart) and scheme._fixed is None:
        object.__setattr__(scheme, "_fixed", place)
