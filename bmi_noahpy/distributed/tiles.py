"""A whole run in tiles of columns: cut, run, gathered."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from bmi_noahpy.atomic import clear_leftovers
from bmi_noahpy.config import Configuration
from bmi_noahpy.config.run_sections import RestartFile
from bmi_noahpy.distributed.cluster import StoppedTiles, connected, count_workers, run_tasks
from bmi_noahpy.distributed.extras import require
from bmi_noahpy.distributed.gather import gather, gathered_from
from bmi_noahpy.distributed.plan import Tile, clear, column_numbers, cut, has_plan, identity, open_plan
from bmi_noahpy.distributed.tile_run import TileResult, TileTask, newest_restart
from bmi_noahpy.files.lock import SoleWriter
from bmi_noahpy.runs.blocks import FLUX_QUANTITIES, end_of_step
from bmi_noahpy.runs.created import Created, most_created
from bmi_noahpy.runs.execute import Beginning, Residual, RunSummary, require_forcing
from bmi_noahpy.runs.launch import Launch, Say
from bmi_noahpy.runs.prepare import prepare
from bmi_noahpy.runs.progress import shown_progress
from bmi_noahpy.runs.restart import Restart, RestartError, begin_from, read_restart, write_restart
from bmi_noahpy.runs.restart.fingerprint import fingerprint
from bmi_noahpy.runs.run import Run
from bmi_noahpy.runs.scheme_warnings import warn_before, warn_of_created
from bmi_noahpy.runs.targets import check_targets, output_section
from noahpy_core.state import State
from noahpy_core.trees import map_tensors, tree_map

RESTARTS_PER_RUN = 10
"""Restart files of each tile when the configuration does not say: a lost worker costs a tenth of a tile at most."""


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

    Each tile writes its own output and restart files into the folder ``<output>.tiles`` beside the output, which all
    workers must reach under the same path; it is deleted when everything is gathered. A tile whose worker is lost goes
    on from its last restart file on another one. Compiled steps give the numbers of one process to the last bit, eager
    ones to round-off.

    Parameters
    ----------
    how : As for `bmi_noahpy.runs.launch.launch`.
    workers : Processes on this machine, with one thread each; None without `scheduler`: one tile, in this process.
    scheduler : Address of a running Dask scheduler, whose workers are used.
    tile_columns : Largest number of columns of a tile.
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
        run = prepare(configuration, execution=how.execution)
        require_forcing(run)
        warn_before(run)
        beginning = _beginning(run, how.restart_from)
        if made_of is not None:
            if made_of != identity(run):
                raise _exists(path)
            clear(folder)
            say("The run is complete.")
            return _summary(run, path, [], [], (time.perf_counter() - begin, run.steps))
        client = stack.enter_context(connected(workers, scheduler))
        count = count_workers(client)
        size = run.domain.columns if client is None and tile_columns is None else None
        tiles = [Tile(0, 0, size)] if size is not None else cut(run.domain.columns, count, tile_columns)
        tiles = open_plan(folder, run, tiles, resume=how.resume, overwrite=overwrite)
        say(f"{run.domain.columns} columns in {len(tiles)} tiles on {count} workers.")
        tasks = [_task(run, spec, tile, folder, beginning, client is not None) for tile in tiles]
        try:
            with shown_progress(progress) as bar:
                shown = bar.add_task("Tiles", total=len(tiles))
                results = run_tasks(client, tasks, lambda result: bar.advance(shown))
            gather(path, run, spec, tiles, folder)
            if configuration.restart is not None:
                _gather_restart(run, path, tiles, folder)
        except KeyboardInterrupt as stop:
            raise StoppedTiles(folder) from stop
        shutil.rmtree(folder)
    first = 0 if beginning is None else beginning.step
    summary = _summary(run, path, tiles, results, (time.perf_counter() - begin, first))
    warn_of_created(summary.created)
    return summary


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


def _task(run: Run, spec: Any, tile: Tile, folder: Path, beginning: Beginning | None, one_thread: bool) -> TileTask:
    section = run.configuration.restart
    every = section.every if section is not None and section.every is not None else None
    return TileTask(
        configuration=json.dumps(run.configuration.model_dump(mode="json")),
        spec=spec,
        tile=tile,
        columns=column_numbers(run)[tile.first : tile.last],
        folder=folder,
        every=every or run.step * max(run.steps // RESTARTS_PER_RUN, 1),
        execution=run.execution,
        beginning=None if beginning is None else Beginning(beginning.step, _part(beginning.state, tile)),
        threads=1 if one_thread else None,
    )


def _part(state: State, tile: Tile) -> State:
    return map_tensors(lambda tensor: tensor[..., tile.first : tile.last].contiguous(), state)


def _beginning(run: Run, restart_from: Path | None) -> Beginning | None:
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


def _gather_restart(run: Run, output: Path, tiles: list[Tile], folder: Path) -> None:
    """The restart file at the end of the run, out of those of the tiles."""
    section = run.configuration.restart or RestartFile()
    states = [read_restart(newest_restart(folder, tile), _part(run.initial_state, tile)).state for tile in tiles]
    state: State = tree_map(lambda *parts: torch.cat(parts, dim=-1), *states)
    at = end_of_step(run, run.steps - 1)
    target = section.folder or output.with_name(f"{output.stem}_restart")
    name = f"{output.stem}_{str(at).replace('-', '').replace(':', '')}.nc"
    with SoleWriter(target / output.stem, "Wait until it ends, or give each run a restart.folder of its own."):
        clear_leftovers(target, f"{output.stem}_")
        write_restart(target / name, Restart(run.start, at, run.steps, state, fingerprint(run)))


def _summary(run: Run, path: Path, tiles: list[Tile], results: list[TileResult], took: tuple[float, int]) -> RunSummary:
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
