"""Who runs the tiles: this process, one after the other, or the workers of a Dask cluster."""

from __future__ import annotations

import contextlib
import errno
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from bmi_noahpy.distributed.extras import require
from bmi_noahpy.distributed.tile_run import TileResult, TileTask, run_tile

Report = Callable[[TileResult], None]

LOST_WORKERS = 20
"""Workers that may die on one tile before Dask gives it up: a machine that goes down takes many."""
SETTINGS: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": LOST_WORKERS,
    # The processes have ports for a browser, which ask for no credentials: nothing is shown there.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # Nor is there anybody to look at how busy they are, a hundred times a second.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.scheduler.active-memory-manager.start": False,
}


PRELOADED = "bmi_noahpy.distributed.worker"
"""What workers import as they start."""


class LostScheduler(OSError):
    """The scheduler that hands out the tiles ended, or cannot be reached any more.

    Parameters
    ----------
    folder : Where the tiles are kept.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(errno.ETIMEDOUT, "the scheduler is gone")
        self.folder = folder

    def __str__(self) -> str:
        """What is left, and how to go on."""
        return (
            f"the scheduler is gone, or cannot be reached any more. Tiles and their restart files are kept in "
            f"{self.folder}. Start another scheduler, and go on with --resume."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.folder,)


class StoppedTiles(KeyboardInterrupt):
    """A run in tiles was asked to stop.

    Parameters
    ----------
    folder : Where the tiles are kept.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def __str__(self) -> str:
        """What is left, and how to go on."""
        return f"Finished tiles and restart files are kept in {self.folder}. Go on with --resume."

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.folder,)


class Workers:
    """The workers of a run in tiles, which start while it is prepared and end while it is gathered.

    Use it as a context manager: they begin to start when it is entered, and are gone when it is left.

    Parameters
    ----------
    workers, scheduler : As of `connected`.

    Raises
    ------
    ValueError : both are asked for, or no workers.
    """

    def __init__(self, workers: int | None, scheduler: str | None) -> None:
        if workers is not None and scheduler is not None:
            raise ValueError("--workers, --scheduler: the workers are those of the scheduler. Give only one of them.")
        if workers is not None and workers < 1:
            raise ValueError(f"--workers: {workers} is not a number of processes. Give 1 or more.")
        self.alike = scheduler is None
        self._asked = workers, scheduler
        # One thread does all that has to do with them: what is begun in it ends in it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="noahpy-workers")
        self._opened = contextlib.ExitStack()

    def __enter__(self) -> Workers:
        """They begin to start."""
        self._starting = self._thread.submit(self._opened.enter_context, connected(*self._asked))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """They end, if they have not."""
        self.release()
        self._thread.shutdown()

    def client(self) -> Any:
        """The client, once they are there; see `connected`, for errors too."""
        return self._starting.result()

    def release(self) -> None:
        """They are needed no more, and end while this program goes on."""
        self._thread.submit(self._opened.close)


@contextlib.contextmanager
def connected(workers: int | None, scheduler: str | None) -> Iterator[Any]:
    """A Dask client: of the scheduler at an address, or of a new cluster of so many processes here; None with neither.

    Whoever reaches a scheduler can run any program as its user. So the processes of a cluster made here talk with each
    other encrypted, and only to holders of credentials that are made for it, kept in memory, and gone at its end; there
    is no dashboard. A scheduler at an address is as safe as whoever started it made it: Dask's settings
    ``distributed.comm.tls`` apply.

    Raises
    ------
    MissingPackage : Dask is not installed.
    OSError : no scheduler answers at the address.
    """
    if workers is None and scheduler is None:
        yield None
        return
    why = "--workers" if scheduler is None else "--scheduler"
    distributed, dask = require("distributed", why), require("dask", why)
    if scheduler is not None:
        with _quiet(), distributed.Client(scheduler) as client:
            yield client
        return
    require("cryptography", why)
    with (
        dask.config.set(SETTINGS),
        local_cluster(int(workers or 1)) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What Dask has to say of a lost connection, with its traceback, is said in a sentence by `LostScheduler`."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client", "distributed.core")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def local_cluster(workers: int) -> Any:
    """Processes of this machine and their scheduler, which nobody without their credentials can talk to.

    Made under `SETTINGS`.
    """
    distributed = require("distributed", "--workers")
    cluster = distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        security=distributed.Security.temporary(),
        preload=[PRELOADED],
    )
    # Without a dashboard Dask still opens the port of one.
    cluster.scheduler.http_server.stop()
    return cluster


def count_workers(client: Any) -> int:
    """Number of workers; 1 without a client."""
    return 1 if client is None else max(len(client.ncores()), 1)


def run_tasks(client: Any, tasks: Sequence[TileTask], report: Report) -> list[TileResult]:
    """Run all tiles; a tile whose worker dies is run on by another one.

    The first error ends the run: tiles that are not begun are not run, those that are go on to their next restart file
    at most.

    Raises
    ------
    LostScheduler : The scheduler ended, or cannot be reached any more.
    """
    results = []
    if client is None:
        for task in tasks:
            results.append(run_tile(task))
            report(results[-1])
            if results[-1].interrupted:
                raise KeyboardInterrupt
        return results
    distributed = require("distributed", "--workers")
    futures = [client.submit(run_tile, task, pure=False) for task in tasks]
    try:
        for _, result in distributed.as_completed(futures, with_results=True):
            if not isinstance(result, TileResult):
                raise LostScheduler(tasks[0].folder)
            results.append(result)
            report(result)
    except BaseException as error:
        if isinstance(error, (distributed.comm.CommClosedError, distributed.client.CancelledError)):
            raise LostScheduler(tasks[0].folder) from error
        if not isinstance(error, LostScheduler):
            client.cancel(futures)
        raise
    return results
