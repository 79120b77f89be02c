"""Which parameters matter for which depth and season: derivatives of seasonal means by the adjoint of the run."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bmi_noahpy.calibration.file.calibration import Calibration
from bmi_noahpy.calibration.file.checks import run_span
from bmi_noahpy.calibration.file.configuration import load_calibration, read_calibration
from bmi_noahpy.calibration.file.specs import DERIVED, parameter_metadata
from bmi_noahpy.calibration.problem.controls import Control, build_controls
from bmi_noahpy.calibration.problem.inputs import InputMaker, Inputs, Repeated, trajectory
from bmi_noahpy.calibration.problem.targets import OUTPUTS, Level, Steps, level_of
from bmi_noahpy.config import ConfigurationError, Problem, load_mapping
from bmi_noahpy.config.merging import with_settings
from bmi_noahpy.runs.prepare import prepare, warn_of_device
from bmi_noahpy.runs.run import Run
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import quantities

SEASONS = ("DJF", "MAM", "JJA", "SON")
LEAST_DAYS = 5
"""Days of a season without which its mean is left out."""
ONE_PER_CENT = 0.01
DEPTHS = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Where nothing else is asked for. [m]"""


@dataclasses.dataclass(frozen=True)
class Sensitivities:
    """Changes of seasonal means with parameters.

    Parameters
    ----------
    title : Name of the run.
    parameters : Name of each value: "soil.porosity, layer 3".
    units, at : Its units, and what it is in the run.
    values : Change of each mean if the parameter went through its whole interval, or by one per cent,
        ``[parameter, quantity, depth, season]``; NaN for seasons that the run does not have.
    derivatives : The same by one unit of the parameter.
    scale : "range" or "relative".
    """

    title: str
    parameters: list[str]
    units: list[str]
    at: NDArray[np.float64]
    quantities: list[str]
    depths: NDArray[np.float64]
    values: NDArray[np.float64]
    derivatives: NDArray[np.float64]
    scale: str
    seconds: float


class Mean(NamedTuple):
    """One mean that is differentiated; it has a column of its own."""

    quantity: str
    level: Level
    weights: Tensor
    place: tuple[int, int, int]


def load_analysis(path: str | Path, settings: Sequence[str] = ()) -> Calibration:
    """A calibration file; or the configuration of a run, of which every parameter is asked for.

    Parameters
    ----------
    settings : Single keys on top of the file.

    Raises
    ------
    ConfigurationError : with every problem of the file.
    """
    path = Path(path)
    mapping = load_mapping(path, settings)
    if "run" in mapping:
        return load_calibration(path, settings)
    asked: dict[str, Any] = {
        name: {} for name in parameter_metadata() if name.partition(".")[0] not in ("forcing", "initial")
    }
    follows = _without_value(mapping)
    whole = {
        "run": with_settings({"base": str(path.absolute())}, settings),
        "parameters": {name: entry for name, entry in asked.items() if name not in follows},
        "results": f"{path.stem}_sensitivity",
    }
    return read_calibration(whole, path.absolute().parent, source=str(path))


def _without_value(mapping: Mapping[str, Any]) -> set[str]:
    """Parameters without a value of their own: they follow from others, or only some schemes need them."""
    soil = mapping.get("soil") or {}
    tabulated = () if soil.get("hydraulics") == "derived" else tuple(f"soil.{name}" for name in DERIVED)
    given = {
        f"{section}.{name}"
        for section in ("soil", "vegetation", "snow", "general")
        for name in (mapping.get(section) or {}).get("parameters") or {}
    }
    optional = {path for path, data in quantities(Parameters) if data["optional"]}
    return optional - set(tabulated) - given


