"""Flags of quality beside a column of values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from bmi_noahpy.observations.columns import ENDINGS
from bmi_noahpy.observations.notes import Notes
from bmi_noahpy.observations.observed import Array
from bmi_noahpy.observations.spec import ColumnSpec
from bmi_noahpy.observations.words import FLAGS
from bmi_noahpy.tabular.header_units import split_name

_NOT_APPLIED = "the flags beside are not applied; variables.NAME.flag, and good, leave out what is not good"


def flag_of(name: str, names: Iterable[str]) -> str | None:
    """The column of the flags of another one, by its name: ``LE_F_MDS_QC``, ``qc_LE``, ``Tsoil_5cm_flag``.

    One without numbers is of all that differ in numbers: ``LE_SSITC_TEST`` of ``LE_1_1_1``.
    """
    plain = _words(split_name(name, ENDINGS, any_case=True)[0])
    unnumbered = [word for word in plain if not word.isdigit()]
    for other in names:
        words = _words(other)
        rest = [word for word in words if word not in FLAGS]
        if other != name and len(rest) < len(words) and rest in (plain, unnumbered):
            return other
    return None


def note_unused_flags(name: str, names: Iterable[str], notes: Notes) -> None:
    """Tell of flags beside a column that are not asked for."""
    other = flag_of(name, names)
    if other is not None:
        notes.of_columns(f"{name} ({other})", _NOT_APPLIED)


def without_flagged(values: Array, flags: Sequence[object], asked: ColumnSpec, name: str, notes: Notes) -> Array:
    """Values with NaN where the flag is none of the good ones; texts are compared without regard to capitals."""
    accepted = {_spelled(value) for value in asked.good}
    wrong = np.array([_spelled(flag) not in accepted for flag in flags], dtype=np.bool_).reshape(values.shape)
    lost = int(np.count_nonzero(wrong & np.isfinite(values)))
    notes.add(f"{name}: {lost} of {int(np.isfinite(values).sum())} values are left out by {asked.flag}")
    return np.where(wrong, np.nan, values)


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[\W_]+", name.lower()) if word]


def _spelled(value: object) -> str:
    try:
        return f"{float(str(value)):g}"
    except ValueError:
        return str(value).strip().lower()
