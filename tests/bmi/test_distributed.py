"""Runs in tiles: on processes that may be killed, with the numbers of one process."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray
import yaml
from regions import domain_data, forcing_data, region, write_region
from typer.testing import CliRunner

from bmi_noahpy.cli import app
from bmi_noahpy.distributed import extras, launch_tiles
from bmi_noahpy.distributed.cluster import SETTINGS, local_cluster
from bmi_noahpy.distributed.gather import gather
from bmi_noahpy.distributed.plan import PlanError, cut
from bmi_noahpy.distributed.tile_run import run_tile
from bmi_noahpy.runs import forcing_of_run
from bmi_noahpy.runs.launch import Launch, launch
from bmi_noahpy.runs.prepare import prepare
from bmi_noahpy.runs.restart import read_restart
from noahpy_core.quantities import get_quantity, quantities
from noahpy_core.state import State

ROWS, LINES = 9, 11
MASK = (np.arange(ROWS * LINES).reshape(ROWS, LINES) % 7 != 3).astype(int)


def grid(data: xarray.Dataset) -> xarray.Dataset:
    """A small region made larger by repeating it, each cell a little different."""
    y, x = np.arange(ROWS), np.arange(LINES)
    wide = data.isel(lat=y % data.sizes["lat"], lon=x % data.sizes["lon"])
    return wide.assign_coords(lat=("lat", 50.0 + 0.25 * y), lon=("lon", 80.0 + 0.25 * x))


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    everywhere = np.ones((4, 5))
    data = grid(domain_data(land_mask=(("lat", "lon"), everywhere)))
    random = np.random.default_rng(8)
    data["land_mask"] = (("lat", "lon"), MASK)
    data["skin_temperature"] = (("lat", "lon"), random.uniform(255.0, 275.0, (ROWS, LINES)))
    weather = forcing_data(200, ROWS, LINES).assign_coords(lat=data["lat"], lon=data["lon"])
    return write_region(tmp_path, data, weather)


def configuration(folder: Path, **changes):
    return region(folder, **{"period__end": "2020-01-06T21:00", "output__file": "out.nc"} | changes)


def contents(path: Path) -> dict[str, xarray.Dataset]:
    opened = {}
    for group in (None, "parameters"):
        engine = {"engine": "zarr", "consolidated": True} if path.suffix == ".zarr" else {}
        with xarray.open_dataset(path, decode_timedelta=False, group=group, **engine) as data:
            opened[group or ""] = data.load()
    return opened


def assert_same(one: Path, other: Path) -> None:
    ours, theirs = contents(one), contents(other)
    for group, data in ours.items():
        assert set(data.variables) == set(theirs[group].variables)
        assert len(data.variables) > 20
        for name in data.variables:
            assert data[name].dims == theirs[group][name].dims
            np.testing.assert_array_equal(data[name], theirs[group][name], err_msg=str(name))
            attributes = [
                {key: np.ravel(value).tolist() for key, value in x[name].attrs.items()} for x in (data, theirs[group])
            ]
            assert attributes[0] == attributes[1]
    name = next(str(name) for name in ours[""].data_vars if str(name).startswith("soil_temperature"))
    assert np.isfinite(ours[""][name].values).mean() == pytest.approx(MASK.mean())


def assert_same_numbers(one: Path, other: Path) -> None:
    ours, theirs = contents(one)[""], contents(other)[""]
    assert set(ours.variables) == set(theirs.variables)
    for name in theirs.variables:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=str(name))


def alone(folder: Path, **changes) -> Path:
    return launch(configuration(folder, output__file="alone.nc", **changes)).path


def stopped_before_tile(number: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiles of a run that was stopped."""

    def stopping(task):
        if task.tile.number == number:
            raise KeyboardInterrupt
        return run_tile(task)

    with monkeypatch.context() as patch:
        patch.setattr("bmi_noahpy.distributed.cluster.run_tile", stopping)
        with pytest.raises(KeyboardInterrupt):
            launch_tiles(configuration(folder), tile_columns=48)
    return folder / "out.nc.tiles"


def test_tiles_cover_all_columns_once_and_begin_at_whole_groups():
    for columns, workers, size in ((85, 2, None), (10_000, 3, None), (5, 4, None), (100, 1, 32), (10**6, 8, None)):
        tiles = cut(columns, workers, size)
        assert [tile.first for tile in tiles[1:]] == [tile.last for tile in tiles[:-1]]
        assert (tiles[0].first, tiles[-1].last) == (0, columns)
        assert all(tile.first % 16 == 0 for tile in tiles)
        assert max(tile.last - tile.first for tile in tiles) <= (size or 4096)


