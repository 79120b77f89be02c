"""Records in text tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from bmi_noahpy.forcing.names import choose_variables, split_units, statistics_among
from bmi_noahpy.forcing.presets import find_preset, present, refuse_other_interval, with_variables
from bmi_noahpy.forcing.recognition import hint, unsaid
from bmi_noahpy.forcing.spec import ForcingSpec, VariableSpec
from bmi_noahpy.forcing.statistics import WORDS, left_out
from bmi_noahpy.forcing.table import (
    RATES,
    UNITS,
    Array,
    ForcingError,
    RawField,
    RawRecords,
    UnstatedUnits,
)
from bmi_noahpy.forcing.units import factor_in_sum, is_amount
from bmi_noahpy.forcing.unstated import doubtful
from bmi_noahpy.tabular import (
    TableError,
    TextTable,
    TimeSpec,
    find_clock,
    parse_clock,
    read_text_table,
    runs_to_24,
)
from bmi_noahpy.tabular.clock import Clock, time_like


def read_text(path: Path, spec: ForcingSpec) -> RawRecords:
    """Records of a text table (see `bmi_noahpy.tabular.read_text_table`).

    Units come from the specification, else from the header (``Tair_K``, ``Tair [K]``, a line of units), else they are
    the model's; those of precipitation and of vapour pressure must be stated, and those of shortwave radiation that is
    too weak for W m-2. Only the columns that are needed are read as numbers.

    Raises
    ------
    ForcingError : for missing or ambiguous columns, rows of the wrong length, and text that is not a number or a time.
    """
    try:
        table = read_text_table(path, spec.text)
    except TableError as error:
        raise ForcingError(str(error)) from error
    return records_of(table, spec)


def records_of(table: TextTable, spec: ForcingSpec) -> RawRecords:
    """Records of a table that is at hand, as `read_text` gives them and with its errors."""
    try:
        return _records(table, spec)
    except TableError as error:
        raise ForcingError(str(error)) from error


def _records(table: TextTable, spec: ForcingSpec) -> RawRecords:
    source, names = str(table.path), table.names
    clock = find_clock(names, spec.time, source)
    time = table.time(spec.time, clock)
    stamps = parse_clock(clock, [table.texts(name) for name in clock.columns], time, f"{source}: {clock.columns[0]}")
    if table.layout.kind == "SMET" and spec.preset is None and present(find_preset("smet"), names):
        spec = dataclasses.replace(spec, preset="smet")
    stated = {name: table.layout.units.get(name) or split_units(name)[1] for name in names}
    variables = with_variables(spec, names, source, stated)
    others = [name for name in names if name not in (*clock.columns, *time_like(names))]
    labels = {name: split_units(table.written(name))[0] for name in others}
    explicit, sums = _explicit(variables, labels, source)
    kinds = {name: kind for name, kind in table.layout.kinds.items() if kind in WORDS.values()}
    chosen = choose_variables(
        labels | {name: name for name in sums},
        explicit,
        source,
        frozenset(spec.derive),
        declared=kinds,
        hint=hint(names, "text") if spec.preset is None else "",
    )
    whole = spec.time.label or clock.label or table.layout.label
    fields = {
        quantity: _field(table, sums.get(name, (name,)), quantity, variables.get(quantity), whole)
        for quantity, name in chosen.items()
    }
    amounts = [quantity for quantity, field in fields.items() if is_amount(field.units, quantity)]
    refuse_other_interval(spec, stamps, amounts, source)
    taken = {column for name in chosen.values() for column in sums.get(name, (name,))}
    told = [*left_out(statistics_among(labels, kinds, taken), chosen), *_of_stamps(table, clock, time, spec, fields)]
    notes = tuple(f"{source}: {text}" for text in told)
    return RawRecords(stamps, fields, source, place=table.place, clock=time, site=_site(table), notes=notes)


def _field(
    table: TextTable, columns: tuple[str, ...], quantity: str, asked: VariableSpec | None, whole: str | None
) -> RawField:
    """One quantity, out of a column or the sum of several; `whole` is what the stamps of the file are."""
    values, units, assumed = _values(table, columns, quantity, asked.units if asked else None)
    return RawField(
        values=values[:, None],
        units=units,
        name=" + ".join(columns),
        label=(asked.label if asked else None) or table.label(columns[0], whole),
        accumulated=asked.accumulated if asked else None,
        assumed=assumed,
    )


def _of_stamps(
    table: TextTable, clock: Clock, time: TimeSpec, spec: ForcingSpec, fields: Mapping[str, RawField]
) -> Iterator[str]:
    """Sentences about stamps that may be other moments than they are read as."""
    rates = [field.label for quantity, field in fields.items() if quantity in RATES]
    texts = [table.texts(name) for name in clock.columns]
    yield from unsaid(spec.preset, table.names, "text", rates)
    if not any(rates) and runs_to_24(clock, texts):
        yield (
            "its hours run to 24, as those of stamps at the end of their interval do; they are read as its beginning. "
            "Set forcing.time.label to end, or to start"
        )
    doubt = table.doubtful_clock(time, clock, texts, section="forcing.")
    if doubt is not None:
        yield doubt


def _values(table: TextTable, columns: tuple[str, ...], quantity: str, asked: str | None) -> tuple[Array, str, bool]:
    """The sum of columns in the units of the first one, these units, and whether nothing states them.

    Raises
    ------
    ForcingError : columns that are in units of another kind.
    """
    total: Array | None = None
    first, assumed = "", False
    for column in columns:
        values = np.asarray(table.numbers(column), dtype=np.float64)
        stated = asked or _stated(table, column, quantity, values)
        units = stated or UNITS[quantity]
        if total is None:
            total, first, assumed = values, units, stated is None
            continue
        assumed = assumed or stated is None
        try:
            total = total + values * factor_in_sum(units, first, quantity)
        except ForcingError as error:
            raise ForcingError(f"{table.path}: {quantity} ({' + '.join(columns)}): {error}") from error
    assert total is not None
    return total, first, assumed


def _site(table: TextTable) -> tuple[float, float] | None:
    """The place that the header states."""
    facts = table.layout.facts
    try:
        return float(facts["latitude"]), float(facts["longitude"])
    except (KeyError, ValueError):
        return None


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


def _stated(table: TextTable, column: str, quantity: str, values: Array) -> str | None:
    """Units in the header; None where those of the model may be taken.

    Raises
    ------
    UnstatedUnits : those that must be stated (see `bmi_noahpy.forcing.unstated`).
    """
    stated = table.layout.units.get(column) or split_units(table.written(column))[1]
    if stated is not None:
        return stated
    doubt = doubtful(quantity, values)
    if doubt is None:
        return None
    text = (
        f"{table.path}: {quantity} ({column}): no units in the header. Set forcing.variables.{quantity}.units: {doubt}."
    )
    raise UnstatedUnits(text, quantity, column)
