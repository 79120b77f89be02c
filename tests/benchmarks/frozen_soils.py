"""Infiltration into frozen, bare ground, soil by soil, beside the relation of Zhao and Gray (1999).

``python tests/benchmarks/frozen_soils.py [--scheme swenson2012] [--temperature -4] [--dt 3600]`` prints what of 100 mm
in three days enters each soil, and its ratio to the relation.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from report import table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "core"))

from frozen_ground import HOURS, SATURATIONS, SUPPLY, entered, parametric_infiltration

from noahpy_core.tables import soil_class_names

MINERAL = 12
"""Classes from sand to clay; what comes after them is no soil of the relation."""


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--scheme", default="swenson2012")
    options.add_argument("--temperature", type=float, default=-4.0)
    options.add_argument("--dt", type=float, default=3600.0)
    given = options.parse_args()
    names = {number: name for number, name in soil_class_names().items() if number <= MINERAL}
    found = entered(given.scheme, list(names), [given.temperature], dt=given.dt)[..., 0]
    wet = torch.tensor(SATURATIONS, dtype=torch.float64)
    expected = parametric_infiltration(wet, torch.tensor(given.temperature, dtype=torch.float64), HOURS).clamp(
        max=SUPPLY
    )

    def row(name: str, values: torch.Tensor) -> tuple[str, ...]:
        return (name, *(f"{value:.1f} ({ratio:.2f})" for value, ratio in zip(values, values / expected, strict=True)))

    rows = [row(name, values) for name, values in zip(names.values(), found, strict=True)]
    rows += [row("mean of logarithms", found.log().mean(0).exp()), row("Zhao and Gray", expected)]
    sys.stdout.write(table(("soil", *map(str, SATURATIONS)), rows) + "\n")


if __name__ == "__main__":
    main()
