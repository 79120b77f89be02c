"""Second derivatives of the conservative column against differences of its gradient, by every input and parameter.

``python tests/benchmarks/second_derivatives.py [--thresholds]`` takes random columns of every regime, or the same moved
exactly onto thresholds, through two steps in kernels. The Hessian times random directions is compared with differences
of the gradient, input by input. Where central differences of two lengths agree, and those to either side, no kink lies
within them. Where the sides differ the column sits on a kink: there the Hessian should be that of one side.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core import NoahModel, preset, run
from noahpy_core.trees import map_tensors

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "core"))

from random_columns import layered, random_case
from run_inputs import Inputs, changed, names_of, with_every_parameter
from threshold_columns import at_thresholds

STEPS = 2
LENGTHS = (1.0e-6, 1.0e-5)
"""Of the differences, as shares of a direction."""
SMOOTH, WANTED = 1.0e-4, 1.0e-4
SMALL = 1.0e-3
"""Share of the largest entry of a column that an entry is measured by at least."""
OUTPUTS = ("soil.temperature", "skin_temperature", "latent_heat_flux", "snow.water_equivalent", "soil.liquid_water")


class Columns(NamedTuple):
    """Columns, and what they are changed by."""

    model: NoahModel
    inputs: Inputs
    names: list[str]
    dt: Tensor

    def value(self, change: Tensor) -> Tensor:
        """One number per column of two steps, ``[column]``."""
        trees = changed(self.inputs, self.names, change)
        # Differences may go beyond the bounds of what sits on one.
        found = run(self.model, *trees, self.dt, outputs=OUTPUTS, execution="compiled", check=False)
        soil, skin, latent, snow, liquid = (found.outputs[name] for name in OUTPUTS)
        return (soil + 30.0 * liquid).sum((0, 1)) + (0.1 * skin + 0.01 * latent + 0.1 * snow).sum(0)

    def gradient(self, at: Tensor, *, again: bool = False) -> Tensor:
        """By the change, ``[input, column]``."""
        change = at if again else at.detach().requires_grad_()
        (found,) = torch.autograd.grad(self.value(change).sum(), change, create_graph=again)
        return found


def columns(number: int, seed: int, *, thresholds: bool) -> Columns:
    """Random ones of every regime, or moved onto thresholds."""
    case = random_case(number, seed=seed)
    case = at_thresholds(case, seed) if thresholds else case
    forcing = map_tensors(lambda value: torch.stack([value] * STEPS), case.forcing)
    inputs = Inputs(layered(case.state), forcing, with_every_parameter(case.parameters))
    return Columns(NoahModel(case.column, preset("conservative")), inputs, names_of(inputs), case.dt)


class Judged(NamedTuple):
    """Entries ``[input, column]``."""

    error: Tensor
    """As a share of the central difference."""
    beside: Tensor
    """As a share of the nearer of the differences to either side."""
    smooth: Tensor
    """Whether there is no kink."""
    steady: Tensor
    """Whether differences to one side, at least, are the same for both lengths: no kink but at the column itself."""


def judged(given: Columns, generator: torch.Generator) -> Judged:
    """The Hessian times a random direction."""
    direction = 0.3 * torch.randn(len(given.names), given.dt.shape[0], generator=generator, dtype=torch.float64)
    start = torch.zeros_like(direction).requires_grad_()
    here = given.gradient(start, again=True)
    (found,) = torch.autograd.grad((here * direction).sum(), start)
    assert bool(found.isfinite().all())
    short, long = (
        [sign * (given.gradient(sign * h * direction) - here.detach()) / h for sign in (1.0, -1.0)] for h in LENGTHS
    )
    central = 0.5 * (short[0] + short[1])
    scale = torch.maximum(central.abs(), SMALL * central.abs().amax(0).clamp(min=1.0e-6))

    def same(one: Tensor, other: Tensor) -> Tensor:
        return (one - other).abs() < SMOOTH * scale

    sides = torch.stack([(found - side).abs() / scale for side in short]).amin(0)
    steady = torch.stack([same(*both) for both in zip(short, long, strict=True)]).any(0)
    smooth = same(central, 0.5 * (long[0] + long[1])) & same(*short)
    return Judged((found - central).abs() / scale, sides, smooth, steady)


def main() -> None:
    """Print shares, and the inputs of what is off."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--columns", type=int, default=450)
    options.add_argument("--directions", type=int, default=5)
    options.add_argument("--seed", type=int, default=11)
    options.add_argument("--thresholds", action="store_true")
    chosen = options.parse_args()
    given = columns(chosen.columns, chosen.seed, thresholds=chosen.thresholds)
    generator = torch.Generator().manual_seed(chosen.seed)
    parts = [judged(given, generator) for _ in range(chosen.directions)]
    error, beside, smooth, steady = (torch.stack(found) for found in zip(*parts, strict=True))
    kinked = steady & ~smooth
    entries = f"{len(given.names)} inputs, {chosen.columns} columns, {chosen.directions} directions: {error.numel()}"
    print(f"{entries} entries, all finite; without a kink {_told(error, smooth)}; at one {_told(beside, kinked)}")
    off = (smooth & (error >= WANTED)).any(0)
    for place, column in off.nonzero().tolist():
        print(f"off: {given.names[place]}, column {column}: {error[:, place, column].max():.1e}")


def _told(error: Tensor, chosen: Tensor) -> str:
    some = error[chosen]
    share, good = (100.0 * part.double().mean().item() for part in (chosen, some < WANTED))
    return f"{share:.1f} %, of which {good:.3f} % within {WANTED:.0e}, worst {some.max():.0e}"


if __name__ == "__main__":
    main()
