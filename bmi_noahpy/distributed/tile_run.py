"""One tile of a run, from wherever it stands to its end. What a worker executes."""

from __future__ import annotations

import dataclasses
import json
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.atomic import replaced
from bmi_noahpy.config import Configuration, ConfigurationWarning, read_configuration
from bmi_noahpy.distributed.memory import keep_memory
from bmi_noahpy.distributed.plan import Tile
from bmi_noahpy.distributed.tile_writer import TileWriter
from bmi_noahpy.forcing import StreamedTable
from bmi_noahpy.region.domain import Domain
from bmi_noahpy.runs.any_run import AnyRun
from bmi_noahpy.runs.execute import Beginning, execute
from bmi_noahpy.runs.launch import arrays_may_do
from bmi_noahpy.runs.outline import outlined
from bmi_noahpy.runs.restart import RestartFiles, resume
from noahpy_core.compiled.execute.threads import set_thread_count
from noahpy_core.leaves import made_like
from noahpy_core.quantities import members, replace_quantity
from noahpy_core.state import State

KEPT_RESTARTS = 2
PATIENCE = 60.0
"""A worker that was given up may be at work still: so long the next one waits for it to end. [s]"""


@dataclasses.dataclass(frozen=True)
class TileTask:
    """What a worker needs to run a tile.

    Parameters
    ----------
    configuration : As JSON; paths in it are absolute.
    spec : Output section: variables, every, daily.
    columns : Numbers of the columns of the tile among those of the configuration.
    folder : Where the files of all tiles are; every worker must reach it under this path.
    every, pause : Time of the run, and of the clock, between restart files. [s]
    beginning : Where to begin, with arrays, if not at the first step with the initial state of the configuration.
    threads : Threads of a worker; None: as many as it has.
    records : Of these columns, so that their files need not be looked through again; None: those of the configuration.
    liquid : Liquid water before the first step, ``[layer, column]``: in equilibrium, only torch could tell it again.
    """

    configuration: str
    spec: Any
    tile: Tile
    columns: NDArray[np.int64]
    folder: Path
    every: float
    execution: str
    pause: float = 0.0
    beginning: Beginning | None = None
    threads: int | None = None
    records: StreamedTable | None = None
    liquid: NDArray[np.float64] | None = None


@dataclasses.dataclass(frozen=True)
class TileResult:
    """How the run of a tile went: steps done, residuals as name, value, column of the tile and time, bytes."""

    number: int
    steps_done: int
    interrupted: bool
    residuals: list[tuple[str, float, int, str]]
    created: tuple[float, float, float]
    bytes: int


def run_tile(task: TileTask) -> TileResult:
    """Run a tile to its end, on from its last restart file if there is one; nothing when it is finished.

    Raises
    ------
    ArithmeticError : the state became non-finite or an equation was not solved, with the columns of the tile.
    """
    if task.threads is not None:
        set_thread_count(task.threads)
        keep_memory()
    finished = _finished(task)
    if finished is not None:
        return finished
    with warnings.catch_warnings():
        # The process that cut the tiles has said it already.
        warnings.simplefilter("ignore", ConfigurationWarning)
        run = _prepared(task)
    # Compact: on the whole grid, each tile would be mostly missing values.
    run = dataclasses.replace(run, domain=Domain("points", *run.domain.coordinates))
    writer = TileWriter(task.tile.output(task.folder), run, task.spec, wait=PATIENCE)
    restarts = RestartFiles(
        run,
        task.folder / "restart",
        task.tile.name,
        every=task.every,
        keep=KEPT_RESTARTS,
        pause=task.pause,
        retrace=False,
    )
    try:
        with writer.alone:
            restarts.clear()
            beginning = resume(run, writer, restarts) or _beginning(task, run)
            summary = execute(run, writer, beginning=beginning, restarts=restarts)
    except ArithmeticError as error:
        tile = task.tile
        raise ArithmeticError(f"columns {tile.first} to {tile.last - 1}, counted from {tile.first}: {error}") from error
    result = TileResult(
        number=task.tile.number,
        steps_done=summary.steps_done,
        interrupted=summary.interrupted,
        residuals=[(r.name, r.value, r.column, str(r.at)) for r in summary.residuals],
        created=dataclasses.astuple(summary.created),
        bytes=task.tile.journal(task.folder).stat().st_size,
    )
    if not summary.interrupted:
        with replaced(task.tile.summary(task.folder)) as partial:
            partial.write_text(json.dumps(dataclasses.asdict(result)), encoding="utf-8")
    return result


def _prepared(task: TileTask) -> AnyRun:
    """The run of a tile, of arrays if that can be; all has been checked."""
    configuration = _configuration(task.configuration)
    outline = outlined(configuration, columns=task.columns, check_forcing=False, records=task.records)
    outline = dataclasses.replace(outline, liquid=task.liquid)
    if arrays_may_do(configuration, task.execution, configuration.device):
        from bmi_noahpy.runs.array_run import array_run

        found = array_run(outline)
        if found is not None:
            return found
    from bmi_noahpy.runs.prepare import prepare_outlined

    if task.threads is not None:
        # Now torch is there.
        set_thread_count(task.threads)
    return prepare_outlined(outline, execution=task.execution)


def _beginning(task: TileTask, run: AnyRun) -> Beginning | None:
    """Where to begin, with what the run computes with: tensors or arrays."""
    if task.beginning is None:
        return None
    state: State = run.initial_state
    given = members(task.beginning.state)
    for path, leaf in members(state).items():
        state = replace_quantity(state, path, made_like(given[path], leaf))
    return Beginning(task.beginning.step, state)


def newest_restart(folder: Path, tile: Tile) -> Path:
    """The restart file at the end of a finished tile."""
    return sorted((folder / "restart").glob(f"{tile.name}_*.nc"))[-1]


@lru_cache(maxsize=1)
def _configuration(text: str) -> Configuration:
    return read_configuration(json.loads(text))


def _finished(task: TileTask) -> TileResult | None:
    """What is known of a tile that is finished, with all its records; None for any other."""
    done, journal = task.tile.summary(task.folder), task.tile.journal(task.folder)
    if not done.is_file():
        return None
    plain = json.loads(done.read_text(encoding="utf-8"))
    if not journal.is_file() or journal.stat().st_size != plain["bytes"]:
        return None
    residuals = [tuple(entry) for entry in plain["residuals"]]
    return TileResult(**plain | {"residuals": residuals, "created": tuple(plain["created"])})
