"""Long check: runs in tiles are killed with their scheduler, lose it, or are told to stop, and go on to the bit."""

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
from regions import forcing_data, on_grid, region, write_region

from bmi_noahpy.config import Configuration
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
    "period__end": "2020-01-12T21:00",
    "period__step": 600,
    "output__every": 72,
    "restart__every": "6 hours",
    "execution": "compiled",
}
"""Steps take microseconds; the restart files take the seconds in which it is killed."""
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


def settings(folder: Path) -> Configuration:
    write_region(folder, forcing=on_grid(forcing_data(8 * 12)))
    return region(folder, output__file="out.nc", **LONG)


def started(folder: Path, configuration: Configuration, *options: str) -> subprocess.Popen[str]:
    """The run as a program of its own."""
    (folder / "run.yaml").write_text(yaml.safe_dump(configuration.model_dump(mode="json")))
    command = [sys.executable, "-c", "from bmi_noahpy.cli import app; app()", "run", str(folder / "run.yaml")]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    # What is ignored when tests are started by nohup would be ignored by the program too, as it should.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        return subprocess.Popen([*command, *options, "--no-plot"], env=ENVIRONMENT, text=True, **pipes)
    finally:
        signal.signal(signal.SIGHUP, before)


def first_restart(folder: Path) -> bool:
    """Whether a tile has left one."""
    return any((folder / "out.nc.tiles").glob("restart/tile_00000_*.nc"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of one process."""
    return launch(settings(tmp_path_factory.mktemp("whole"))).path


def assert_goes_on(folder: Path, configuration: Configuration, whole: Path) -> None:
    """Resumed, the run gives the numbers of one process and leaves nothing else."""
    launch_tiles(configuration, Launch(resume=True))
    plain = {"decode_times": False}
    with xr.open_dataset(folder / "out.nc", **plain) as ours, xr.open_dataset(whole, **plain) as theirs:
        assert set(ours.variables) == set(theirs.variables)
        for name in theirs.variables:
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=str(name))
    assert not (folder / "out.nc.tiles").exists()
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_run_in_tiles_that_is_asked_to_stop_ends_its_workers_and_goes_on(tmp_path, whole, name):
    configuration = settings(tmp_path)
    process = started(tmp_path, configuration, "--workers", "1")
    with ended(process):
        wait_for(lambda: process.poll() is not None or first_restart(tmp_path))
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(getattr(signal, name))
        said = process.communicate(timeout=PATIENCE)[1]
        assert process.returncode == 130, said
        assert "Traceback" not in said
        assert "--resume" in said
        assert workers
        wait_for(lambda: not any(worker.is_running() for worker in workers))
    assert (tmp_path / "out.nc.tiles").exists()
    assert_goes_on(tmp_path, configuration, whole)


def test_a_run_that_is_killed_with_its_scheduler_leaves_no_workers_and_goes_on(tmp_path, whole):
    configuration = settings(tmp_path)
    process = started(tmp_path, configuration, "--workers", "1")
    with ended(process):
        wait_for(lambda: process.poll() is not None or first_restart(tmp_path))
        workers = psutil.Process(process.pid).children(recursive=True)
        assert not (tmp_path / "out.nc.tiles" / "tile_00000.json").exists()
        process.kill()
        process.wait()
        assert workers
        wait_for(lambda: not any(worker.is_running() for worker in workers))
    assert_goes_on(tmp_path, configuration, whole)


def test_a_scheduler_that_is_killed_ends_the_run_in_a_sentence_and_another_one_goes_on(tmp_path, whole):
    configuration = settings(tmp_path)
    program = [sys.executable, "-c", SCHEDULER]
    cluster = subprocess.Popen(program, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert cluster.stdout is not None
    address = cluster.stdout.readline().strip()
    process = started(tmp_path, configuration, "--scheduler", address)
    with ended(cluster, process):
        wait_for(lambda: process.poll() is not None or first_restart(tmp_path))
        children = psutil.Process(cluster.pid).children(recursive=True)
        cluster.kill()
        said = process.communicate(timeout=PATIENCE)[1]
        assert process.returncode == 1, said
        assert "scheduler" in said
        assert "--resume" in said
        assert "Traceback" not in said
        wait_for(lambda: not any(child.is_running() for child in children))
    assert_goes_on(tmp_path, configuration, whole)
