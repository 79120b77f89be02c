"""Which convention of a community a file follows, by what its variables are called."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from bmi_noahpy.forcing.names import recognised
from bmi_noahpy.forcing.presets import Kind, Preset, find_preset, present, presets
from bmi_noahpy.forcing.table import MissingQuantities, required_quantities

ENOUGH = 5
"""Quantities of a convention that must be there, and more than names tell without it, where a run needs others too."""


def fitting(names: Collection[str], kind: Kind) -> tuple[str, ...]:
    """The conventions that most variables are called by; several when their names do not differ, none when none fits.

    Parameters
    ----------
    kind : Of the file.
    """
    ranks: dict[str, tuple[bool, int, int]] = {}
    plain = len(recognised(names))
    for name, preset in presets().items():
        if preset.kind not in (None, kind):
            continue
        found = present(preset, names)
        whole = is_whole(found)
        if whole or len(found) >= max(ENOUGH, plain + 1):
            ranks[name] = (whole, len(found), sum(len(entry.names) for entry in found.values()))
    best = max(ranks.values(), default=None)
    return tuple(name for name, rank in ranks.items() if rank == best)


def is_whole(found: Iterable[str]) -> bool:
    """Whether some quantities are all that the model needs."""
    try:
        required_quantities(set(found), "", "")
    except MissingQuantities:
        return False
    return True


def hint(names: Collection[str], kind: Kind) -> str:
    """A sentence that names the convention that a file seems to follow; empty where there is none."""
    found = fitting(names, kind)
    return f"Its names are those of forcing.preset {' or '.join(found)}. " if found else ""


def unsaid(preset: str | None, names: Collection[str], kind: Kind, rates: Iterable[str | None]) -> tuple[str, ...]:
    """A sentence when stamps are read as beginnings of intervals, and the convention of the names says otherwise.

    Parameters
    ----------
    preset : That is set.
    rates : What is known of the stamps of radiation and precipitation.
    """
    if preset is not None or any(label is not None for label in rates):
        return ()
    found = [name for name in fitting(names, kind) if is_whole(present(find_preset(name), names))]
    late = [name for name in found if _ends(presets()[name])]
    if not late:
        return ()
    return (
        f"its names are those of forcing.preset {' or '.join(late)}, whose radiation or precipitation belongs to the "
        "time before its stamp; it is read as of the time after it. Set forcing.preset, or forcing.time.label",
    )


def _ends(preset: Preset) -> bool:
    return preset.label == "end" or any(entry.get("label") == "end" for entry in preset.variables.values())
