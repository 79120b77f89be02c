"""Forcing from a file, from the framework, or from both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from noahpy_core.quantities import quantities
from noahpy_core.state import ADDED, Forcing

OPTIONAL = ("leaf_area_index", "snow_free_albedo", "snowfall")
"""Fields of `Forcing` the model can do without."""
ONCE = "once:"
"""Before the field of a value for one call, where inputs are given as one mapping."""
Lasting = Literal["hold", "call"]
WIND = ("wind.x", "wind.y")
WEATHER = tuple(path for path, _ in quantities(Forcing) if path not in ADDED)
LAYERED = frozenset(path for path, facts in quantities(Forcing) if facts["dims"])


class MissingInput(RuntimeError):
    """A step cannot be computed because inputs were neither set nor in a file."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        super().__init__(", ".join(fields))
        self.fields = fields


_REPLACED_BY = {"wind_speed": WIND, **dict.fromkeys(WIND, ("wind_speed",))}
"""Fields whose values give way to those of another."""


class _Given(NamedTuple):
    """Values for some columns."""

    field: str
    values: Tensor
    where: Tensor


class FrameworkInputs:
    """What a framework has set, each value in force for its column until it is set again, or for one call.

    A column that was never set has the file's value. The wind is set either as a speed or as its components: whichever
    came last counts. A component that was not set is, with a file, the file's speed for x and zero for y. What adds
    water or heat is zero where it was not set.

    Parameters
    ----------
    columns : Number of columns.
    layers : Number of soil layers.
    lasting : How long a value counts that is set: "hold", until it is set again, or "call", in the next one only.

    Attributes
    ----------
    lasting_of : The same for single fields, where it differs.
    """

    def __init__(self, columns: int, layers: int, lasting: Lasting = "hold") -> None:
        self._columns, self._layers = columns, layers
        self._lasting: Lasting = lasting
        self.lasting_of: dict[str, Lasting] = {}
        self._held: dict[str, Tensor] = {}
        self._once: list[_Given] = []
        self._in_force = self._held
        self._everywhere: set[str] = set()
        """Fields that have a value in every column, as far as that is known."""
        self._combined: tuple[dict[str, Tensor], dict[str, Tensor | None], Forcing] | None = None
        """The forcing made last without a file: of these values in force, and of these defaults."""

    def copy(self) -> FrameworkInputs:
        """The same values, independent of later changes."""
        return self.with_values(self.values())

    def values(self) -> dict[str, Tensor]:
        """What was set, by field, NaN in columns where nothing was; what is for one call with `ONCE` before it."""
        once = FrameworkInputs(self._columns, self._layers)
        for given in self._once:
            once._hold(given)
        return {**self._held, **{ONCE + field: values for field, values in once._held.items()}}

    def with_values(self, values: dict[str, Tensor]) -> FrameworkInputs:
        """Inputs of as many columns, with these values in force."""
        other = FrameworkInputs(self._columns, self._layers, self._lasting)
        other.lasting_of = dict(self.lasting_of)
        other._held = {field: value for field, value in values.items() if not field.startswith(ONCE)}
        once = {field.removeprefix(ONCE): value for field, value in values.items() if field.startswith(ONCE)}
        other._once = [_Given(field, value, ~value.isnan()) for field, value in once.items()]
        other._put_in_force()
        return other

    def lasting(self, field: str) -> Lasting:
        """How long a value of a field counts that is set from now on."""
        return self.lasting_of.get(field, self._lasting)

    @property
    def empty(self) -> bool:
        """Whether nothing is in force."""
        return not self._in_force

    def set(self, field: str, values: Tensor, where: Tensor) -> None:
        """Put values in force.

        Parameters
        ----------
        field : Field of `Forcing`, or "wind.x" or "wind.y".
        values, where : Values ``[column]``, or ``[layer, column]``, and those of bool that count.
        """
        given = _Given(field, values, where)
        self._everywhere.difference_update(_REPLACED_BY.get(field, ()))
        if self.lasting(field) == "call":
            self._once.append(given)
            self._in_force = _with(self._in_force, given)
        else:
            self._hold(given)

    def set_everywhere(self, field: str, values: Tensor) -> bool:
        """`set` in every column; False when this is not the simple case of values that are held.

        Parameters
        ----------
        field, values : As in `set`.
        """
        if self._once or self.lasting(field) == "call":
            return False
        for name in _REPLACED_BY.get(field, ()):
            self._held.pop(name, None)
            self._everywhere.discard(name)
        self._held[field] = values
        self._everywhere.add(field)
        # Everything else makes new values to be in force.
        self._combined = None
        return True

    def end_call(self) -> bool:
        """What was for one call is in force no more. Returns whether there was any."""
        ended = bool(self._once)
        if ended:
            self._once, self._in_force = [], self._held
        return ended

    def release(self, field: str) -> None:
        """Put a field in force no more, so that the value of a file counts again."""
        self._held = {name: value for name, value in self._held.items() if name != field}
        self._everywhere.discard(field)
        self._once = [given for given in self._once if given.field != field]
        self._put_in_force()

    def value(self, field: str, base: Forcing | None) -> Tensor | None:
        """The value in force, ``[column]`` or ``[layer, column]``; NaN or None where there is none.

        Parameters
        ----------
        field : As in `set`.
        base : Forcing of the file, if there is one.
        """
        if field in (*WIND, "wind_speed"):
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
        known = self._combined
        found: dict[str, Tensor | None] = {}
        fields: Iterable[str] = WEATHER
        if base is None and known is not None and known[0] is self._in_force:
            if known[1] is defaults:
                return known[2]
            # Another day: all but its vegetation is as it was.
            found = vars(known[2]).copy()
            fields = [field for field in WEATHER if defaults.get(field) is not known[1].get(field)]
        missing = []
        for field in fields:
            if field in self._everywhere:
                found[field] = self._in_force[field]
                continue
            value, default = self.value(field, base), defaults.get(field)
            if default is not None:
                value = default if value is None else torch.where(value.isnan(), default, value)
            found[field] = value
            windy = field == "wind_speed" and self._everywhere.issuperset(WIND)
            complete = windy or (value is not None and value is default)
            if not complete and _is_missing(field, value):
                missing.append(field)
            elif value is not None and value is self._held.get(field) and not self._once:
                # Looked at once: what is set later puts numbers in the place of numbers.
                self._everywhere.add(field)
        if missing:
            raise MissingInput(tuple(missing))
        found |= self._added(found["air_temperature"])
        forcing = Forcing(**found)  # type: ignore[arg-type]
        self._combined = (self._in_force, defaults, forcing) if base is None else None
        return forcing

    def _hold(self, given: _Given) -> None:
        """Until it is set again."""
        self._held = _with(self._held, given)
        self._put_in_force()

    def _put_in_force(self) -> None:
        """What is for one call goes before what is held."""
        self._in_force = self._held
        for given in self._once:
            self._in_force = _with(self._in_force, given)

    def _added(self, like: Tensor | None) -> dict[str, Tensor]:
        """What adds water or heat: nothing, or all of it, so that one kernel serves any choice."""
        if like is None or not any(field in self._in_force for field in ADDED):
            return {}
        found = {}
        for field in ADDED:
            value = self._in_force.get(field)
            if value is None:
                value = like.new_zeros((self._layers, self._columns) if field in LAYERED else (self._columns,))
            found[field] = value if field in self._everywhere else torch.where(value.isnan(), 0.0, value)
        return found

    def _over(self, field: str, base: Tensor | None) -> Tensor | None:
        """What was set, above what the file has."""
        own = self._in_force.get(field)
        if own is None or base is None:
            return base if own is None else own
        return torch.where(own.isnan(), base, own)

    def _wind(self, field: str, base: Forcing | None) -> Tensor | None:
        """Speed or component; a speed blows along x."""
        speed = self._over("wind_speed", None if base is None else base.wind_speed)
        if field == "wind_speed" and not set(WIND) & set(self._in_force):
            return speed
        x = self._over("wind.x", speed)
        # Nought only beside a speed: where there is none, a component that nobody gave is missing.
        y = self._over("wind.y", None if speed is None else torch.where(speed.isnan(), torch.nan, 0.0).to(speed))
        if field != "wind_speed":
            return x if field == "wind.x" else y
        return None if x is None or y is None else torch.hypot(x, y)


def _with(values: dict[str, Tensor], given: _Given) -> dict[str, Tensor]:
    """Values with others in some columns. A speed takes the place of components of the wind, and the reverse."""
    field, new, where = given
    nothing = torch.full_like(new, torch.nan)
    changed = {**values, field: torch.where(where, new, values.get(field, nothing))}
    for name in _REPLACED_BY.get(field, ()):
        if name in changed:
            changed[name] = torch.where(where, nothing, changed[name])
    return changed


def _is_missing(field: str, value: Tensor | None) -> bool:
    if value is None:
        return field not in OPTIONAL
    return bool(value.isnan().any())
