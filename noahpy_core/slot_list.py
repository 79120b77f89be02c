"""All slots of the model, each from the module of its name in `noahpy_core.slots`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from noahpy_core.contract import Slot
from noahpy_core.options import BUILT_IN


def _slot(name: str) -> Slot:
    slot: Slot = importlib.import_module(f"noahpy_core.slots.{name}").SLOT
    return slot


SLOTS: Mapping[str, Slot] = {name: _slot(name) for name in BUILT_IN}
"""Slots by name, in the order in which their schemes are built."""
