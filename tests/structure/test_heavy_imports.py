"""What takes long to import is imported by who needs it, when it is needed: a run starts without it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import bmi_noahpy

PACKAGE = Path(bmi_noahpy.__file__).parent
HEAVY = frozenset({"pandas", "xarray", "matplotlib", "dask", "distributed", "zarr", "h5py", "scipy"})
OF_A_RUN = ("config", "forcing", "tabular", "output", "files", "region", "cli", "component", "gradient")
USERS = {"component/ewatercycle.py"}
"""Modules that are there for one of these packages, and are imported for it alone."""


def imported_at_once(path: Path) -> set[str]:
    """Packages that a module imports when it is imported itself."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).partition(".")[0])
    return found


@pytest.mark.parametrize("folder", OF_A_RUN)
def test_modules_that_every_run_imports_import_nothing_heavy(folder):
    modules = sorted((PACKAGE / folder).rglob("*.py"))
    assert modules
    heavy = {
        path.relative_to(PACKAGE).as_posix(): names for path in modules if (names := imported_at_once(path) & HEAVY)
    }
    assert heavy.keys() - USERS == set(), heavy
