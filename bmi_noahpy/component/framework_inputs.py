"""Forcing from a file, from the framework, or from both."""

from __future__ import annotations

import torch
from torch import Tensor

from noahpy_core.quantities import quantities
from noahpy_core.state import Forcing

OPTIONAL = ("leaf_area_index", "snow_free_albedo", "snowfall")
"""Fields of `Forcing` the model can do without."""


class MissingInput(RuntimeError):
    """A step cannot be computed because inputs were neither set nor in a file."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        super().__init__(", ".join(fields))
        self.fields = fields


class FrameworkInputs:
    """What a framework has set, each value in force for its column until it is set again.

    A column that was never set has the file's value. The wind is set either as a speed or as its components: whichever
    came last counts. A component that was not set is, with a file, the file's speed for x and zero for y.

    Parameters
    ----------
    columns : Number of columns.
    """

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._set: dict[str, Tensor] = {}

    def copy(self) -> FrameworkInputs:
        """The same values, independent of later changes."""
        other = FrameworkInputs(self._columns)
        other._set = dict(self._set)
        return other

    def values(self) -> dict[str, Tensor]:
        """What was set, by field, NaN in columns where nothing was."""
        return dict(self._set)

    def with_values(self, values: dict[str, Tensor]) -> FrameworkInputs:
        """Inputs of as many columns, with these values in force."""
        other = FrameworkInputs(self._columns)
        other._set = dict(values)
        return other

    @property
    def empty(self) -> bool:
        """Whether nothing was ever set."""
        return not self._set

    def set(self, field: str, values: Tensor, where: Tensor) -> None:
        """Put values in force.

        Parameters
        ----------
        field : Field of `Forcing`, or "wind.x" or "wind.y".
        values, where : Values ``[column]``, and the columns of bool that take them.
        """
        nothing = torch.full_like(values, torch.nan)
        self._set[field] = torch.where(where, values, self._set.get(field, nothing))
        replaced = ("wind.x", "wind.y") if field == "wind_speed" else ("wind_speed",) if "wind." in field else ()
        for name in replaced:
            if name in self._set:
                self._set[name] = torch.where(where, nothing, self._set[name])

    def value(self, field: str, base: Forcing | None) -> Tensor | None:
        """The value in force, ``[column]``; NaN or None where there is none.

        Parameters
        ----------
        field : As in `set`.
        base : Forcing of the file, if there is one.
        """
        if field in ("wind.x", "wind.y", "wind_speed"):
            return self._wind(field, base)
        return self._over(field, None if base is None else getattr(base, field))

    def combine(self, base: Forcing | None, defaults: dict[str, Tensor | None]) -> Forcing:
        """The forcing of a step.

        Parameters
        ----------
        base : Forcing of the file, if there is one.
        defaults : Prescribed vegetation, for what neither the framework nor a file gives.

        Raises
        ------
        MissingInput : naming the fields of `Forcing` that have no value in some column.
        """
        found: dict[str, Tensor | None] = {}
        for field, _ in quantities(Forcing):
            value, default = self.value(field, base), defaults.get(field)
            if default is not None:
                value = default if value is None else torch.where(value.isnan(), default, value)
            found[field] = value
        missing = tuple(field for field, value in found.items() if _is_missing(field, value))
        if missing:
            raise MissingInput(missing)
        return Forcing(**found)  # type: ignore[arg-type]

    def _over(self, field: str, base: Tensor | None) -> Tensor | None:
        """What was set, above what the file has."""
        own = self._set.get(field)
        if own is None or base is None:
            return base if own is None else own
        return torch.where(own.isnan(), base, own)

    def _wind(self, field: str, base: Forcing | None) -> Tensor | None:
        """Speed or component; a speed blows along x."""
        speed = self._over("wind_speed", None if base is None else base.wind_speed)
        if field == "wind_speed" and not {"wind.x", "wind.y"} & set(self._set):
            return speed
        x = self._over("wind.x", speed)
        y = self._over("wind.y", None if speed is None else torch.zeros_like(speed))
        if field != "wind_speed":
            return x if field == "wind.x" else y
        return None if x is None or y is None else torch.hypot(x, y)


def _is_missing(field: str, value: Tensor | None) -> bool:
    if value is None:
        return field not in OPTIONAL
    return bool(value.isnan().any())
