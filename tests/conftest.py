"""Shared fixtures: the reference material that is not part of the repository.

The default number type of torch is left alone on purpose: the package must not depend on it.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

if "PYTEST_XDIST_WORKER" in os.environ:
    # Every worker has a core; torch, which is imported later, would give each worker's threads all of them.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """A shell that runs the tests in the background makes them deaf to Ctrl-C, and whatever they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with real data and the reference output of the Fortran original."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "reference").is_dir():
        pytest.skip("needs the reference material beside the repository (../shared), which is absent")
    return folder


@pytest.fixture
def example(monkeypatch):
    """Import an example by its name, as its folder would let it."""
    examples = REPOSITORY / "examples"
    monkeypatch.syspath_prepend(str(examples))

    def load(name):
        spec = importlib.util.spec_from_file_location(name, examples / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    before = set(sys.modules)
    yield load
    for name in set(sys.modules) - before:
        if (examples / f"{name}.py").is_file():
            del sys.modules[name]
