"""Packages that only runs in parallel need."""

from __future__ import annotations

import importlib
from types import ModuleType


class MissingPackage(ValueError):
    """A package that is not installed; the message says what needs it and how to get it."""


def require(name: str, why: str) -> ModuleType:
    """Import a package of the extra ``parallel``.

    Raises
    ------
    MissingPackage : when it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingPackage(
            f"{why}: needs the package {name}, which is not installed. Install it with: pip install 'noahpy[parallel]'"
        ) from error
