"""A whole run from a configuration: spin-up, beginning or going on, output, restart files."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from rich.console import Console

from bmi_noahpy.atomic import clear_leftovers
from bmi_noahpy.config import Configuration
from bmi_noahpy.config.run_sections import Execution, RestartFile, SpinUp
from bmi_noahpy.files.lock import SoleWriter
from bmi_noahpy.imports import nothing_collected
from bmi_noahpy.output import OutputWriter
from bmi_noahpy.runs.any_run import AnyRun
from bmi_noahpy.runs.execute import Beginning, RunSummary, execute, require_forcing
from bmi_noahpy.runs.outline import Outline, outlined
from bmi_noahpy.runs.restart import Restart, RestartFiles, begin_from, resume, write_restart
from bmi_noahpy.runs.restart.fingerprint import fingerprint
from bmi_noahpy.runs.scheme_warnings import warn_before, warn_of_created
from bmi_noahpy.runs.spin_up import SpinUpResult, Tolerance, spin_up, spin_up_steps
from bmi_noahpy.runs.targets import check_targets, output_section
from noahpy_core.state import State

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Launch:
    """How to start a run; None stands for what the configuration says.

    Parameters
    ----------
    output : Output file.
    overwrite : Replace an existing one.
    resume : Go on where an earlier run of the same configuration ended, was interrupted or killed.
    restart_from : Restart file to begin from.
    execution : auto, eager or compiled.
    device : cpu, or cuda with the number of a graphics processor.
    """

    output: Path | None = None
    overwrite: bool = False
    resume: bool = False
    restart_from: Path | None = None
    execution: str | None = None
    device: str | None = None


def launch(
    configuration: Configuration,
    how: Launch | None = None,
    *,
    default_output: Path | None = None,
    say: Say = lambda text: None,
    progress: Console | None = None,
) -> RunSummary:
    """Run a configuration.

    Parameters
    ----------
    default_output : Output file when neither `how` nor the configuration names one.
    say : Told in sentences what happens before the run.
    progress : Where to draw a progress bar.

    Raises
    ------
    ConfigurationError, RestartError, FileExistsError, ValueError : before anything is computed.
    NonFiniteState, ConvergenceError : the run failed; the steps before are in the output file.
    """
    how = how or Launch()
    if how.resume and how.restart_from is not None:
        raise ValueError("--resume and --restart-from: one goes on, the other begins anew. Give only one of them.")
    if how.resume and configuration.restart is None:
        raise ValueError(
            "--resume: the configuration has no restart section, so there is nothing to go on from. "
            'Add one, like restart: {every: "30 days"}.'
        )
    spec = output_section(configuration, default_output)
    check_targets(configuration, how.output or spec.file)
    run = prepared(configuration, how)
    require_forcing(run)
    warn_before(run)
    writer = OutputWriter(how.output or spec.file, run, spec, overwrite=how.overwrite or spec.overwrite)
    files = _files(run, configuration.restart, writer.path)
    with contextlib.ExitStack() as stack:
        # From before the earlier output is looked at until the last file is written.
        stack.enter_context(writer.alone)
        if configuration.restart is not None:
            stack.enter_context(files.alone)
            files.clear()
        summary = _launch(run, how, (writer, files), say, progress)
    warn_of_created(summary.created)
    return summary


def prepared(configuration: Configuration, how: Launch) -> AnyRun:
    """The prepared run, of arrays if that can be: importing torch takes longer than the steps of many runs.

    Parameters
    ----------
    configuration, how : As of `launch`.
    """
    outline = _outline_of_arrays(configuration, how)
    if outline is None:
        with nothing_collected():
            from bmi_noahpy.runs.prepare import prepare

        return prepare(configuration, execution=how.execution, device=how.device)
    from bmi_noahpy.runs.array_run import array_run

    return array_run(outline) or _prepared_once(outline, how)


def _prepared_once(outline: Outline, how: Launch) -> AnyRun:
    """The run of tensors; what torch computed for its initial state is kept for later runs."""
    from bmi_noahpy.runs.kept_liquid import keep_liquid

    with nothing_collected():
        from bmi_noahpy.runs.prepare import prepare_outlined

    run = prepare_outlined(outline, execution=how.execution, device=how.device)
    keep_liquid(outline, run.initial_state.soil.liquid_water.numpy())
    return run


def _outline_of_arrays(configuration: Configuration, how: Launch) -> Outline | None:
    """The outline of a run that may be of arrays; None where it cannot."""
    execution, device = how.execution or configuration.execution, how.device or configuration.device
    return outlined(configuration) if arrays_may_do(configuration, execution, device) else None


def arrays_may_do(configuration: Configuration, execution: str, device: str) -> bool:
    """Whether a run may be of arrays, as far as that is known without its records; not without a compiler."""
    try:
        from bmi_noahpy.runs.array_run import may_be_of_arrays
    except ImportError:
        return False
    return execution in get_args(Execution) and may_be_of_arrays(configuration, execution, device)


def _launch(
    run: AnyRun, how: Launch, outputs: tuple[OutputWriter, RestartFiles], say: Say, progress: Console | None
) -> RunSummary:
    writer, files = outputs
    beginning = resume(run, writer, files) if how.resume else None
    if beginning is not None:
        say(f"Going on after step {beginning.step} of {run.steps}.")
    else:
        if how.resume:
            say("No restart file to go on from: running from the beginning.")
        writer.check()
        beginning = _beginning(run, writer, how.restart_from, say, progress)
    restarts = files if run.configuration.restart is not None else None
    return execute(run, writer, beginning=beginning, restarts=restarts, progress=progress)


def _files(run: AnyRun, section: RestartFile | None, output: Path) -> RestartFiles:
    section = section or RestartFile()
    folder = section.folder or output.absolute().with_name(f"{output.stem}_restart")
    return RestartFiles(run, folder, output.stem, every=section.every, keep=section.keep)


def _beginning(
    run: AnyRun, writer: OutputWriter, restart_from: Path | None, say: Say, progress: Console | None
) -> Beginning:
    section = run.configuration.restart or RestartFile()
    path, only_state = restart_from or section.from_, section.only_state
    beginning = Beginning(0, run.initial_state)
    if path is not None:
        beginning, mark = begin_from(path, run, only_state=only_state)
        if mark is not None:
            writer.follow(mark)
        say(f"Beginning with the state of {path} at step {beginning.step} of {run.steps}.")
    if run.configuration.spin_up is None or (path is not None and not only_state):
        return beginning
    result = run_spin_up(run, state=beginning.state, say=say, progress=progress)
    return Beginning(0, result.state)


def run_spin_up(
    run: AnyRun, *, state: State | None = None, say: Say = lambda text: None, progress: Console | None = None
) -> SpinUpResult:
    """Spin a run up as its configuration asks for, from its initial state or another, and write the file it asks for.

    Parameters
    ----------
    run : The prepared run.
    state : Where to begin; None: with the initial state of the run.
    say : Told in sentences what happens.
    progress : Where to show it.
    """
    section = run.configuration.spin_up or SpinUp()
    result = spin_up(
        run,
        state=state,
        steps=spin_up_steps(run, section.period),
        cycles=section.cycles,
        tolerance=Tolerance(section.deep_temperature, section.total_water),
        report=lambda cycle: say(
            f"Spin-up {cycle.number}: deep temperature changed by at most {cycle.deep_temperature.value:.3g} K "
            f"(column {cycle.deep_temperature.column}), total water by {cycle.total_water.value:.3g} kg m-2 "
            f"(column {cycle.total_water.column})"
        ),
        progress=progress,
    )
    if result.settled:
        say(f"Settled after {len(result.cycles)} repetitions.")
    if section.file is not None:
        with SoleWriter(section.file, "Wait until it ends, or give each run a spin_up.file of its own."):
            clear_leftovers(section.file.parent, f"{section.file.name}.")
            write_restart(section.file, Restart(run.start, run.start, 0, result.state, fingerprint(run)))
        say(f"Spun-up state: {section.file}")
    return result
