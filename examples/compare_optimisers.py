"""Gradients against SCE-UA: the same model, parameters, observations and objective, and the same number of model runs.

Yakou is calibrated by Adam, L-BFGS, Levenberg-Marquardt and SCE-UA (Duan et al. 1992, as spotpy has it), each from ten
random starts. A gradient counts as many runs as it takes time, measured here on the same columns. What the methods
found is compared by convergence, by KGE at each depth in the years that were not fitted, and by the tests of Friedman
(do the methods differ, start by start?) and Dunn (which ones, with Holm's correction).

    python compare_optimisers.py [--runs 2000] [--repetitions 10] [--by class] [--folder comparison] [--data folder]

Needs spotpy, scipy and scikit-posthocs: pip install noahpy[experiments].
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import scipy.stats
import torch
from calibration_sites import DATA, HYDRAULICS, missing, yakou
from rich.console import Console
from rich.table import Table

from bmi_noahpy import read_calibration, scores
from bmi_noahpy.calibration import Fit, Search, within

GRADIENT_METHODS = ("adam", "lbfgs", "levenberg_marquardt")
OTHER = "sce_ua"
LABELS = {"adam": "Adam", "lbfgs": "L-BFGS", "levenberg_marquardt": "Levenberg-Marquardt", OTHER: "SCE-UA"}
COLOURS = dict(zip(LABELS, ("#0072b2", "#009e73", "#d55e00", "#555555"), strict=True))
NEAR = 1.02  # times the best method's median misfit
EDGE = 1e-3  # SCE-UA keeps this far from the bounds, where unknowns become infinite


class Found(NamedTuple):
    """What a method found: best unknowns ``[unknown, repetition]`` and best objective against runs, by repetition."""

    unknowns: torch.Tensor
    runs: list[np.ndarray]
    losses: list[np.ndarray]


def settings(run: dict[str, Any], options: argparse.Namespace, method: str) -> dict[str, Any]:
    """The calibration as plain data."""
    entry = {"by": "layer", "spread": 0.1} if options.by == "layer" else {"by": "class"}
    parameters: dict[str, Any] = {
        name: {**entry, "layers": "1-10", "bounds": bounds} for name, bounds in HYDRAULICS.items()
    }
    parameters["forcing.longwave_down"] = {"bounds": [-15.0, 15.0]}
    parameters["forcing.precipitation"] = {"bounds": [0.7, 1.6]}
    return {
        "run": run,
        "parameters": parameters,
        "observations": {
            "file": str(options.data.resolve() / "yakou" / "observations.csv"),
            "quantities": ["soil_temperature", "soil_liquid_water"],
            "exclude": ["Tsoil_0.00m_K"],
        },
        "calibration": {"start": options.spans[0], "end": options.spans[1]},
        "validation": {"start": options.spans[1], "end": options.spans[2]},
        "objective": "nse",
        "optimiser": {"name": method, "iterations": 100000},
        "starts": {"count": options.repetitions, "first": "random", "seed": 7},
        "stop": {"tolerance": 0.0, "patience": 100000},
    }


def cost_of_gradient(fit: Fit, columns: int) -> float:
    """Time of a gradient over that of a run, in a batch of columns; the best of three of each."""
    unknowns = torch.logit(torch.full((fit.controls.count, columns), 0.5, dtype=torch.float64))
    seconds: dict[str, list[float]] = {"run": [], "gradient": []}
    for _ in range(4):
        for name, call in (("run", fit.losses), ("gradient", fit.gradient)):
            begin = time.perf_counter()
            call(unknowns)
            seconds[name].append(time.perf_counter() - begin)
    return min(seconds["gradient"][1:]) / min(seconds["run"][1:])


def by_gradients(fit: Fit, most: int, gradient: float) -> Found:
    """Search until the runs of every start are spent, or it has nowhere left to go."""
    search, spent, curve = Search(fit), [], []
    total = np.zeros(search.progress.unknowns.shape[1])
    while bool(search.progress.active.any()) and total.max() < most:
        active, before = search.progress.active.numpy().copy(), counted(fit, gradient)
        search.iterate()
        total = total + np.where(active, (counted(fit, gradient) - before) / active.sum(), 0.0)
        spent.append(total)
        curve.append(search.progress.best_losses.numpy().copy())
    runs, losses = np.array(spent), np.array(curve)
    return Found(search.progress.best, list(runs.T), list(losses.T))


def counted(fit: Fit, gradient: float) -> float:
    """Runs of a column so far; a tangent by differences is two."""
    return fit.cost.runs + gradient * fit.cost.gradients + 2.0 * fit.cost.tangents


class Problem:
    """The fit as spotpy wants it: positions between the bounds, on the scales that the gradient methods use too."""

    def __init__(self, fit: Fit) -> None:
        import spotpy

        self.fit, self.losses, self.best = fit, [], (np.inf, None)
        self.dimensions = [
            spotpy.parameter.Uniform(f"x{number}", EDGE, 1.0 - EDGE) for number in range(fit.controls.count)
        ]

    def parameters(self) -> Any:
        """Random positions."""
        import spotpy

        return spotpy.parameter.generate(self.dimensions)

    def simulation(self, positions: Any) -> list[float]:
        """The objective; the model is run once."""
        unknowns = torch.logit(torch.tensor(list(positions), dtype=torch.float64))[:, None]
        loss = float(self.fit.losses(unknowns))
        if loss < self.best[0]:
            self.best = (loss, unknowns)
        self.losses.append(self.best[0])
        return [min(loss, 1e6)]

    def evaluation(self) -> list[float]:
        """Nothing but a zero to compare with."""
        return [0.0]

    def objectivefunction(self, simulation: list[float], evaluation: list[float], params: Any = None) -> float:
        """What SCE-UA makes small."""
        return simulation[0]


def by_sce_ua(fit: Fit, most: int, repetitions: int) -> Found:
    """Repetitions of SCE-UA with five complexes, as many runs each."""
    import spotpy

    unknowns, losses = [], []
    for repetition in range(repetitions):
        problem = Problem(fit)
        sampler = spotpy.algorithms.sceua(problem, dbname="sce", dbformat="ram", random_state=repetition)
        with contextlib.redirect_stdout(io.StringIO()):
            sampler.sample(most, ngs=5, kstop=1000, pcento=1e-9, peps=1e-9)
        losses.append(np.array(problem.losses[:most]))
        unknowns.append(problem.best[1])
    return Found(torch.cat(unknowns, 1), [np.arange(1, len(one) + 1.0) for one in losses], losses)


def validation_scores(fit: Fit, found: Found) -> dict[str, np.ndarray]:
    """KGE of every series in the years that were not fitted, ``[repetition]``."""
    with torch.no_grad():
        targets = within(fit.targets, fit.calibration.validation.span)
        simulated = fit.simulate(found.unknowns, targets)
    return {
        target.name: np.array([scores(column, target.values.numpy()).kge for column in one.numpy().T])
        for target, one in zip(targets, simulated, strict=True)
    }


def at_runs(found: Found, grid: np.ndarray) -> np.ndarray:
    """Best objective of every repetition after some numbers of runs, ``[repetition, grid]``; NaN before the first."""
    rows = []
    for runs, losses in zip(found.runs, found.losses, strict=True):
        place = np.searchsorted(runs, grid, side="right") - 1
        rows.append(np.where(place >= 0, losses[np.clip(place, 0, None)], np.nan))
    return np.array(rows)


def runs_to_arrive(results: dict[str, Found], most: int) -> dict[str, int | None]:
    """Model runs until a method's median misfit is near the best one there is in the end; None when it never is."""
    grid = np.arange(1, most + 1)
    medians = {name: np.median(at_runs(found, grid), axis=0) for name, found in results.items()}
    goal = NEAR * min(median[-1] for median in medians.values())
    there = {name: grid[median <= goal] for name, median in medians.items()}
    return {name: int(runs[0]) if len(runs) else None for name, runs in there.items()}


