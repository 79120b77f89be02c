"""From the unknowns of an optimiser to what a run takes: parameters, initial state, corrections of the forcing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from bmi_noahpy.calibration.file.specs import Wanted, parameter_metadata
from bmi_noahpy.calibration.intervals import position_of, unknown_of
from bmi_noahpy.config.values import column_values
from bmi_noahpy.runs.run import Run
from noahpy_core.parameters import in_effect

UNTOUCHED = -1
FACTOR_STEP = 0.2
"""What a factor of the forcing may well differ from 1, as a logarithm: gauges and reanalyses are off by that much. [1]
"""
DEPARTURE_MARGIN = 0.02
"""Least distance of a first departure from its limits, in parts of their interval. [1]"""


@dataclasses.dataclass(frozen=True)
class Control:
    """One calibrated parameter: its groups, each with one value, and where they are.

    Parameters
    ----------
    wanted : What the calibration file asks.
    groups : Group of each element, ``[layer or 1, column]``, `UNTOUCHED` where the run's value stays.
    labels : Name of each group: "layer 3", "class 7"; empty for the only one.
    first : Value, factor or offset of each group at the first start, ``[group]``.
    shared : With a spread, the shared value that each group departs from, ``[group]``.
    """

    wanted: Wanted
    groups: Tensor
    labels: tuple[str, ...]
    first: Tensor
    shared: Tensor | None = None

    @property
    def count(self) -> int:
        """Number of unknowns."""
        return len(self.labels) + self._shared_count

    @property
    def _shared_count(self) -> int:
        return 0 if self.shared is None else int(self.shared.max()) + 1

    def values(self, unknowns: Tensor) -> Tensor:
        """Value, factor or offset of each group, ``[group, start]``, of unknowns ``[unknown, start]``."""
        positions, interval = position_of(unknowns), self.wanted.interval
        if self.shared is None:
            return interval.value(positions)
        assert self.wanted.spread is not None
        together = interval.value(positions[: self._shared_count])[self.shared]
        return together * (1.0 + self.wanted.spread * (2.0 * positions[self._shared_count :] - 1.0))

    def first_unknowns(self) -> Tensor:
        """Unknowns of the first start, ``[unknown]``: as near to its values as the bounds allow."""
        interval = self.wanted.interval
        if self.shared is None:
            return unknown_of(interval.position(self.first))
        assert self.wanted.spread is not None
        members = torch.zeros(self._shared_count, len(self.labels), dtype=self.first.dtype)
        members[self.shared, torch.arange(len(self.labels))] = 1.0
        mean = (members @ self.first) / members.sum(1)
        position = interval.position(mean)
        departure = self.first / interval.value(position)[self.shared] - 1.0
        share = torch.clamp(0.5 + 0.5 * departure / self.wanted.spread, DEPARTURE_MARGIN, 1.0 - DEPARTURE_MARGIN)
        return unknown_of(torch.cat([position, share]))

    def spread_out(self, values: Tensor, base: Tensor, *, own: bool = False) -> Tensor:
        """What the run takes, ``[layer or 1, start * column]``: `base` ``[layer or 1, column]`` changed by values.

        With `own`, the elements of a group keep the values they have in the run and only change together.
        """
        starts = values.shape[1]
        chosen = values[self.groups.clamp(min=0)].movedim(-1, 1).flatten(1)
        given, touched = base.repeat(1, starts), (self.groups != UNTOUCHED).repeat(1, starts)
        if self.wanted.mode == "value":
            together = (
                given * (chosen / chosen.detach()) if self.wanted.interval.log else given + chosen - chosen.detach()
            )
            return torch.where(touched, together if own else chosen, given)
        changed = given * chosen if self.wanted.mode == "factor" else given + chosen
        if not self.wanted.path.startswith("forcing."):
            changed = torch.clamp(changed, *parameter_metadata()[self.wanted.path]["bounds"])
        return torch.where(touched, changed, given)


class Controls:
    """All calibrated parameters; the unknowns of all stand in one tensor ``[unknown, start]``."""

    def __init__(self, controls: Sequence[Control]) -> None:
        self.controls = tuple(controls)
        ends = np.cumsum([control.count for control in controls]).tolist()
        self._slices = [slice(end - control.count, end) for control, end in zip(controls, ends, strict=True)]
        self.count: int = ends[-1]

    def values(self, unknowns: Tensor) -> dict[str, Tensor]:
        """Path -> value, factor or offset of each group, ``[group, start]``."""
        return {
            control.wanted.path: control.values(unknowns[own])
            for control, own in zip(self.controls, self._slices, strict=True)
        }

    def forcing_departures(self, unknowns: Tensor) -> Tensor:
        """Logarithm of each factor of the forcing over `FACTOR_STEP`, ``[factor, start]``."""
        factors = [
            control.values(unknowns[own])
            for control, own in zip(self.controls, self._slices, strict=True)
            if control.wanted.path.startswith("forcing.") and control.wanted.mode == "factor"
        ]
        return torch.log(torch.cat([unknowns[:0], *factors])) / FACTOR_STEP

    def spread_out(
        self, values: Mapping[str, Tensor], base: Mapping[str, Tensor], *, own: bool = False
    ) -> dict[str, Tensor]:
        """Path -> what the run takes, ``[layer or 1, start * column]``, of values ``[group, start]``."""
        paths = [control.wanted.path for control in self.controls]
        return {
            path: control.spread_out(values[path], base[path], own=own)
            for path, control in zip(paths, self.controls, strict=True)
        }

    def first_unknowns(self) -> Tensor:
        """Unknowns of the first start, ``[unknown]``."""
        return torch.cat([control.first_unknowns() for control in self.controls])

    @property
    def names(self) -> list[str]:
        """Name of the value of each group, in order: "soil.porosity, layer 3"."""
        return [
            f"{control.wanted.path}, {label}" if label else control.wanted.path
            for control in self.controls
            for label in control.labels
        ]


def base_values(run: Run, wanted: Sequence[Wanted]) -> dict[str, Tensor]:
    """The run's own values, ``[layer or 1, column]``: neutral ones for corrections of the forcing."""
    columns = run.domain.columns
    values = {}
    for one in wanted:
        section, _, name = one.path.partition(".")
        if section == "forcing":
            value = torch.full((columns,), 1.0 if one.mode == "factor" else 0.0)
            value = value.to(run.parameters.soil.porosity.dtype)
        elif section == "initial":
            value = initial_value(run, name)
        else:
            value = in_effect(run.parameters, one.path)
        values[one.path] = value if value.ndim == 2 else value[None]
    return values


