"""A conductivity network trained on one real year, validated on a second, judged on two others that it has not seen.

Site: Yakou, alpine meadow at 4148 m, daily soil temperature at seven depths, 2016 to 2019 (`calibration_sites`). The
network stands in the slot `soil_thermal` as in `learn_thermal_conductivity`, but here nobody knows the truth. It is
trained in windows of 40 days that run side by side as columns, each from the state that the built-in scheme reaches
there with the measured temperatures put in; and judged in one free run of four years, beside the built-in scheme.

    python examples/learn_yakou.py                     # half an hour or so on one core
    python examples/learn_yakou.py --short             # to see that it works
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from calibration_sites import DATA, MIDDLE, missing, yakou
from torch import Tensor

from bmi_noahpy import prepare, read_configuration, read_observations, train, write_weights
from noahpy_core import Forcing, NoahModel, Parameters, State, equilibrium_liquid, map_tensors, run
from noahpy_core.learning import LearnedThermalConductivity

SLOT, TEMPERATURE, DAY = "soil_thermal", "soil.temperature", 86400.0
PERIODS = {
    "training": ("2016-01-01", "2016-12-30"),
    "validation": ("2016-12-31", "2017-12-30"),
    "test": ("2017-12-31", "2019-12-10"),
}
"""First and last day."""
PATIENCE = 5
"""Epochs without a lower validation loss, after which training ends."""
SHORT = {
    "training": ("2016-01-01", "2016-01-30"),
    "validation": ("2016-01-31", "2016-02-20"),
    "test": ("2016-02-21", "2016-03-20"),
}
WINDOW = 40
"""Days of a window: long enough for a wave to go down a metre. [d]"""


class Site(NamedTuple):
    """A column, its weather and what was measured in it."""

    model: NoahModel
    state: State
    parameters: Parameters
    forcing: Forcing
    days: np.ndarray
    observed: Tensor
    """``[day, layer]``, NaN where nothing was measured. [K]"""

    def simulated(self, model: NoahModel) -> Tensor:
        """Soil temperature of a free run, ``[day, layer]``. [K]"""
        with torch.no_grad():
            found = run(model, self.state, self.forcing, self.parameters, DAY, outputs=[TEMPERATURE]).outputs
        return found[TEMPERATURE][..., 0]

    def of(self, period: tuple[str, str]) -> Tensor:
        """Which days are of a period."""
        first, last = (np.datetime64(day) for day in period)
        return torch.as_tensor((self.days >= first) & (self.days < last + 1))


def open_site(folder: Path, end: str) -> Site:
    """The site in daily steps, with observations in the layers nearest to their depths."""
    site = prepare(read_configuration(yakou(folder, end)))
    assert site.forcing is not None
    days = site.forcing.times().astype("datetime64[s]")
    observed = torch.full((site.steps, len(MIDDLE)), torch.nan, dtype=torch.float64)
    for series in read_observations(folder / "observations.csv"):
        if series.quantity != "soil_temperature" or not series.depth:
            continue
        position = np.searchsorted(days, series.times.astype("datetime64[s]"))
        kept = (position < len(days)) & (days[np.minimum(position, len(days) - 1)] == series.times)
        values = torch.as_tensor(np.asarray(series.values, dtype=np.float64)[kept])
        observed[torch.as_tensor(position[kept]), int(np.argmin(np.abs(MIDDLE - series.depth)))] = values
    forcing = site.forcing.block(0, site.steps)
    return Site(site.model, site.initial_state, site.parameters, forcing, days, observed)


class Windows(NamedTuple):
    """Windows of a period as columns of one batch: their states, weather and observations."""

    state: State
    parameters: Parameters
    forcing: Forcing
    observed: Tensor

    def misfit(self, model: NoahModel) -> Tensor:
        """Mean square error where something was measured. [K2]"""
        found = run(model, self.state, self.forcing, self.parameters, DAY, outputs=[TEMPERATURE]).outputs
        error = found[TEMPERATURE] - self.observed
        measured = torch.isfinite(self.observed)
        return torch.where(measured, error, 0.0).square().sum() / measured.sum()


def windows(site: Site, period: tuple[str, str], length: int) -> Windows:
    """Windows that fill a period, each from the built-in run's state with the measured temperatures put in."""
    chosen = torch.nonzero(site.of(period))[:, 0].tolist()
    starts = [day for day in chosen[::length] if day and day + length <= chosen[-1] + 1]
    states, forcing = [], []
    for start in starts:
        with torch.no_grad():
            before = map_tensors(lambda series, start=start: series[:start], site.forcing)
            state = run(site.model, site.state, before, site.parameters, DAY, outputs=[]).final_state
        states.append(_with_measured(site, state, start))
        forcing.append(map_tensors(lambda series, start=start: series[start : start + length], site.forcing))
    state, weather = (
        torch.utils._pytree.tree_map(lambda *parts: torch.cat(parts, dim=-1), *group) for group in (states, forcing)
    )
    parameters = map_tensors(lambda value: value.expand(*value.shape[:-1], len(starts)).clone(), site.parameters)
    observed = torch.stack([site.observed[start : start + length] for start in starts], dim=-1)
    return Windows(state, parameters, weather, observed)


