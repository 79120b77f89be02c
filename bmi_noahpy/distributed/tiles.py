"""A whole run in tiles of columns: cut, run, gathered."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from bmi_noahpy.atomic import clear_leftovers
from bmi_noahpy.config import Configuration
from bmi_noahpy.config.run_sections import RestartFile
from bmi_noahpy.distributed.cluster import StoppedTiles, Workers, count_workers, run_tasks
from bmi_noahpy.distributed.extras import require
from bmi_noahpy.distributed.gather import gather, gathered_from
from bmi_noahpy.distributed.plan import Tile, clear, column_numbers, cut, has_plan, identity, open_plan
from bmi_noahpy.distributed.tile_run import TileResult, TileTask, newest_restart
from bmi_noahpy.files.lock import SoleWriter
from bmi_noahpy.forcing import StreamedTable
from bmi_noahpy.runs.any_run import AnyRun
from bmi_noahpy.runs.blocks import FLUX_QUANTITIES, end_of_step
from bmi_noahpy.runs.created import Created, most_created
from bmi_noahpy.runs.execute import Beginning, Residual, RunSummary, require_forcing
from bmi_noahpy.runs.launch import Launch, Say, prepared
from bmi_noahpy.runs.progress import shown_progress
from bmi_noahpy.runs.restart import Restart, RestartError, begin_from, read_restart, write_restart
from bmi_noahpy.runs.restart.fingerprint import fingerprint
from bmi_noahpy.runs.scheme_warnings import warn_before, warn_of_created
from bmi_noahpy.runs.targets import check_targets, output_section
from noahpy_core.containers import map_leaves
from noahpy_core.leaves import array_of
from noahpy_core.quantities import get_quantity, members, replace_quantity
from noahpy_core.state import State

GATHERING_THREADS = 8
"""As many at most: one writes what they compress."""
MOST_TIMES = 2**20
"""Times of records that are sent with a tile; with more, workers look through the files themselves."""
RESTARTS_PER_RUN = 10
RESTART_PAUSE = 10.0
"""Restart files of each tile when the configuration does not say, and the least time between them [s]: a lost worker
costs a tenth of a tile at most, or so much."""


def launch_tiles(
    configuration: Configuration,
    how: Launch | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    tile_columns: int | None = None,
    default_output: Path | None = None,
    say: Say = lambda text: None,
    progress: Console | None = None,
) -> RunSummary:
    """Run a configuration in tiles of columns.

    Each tile writes its records and restart files into the folder ``<output>.tiles`` beside the output, which all
    workers must reach under the same path; it is deleted when everything is gathered. A tile whose worker is lost goes
    on from its last restart file on another one. Compiled steps give the numbers of one process to the last bit, eager
    ones to round-off.

    Parameters
    ----------
    how : As for `bmi_noahpy.runs.launch.launch`.
    workers : Processes on this machine, with one thread each, which start while the run is prepared; None without
        `scheduler`: one tile, in this process.
    scheduler : Address of a running Dask scheduler, whose workers are used.
    tile_columns : Largest number of columns of a tile; None: one tile for each of `workers`, and a few for each worker
        of a scheduler.
    default_output, say, progress : As for `bmi_noahpy.runs.launch.launch`.

    Raises
    ------
    ConfigurationError, MissingPackage, RestartError, FileExistsError, ValueError : before anything is computed.
    ArithmeticError : a tile failed; the others can be gathered after a change of the configuration with `how.resume`.
    """
    how, begin = how or Launch(), time.perf_counter()
    spec = output_section(configuration, default_output)
    path = (how.output or spec.file).absolute()
    check_tiled(configuration, path)
    folder, overwrite = path.with_name(path.name + ".tiles"), how.overwrite or spec.overwrite
    # The last that a run in tiles does is to remove them: without a plan its output is looked at.
    made_of = gathered_from(path) if how.resume and not overwrite and not has_plan(folder) else None
    if path.exists() and not (overwrite or made_of or (how.resume and has_plan(folder))):
        raise _exists(path)
    with contextlib.ExitStack() as stack:
        stack.enter_context(SoleWriter(path, "Wait until it ends, or write elsewhere: --output, output.file."))
        clear_leftovers(path.parent, f"{path.name}.")
        # They start while the run is prepared.
        hands = stack.enter_context(Workers(*(None, None) if made_of else (workers, scheduler)))
        run = prepared(configuration, Launch(execution=how.execution))
        require_forcing(run)
        warn_before(run)
        beginning = _beginning(run, how.restart_from)
        if made_of is not None:
            if made_of != identity(run):
                raise _exists(path)
            clear(folder)
            say("The run is complete.")
            return _summary(run, path, [], [], (time.perf_counter() - begin, run.steps))
        tiles = _cut(run, hands, tile_columns)
        tiles = open_plan(folder, run, tiles, resume=how.resume, overwrite=overwrite)
        say(f"{run.domain.columns} columns in {len(tiles)} tiles on {count_workers(hands.client())} workers.")
        tasks = _tasks(run, how, spec, tiles, folder, beginning)
        if hands.client() is not None:
            tasks = [dataclasses.replace(task, threads=1) for task in tasks]
        try:
            with shown_progress(progress) as bar:
                shown = bar.add_task("Tiles", total=len(tiles))
                results = run_tasks(hands.client(), tasks, lambda result: bar.advance(shown))
            # Now this process works, in as many threads as there were workers.
            hands.release()
            gather(path, run, spec, tiles, folder, min(workers or 1, GATHERING_THREADS))
            if configuration.restart is not None:
                _gather_restart(run, path, tiles, folder)
        except KeyboardInterrupt as stop:
            raise StoppedTiles(folder) from stop
        clear(folder)
    first = 0 if beginning is None else beginning.step
    summary = _summary(run, path, tiles, results, (time.perf_counter() - begin, first))
    warn_of_created(summary.created)
    return summary


def _cut(run: AnyRun, hands: Workers, tile_columns: int | None) -> list[Tile]:
    """The tiles of a run; all of it where nobody else works and nobody asks for more."""
    client, columns = hands.client(), run.domain.columns
    if client is None and tile_columns is None:
        return [Tile(0, 0, columns)]
    return cut(columns, count_workers(client), tile_columns, alike=hands.alike)


def check_tiled(configuration: Configuration, path: Path) -> None:
    """Refuse what cannot run in tiles, before any time is spent.

    Raises
    ------
    MissingPackage, RefusedTarget, ValueError : with the remedy.
    """
    if path.suffix == ".zarr":
        require("zarr", "output.file ends in .zarr")
    if configuration.spin_up is not None:
        raise ValueError(
            "spin_up: the spin-up of a run in tiles would settle in each tile on its own. Run the configuration once "
            "without tiles, with a short period and spin_up.file, and begin with the state in that file: restart.from."
        )
    check_targets(configuration, path)


def _exists(path: Path) -> FileExistsError:
    return FileExistsError(f"output {path} exists. Use --overwrite to replace it, or --output to write elsewhere.")


def _tasks(
    run: AnyRun, how: Launch, spec: Any, tiles: list[Tile], folder: Path, beginning: Beginning | None
) -> list[TileTask]:
    section = run.configuration.restart
    every = None if section is None else section.every
    described, numbers = json.dumps(run.configuration.model_dump(mode="json")), column_numbers(run)
    liquid = array_of(run.initial_state.soil.liquid_water)
    return [
        TileTask(
            configuration=described,
            spec=spec,
            tile=tile,
            columns=numbers[tile.first : tile.last],
            folder=folder,
            every=every or run.step * max(run.steps // RESTARTS_PER_RUN, 1),
            pause=RESTART_PAUSE if every is None else 0.0,
            execution=how.execution or run.configuration.execution,
            beginning=None if beginning is None else Beginning(beginning.step, _part(beginning.state, tile)),
            records=_records(run, tile),
            liquid=np.ascontiguousarray(liquid[:, tile.first : tile.last]),
        )
        for tile in tiles
    ]


def _records(run: AnyRun, tile: Tile) -> StreamedTable | None:
    """What the files of a run are known to hold, for the columns of a tile; None where that is long to tell."""
    table = None if run.forcing is None else run.forcing.table
    if not isinstance(table, StreamedTable) or len(table.all_times) * len(table.fields) > MOST_TIMES:
        return None
    return table.choose(np.arange(tile.first, tile.last))


def _part(state: State, tile: Tile) -> State:
    """A state of arrays."""
    return map_leaves(lambda leaf: np.ascontiguousarray(array_of(leaf)[..., tile.first : tile.last]), state)


def _beginning(run: AnyRun, restart_from: Path | None) -> Beginning | None:
    section = run.configuration.restart or RestartFile()
    path = restart_from or section.from_
    if path is None:
        return None
    beginning, mark = begin_from(path, run, only_state=section.only_state)
    if mark is not None and mark.count:
        raise RestartError(
            "restart file: its time lies within a record of the output. A run in tiles begins at the end of one: "
            "set restart.every to a multiple of output.every, or of a day."
        )
    return beginning


def _gather_restart(run: AnyRun, output: Path, tiles: list[Tile], folder: Path) -> None:
    """The restart file at the end of the run, out of those of the tiles."""
    section = run.configuration.restart or RestartFile()
    states = [read_restart(newest_restart(folder, tile), _part(run.initial_state, tile)).state for tile in tiles]
    state = states[0]
    for leaf in members(state):
        parts = [get_quantity(part, leaf) for part in states]
        state = replace_quantity(state, leaf, np.concatenate(parts, axis=-1))
    at = end_of_step(run, run.steps - 1)
    target = section.folder or output.with_name(f"{output.stem}_restart")
    name = f"{output.stem}_{str(at).replace('-', '').replace(':', '')}.nc"
    with SoleWriter(target / output.stem, "Wait until it ends, or give each run a restart.folder of its own."):
        clear_leftovers(target, f"{output.stem}_")
        write_restart(target / name, Restart(run.start, at, run.steps, state, fingerprint(run)))


def _summary(
    run: AnyRun, path: Path, tiles: list[Tile], results: list[TileResult], took: tuple[float, int]
) -> RunSummary:
    """The largest residual of any tile, with the number of its column in the whole run."""
    seconds, first = took
    largest: dict[str, Residual] = {}
    for result in results:
        for name, value, column, moment in result.residuals:
            if name not in largest or not value <= largest[name].value:
                units, place = FLUX_QUANTITIES[name]["units"], column + tiles[result.number].first
                largest[name] = Residual(name, value, units, place, np.datetime64(str(moment), "s"))
    return RunSummary(
        steps_done=run.steps,
        steps=run.steps,
        reached=end_of_step(run, run.steps - 1),
        seconds=seconds,
        residuals=list(largest.values()),
        interrupted=False,
        path=path,
        first_step=first,
        created=most_created([Created(*result.created) for result in results]),
    )