def initial_value(run: Run, name: str) -> Tensor:
    """An initial value by its key in configurations."""
    state = run.initial_state
    return {
        "soil_temperature": state.soil.temperature,
        "soil_moisture": state.soil.moisture,
        "skin_temperature": state.skin_temperature,
        "snow_water_equivalent": state.snow.water_equivalent,
        "canopy_water": state.canopy_water,
    }[name]


def build_controls(run: Run, wanted: Sequence[Wanted]) -> Controls:
    """The controls of a prepared run."""
    base = base_values(run, wanted)
    return Controls([_control(run, one, base[one.path]) for one in wanted])


def _control(run: Run, wanted: Wanted, base: Tensor) -> Control:
    keys = _keys(run, wanted, base)
    names = sorted({key for key in keys.flatten().tolist() if key != UNTOUCHED})
    groups = torch.full_like(keys, UNTOUCHED)
    for number, key in enumerate(names):
        groups[keys == key] = number
    first = torch.stack([_first(wanted, base[groups == number]) for number in range(len(names))])
    labels = tuple(_label(wanted, key, base.shape[1]) for key in names)
    shared = None
    if wanted.spread is not None:
        classes = _classes(run, wanted).expand_as(groups)
        own = torch.stack([classes[groups == number][0] for number in range(len(names))])
        shared = torch.unique(own, return_inverse=True)[1]
    return Control(wanted, groups, labels, first, shared)


def _first(wanted: Wanted, values: Tensor) -> Tensor:
    if wanted.start is not None:
        return torch.full_like(values[0], wanted.start)
    if wanted.mode != "value":
        return torch.full_like(values[0], 1.0 if wanted.mode == "factor" else 0.0)
    return torch.exp(torch.log(values).mean()) if wanted.interval.log else values.mean()


def _keys(run: Run, wanted: Wanted, base: Tensor) -> Tensor:
    """A number for each element, the same within a group."""
    rows, columns = base.shape
    layer, column = torch.arange(rows)[:, None].expand(rows, columns), torch.arange(columns).expand(rows, columns)
    keys = {
        "one": torch.zeros_like(layer),
        "layer": layer,
        "column": column,
        "each": layer * columns + column,
    }.get(wanted.by)
    keys = (_classes(run, wanted).expand(rows, columns) if keys is None else keys).clone()
    if wanted.layers is not None:
        first, last = wanted.layers
        keys[(layer + 1 < first) | (layer + 1 > last)] = UNTOUCHED
    return keys


def _classes(run: Run, wanted: Wanted) -> Tensor:
    configuration, columns = run.configuration, run.domain.columns
    if wanted.path.startswith("vegetation."):
        return torch.as_tensor(column_values(configuration.vegetation.class_, columns)).long()[None]
    layers = run.model.column.layers
    return torch.as_tensor(column_values(configuration.soil.classes, columns, layers)).long()


def _label(wanted: Wanted, key: int, columns: int) -> str:
    if wanted.by == "each":
        layer, column = divmod(key, columns)
        return f"layer {layer + 1}, column {column + 1}" if columns > 1 else f"layer {layer + 1}"
    return {"one": "", "class": f"class {key}"}.get(wanted.by, f"{wanted.by} {key + 1}")