def draw(results: dict[str, Found], most: int, path: Path) -> None:
    """Median and range of the repetitions against model runs."""
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    grid = np.unique(np.geomspace(1, most, 300).astype(int))
    for name, found in results.items():
        curves = at_runs(found, grid)
        shown = np.isfinite(curves).all(0)
        axes.plot(grid[shown], np.median(curves[:, shown], 0), color=COLOURS[name], label=LABELS[name])
        low, high = curves[:, shown].min(0), curves[:, shown].max(0)
        axes.fill_between(grid[shown], low, high, color=COLOURS[name], alpha=0.2, linewidth=0)
    axes.set(xscale="log", yscale="log", xlabel="model runs (a gradient at its measured cost)")
    axes.set_ylabel("1 - NSE, mean over series; median and range")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3, which="both")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def tests_of(values: dict[str, np.ndarray]) -> tuple[float, Any]:
    """Probability by Friedman that methods do not differ, and Dunn's matrix of those of pairs, corrected by Holm."""
    import scikit_posthocs

    columns = list(values.values())
    dunn = scikit_posthocs.posthoc_dunn(columns, p_adjust="holm")
    dunn.index = dunn.columns = [LABELS[name] for name in values]
    return float(scipy.stats.friedmanchisquare(*columns).pvalue), dunn