def test_workers_that_are_alike_get_as_many_tiles_each_and_no_more_than_needed():
    for columns, workers, each in ((3384, 2, 1), (3384, 1, 1), (10_000, 2, 2), (10**6, 8, 31)):
        tiles = cut(columns, workers, alike=True)
        sizes = [tile.columns for tile in tiles]
        assert len(tiles) == each * workers
        assert max(sizes) - min(sizes) <= 16 * len(tiles)
        assert max(sizes) <= 4096


def test_a_size_that_is_no_whole_group_is_refused():
    with pytest.raises(ValueError, match=r"--tile-columns: 20 is not a multiple of 16. Use 16"):
        cut(100, 2, 20)


@pytest.mark.parametrize("changes", [{}, {"output__daily": ["mean", "max"]}, {"output__every": 7}])
def test_tiles_one_after_the_other_give_the_output_of_the_whole(folder, changes):
    summary = launch_tiles(configuration(folder, **changes), tile_columns=32)
    assert_same(summary.path, alone(folder, **changes))
    assert not (folder / "out.nc.tiles").exists()
    assert (summary.steps_done, summary.interrupted) == (48, False)


@pytest.mark.parametrize("threads", [1, 3])
def test_records_gathered_by_several_threads_are_those_of_the_whole(folder, monkeypatch, threads):
    monkeypatch.setattr("bmi_noahpy.output.records.BLOCK_BYTES", 1)

    def gathered(*arguments):
        gather(*arguments[:5], threads)

    monkeypatch.setattr("bmi_noahpy.distributed.tiles.gather", gathered)
    changes = {"output__variables": ["soil.temperature", "snow.depth", "skin_temperature"]}
    assert_same_numbers(launch_tiles(configuration(folder, **changes), tile_columns=16).path, alone(folder, **changes))


def test_tiles_whose_kernel_is_in_the_cache_are_of_arrays(folder, monkeypatch):
    whole = alone(folder)

    def refused(*arguments, **options):
        raise AssertionError("tensors, which take torch")

    monkeypatch.setattr("bmi_noahpy.runs.prepare.prepare_outlined", refused)
    assert_same(launch_tiles(configuration(folder), tile_columns=32).path, whole)


@pytest.mark.parametrize("execution", ["compiled", "eager"])
def test_tiles_have_the_liquid_water_of_the_whole_run(folder, monkeypatch, execution):
    beginnings = []
    monkeypatch.setattr("bmi_noahpy.distributed.tile_run.execute", lambda run, *_, **__: beginnings.append(run))
    with pytest.raises(AttributeError):
        launch_tiles(configuration(folder), Launch(execution=execution))
    expected = prepare(configuration(folder)).initial_state.soil.liquid_water.numpy()
    np.testing.assert_array_equal(beginnings[0].initial_state.soil.liquid_water, expected)


@pytest.mark.parametrize(("most_times", "expected"), [(2**20, set()), (10, {"open_forcing"})])
def test_a_tile_looks_through_the_files_again_only_where_their_times_are_long_to_send_and_never_judges_records(
    folder, monkeypatch, most_times, expected
):
    looked: set[str] = set()

    def noted(name, function):
        return lambda *given, **named: looked.add(name) or function(*given, **named)

    def noting(task):
        with pytest.MonkeyPatch.context() as patch:
            for name in ("open_forcing", "implausible"):
                function = getattr(forcing_of_run, name)
                patch.setattr(forcing_of_run, name, noted(name, function))
            return run_tile(task)

    monkeypatch.setattr("bmi_noahpy.distributed.cluster.run_tile", noting)
    monkeypatch.setattr("bmi_noahpy.distributed.tiles.MOST_TIMES", most_times)
    assert_same(launch_tiles(configuration(folder), tile_columns=32).path, alone(folder))
    assert looked == expected


@pytest.mark.slow
def test_the_largest_residual_is_that_of_the_whole_run(folder):
    whole = launch(configuration(folder, output__file="alone.nc"))
    tiles = launch_tiles(configuration(folder), tile_columns=16)
    assert {(r.name, r.value, r.column, r.at) for r in tiles.residuals} == {
        (r.name, r.value, r.column, r.at) for r in whole.residuals
    }