def _with_measured(site: Site, state: State, start: int) -> State:
    """A state with the profile that was measured the day before, and the liquid water that belongs to it."""
    measured = site.observed[start - 1]
    there = torch.isfinite(measured)
    if not there.any():
        return state
    depth = torch.as_tensor(MIDDLE)
    error = (measured - state.soil.temperature[:, 0])[there]
    # The error of the run fades below the lowest sensor.
    correction = np.interp(MIDDLE, (*depth[there].tolist(), 5.0), (*error.tolist(), 0.0))
    temperature = state.soil.temperature + torch.as_tensor(correction)[:, None]
    moisture = state.soil.moisture
    liquid = equilibrium_liquid(temperature, moisture, site.parameters, site.model.supercooled_water)
    soil = dataclasses.replace(state.soil, temperature=temperature, liquid_water=liquid, ice=moisture - liquid)
    return dataclasses.replace(state, soil=soil)


def scores(site: Site, model: NoahModel, periods: Mapping[str, tuple[str, str]]) -> dict[str, float]:
    """Root mean square error of a free run in each period. [K]"""
    error = site.simulated(model) - site.observed
    found = {}
    for name, period in periods.items():
        part = error[site.of(period)]
        found[name] = float(part[torch.isfinite(part)].square().mean().sqrt())
    return found


def learn(
    site: Site, periods: Mapping[str, tuple[str, str]], epochs: int, length: int, folder: Path, seed: int = 0
) -> dict[str, Any]:
    """Train, and score both schemes in a free run."""
    network = LearnedThermalConductivity(hidden=[8], seed=seed)
    learned = NoahModel(site.model.column, site.model.options, {SLOT: network})
    training, validation = (windows(site, periods[name], length) for name in ("training", "validation"))
    built_in, untrained = (scores(site, model, periods) for model in (site.model, learned))
    trained: dict[str, float] = {}

    def test() -> float:
        trained.update(scores(site, learned, periods))
        return trained["test"]

    losses = train(
        network, lambda epoch: training.misfit(learned), epochs=epochs, learning_rate=0.05,
        checkpoint=folder / "training.pt", validation=lambda: validation.misfit(learned), patience=PATIENCE,
        report=lambda epoch, value: print(f"  epoch {epoch + 1:3}: {value**0.5:.3f} K", flush=True),
        test=test, built_in=lambda: built_in["test"],
    )  # fmt: skip
    write_weights(network, folder / "weights.pt")
    table = {"built-in scheme": built_in, "untrained network": untrained, "trained network": trained}
    return {"losses": losses, "table": table}


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA / "yakou")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0, help="of the first weights")
    parser.add_argument("--short", action="store_true", help="few epochs, and three months")
    parser.add_argument("--folder", type=Path, default=Path("learned_yakou"))
    chosen = parser.parse_args(arguments)
    reason = missing(chosen.data)
    if reason:
        parser.error(reason)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    periods, epochs, length = (SHORT, 2, 5) if chosen.short else (PERIODS, chosen.epochs, WINDOW)
    site = open_site(chosen.data, f"{periods['test'][1]}T16:00")
    result = learn(site, periods, epochs, length, chosen.folder, chosen.seed)
    losses = result["losses"]
    print(f"\n{'error of soil temperature [K]':32}{'training':>12}{'validation':>12}{'test':>12}")
    for name, row in result["table"].items():
        print(f"{name:32}" + "".join(f"{value:12.3f}" for value in row.values()))
    print(f"{len(losses)} epochs, weights of epoch {losses.best + 1}{', stopped early' if losses.stopped else ''}.")
    return result


if __name__ == "__main__":
    main()
