"""Shared fixtures: the reference material that is not part of the repository.

The default number type of torch is left alone on purpose: the package must not depend on it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with real data and the reference output of the Fortran original."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "reference").is_dir():
        pytest.skip("needs the reference material beside the repository (../shared), which is absent")
    return folder
