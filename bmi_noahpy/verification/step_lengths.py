"""A site at several step lengths: what its step costs it, and what the schemes create at each."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.config import Configuration, ConfigurationError, Problem
from bmi_noahpy.config.values import Reader
from bmi_noahpy.runs.blocks import FLUX_QUANTITIES, STATE_QUANTITIES, Pace, take_block
from bmi_noahpy.runs.columns import configured_domain
from bmi_noahpy.runs.created import SOURCES, Created, CreatedSums
from bmi_noahpy.runs.execute import require_forcing
from bmi_noahpy.runs.launch import run_spin_up
from bmi_noahpy.runs.prepare import prepare
from bmi_noahpy.runs.run import Run
from noahpy_core.state import State

Array = NDArray[np.float64]
Say = Callable[[str], None]

MEANS = (
    "skin_temperature", "net_shortwave", "sensible_heat_flux", "latent_heat_flux", "ground_heat_flux",
    "evapotranspiration", "surface_runoff", "drainage",
)  # fmt: skip
"""Compared as means over the intervals that all step lengths divide."""
ENDS = ("soil.temperature", "soil.liquid_water", "soil.ice", "snow.water_equivalent", "snow.depth")
"""Compared at the ends of these intervals."""
COMPARED = (*MEANS, *ENDS)
WATER_RESIDUAL = "water_residual"

MEMORY = 2**30
"""For what is compared, of all step lengths together. [byte]"""

read_step = Reader("s", (1.0, 86400.0))


@dataclasses.dataclass(frozen=True)
class RunAtStep:
    """A run with steps of one length.

    Parameters
    ----------
    step : Length of a step. [s]
    series : Of each name in `COMPARED`, ``[interval, (layer,) column]``.
    created : Water and heat that came from nowhere.
    water_residual : Largest absolute residual of the water budget over a step. [kg m-2]
    seconds : Duration, without the making of kernels. [s]
    """

    step: float
    series: Mapping[str, Array]
    created: Created
    water_residual: float
    seconds: float


@dataclasses.dataclass(frozen=True)
class StepLengths:
    """A site at several step lengths.

    Parameters
    ----------
    runs : From the shortest step to the longest; the first is what the others are compared with.
    schemes : Of the surface balance, and of the soil water.
    start : Beginning of the period, UTC.
    interval : Length of the intervals at whose ends, or over which, is compared. [s]
    depths : Of the centres of the soil layers. [m]
    """

    runs: tuple[RunAtStep, ...]
    schemes: tuple[str, str]
    start: np.datetime64
    interval: float
    depths: Array

    @property
    def years(self) -> float:
        """Length of the period."""
        return len(self.runs[0].series[MEANS[0]]) * self.interval / (365.25 * 86400.0)


def compare_step_lengths(
    configuration: Configuration,
    steps: Sequence[float | str],
    *,
    execution: str | None = None,
    say: Say = lambda text: None,
) -> StepLengths:
    """Run a configuration with steps of several lengths, over as much of its period as all of them divide.

    Every run begins with the same state: the initial one, or what the configuration's spin-up leads to with its own
    step. Nothing is written.

    Parameters
    ----------
    steps : At least two lengths of a step, in seconds or with units. The shortest is what the others are compared with.
    execution : auto, eager or compiled; None: as the configuration says.
    say : Told in sentences what happens.

    Raises
    ------
    ConfigurationError : a step length that cannot be used, a period that is too short for them, or as `prepare`.
    NonFiniteState, ConvergenceError : a run failed; the message names the step length.
    """
    lengths = _lengths(steps)
    interval, count = _intervals(configuration, lengths)
    _check(configuration, count * len(lengths))
    # All of them before the first runs, so that what cannot be run is refused before time is spent.
    prepared = [prepare(_with_step(configuration, step, interval * count), execution=execution) for step in lengths]
    state, runs = _spun_up(configuration, execution, say), []
    for run in prepared:
        require_forcing(run)
        say(f"Running {run.steps} steps of {run.step:g} s.")
        runs.append(_run(run, run.initial_state if state is None else state, round(interval / run.step)))
    thickness = np.asarray(configuration.soil.thickness, dtype=np.float64)
    return StepLengths(
        runs=tuple(runs),
        schemes=(str(configuration.schemes.surface_balance), str(configuration.schemes.soil_water)),
        start=prepared[0].start,
        interval=float(interval),
        depths=np.cumsum(thickness) - 0.5 * thickness,
    )


def _lengths(steps: Sequence[float | str]) -> list[int]:
    try:
        found = sorted({float(read_step(step)) for step in steps})
    except ValueError as error:
        raise ConfigurationError([Problem("--steps", str(error))]) from None
    if len(found) < 2:
        raise ConfigurationError(
            [Problem("--steps", f"{found} has one length of a step. Give two or more to compare.")]
        )
    broken = [step for step in found if step != int(step)]
    if broken:
        raise ConfigurationError([Problem("--steps", f"{broken[0]!r} s is not a whole number of seconds. Round it.")])
    return [int(step) for step in found]


def _intervals(configuration: Configuration, lengths: Sequence[int]) -> tuple[int, int]:
    """Length of the intervals that all steps divide, and how many of them the period has."""
    period, interval = configuration.period, math.lcm(*lengths)
    length = (period.end - period.start).total_seconds() + period.step
    if length < interval:
        raise ConfigurationError(
            [
                Problem(
                    "--steps",
                    f"{', '.join(map(str, lengths))} s divide {interval} s at least, but the period has {length:g} s. "
                    "Give a longer one, or lengths that divide each other.",
                )
            ]
        )
    return interval, int(length // interval)


def _check(configuration: Configuration, intervals: int) -> None:
    """What cannot be compared is refused before the first run."""
    section = configuration.restart
    if section is not None and section.from_ is not None:
        text = "every run of a comparison begins with the initial state. Leave it out with --set restart=null."
        raise ConfigurationError([Problem("restart.from", text)])
    layers, columns = len(configuration.soil.thickness), configured_domain(configuration).columns
    rows = sum(layers if name.startswith("soil.") else 1 for name in COMPARED)
    if 8 * rows * columns * intervals > MEMORY:
        text = (
            f"comparing {columns} columns over {intervals} intervals takes {8 * rows * columns * intervals:.2g} bytes"
        )
        raise ConfigurationError([Problem("period", f"{text}. Compare a shorter period, or fewer columns.")])


def _with_step(configuration: Configuration, step: int, length: int) -> Configuration:
    start = np.datetime64(configuration.period.start, "s")
    end = (start + np.timedelta64(length - step, "s")).item()
    return configuration.model_copy(
        update={"period": configuration.period.model_copy(update={"step": float(step), "end": end})}
    )


def _spun_up(configuration: Configuration, execution: str | None, say: Say) -> State | None:
    if configuration.spin_up is None:
        return None
    section = configuration.spin_up.model_copy(update={"file": None})
    run = prepare(configuration.model_copy(update={"spin_up": section}), execution=execution)
    require_forcing(run)
    return run_spin_up(run, say=say).state


def _run(run: Run, state: State, per_interval: int) -> RunAtStep:
    """All steps of a run, `per_interval` of them in each interval."""
    outputs = (*COMPARED, *SOURCES, WATER_RESIDUAL)
    pace, sums, parts = Pace(run, outputs), CreatedSums(float(run.step)), []
    done, residual, begin = 0, 0.0, time.perf_counter()
    while done < run.steps:
        count = max(pace.length // per_interval, 1) * per_interval
        pace.start()
        block = take_block(run, state, done, min(done + count, run.steps), outputs)
        if block.failure is not None:
            raise type(block.failure)(f"steps of {run.step:g} s: {block.failure}") from block.failure
        pace.stop(block.count)
        parts.append({name: _at_intervals(name, block.outputs[name], per_interval) for name in COMPARED})
        sums.add_block(block.outputs, block.forcing)
        residual = max(residual, float(np.abs(block.outputs[WATER_RESIDUAL]).max()) * float(run.step))
        done, state = done + block.count, block.final_state
    series = {name: np.concatenate([part[name] for part in parts]) for name in COMPARED}
    return RunAtStep(float(run.step), series, sums.summary(), residual, time.perf_counter() - begin)


def _at_intervals(name: str, values: Array, per_interval: int) -> Array:
    """Steps ``[time, ...]`` as intervals: their mean, or what is at their end."""
    grouped = values.reshape(-1, per_interval, *values.shape[1:])
    found = grouped.mean(axis=1) if name in MEANS else grouped[:, -1]
    return np.asarray(found, dtype=np.float64)


def units(name: str) -> str:
    """Units of a compared quantity."""
    metadata = STATE_QUANTITIES.get(name) or FLUX_QUANTITIES[name]
    found: str = metadata["units"]
    return found
