"""Restart files: a run that ended, was interrupted or killed goes on as if nothing had happened."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bmi_noahpy.output import OutputMark, OutputWriter, is_unfinished, run_id_of
from bmi_noahpy.runs.execute import Beginning
from bmi_noahpy.runs.restart.files import RestartFiles, RestartWarning, check_fit
from bmi_noahpy.runs.restart.fingerprint import SHAPE, differences, fingerprint
from bmi_noahpy.runs.restart.state_file import DamagedRestart, Restart, RestartError, read_restart, write_restart

if TYPE_CHECKING:
    from bmi_noahpy.runs.any_run import AnyRun


__all__ = [
    "DamagedRestart",
    "Restart",
    "RestartError",
    "RestartFiles",
    "RestartWarning",
    "begin_from",
    "read_restart",
    "resume",
    "write_restart",
]


def resume(run: AnyRun, writer: OutputWriter, files: RestartFiles) -> Beginning | None:
    """Where a run goes on whose output file is there, and prepare the writer for it; None when there is nothing.

    The newest restart file counts that is whole and whose records are at hand. A run that was killed, or ended with an
    error, before it wrote one begins anew, over its unfinished output.

    Raises
    ------
    RestartError : the configuration has changed in what must agree.
    FileExistsError : the output file is no unfinished one, and has no restart files.
    """
    run_id = run_id_of(writer.path)
    restart = files.newest(run_id, writer.records_at_hand())
    if restart is not None and restart.mark is not None:
        if restart.start != run.start.astype("datetime64[s]"):
            raise RestartError(f"period.start: {run.start}, but the run to be continued began at {restart.start}.")
        if restart.step > run.steps:
            raise RestartError(
                f"period.end: the run ends after {run.steps} steps, but {restart.step} have been taken already, to "
                f"{restart.time}. Set a later end."
            )
        writer.resume(restart.mark)
        return Beginning(restart.step, restart.state)
    if writer.journal_path.exists() or is_unfinished(writer.path):
        writer.replace()
    elif writer.path.exists():
        raise FileExistsError(
            f"output file {writer.path} is complete, or not NoahPy's, and there are no restart files of its run in "
            f"{files.folder}. Use --overwrite instead of --resume to run anew."
        )
    return None


def begin_from(path: Path, run: AnyRun, *, only_state: bool = False) -> tuple[Beginning, OutputMark | None]:
    """Where a run begins that takes over the state of a restart file, and where the output stood that it goes on from.

    Parameters
    ----------
    only_state : Take the state as that at the beginning of the period, whatever its time, and even when step length,
        schemes and parameters differ. Otherwise the run begins at the time of the file.

    Returns
    -------
    The mark is None where the output begins anew.

    Raises
    ------
    RestartError : for a file that is damaged, does not fit, or lies outside the period.
    """
    restart = read_restart(path, run.initial_state)
    if only_state:
        found = [text for text in differences(restart.fingerprint, fingerprint(run)) if text.startswith(SHAPE)]
        if found:
            raise RestartError(f"restart file {path}: does not fit this run: {'; '.join(found)}.")
        if restart.left_out:
            warnings.warn(
                f"restart file {path}: {', '.join(restart.left_out)}: the schemes of this run have no place for it. "
                "It is left out, and the heat it stands for with it.",
                RestartWarning,
                stacklevel=3,
            )
        return Beginning(0, restart.state), None
    check_fit(path, restart, run)
    steps = float((restart.time - run.start.astype("datetime64[s]")) / np.timedelta64(1, "s")) / float(run.step)
    if steps != int(steps) or not 0 <= steps < run.steps:
        raise RestartError(
            f"restart file {path}: holds the state at {restart.time}, but the steps of this run begin from {run.start} "
            f"on, {run.steps} of {run.step:g} s. Change period, or set restart.only_state to begin with this state."
        )
    mark = restart.mark if restart.start == run.start.astype("datetime64[s]") else None
    return Beginning(int(steps), restart.state), mark
