"""Records in text tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bmi_noahpy.forcing.names import choose_variables, split_units
from bmi_noahpy.forcing.presets import with_variables
from bmi_noahpy.forcing.spec import ForcingSpec, VariableSpec
from bmi_noahpy.forcing.table import UNITS, WATER, ForcingError, RawField, RawRecords, UnstatedUnits
from bmi_noahpy.tabular import TableError, TextTable, TimeSpec, find_clock, parse_clock, read_text_table
from bmi_noahpy.tabular.clock import time_like


def read_text(path: Path, spec: ForcingSpec) -> RawRecords:
    """Records of a text table (see `bmi_noahpy.tabular.read_text_table`).

    Units come from the specification, else from the header (``Tair_K``, ``Tair [K]``, a line of units), else they are
    the model's; those of precipitation must be stated. Only the columns that are needed are read as numbers.

    Raises
    ------
    ForcingError : for missing or ambiguous columns, rows of the wrong length, and text that is not a number or a time.
    """
    try:
        table = read_text_table(path, spec.text)
        return _records(table, spec)
    except TableError as error:
        raise ForcingError(str(error)) from error


def _records(table: TextTable, spec: ForcingSpec) -> RawRecords:
    source, names = str(table.path), table.names
    time = _time(table, spec.time)
    clock = find_clock(names, time, source)
    stamps = parse_clock(clock, [table.texts(name) for name in clock.columns], time, f"{source}: {clock.columns[0]}")
    variables = with_variables(spec, names, source)
    labels = {name: split_units(name)[0] for name in names if name not in (*clock.columns, *time_like(names))}
    explicit, sums = _explicit(variables, labels, source)
    chosen = choose_variables(labels | {name: name for name in sums}, explicit, source, frozenset(spec.derive))
    whole = spec.time.label or clock.label or table.layout.label
    fields = {}
    for quantity, name in chosen.items():
        asked = variables.get(quantity)
        columns = sums.get(name, (name,))
        values = sum((table.numbers(column) for column in columns[1:]), table.numbers(columns[0]))
        fields[quantity] = RawField(
            values=np.asarray(values)[:, None],
            units=(asked.units if asked else None) or _stated(table, columns[0], quantity),
            name=" + ".join(columns),
            label=(asked.label if asked else None) or _label(table, columns[0], whole),
            accumulated=asked.accumulated if asked else None,
        )
    return RawRecords(stamps, fields, source, place=table.place, clock=time, site=_site(table))


def _site(table: TextTable) -> tuple[float, float] | None:
    """The place that the header states."""
    facts = table.layout.facts
    try:
        return float(facts["latitude"]), float(facts["longitude"])
    except (KeyError, ValueError):
        return None


def _time(table: TextTable, time: TimeSpec) -> TimeSpec:
    """The time with the offset that the header declares, unless something else is said."""
    declared = table.layout.utc_offset
    if declared is None or time.utc_offset is not None or time.zone is not None:
        return time
    return TimeSpec(time.name, time.format, declared, None, time.label)


def _explicit(
    variables: Mapping[str, VariableSpec], labels: Mapping[str, str], source: str
) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Quantity -> name as configured; sums get a name of their own, and the columns they are made of."""
    explicit: dict[str, str] = {}
    sums: dict[str, tuple[str, ...]] = {}
    for quantity, asked in variables.items():
        explicit[quantity] = " + ".join(asked.names)
        if len(asked.names) > 1:
            for name in asked.names:
                if name not in labels:
                    raise ForcingError(
                        f"{source}: forcing.variables.{quantity}.name: no variable {name!r} among {', '.join(labels)}."
                    )
            sums[explicit[quantity]] = asked.names
    return explicit, sums


def _stated(table: TextTable, column: str, quantity: str) -> str:
    """Units in the header, else those of the model.

    Raises
    ------
    UnstatedUnits : precipitation without units; mm of a record, mm/h and kg m-2 s-1 cannot be told apart.
    """
    stated = table.layout.units.get(column) or split_units(column)[1]
    if stated is None and quantity in WATER:
        raise UnstatedUnits(
            f"{table.path}: {quantity} ({column}): no units in the header. Set forcing.variables.{quantity}.units: mm "
            "is the amount of a record, mm h-1 and kg m-2 s-1 are rates.",
            quantity,
            column,
        )
    return stated or UNITS[quantity]


def _label(table: TextTable, column: str, whole: str | None) -> str | None:
    """What the stamps of a column are: a logger says so of each."""
    return "instant" if table.layout.kinds.get(column) == "instant" else whole