def analyse(calibration: Calibration, *, say: Callable[[str], None] = lambda text: None) -> Sensitivities:
    """Differentiate the mean of every quantity, depth and season by every calibrated value, at the run's own values.

    One run with a column for each mean, and one way back, give all of them.

    Raises
    ------
    ConfigurationError : the run is a grid, a depth is below the soil, or no season is long enough.
    """
    begin, asked = time.perf_counter(), calibration.sensitivity
    run = prepare(calibration.run)
    warn_of_device(run, "sensitivities step")
    if run.domain.columns > 1:
        raise ConfigurationError([Problem("run.domain", "is a grid. Take one of its columns.")])
    controls = build_controls(run, list(calibration.parameters.values()))
    depths = _depths(calibration, run)
    means = _means(calibration, run, depths)
    say(f"{len(controls.names)} values, {len(means)} means over {run.steps} steps: as many columns, there and back.")
    leaves = {
        control.wanted.path: control.first[:, None].repeat(1, len(means)).requires_grad_()
        for control in controls.controls
    }
    own = _own_means(run, InputMaker(run, controls).with_values(leaves, own=True), means, Repeated.of(calibration, run))
    slopes = torch.autograd.grad(own.sum(), list(leaves.values()), materialize_grads=True)
    at = torch.cat([control.first for control in controls.controls])
    factors = torch.cat([_factors(control, asked.scale) for control in controls.controls])
    derivatives = np.full((len(at), len(asked.quantities), len(depths), len(SEASONS)), np.nan)
    for column, mean in enumerate(means):
        place = (slice(None), *mean.place)
        derivatives[place] = torch.cat([slope[:, column] for slope in slopes]).numpy()
    return Sensitivities(
        title=run.configuration.name,
        parameters=controls.names,
        units=[control.wanted.units for control in controls.controls for _ in control.labels],
        at=at.numpy(),
        quantities=list(asked.quantities),
        depths=np.array(list(depths)),
        values=derivatives * factors.numpy()[:, None, None, None],
        derivatives=derivatives,
        scale=asked.scale,
        seconds=time.perf_counter() - begin,
    )


def _depths(calibration: Calibration, run: Run) -> dict[float, Level]:
    """Where the depths asked for are."""
    asked = calibration.sensitivity.depths
    found = {depth: level_of(depth, run.model.column) for depth in asked or DEPTHS}
    if asked is not None and None in found.values():
        text = f"{max(asked):g} m is below the soil. Leave it out, or add layers."
        raise ConfigurationError([Problem("sensitivity.depths", text)])
    return {depth: level for depth, level in found.items() if level is not None}


def _means(calibration: Calibration, run: Run, depths: Mapping[float, Level]) -> list[Mean]:
    asked, seasons = calibration.sensitivity, _season_weights(calibration, run)
    if not seasons:
        text = f"no season has {LEAST_DAYS} days. Lengthen run.period, or calibration."
        raise ConfigurationError([Problem("run.period", text)])
    places = itertools.product(enumerate(asked.quantities), enumerate(depths.values()), seasons.items())
    return [
        Mean(quantity, level, weights, (number, depth, season))
        for (number, quantity), (depth, level), (season, weights) in places
    ]


def _season_weights(calibration: Calibration, run: Run) -> dict[int, Tensor]:
    """Season -> weight of each step in its mean over the calibration period, or the whole run."""
    steps = Steps(run.start, run.step, run.steps)
    span = calibration.calibration
    first, last = run_span(calibration) if span is None else (span.start, span.end)
    inside = (steps.begin >= np.datetime64(first)) & (steps.begin < np.datetime64(last))
    months = steps.begin.astype("datetime64[M]").astype(np.int64) % 12
    found = {}
    for season in range(len(SEASONS)):
        chosen = inside & ((months + 1) % 12 // 3 == season)
        if chosen.sum() * run.step >= LEAST_DAYS * 86400.0:
            found[season] = torch.as_tensor(chosen / chosen.sum(), dtype=run.model.column.thickness.dtype)
    return found


def _own_means(run: Run, inputs: Inputs, means: Sequence[Mean], repeated: Repeated) -> Tensor:
    """The mean that each column is there for."""
    assert run.forcing is not None
    names = sorted({OUTPUTS[mean.quantity][0] for mean in means})
    forcing = inputs.forcing(run.forcing.block(0, run.steps), len(means))
    outputs: Mapping[str, Tensor] = trajectory(run, inputs, forcing, names, repeated)
    own = []
    for column, mean in enumerate(means):
        series = mean.level.of(outputs[OUTPUTS[mean.quantity][0]][..., column : column + 1])[:, 0]
        own.append((series * mean.weights).sum())
    return torch.stack(own)


def _factors(control: Control, scale: str) -> Tensor:
    """What turns the derivative by a value into the change that the scale asks for, ``[group]``."""
    wanted, interval = control.wanted, control.wanted.interval
    if scale == "relative" and wanted.mode != "offset":
        return ONE_PER_CENT * control.first
    if interval.log:
        found: Tensor = control.first * np.log(interval.high / interval.low)
        return found
    return torch.full_like(control.first, interval.high - interval.low)
