"""A whole calibration: search, files to go on from, results."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from torch import Tensor

from bmi_noahpy.atomic import clear_leftovers
from bmi_noahpy.calibration.file.calibration import Calibration
from bmi_noahpy.calibration.problem.fit import Fit
from bmi_noahpy.calibration.results.calibrated import write_calibrated
from bmi_noahpy.calibration.results.ensemble import StartScore
from bmi_noahpy.calibration.results.figures import convergence_figure, parameter_figure, series_figures
from bmi_noahpy.calibration.results.judgement import judgement
from bmi_noahpy.calibration.results.outcome import Outcome
from bmi_noahpy.calibration.results.scoring import current_scores, write_rows, write_scores
from bmi_noahpy.calibration.results.uncertainty import Estimate, estimates
from bmi_noahpy.calibration.search import Search
from bmi_noahpy.config import load_configuration
from bmi_noahpy.files.lock import SoleWriter
from bmi_noahpy.files.targets import check_target
from bmi_noahpy.runs.interrupts import Interrupts
from bmi_noahpy.runs.launch import Launch, launch
from bmi_noahpy.runs.progress import shown_progress
from bmi_noahpy.runs.spin_up import SpinUpWarning

CHECKPOINT, CALIBRATED, TRAJECTORY = "checkpoint.pt", "calibrated.yaml", "trajectory.nc"
TABLES = ("scores.csv", "parameters.csv", "convergence.csv", "starts.csv")
Say = Callable[[str], None]


def calibrate(
    calibration: Calibration,
    *,
    resume: bool = False,
    overwrite: bool = False,
    say: Say = lambda text: None,
    progress: Console | None = None,
) -> Outcome:
    """Calibrate a run and write everything about it into the results folder.

    Parameters
    ----------
    resume : Go on where an earlier calibration of the same file ended, was interrupted or killed.
    overwrite : Begin anew where there are results.
    say : Told in sentences what happens.
    progress : Where to draw a progress bar.

    Raises
    ------
    ConfigurationError, FileExistsError, CheckpointError, InUse, RefusedTarget : before anything is computed.
    """
    folder = calibration.results.folder
    checkpoint = folder / CHECKPOINT
    for name in (CHECKPOINT, CALIBRATED, TRAJECTORY, *TABLES):
        check_target(folder / name, calibration.files_read(), key="results.folder")
    with SoleWriter(checkpoint, "Wait until it ends, or give another results folder: --results."):
        if checkpoint.exists() and not (resume or overwrite):
            raise FileExistsError(f"{folder} holds results. Use --resume to go on, or --overwrite to begin anew.")
        clear_leftovers(folder)
        return _calibrate(calibration, resume, say, progress)


def _calibrate(calibration: Calibration, resume: bool, say: Say, progress: Console | None) -> Outcome:
    folder, checkpoint = calibration.results.folder, calibration.results.folder / CHECKPOINT
    fit = Fit(calibration)
    search = Search(fit)
    if resume and checkpoint.exists():
        search.load(checkpoint)
        say(f"Going on after iteration {search.progress.iteration}.")
    elif resume:
        say("No checkpoint to go on from: beginning anew.")
    _describe(fit, say)
    interrupted = _search(search, folder, progress)
    if interrupted:
        return _outcome(search, folder, interrupted=True)
    say("Scores, uncertainty and trajectory of the best parameters.")
    with Interrupts():
        return _finish(search, folder)


def _describe(fit: Fit, say: Say) -> None:
    values = sum(len(target.values) for target in fit.fitted)
    calibration = fit.calibration
    say(
        f"{fit.controls.count} unknowns of {len(calibration.parameters)} parameters, {values} observed values in "
        f"{len(fit.fitted)} series, {calibration.starts.count} starts, {calibration.optimiser.name}."
    )


def _search(search: Search, folder: Path, console: Console | None) -> bool:
    """Iterate to the end; whether the user stopped it. The best parameters so far are always in a file."""
    best, total = folder / CALIBRATED, search.fit.calibration.optimiser.iterations
    try:
        with Interrupts() as interrupts, shown_progress(console) as bar:
            task = bar.add_task("Calibrating", total=total, completed=search.progress.iteration)
            while not search.finished:
                improved = search.iterate()
                # Both files belong to one iteration: an interrupt waits until they are written.
                with interrupts.held():
                    search.save(folder / CHECKPOINT)
                    if improved or not best.exists():
                        write_calibrated(search.fit, _best(search), best)
                bar.update(task, completed=search.progress.iteration, status=_status(search))
    except KeyboardInterrupt:
        return True
    return False


def _status(search: Search) -> str:
    progress = search.progress
    losses = progress.best_losses[progress.best_losses.isfinite()]
    if not len(losses):
        return "no start has a finite objective"
    spread = f", worst {float(losses.max()):.4g}" if len(losses) > 1 else ""
    left = int(progress.active.sum())
    parts = [f"objective {float(losses.min()):.4g}{spread}", f"{left} of {len(progress.best_losses)} starts go on"]
    return ", ".join(parts + [f"NSE {name} {value:.3f}" for name, value in current_scores(search.fit).items()])


def _best(search: Search) -> Tensor:
    return search.progress.best[:, search.progress.winner, None]


def _finish(search: Search, folder: Path) -> Outcome:
    fit, title = search.fit, search.fit.run.configuration.name
    best = _best(search)
    said = judgement(fit, search.progress.best, best)
    found = estimates(fit, best)
    files = [
        write_calibrated(fit, best, folder / CALIBRATED),
        write_scores(folder / TABLES[0], said.rows),
        _write_estimates(folder / TABLES[1], found),
        _write_history(folder / TABLES[2], search),
        _write_starts(folder / TABLES[3], said.ensemble.scores),
        _run_calibrated(folder),
        *series_figures(fit, said.compared, said.ensemble, said.rows, folder),
        convergence_figure(search.progress.history, title, folder),
        parameter_figure(found, title, folder),
    ]
    return dataclasses.replace(
        _outcome(search, folder, interrupted=False),
        scores=said.rows,
        starts=said.ensemble.scores,
        coverage=said.coverage,
        estimates=found,
        files=files,
    )


def _outcome(search: Search, folder: Path, *, interrupted: bool) -> Outcome:
    progress = search.progress
    return Outcome(
        losses=progress.best_losses,
        unknowns=_best(search),
        found=progress.best,
        iterations=progress.iteration,
        seconds=progress.seconds,
        cost=search.fit.cost,
        interrupted=interrupted,
        folder=folder,
    )


def _run_calibrated(folder: Path) -> Path:
    with warnings.catch_warnings():
        # A fixed number of repetitions is not expected to settle.
        warnings.simplefilter("ignore", SpinUpWarning)
        launch(load_configuration(folder / CALIBRATED), Launch(output=folder / TRAJECTORY, overwrite=True))
    return folder / TRAJECTORY


def _write_estimates(path: Path, found: list[Estimate]) -> Path:
    names = [field.name for field in dataclasses.fields(Estimate)]
    rows = [[value if isinstance(value, str) else f"{value:.10g}" for value in vars(one).values()] for one in found]
    return write_rows(path, names, rows)


def _write_starts(path: Path, found: list[StartScore]) -> Path:
    header = ("start", "weight", "quantity", "period", "nse")
    rows = [[one.start + 1, f"{one.weight:.6g}", one.quantity, one.period, f"{one.nse:.6g}"] for one in found]
    return write_rows(path, header, rows)


def _write_history(path: Path, search: Search) -> Path:
    history = search.progress.history.tolist()
    header = ["iteration", *(f"start_{number + 1}" for number in range(len(search.progress.best_losses)))]
    return write_rows(path, header, [[number + 1, *row] for number, row in enumerate(history)])