def test_a_zarr_store_holds_what_the_netcdf_file_does(folder):
    pytest.importorskip("zarr", minversion="3")
    summary = launch_tiles(configuration(folder, output__file="out.zarr"))
    assert summary.path.is_dir()
    assert_same(summary.path, alone(folder))
    with pytest.raises(FileExistsError, match="--overwrite"):
        launch_tiles(configuration(folder, output__file="out.zarr"))
    launch_tiles(configuration(folder, output__file="out.zarr"), Launch(overwrite=True))


def test_a_run_that_was_stopped_goes_on_with_the_tiles_that_are_left(folder, monkeypatch):
    ran = []

    def stopping(task):
        if len(ran) == 2:
            raise KeyboardInterrupt
        ran.append(task.tile.number)
        return run_tile(task)

    monkeypatch.setattr("bmi_noahpy.distributed.cluster.run_tile", stopping)
    with pytest.raises(KeyboardInterrupt):
        launch_tiles(configuration(folder), tile_columns=32)
    with pytest.raises(FileExistsError, match=r"unfinished run. Use --resume"):
        launch_tiles(configuration(folder), tile_columns=32)
    with pytest.raises(PlanError, match="differs in general"):
        launch_tiles(configuration(folder, general__wind_height=11.0), Launch(resume=True))
    monkeypatch.undo()
    journal = "tile_00001.nc.journal"
    before = (folder / "out.nc.tiles" / journal).stat().st_mtime_ns
    times = []
    monkeypatch.setattr(
        "bmi_noahpy.distributed.tiles.gather",
        lambda path, run, spec, tiles, at, threads: times.append((at / journal).stat().st_mtime_ns),
    )
    launch_tiles(configuration(folder), Launch(resume=True))
    assert times == [before]


@pytest.mark.slow
def test_a_run_may_begin_with_the_state_of_another_and_leaves_one_to_go_on_from(folder):
    first = {"period__end": "2020-01-03T21:00", "restart__keep": 1}
    launch_tiles(configuration(folder, output__file="first.nc", **first), tile_columns=32)
    (restart,) = (folder / "first_restart").iterdir()
    whole = launch(configuration(folder, output__file="whole.nc", **first))
    (expected,) = (folder / "whole_restart").iterdir()
    like = prepare(configuration(folder)).initial_state
    for path, _ in quantities(State):
        ours, theirs = (get_quantity(read_restart(file, like).state, path) for file in (restart, expected))
        assert (ours is None and theirs is None) or torch.equal(ours, theirs), path
    assert whole.steps_done == 24
    on = launch_tiles(configuration(folder), Launch(restart_from=restart), tile_columns=32)
    full = contents(alone(folder))[""]["soil_temperature"]
    np.testing.assert_array_equal(contents(on.path)[""]["soil_temperature"], full[24:])


def test_spin_up_is_not_done_tile_by_tile(folder):
    with pytest.raises(ValueError, match=r"spin_up.*restart.from"):
        launch_tiles(configuration(folder, spin_up={"period": "1 day"}))


def test_what_is_not_installed_is_named_with_the_way_to_get_it(folder, monkeypatch):
    for name in ("distributed", "zarr"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(extras.MissingPackage, match=r"--workers: needs the package distributed.*noahpy\[parallel\]"):
        launch_tiles(configuration(folder), workers=2)
    with pytest.raises(extras.MissingPackage, match=r"output.file ends in .zarr: needs the package zarr"):
        launch_tiles(configuration(folder, output__file="out.zarr"))
    assert not (folder / "out.nc.tiles").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"workers": 0}, "0 is not a number"), ({"workers": 2, "scheduler": "tcp://x:1"}, "Give only one")],
)
def test_workers_that_cannot_be_had_are_refused(folder, arguments, words):
    with pytest.raises(ValueError, match=words):
        launch_tiles(configuration(folder), **arguments)


def test_a_failing_tile_says_which_columns_it_has(folder, monkeypatch):
    def failing(run, *arguments, **options):
        raise ArithmeticError("column 3 became infinite")

    monkeypatch.setattr("bmi_noahpy.distributed.tile_run.execute", failing)
    with pytest.raises(ArithmeticError, match="columns 0 to 31, counted from 0: column 3"):
        launch_tiles(configuration(folder), tile_columns=32)


