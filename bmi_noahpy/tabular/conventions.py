"""Conventions that a header names itself: TOA5 of Campbell loggers, SMET, EddyPro, and ISMN station files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bmi_noahpy.tabular.errors import TableError
from bmi_noahpy.tabular.header_units import plain_units
from bmi_noahpy.tabular.layout import Layout
from bmi_noahpy.tabular.lines import SPACES, fields_of, is_moment, is_number

TOA5_KINDS = {
    "avg": "mean", "smp": "instant", "tot": "sum",
    "max": "a maximum", "min": "a minimum", "std": "a standard deviation",
}  # fmt: skip
SMET_UNITS = {
    "TA": "K", "TSS": "K", "TSG": "K", "RH": "1", "VW": "m s-1", "VW_MAX": "m s-1", "DW": "degree", "P": "Pa",
    "ISWR": "W m-2", "RSWR": "W m-2", "ILWR": "W m-2", "OLWR": "W m-2", "PSUM": "kg m-2", "HS": "m", "PSUM_PH": "1",
}  # fmt: skip
"""SMET files are in SI units, after their multipliers and offsets."""


def declared_layout(path: Path, lines: Sequence[str]) -> Layout | None:
    """The layout of a file whose first lines name its convention; None for any other table.

    Raises
    ------
    TableError : the header breaks its own convention.
    """
    if not lines:
        return None
    for begins, read in _READERS:
        if begins(lines):
            return read(path, lines)
    return None


def _toa5(path: Path, lines: Sequence[str]) -> Layout:
    """Environment, names, units and processing, one line each. Stamps are the end of the interval."""
    if len(lines) < 5:
        raise TableError(f"{path}: a TOA5 file of {len(lines)} lines. It needs four header lines and records.")
    names, units, kinds = (fields_of(line, ",") for line in lines[1:4])
    station = fields_of(lines[0], ",")
    return Layout(
        kind="TOA5",
        separator=",",
        decimal=".",
        names=tuple(names),
        units={
            name: unit for name, unit in zip(names, units, strict=False) if unit and unit.upper() not in ("TS", "RN")
        },
        first_row=4,
        label="end",
        kinds={
            name: TOA5_KINDS[kind.lower()]
            for name, kind in zip(names, kinds, strict=False)
            if kind.lower() in TOA5_KINDS
        },
        facts={"name": station[1]} if len(station) > 1 else {},
    )


def _eddypro(path: Path, lines: Sequence[str]) -> Layout:
    """Groups of columns, names and units in brackets. Stamps are the end of the interval."""
    names, units = fields_of(lines[1], ","), fields_of(lines[2], ",")
    while names and not names[-1]:
        names.pop()
    stated = {name: plain_units(unit) for name, unit in zip(names, units, strict=False)}
    return Layout(
        kind="EddyPro",
        separator=",",
        decimal=".",
        names=tuple(names),
        units={name: _eddypro_units(unit) for name, unit in stated.items() if unit and "yyyy" not in unit.lower()},
        first_row=3,
        label="end",
        missing=(-9999.0,),
    )


def _eddypro_units(text: str) -> str:
    """``W+1m-2`` as ``W m-2``."""
    return re.sub(r"\+1(?=[A-Za-z])", " ", text).replace("+1", "").strip()


def _smet(path: Path, lines: Sequence[str]) -> Layout:
    """A header of keys, then ``[DATA]``; numbers times multiplier plus offset are in SI units."""
    header: dict[str, str] = {}
    first = len(lines)
    for row, line in enumerate(lines):
        if line.strip().upper() == "[DATA]":
            first = row + 1
            break
        key, mark, value = line.partition("=")
        if mark:
            header[key.strip().lower()] = value.partition("#")[0].strip()
    else:
        raise TableError(f"{path}: a SMET file without the line [DATA]. Add it before the records.")
    if "fields" not in header:
        raise TableError(f"{path}: a SMET file without the key 'fields', which names its columns. Add it.")
    names = header["fields"].split()
    factors = _smet_numbers(path, header, "units_multiplier") or [1.0] * len(names)
    offsets = _smet_numbers(path, header, "units_offset") or [0.0] * len(names)
    if not len(names) == len(factors) == len(offsets):
        raise TableError(
            f"{path}: {len(names)} fields, {len(factors)} multipliers and {len(offsets)} offsets. They must agree."
        )
    scales = zip(names, factors, offsets, strict=True)
    facts = {"name": header.get("station_name", header.get("station_id", ""))}
    facts |= {key: header[key] for key in ("latitude", "longitude", "altitude") if key in header}
    return Layout(
        kind="SMET",
        separator=SPACES,
        decimal=".",
        names=tuple(names),
        units={name: SMET_UNITS[name.upper()] for name in names if name.upper() in SMET_UNITS},
        first_row=first,
        label="end",
        missing=tuple(_smet_numbers(path, header, "nodata")) or (-999.0,),
        scales={name: (factor, offset) for name, factor, offset in scales if (factor, offset) != (1.0, 0.0)},
        utc_offset=next(iter(_smet_numbers(path, header, "tz")), None),
        facts=facts,
    )


def _smet_numbers(path: Path, header: Mapping[str, str], key: str) -> list[float]:
    """Numbers of a key; those of ``tz`` may be hours and minutes."""
    numbers = []
    for text in header.get(key, "").split():
        clock = re.fullmatch(r"([-+]?)(\d{1,2}):(\d{2})", text) if key == "tz" else None
        try:
            hours = float(clock[2]) + float(clock[3]) / 60.0 if clock else float(text)
        except ValueError:
            raise TableError(f"{path}: the key {key!r} of its header is {text!r}, not a number. Correct it.") from None
        numbers.append(-hours if clock and clock[1] == "-" else hours)
    return numbers


def _ismn(path: Path, lines: Sequence[str]) -> Layout:
    """Station, place and depth in the first line; date, hour, value and flags in the others, in UTC.

    Values whose quality flag is not G (good) count as missing.
    """
    head = lines[0].split()
    numbers = [field for field in head if is_number(field)]
    latitude, longitude, altitude, top, bottom = numbers[-5:]
    name, units, buried = _ismn_variable(path)
    column = f"{name}_{_ismn_depth(top, bottom)}" if buried else name
    width = len(lines[1].split())
    names = ("date", "time", column, *(f"flag {number}" for number in range(1, width - 2)))[:width]
    return Layout(
        kind="ISMN",
        separator=SPACES,
        decimal=".",
        names=names,
        units={column: units} if units else {},
        first_row=1,
        missing=(-9999.0,),
        flags={column: "flag 1"} if "flag 1" in names else {},
        facts={"name": head[2], "latitude": latitude, "longitude": longitude, "altitude": altitude},
    )


ISMN_VARIABLES = {
    # Buried probes see liquid water.
    "sm": ("theta", "m3 m-3", True),
    "ts": ("soil_temperature", "degC", True),
    "tsf": ("tskin", "degC", False),
    "sd": ("snow_depth", "mm", False),
    "sweq": ("swe", "kg m-2", False),
}
"""Variable in the name of an ISMN file -> name of its column, units, and whether it has a depth."""
_ISMN_NAME = re.compile(r"_([a-z]+)_-?\d+\.\d+_-?\d+\.\d+_")


def _ismn_variable(path: Path) -> tuple[str, str | None, bool]:
    """The variable in the name of a file: ``NET_NET_STATION_sm_0.050000_0.050000_sensor_from_to.stm``."""
    found = _ISMN_NAME.search(path.name)
    if found is None:
        raise TableError(
            f"{path}: an ISMN file whose name does not say its variable, as '..._sm_0.050000_0.050000_...'. Give it "
            "back the name it was fetched with."
        )
    return ISMN_VARIABLES.get(found[1], (f"ISMN {found[1]}", None, False))


def _ismn_depth(top: str, bottom: str) -> str:
    """The depth of a probe, or the layer that it lies in."""
    upper, lower = sorted((abs(float(top)), abs(float(bottom))))
    return f"{lower:g}m" if upper == lower else f"{upper:g}-{lower:g}m"


CEOP_NAMES = (
    "date", "time", "actual date", "actual time", "network", "network 2", "station", "latitude", "longitude",
    "altitude", "top", "bottom",
)  # fmt: skip


def _ceop(path: Path, lines: Sequence[str]) -> Layout:
    """ISMN in the form of CEOP: place and depth in every line, no header."""
    fields = lines[0].split()
    name, units, buried = _ismn_variable(path)
    column = f"{name}_{_ismn_depth(fields[10], fields[11])}" if buried else name
    return Layout(
        kind="ISMN",
        separator=SPACES,
        decimal=".",
        names=(*CEOP_NAMES, column, "flag 1", "flag 2"),
        units={column: units} if units else {},
        first_row=0,
        missing=(-9999.0,),
        flags={column: "flag 1"},
        facts={"name": fields[6], "latitude": fields[7], "longitude": fields[8], "altitude": fields[9]},
    )


def _is_ceop(lines: Sequence[str]) -> bool:
    fields = lines[0].split()
    dated = len(fields) == len(CEOP_NAMES) + 3 and all(re.fullmatch(r"\d{4}/\d{2}/\d{2}", fields[i]) for i in (0, 2))
    return dated and all(map(is_number, fields[7:13]))


def _is_ismn(lines: Sequence[str]) -> bool:
    head, row = lines[0].split(), lines[1].split() if len(lines) > 1 else []
    numeric = sum(map(is_number, head))
    dated = len(row) >= 3 and bool(re.fullmatch(r"\d{4}/\d{2}/\d{2}", row[0])) and is_moment(row[1])
    return dated and len(head) >= 8 and numeric >= 5 and not is_number(head[0])


_READERS: tuple[tuple[Callable[[Sequence[str]], bool], Callable[[Path, Sequence[str]], Layout]], ...] = (
    (lambda lines: lines[0].lstrip('"').startswith("TOA5"), _toa5),
    (lambda lines: lines[0].startswith("SMET"), _smet),
    (lambda lines: lines[0].startswith("file_info") and len(lines) > 3, _eddypro),
    (_is_ceop, _ceop),
    (_is_ismn, _ismn),
)