def print_kge(kge: dict[str, dict[str, np.ndarray]], console: Console) -> None:
    """Mean and spread of KGE by depth."""
    table = Table(title="KGE in the years that were not fitted, mean ± standard deviation of the repetitions")
    for header in ("series", *(LABELS[name] for name in kge)):
        table.add_column(header, no_wrap=True)
    for series in next(iter(kge.values())):
        cells = [f"{found[series].mean():.3f} ± {found[series].std():.3f}" for found in kge.values()]
        table.add_row(series, *cells)
    console.print(table)


def print_tests(what: str, values: dict[str, np.ndarray], console: Console) -> None:
    """Median of each method, and the tests."""
    console.print(what + ": " + ", ".join(f"{LABELS[name]} {np.median(one):.4f}" for name, one in values.items()))
    friedman, dunn = tests_of(values)
    console.print(f"Friedman: p = {friedman:.2g}; Dunn, corrected by Holm:")
    console.print(dunn.map(lambda p: f"{p:.2g}").to_string())


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000, help="model runs of each repetition")
    parser.add_argument("--repetitions", type=int, default=10, help="of each method, three or more")
    parser.add_argument("--by", choices=["class", "layer"], default="class", help="what has soil parameters of its own")
    parser.add_argument("--spans", nargs=3, default=["2016-01-15", "2018-01-01", "2019-12-10"], help="fitted, tested")
    parser.add_argument("--folder", type=Path, default=Path("comparison"), help="where files are written")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with the folder of Yakou")
    options = parser.parse_args(arguments)
    problem = missing(options.data / "yakou")
    if problem:
        sys.exit(problem)
    options.folder.mkdir(parents=True, exist_ok=True)
    console, begin = Console(width=140), time.perf_counter()
    end = str(np.datetime64(options.spans[2]) - 1) + "T16:00"
    run = yakou(options.data.resolve() / "yakou", end)
    results: dict[str, Found] = {}
    kge: dict[str, dict[str, np.ndarray]] = {}
    for name in LABELS:
        method = "adam" if name == OTHER else name
        fit, started = Fit(read_calibration(settings(run, options, method), options.folder)), time.perf_counter()
        if name == OTHER:
            results[name] = by_sce_ua(fit, options.runs, options.repetitions)
        else:
            ratio = cost_of_gradient(fit, options.repetitions)
            fit.cost.runs = fit.cost.gradients = 0
            results[name] = by_gradients(fit, options.runs, ratio)
        kge[name] = validation_scores(fit, results[name])
        seconds = time.perf_counter() - started
        console.print(f"{LABELS[name]}: {fit.controls.count} unknowns, {seconds:.0f} s")
        if name == GRADIENT_METHODS[0]:
            console.print(f"A gradient counts {ratio:.1f} runs.")
    draw(results, options.runs, options.folder / "convergence.png")
    final = {name: at_runs(found, np.array([options.runs]))[:, 0] for name, found in results.items()}
    mean_kge = {name: np.mean(list(found.values()), axis=0) for name, found in kge.items()}
    arrival = runs_to_arrive(results, options.runs)
    text = ", ".join(f"{LABELS[name]} {runs or 'never'}" for name, runs in arrival.items())
    console.print(f"Runs until the median misfit is at most {NEAR:g} times the best: {text}")
    print_kge(kge, console)
    print_tests("Objective, median", final, console)
    print_tests("KGE over all series in the years that were not fitted, median", mean_kge, console)
    console.print(f"Figure: {options.folder / 'convergence.png'}; {time.perf_counter() - begin:.0f} s")
    return {"results": results, "final": final, "kge": kge}


if __name__ == "__main__":
    main()
