"""What each process costs in one compiled step, there and back.

``python tests/benchmarks/profile_step.py [--columns 32] [--layers 20] [--scheme heat_limited] [--wanted soil]`` prints
tables by process and by kind of code, and with ``--preset conservative`` by part of the column. "operations" is the
share of instructions, where an elementary function counts as many as it has and a division as many as take as long;
"measured" is the share of processor cycles. Reading the counter keeps apart what otherwise overlaps: shares are right
to a few per cent. Times are those of runs without counters, shared out; they hold what a run costs once, little from
3,000 column-steps on. Needs an x86 processor.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections import defaultdict
from typing import NamedTuple
from unittest import mock

import torch
from columns import STEP, Site, make_site, with_network
from gradients import requiring
from profiled_kernels import ProfiledFunction, ProfiledProgram
from report import MICROSECOND, table
from timing import Action, side_by_side

import noahpy_core.compiled.execute.collect as compiled
from noahpy_core import preset, run
from noahpy_core.compiled.execute.program import vector_target
from noahpy_core.compiled.shape import Shape
from noahpy_core.trees import map_tensors

REPEATS, WINDOW = 30, 3
"""Repetitions of each piece of a run, and its steps."""
PARTS = {
    "skins": (
        "closed_balance",
        "exchange_",
        "scalar_root",
        "evaporation",
        "atmosphere",
        "canopy",
        "surface",
        "soil_cover",
    ),
    "mass, cover and albedo of snow": ("snow",),
    "heat of snow and soil": ("coupled", "soil_enthalpy", "soil_thermal", "freezing"),
    "soil water": ("retention", "richards", "soil_water", "ice_impedance", "infiltration"),
}
"""What the names of the modules of each part of the conservative column begin with."""
MEMORY, ONCE = "(input, output and state)", "(once a run)"


class Share(NamedTuple):
    """Instructions and cycles of one module."""

    operations: float
    cycles: float


def shares(function: ProfiledFunction, blocks: int, steps: int) -> tuple[dict[str, Share], dict[str, Share]]:
    """By module and by kind of piece, for one step of one block."""
    whole, own, counts = function.shortest()
    modules: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    kinds: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for piece, cycles, count in zip(function.pieces, own, counts, strict=True):
        total = sum(piece.weights.values())
        once = piece.parent is None and count == blocks * len(function.calls)
        for module, instructions in piece.weights.items():
            for entry in (modules[ONCE if once else module], kinds[ONCE if once else piece.kind]):
                entry[0] += instructions * count
                entry[1] += cycles * instructions / total
    outside = max(whole - float(own.sum()), 0.0)
    for found in (modules, kinds):
        found[MEMORY][1] += outside
        # Runs are cut short here: what is done once a run is left out of the time of a step.
        found.pop(ONCE, None)
    by_module, by_kind = (
        {name: Share(*(number / (blocks * steps) for number in entry)) for name, entry in found.items()}
        for found in (modules, kinds)
    )
    return by_module, by_kind


def by_part(modules: dict[str, Share]) -> dict[str, Share]:
    """Shares of `PARTS`, and of the rest."""
    found: dict[str, list[Share]] = defaultdict(list)
    for module, share in modules.items():
        named = [part for part, beginnings in PARTS.items() if module.startswith(beginnings)]
        found[module if module == MEMORY else (named or ["rest"])[0]].append(share)
    return {part: Share(*map(sum, zip(*shares, strict=True))) for part, shares in found.items()}


def show(title: str, found: dict[str, Share], seconds_of_step: float) -> None:
    """A table, dearest first; times are those of the kernel without counters, shared out."""
    operations = sum(share.operations for share in found.values())
    cycles = sum(share.cycles for share in found.values())
    rows = [
        (
            name,
            f"{100.0 * share.operations / operations:.1f} %",
            f"{100.0 * share.cycles / cycles:.1f} %",
            f"{share.cycles / cycles * seconds_of_step / MICROSECOND:.3f} us",
        )
        for name, share in sorted(found.items(), key=lambda item: -item[1].cycles)
    ]
    total = ("all", "", f"{cycles:.0f} cycles a block", f"{seconds_of_step / MICROSECOND:.3f} us")
    sys.stdout.write(table((title, "operations", "measured", "of a column-step"), [*rows, total]) + "\n\n")


def actions(site: Site, wanted: str) -> tuple[Action, Action]:
    """A run, and a run there and back."""

    def forward() -> None:
        with torch.no_grad():
            run(site.model, *site.trees, STEP, outputs=["soil.temperature"], execution="compiled")

    def gradient() -> None:
        parameters = site.parameters if wanted == "weights" else requiring(site.parameters, wanted)
        trees = (site.state, site.forcing, parameters)
        path = run(site.model, *trees, STEP, outputs=["soil.temperature"], execution="compiled")
        path.outputs["soil.temperature"].sum().backward()

    return forward, gradient


def windows(site: Site, length: int) -> list[Site]:
    """A run in pieces so short that other work on the machine spares some repetition of each."""
    found, state = [], site.state
    for start in range(0, site.forcing.air_temperature.shape[0], length):
        forcing = map_tensors(lambda series, start=start: series[start : start + length], site.forcing)
        found.append(dataclasses.replace(site, state=state, forcing=forcing))
        with torch.no_grad():
            state = run(site.model, state, forcing, site.parameters, STEP, outputs=[]).final_state
    return found


def count(site: Site, wanted: str) -> tuple[list[ProfiledFunction], int]:
    """Runs with counters: kernels of the step and of the step back, and how many columns a block has."""
    programs: dict[bool, ProfiledProgram] = {}

    def program(shape: Shape, *, single: bool, device: torch.device) -> ProfiledProgram:
        if single not in programs:
            programs[single] = ProfiledProgram(shape, vector_target(shape.number, single=single))
        return programs[single]

    functions: list[ProfiledFunction] = []
    pieces = windows(site, WINDOW)
    with mock.patch.object(compiled, "program", program):
        for way in (0, 1):
            actions(pieces[0], wanted)[way]()
            # Going there and back calls the kernel of the step again, with states to write: it was counted before.
            for earlier in functions:
                earlier.counting = False
            function = next(iter(programs.values())).latest
            function.calls.clear()
            functions.append(function)
            for number, piece in enumerate(pieces):
                function.work = number
                for _ in range(REPEATS):
                    actions(piece, wanted)[way]()
    return functions, next(iter(programs.values())).target.columns


def profile(site: Site, wanted: str) -> None:
    """Time runs as they are, then with counters."""
    steps, columns = site.forcing.air_temperature.shape
    ahead, both = side_by_side(*actions(site, wanted), rounds=10)
    functions, width = count(site, wanted)
    for way, function, cost in zip(("step", "step back"), functions, (ahead, both - ahead), strict=True):
        modules, kinds = shares(function, -(-columns // width), steps)
        show(f"{way}, by process", modules, cost / (columns * steps))
        if site.state.snow.layer_mass is not None:
            show(f"{way}, by part", by_part(modules), cost / (columns * steps))
        show(f"{way}, by kind of code", kinds, cost / (columns * steps))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--columns", type=int, default=32)
    options.add_argument("--layers", type=int, default=20)
    options.add_argument("--steps", type=int, default=96)
    options.add_argument("--scheme", choices=["heat_limited", "enthalpy"], default="heat_limited")
    options.add_argument("--preset", choices=["noah-permafrost", "conservative"], help="in place of --scheme")
    options.add_argument("--wanted", choices=["soil", "all"], default="soil", help="derivatives by which parameters")
    options.add_argument("--network", choices=["soil_thermal", "evaporation"], help="in a slot, derivatives by it")
    options.add_argument("--number-type", choices=["float64", "float32"], default="float64")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    site = make_site(
        chosen.columns, chosen.steps, layers=chosen.layers, dtype=getattr(torch, chosen.number_type),
        schemes={"phase_change": chosen.scheme}, options=preset(chosen.preset) if chosen.preset else None,
        snow_layers=3 if chosen.preset == "conservative" else 0,
    )  # fmt: skip
    if chosen.network:
        site = dataclasses.replace(site, model=with_network(site.model, chosen.network))
    profile(site, "weights" if chosen.network else chosen.wanted)


if __name__ == "__main__":
    main()