def test_nobody_without_the_credentials_of_a_cluster_can_talk_to_it():
    distributed = pytest.importorskip("distributed")
    psutil = pytest.importorskip("psutil")
    dask = pytest.importorskip("dask")
    with dask.config.set(SETTINGS), local_cluster(0) as cluster:
        assert cluster.scheduler_address.startswith("tls://127.0.0.1:")
        port = int(cluster.scheduler_address.rpartition(":")[2])
        open_ports = {c.laddr.port for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN}
        assert open_ports == {port}, "a dashboard, or another door, is open"
        for address, security in (
            (f"tcp://127.0.0.1:{port}", None),
            (cluster.scheduler_address, distributed.Security.temporary()),
        ):
            with pytest.raises(OSError, match=r"(?i)timed out|comm|connect|certificate"):
                distributed.Client(address, security=security, timeout="0.5s")


@pytest.mark.slow
def test_workers_show_nothing_to_a_browser():
    dask, psutil = pytest.importorskip("dask"), pytest.importorskip("psutil")
    pytest.importorskip("distributed")
    with dask.config.set(SETTINGS), local_cluster(1):
        (worker,) = [p for p in psutil.Process().children() if "spawn_main" in " ".join(p.cmdline())]
        ports = [c.laddr.port for c in worker.net_connections() if c.status == psutil.CONN_LISTEN]
        assert ports
        for port in ports:
            for page in ("health", "info/main/workers.html", "metrics", "status"):
                with pytest.raises((urllib.error.URLError, OSError, http.client.HTTPException)):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=5)


def test_a_run_that_ended_before_its_tiles_were_planned_is_begun_anew(folder):
    (folder / "out.nc.tiles").mkdir()
    assert launch_tiles(configuration(folder), Launch(resume=True), tile_columns=48).steps_done == 48


def test_a_folder_of_somebody_else_is_not_taken_for_tiles(folder):
    (folder / "out.nc.tiles").mkdir()
    (folder / "out.nc.tiles" / "thesis.tex").write_text("years of work")
    with pytest.raises(PlanError, match=r"holds 'thesis\.tex'"):
        launch_tiles(configuration(folder), Launch(overwrite=True), tile_columns=48)
    assert (folder / "out.nc.tiles" / "thesis.tex").exists()


def test_finished_tiles_of_another_forcing_are_not_gathered(folder, monkeypatch):
    stopped_before_tile(1, folder, monkeypatch)
    with xarray.open_dataset(folder / "weather.nc") as data:
        other = data.load()
    name = next(name for name in other.data_vars if "temperature" in str(name) or name in ("Tair", "t2m"))
    (other.assign({name: other[name] + 1.0})).to_netcdf(folder / "weather.nc")
    with pytest.raises(PlanError, match="differs in files"):
        launch_tiles(configuration(folder), Launch(resume=True))


@pytest.mark.parametrize("left", [0.0, 0.5])
def test_a_finished_tile_that_has_lost_records_is_run_again(folder, monkeypatch, left):
    journal = stopped_before_tile(1, folder, monkeypatch) / "tile_00000.nc.journal"
    journal.write_bytes(journal.read_bytes()[: int(left * journal.stat().st_size)])
    assert_same(launch_tiles(configuration(folder), Launch(resume=True)).path, alone(folder))


