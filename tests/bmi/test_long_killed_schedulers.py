"""Long check: schedulers of runs in tiles are killed; --resume gives the numbers of one process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml
from regions import region, write_region

from bmi_noahpy.distributed import launch_tiles
from bmi_noahpy.runs.launch import Launch, launch

pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")]

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
PATIENCE = 300.0
"""What is waited for comes within this, or not at all. [s]"""
LONG = {
    "period__end": "2020-01-03T21:00",
    "period__step": 600,
    "output__every": 6,
    "restart__every": "2 hours",
    "execution": "eager",
}
SCHEDULER = """
import sys, time
import distributed
with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
    print(cluster.scheduler_address, flush=True)
    time.sleep(600)
"""
"""Runs as a program, so that it can be killed without what started it."""


def wait_for(happens: Callable[[], bool]) -> None:
    """Return when something has happened."""
    end = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextlib.contextmanager
def ended(*processes: subprocess.Popen[str]) -> Iterator[None]:
    """Processes that are ended, with all they started, whatever happens."""
    try:
        yield
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
            process.kill()
            process.communicate()


def settings(folder: Path, output: str = "out.nc"):
    write_region(folder)
    return region(folder, output__file=output, **LONG)


def assert_goes_on(folder: Path, configuration, **how) -> None:
    """Resumed, the run gives the numbers of one process and leaves nothing else."""
    resumed, whole = launch_tiles(configuration, Launch(resume=True), **how), launch(settings(folder, "whole.nc"))
    assert resumed.steps_done == whole.steps_done > 300
    plain = {"decode_times": False}
    with xr.open_dataset(folder / "out.nc", **plain) as ours, xr.open_dataset(whole.path, **plain) as theirs:
        for name in theirs.variables:
            # Eager tiles give the numbers of one process to round-off. Compiled ones would end before they are killed.
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-9, atol=1e-9, err_msg=str(name))
    assert not (folder / "out.nc.tiles").exists()
    assert not list(folder.glob(".*"))


def test_a_run_that_is_killed_with_its_scheduler_leaves_no_workers_and_goes_on(tmp_path):
    configuration = settings(tmp_path)
    plain = configuration.model_dump(mode="json")
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(plain))
    command = [sys.executable, "-c", "from bmi_noahpy.cli import app; app()", "run", str(tmp_path / "run.yaml")]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([*command, "--workers", "1", "--no-plot"], env=ENVIRONMENT, text=True, **quiet)
    with ended(process):
        tiles = tmp_path / "out.nc.tiles"
        wait_for(lambda: process.poll() is not None or any(tiles.glob("restart/tile_00000_*.nc")))
        workers = psutil.Process(process.pid).children(recursive=True)
        assert process.poll() is None
        process.kill()
        process.wait()
        assert workers
        wait_for(lambda: not any(worker.is_running() for worker in workers))
    assert_goes_on(tmp_path, configuration)


def test_a_scheduler_that_is_killed_ends_the_run_in_a_sentence_and_another_one_goes_on(tmp_path):
    configuration = settings(tmp_path)
    started = [sys.executable, "-c", SCHEDULER]
    cluster = subprocess.Popen(started, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert cluster.stdout is not None
    address = cluster.stdout.readline().strip()
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(configuration.model_dump(mode="json")))
    command = [sys.executable, "-c", "from bmi_noahpy.cli import app; app()", "run", str(tmp_path / "run.yaml")]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*command, "--scheduler", address, "--no-plot"], env=ENVIRONMENT, text=True, **pipes)
    with ended(cluster, process):
        tiles = tmp_path / "out.nc.tiles"
        wait_for(lambda: process.poll() is not None or any(tiles.glob("restart/tile_00000_*.nc")))
        children = psutil.Process(cluster.pid).children(recursive=True)
        cluster.kill()
        said = process.communicate(timeout=PATIENCE)[1]
        assert process.returncode == 1, said
        assert "scheduler" in said
        assert "--resume" in said
        assert "Traceback" not in said
        wait_for(lambda: not any(child.is_running() for child in children))
    assert_goes_on(tmp_path, configuration)
