"""Can the gradient be trusted? Differences of ever smaller steps, and reverse mode, for both freeze-thaw schemes.

The derivative of a soil temperature in winter with respect to the logarithm of a soil parameter is estimated by
central differences with relative steps from 10 % down to 1e-8, and computed once by reverse mode. With the scheme
`enthalpy` both agree over many decades. With `heat_limited`, the scheme of Noah, the differences grow without bound as
the step gets small: the temperature jumps with the parameter, its derivative at a point says nothing about the response
to a change that matters, and reverse mode, though exact, cannot help. Calibrate with `enthalpy`.

All differences are columns of one run, so that the whole figure takes about a minute:

    python examples/gradient_check.py
    python examples/gradient_check.py --source path/to/forcing.txt --day 300
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray

from bmi_noahpy import Configuration, load_configuration, read_configuration
from bmi_noahpy.example import START, example_configuration, write_example
from bmi_noahpy.verification import Input, Result, open_run, results_after, reverse_derivatives

matplotlib.use("Agg")
from matplotlib import pyplot

SCHEMES = ("enthalpy", "heat_limited")
RELATIVE_STEPS = np.logspace(-8.0, -1.0, 29)


class Estimates(NamedTuple):
    """d(soil temperature)/d(ln parameter). [K]"""

    differences: NDArray[np.float64]
    """One for each of `RELATIVE_STEPS`."""
    reverse: float


def main(arguments: Sequence[str] | None = None) -> Path:
    """Draw the figure and return its path."""
    chosen = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        configuration = load_configuration(chosen.source) if chosen.source else daily_example(Path(folder), chosen.day)
        parameter = Input(f"soil.{chosen.parameter}", _layers_of_same_class(configuration, chosen.layer))
        result = Result("soil.temperature", chosen.layer - 1, 1.0, "K")
        estimates = {scheme: estimate(configuration, scheme, parameter, chosen.day, result) for scheme in SCHEMES}
    return draw(estimates, f"soil temperature of layer {chosen.layer} after {chosen.day} days", chosen)


def daily_example(folder: Path, days: int) -> Configuration:
    """The built-in example from 1 September on, with daily steps."""
    write_example(folder, "noah-permafrost")
    end = str(START + np.timedelta64(days, "D"))
    period = {"start": str(START), "end": end, "step": "1 day"}
    return read_configuration({**example_configuration("noah-permafrost"), "period": period}, folder)


def estimate(configuration: Configuration, scheme: str, parameter: Input, day: int, result: Result) -> Estimates:
    """Differences, two columns of one run for each step, and the derivative by reverse mode."""
    column = open_run(configuration, scheme)
    inputs = column.inputs([parameter.path])
    factors = torch.from_numpy(np.concatenate([1.0 - RELATIVE_STEPS, 1.0 + RELATIVE_STEPS]))
    columns = {path: value.expand(-1, len(factors)).clone() for path, value in inputs.items()}
    layers = list(parameter.layers or ())
    columns[parameter.path][layers] *= factors
    below, above = np.split(results_after(column, columns, [day], [result])[:, 0, 0], 2)
    value = float(inputs[parameter.path][layers[0], 0])
    reverse = value * float(reverse_derivatives(column, [parameter], [day], [result])[0, 0, 0])
    return Estimates((above - below) / (2.0 * RELATIVE_STEPS), reverse)


def draw(estimates: dict[str, Estimates], title: str, chosen: argparse.Namespace) -> Path:
    """One panel for each scheme: derivative against step."""
    figure, axes = pyplot.subplots(1, len(estimates), figsize=(11.0, 4.2), layout="constrained")
    for axis, (scheme, one) in zip(axes, estimates.items(), strict=True):
        largest = float(np.abs(one.differences).max())
        beyond = " (off the scale)" if abs(one.reverse) > 3.0 * largest else ""
        axis.plot(RELATIVE_STEPS, one.differences, "o-", markersize=4, label="central differences")
        axis.axhline(one.reverse, color="tab:red", linestyle="--", label=f"reverse mode: {one.reverse:.3g} K{beyond}")
        if largest > 100.0 * abs(float(one.differences[-1])):
            axis.set_yscale("symlog", linthresh=10.0)
        axis.set_ylim(-3.0 * largest, 3.0 * largest)
        axis.set_xscale("log")
        axis.set_title(f"phase_change: {scheme}")
        axis.set_xlabel("relative step")
        axis.legend(loc="lower right")
    axes[0].set_ylabel(f"d T/d ln {chosen.parameter.replace('_', ' ')} [K]")
    figure.suptitle(f"Derivative of the {title}")
    figure.savefig(chosen.figure, dpi=150)
    pyplot.close(figure)
    return Path(chosen.figure)


def _layers_of_same_class(configuration: Configuration, layer: int) -> tuple[int, ...]:
    classes = np.broadcast_to(configuration.soil.classes, len(configuration.soil.thickness))
    return tuple(int(number) for number in np.flatnonzero(classes == classes[layer - 1]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", help="configuration or Noah forcing file (default: the built-in example)")
    parser.add_argument("--day", type=int, default=150, help="days from the start of the run (default: 150)")
    parser.add_argument("--layer", type=int, default=4, help="soil layer from 1 on; its class changes (default: 4)")
    parser.add_argument("--parameter", default="clapp_hornberger_b", help="soil parameter (default: %(default)s)")
    parser.add_argument("--figure", default="gradient_check.png", help="PNG to write (default: %(default)s)")
    return parser


if __name__ == "__main__":
    main()