def test_tiles_with_other_numbers_of_records_are_not_gathered(folder, monkeypatch):
    def shortened(path, run, spec, tiles, at, threads):
        journal = tiles[1].journal(at)
        journal.write_bytes(journal.read_bytes()[: journal.stat().st_size // 2])
        gather(path, run, spec, tiles, at, threads)

    monkeypatch.setattr("bmi_noahpy.distributed.tiles.gather", shortened)
    with pytest.raises(PlanError, match=r"tile_00001\.nc\.journal: holds 24 records, other tiles 48"):
        launch_tiles(configuration(folder), tile_columns=48)
    assert not (folder / "out.nc").exists()


def test_tiles_of_a_version_that_kept_their_records_otherwise_are_not_gone_on_with(folder, monkeypatch):
    plan = stopped_before_tile(1, folder, monkeypatch) / "plan.json"
    plan.write_text(json.dumps({key: value for key, value in json.loads(plan.read_text()).items() if key != "records"}))
    with pytest.raises(PlanError, match=r"another version of NoahPy\. Use --overwrite"):
        launch_tiles(configuration(folder), Launch(resume=True))
    launch_tiles(configuration(folder), Launch(overwrite=True))


def test_workers_start_before_the_run_is_prepared_and_end_whatever_happens(folder, monkeypatch):
    happened = []

    @contextlib.contextmanager
    def connected(workers, scheduler):
        happened.append(f"{workers} start")
        try:
            yield None
        finally:
            happened.append("end")

    def wrong(*arguments):
        # The other thread has its time.
        while not happened:
            time.sleep(0.001)
        happened.append("prepared")
        raise ValueError("something about the configuration")

    monkeypatch.setattr("bmi_noahpy.distributed.cluster.connected", connected)
    monkeypatch.setattr("bmi_noahpy.distributed.tiles.prepared", wrong)
    with pytest.raises(ValueError, match="something about"):
        launch_tiles(configuration(folder), workers=2)
    assert happened == ["2 start", "prepared", "end"]


FAULTS_OF_PAGES = """
import json, resource
import numpy as np
from bmi_noahpy.distributed.memory import keep_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        # A megabyte: numpy asks for huge pages for larger ones.
        np.ones(2**17)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

found = [faults()]
keep_memory()
print(json.dumps([*found, faults()]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of the C library of GNU")
def test_a_tile_keeps_its_memory_from_block_to_block_where_dask_would_have_it_given_back():
    environment = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS_OF_PAGES], check=True, capture_output=True, text=True, env=environment
    )
    as_dask_has_it, kept = json.loads(done.stdout)
    assert as_dask_has_it > 10 * kept


@pytest.mark.parametrize("moment", ["tiles.clear", "plan.shutil.rmtree"])
def test_a_run_that_ended_while_its_tiles_were_gathered_is_gathered(folder, monkeypatch, moment):
    def killed(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"bmi_noahpy.distributed.{moment}", killed)
        with pytest.raises(KeyboardInterrupt):
            launch_tiles(configuration(folder), tile_columns=48)
    assert (folder / "out.nc").exists()
    assert launch_tiles(configuration(folder), Launch(resume=True)).steps_done == 48
    assert not (folder / "out.nc.tiles").exists()


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_a_run_that_ended_when_all_was_done_is_complete(folder, ending):
    if ending == ".zarr":
        pytest.importorskip("zarr")
    asked = configuration(folder, output__file=f"done{ending}")
    launch_tiles(asked, tile_columns=48)
    output = folder / f"done{ending}"
    before = output.stat().st_mtime_ns
    # What a kill leaves that comes while the tiles are removed.
    (folder / f"done{ending}.tiles").mkdir()
    said = []
    assert launch_tiles(asked, Launch(resume=True), say=said.append).steps_done == 48
    assert said == ["The run is complete."]
    assert output.stat().st_mtime_ns == before
    assert not (folder / f"done{ending}.tiles").exists()

    other = configuration(folder, output__file=f"done{ending}", general__wind_height=11.0)
    with pytest.raises(FileExistsError, match="exists"):
        launch_tiles(other, Launch(resume=True))


@pytest.mark.slow
def test_processes_started_by_the_command_line_give_the_numbers_of_one(folder):
    pytest.importorskip("distributed")
    plain = configuration(folder, output__file="cli.nc").model_dump(mode="json")
    (folder / "run.yaml").write_text(yaml.safe_dump(plain))
    result = CliRunner().invoke(app, ["run", str(folder / "run.yaml"), "--workers", "2", "--no-plot"])
    assert result.exit_code == 0, result.output
    assert_same(folder / "cli.nc", alone(folder))


@pytest.mark.slow
def test_workers_of_a_scheduler_give_the_numbers_of_one_process(folder):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        summary = launch_tiles(configuration(folder), scheduler=cluster.scheduler_address, tile_columns=48)
    assert_same(summary.path, alone(folder))


@pytest.mark.slow
def test_killed_workers_cost_nothing_but_time(folder):
    pytest.importorskip("distributed")
    psutil = pytest.importorskip("psutil")
    long = {"period__end": "2020-01-24T21:00", "period__step": 600, "output__every": 72, "restart__every": "12 hours"}
    tiles, killed, over = folder / "out.nc.tiles", [], threading.Event()

    def kill_all_after_the_first_restart_file() -> None:
        while not over.wait(0.005):
            if list(tiles.glob("restart/tile_00000_*.nc")):
                workers = [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
                killed.extend(worker.pid for worker in workers)
                unfinished.append(not (tiles / "tile_00000.json").exists())
                for pid in killed:
                    os.kill(pid, signal.SIGKILL)
                return

    unfinished: list[bool] = []
    watcher = threading.Thread(target=kill_all_after_the_first_restart_file)
    watcher.start()
    try:
        summary = launch_tiles(configuration(folder, **long), workers=2, tile_columns=32)
    finally:
        over.set()
        watcher.join()
    assert len(killed) == 2
    assert unfinished == [True]
    assert_same(summary.path, alone(folder, **long))
