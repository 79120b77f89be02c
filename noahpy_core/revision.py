"""Which revision of the model this is, by its source."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path


@functools.cache
def source_digest() -> str:
    """Of everything that the numbers of a step can depend on: every module of the model."""
    package = Path(__file__).resolve().parent
    total = hashlib.sha256()
    # By name as well as content, and in an order that does not depend on the file system.
    for path in sorted(package.rglob("*.py")):
        total.update(path.relative_to(package).as_posix().encode())
        total.update(path.read_bytes())
    return total.hexdigest()
