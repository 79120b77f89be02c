"""What the compiler has made, printed for whoever asks for it by an environment variable."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from noahpy_core.compiled.emit.builder import Kernel
    from noahpy_core.compiled.record.step_graph import StepGraph

DUMP_VARIABLE = "NOAHPY_DUMP"
"""Environment variable: ``graph``, ``llvm``, or both with a comma."""
KINDS = ("graph", "llvm")


def asked_for() -> tuple[str, ...]:
    """What is to be printed of each kernel.

    Raises
    ------
    ValueError : The variable holds anything else.
    """
    kinds = tuple(filter(None, (kind.strip() for kind in os.environ.get(DUMP_VARIABLE, "").split(","))))
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"{DUMP_VARIABLE}: {kind!r} is unknown. Use {' or '.join(KINDS)}, or both with a comma.")
    return kinds


def dump(step: StepGraph, kernel: Kernel) -> None:
    """Print to standard error what was asked for.

    Parameters
    ----------
    step : With all nodes of the kernel, those of the way back included.
    kernel : Made of it.
    """
    kinds = asked_for()
    if "graph" in kinds:
        from noahpy_core.compiled.graph.text import graph_text

        print(f"; graph of {kernel.name}", *graph_text(step.graph.nodes, step.results), sep="\n", file=sys.stderr)
    if "llvm" in kinds:
        print(kernel.text, file=sys.stderr)
