"""Long check: every file operation of a short run, spin-up, run in tiles, Zarr store and calibration fails once.

Whatever fails, in whichever way, the program that is started again with --resume ends with the numbers of one that met
no fault, and leaves nothing beside them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import calibration_cases
import faulty_files
import pytest
import xarray as xr
from configurations import read, write_weather
from faulty_files import Disk
from regions import region, write_region

from bmi_noahpy.atomic import clear_leftovers
from bmi_noahpy.calibration import calibrate, load_calibration
from bmi_noahpy.distributed import launch_tiles
from bmi_noahpy.distributed.gather import gather
from bmi_noahpy.runs import blocks
from bmi_noahpy.runs.launch import Launch, launch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="lets processes crash that it has forked"),
    # A program that goes on says what it passes over.
    pytest.mark.filterwarnings("ignore"),
]

CRASH = "crash"
FAULTS = {
    CRASH: faulty_files.crashed,
    "full": faulty_files.full,
    "broken": faulty_files.broken,
    "stopped": faulty_files.stopped,
}
KINDS = (CRASH, "full", "broken")
VARIABLES = ["soil_temperature", "latent_heat_flux", "snow_water_equivalent"]


@dataclasses.dataclass
class Program:
    """Something that can be started and started again.

    Parameters
    ----------
    start : (resume) -> None.
    folder : In which it writes.
    results : What it leaves, by name: numbers or texts that are the same each time.
    apart : Whether a fault is met in a process of its own, because what the program has begun in other threads goes on.
    keep : Names of what was there before it.
    """

    start: Callable[[bool], None]
    folder: Path
    results: Callable[[], dict[str, bytes]]
    apart: bool = False
    keep: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.keep = frozenset(path.name for path in self.folder.iterdir())

    def clean(self) -> None:
        """Remove all that was written."""
        for path in self.folder.iterdir():
            if path.name not in self.keep:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def survives(program: Program, kinds: tuple[str, ...]) -> int:
    """Let every operation fail, in one way after the other by turns, and go on; how many are tried."""
    # What is read once by a process is not counted.
    program.start(False)
    program.clean()
    with Disk().installed() as disk:
        program.start(False)
    whole, operations = program.results(), list(disk.operations)
    assert whole
    for number, operation in enumerate(operations):
        kind = kinds[number % len(kinds)]
        program.clean()
        _fail(program, number, kind)
        what = f"{kind} at operation {number}, {operation}"
        program.start(True)
        assert program.results() == whole, what
        # The file of a lock that nobody holds stays where it could not be removed: whoever comes next takes it.
        for left in ("*.partial", "*.journal", *([".*.lock"] if operation != "unlink" else [])):
            assert not [path for path in program.folder.rglob(left) if not program.keep & set(path.parts)], what
    return len(operations)


def _fail(program: Program, number: int, kind: str) -> None:
    """Start the program and let an operation fail. It says so, or did without that operation."""
    disk = Disk(number, FAULTS[kind], half=kind in (CRASH, "broken"))
    if kind != CRASH and not program.apart:
        _ends(program, disk)
        return
    child = os.fork()
    if not child:
        # Whatever happens, this copy of the tests ends here.
        try:
            os._exit(0 if _ends(program, disk) else faulty_files.STATUS)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, faulty_files.STATUS)


def _ends(program: Program, disk: Disk) -> bool:
    refusals = (OSError, ArithmeticError, ValueError, RuntimeError, KeyboardInterrupt)
    with contextlib.suppress(*refusals), disk.installed():
        program.start(False)
        return True
    return False


@pytest.fixture(autouse=True)
def _few_variables(monkeypatch):
    """Without the parameters, fifty small variables in each file, of which each is written as the others are."""
    monkeypatch.setattr("bmi_noahpy.output.layout._parameters", lambda *given: None)


def values(path: Path) -> dict[str, bytes]:
    """Every number of an output."""
    engine = {"engine": "zarr"} if path.suffix == ".zarr" else {}
    with xr.open_dataset(path, decode_times=False, **engine) as data:
        return {str(name): data[name].values.tobytes() for name in data.variables}


def settings(**changes) -> dict:
    return {
        "period": {"start": "2020-01-01T00:00", "end": "2020-01-01T04:00", "step": 3600},
        "forcing": {"file": "weather.csv", "format": "csv"},
        "output": {"file": "out.nc", "variables": VARIABLES},
        "restart": {"every": "2 hours"},
        **changes,
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_weather(tmp_path / "weather.csv", 16)
    monkeypatch.setattr(blocks, "FIRST_LENGTH", 2)
    monkeypatch.setattr(blocks, "LARGEST_GROWTH", 1.0)
    return tmp_path


@pytest.mark.parametrize("kind", [*KINDS, "stopped"])
def test_every_file_operation_of_a_run_may_fail(folder, kind):
    def start(resume: bool) -> None:
        launch(read(settings(), folder), Launch(resume=resume))

    program = Program(start, folder, lambda: values(folder / "out.nc"))
    assert survives(program, (kind,)) > 60


def test_every_file_operation_of_a_run_with_spin_up_may_fail(folder):
    spin_up = {"period": "2 hours", "cycles": 1, "file": "state.nc"}

    def start(resume: bool) -> None:
        launch(read(settings(spin_up=spin_up), folder), Launch(resume=resume))

    program = Program(start, folder, lambda: values(folder / "out.nc"))
    assert survives(program, KINDS) > 60


def in_tiles(folder: Path, output: str, variables: list[str] = VARIABLES) -> Program:
    """A region of 15 columns is too small for tiles of its own: it is one, and all is as with many."""
    write_region(folder)
    changes = {"period__end": "2020-01-01T06:00", "output__file": output, "output__variables": variables}

    def start(resume: bool) -> None:
        launch_tiles(region(folder, **changes, restart__keep=1), Launch(resume=resume), tile_columns=16)

    return Program(start, folder, lambda: values(folder / output))


def test_every_file_operation_of_a_run_in_tiles_may_fail(tmp_path):
    assert survives(in_tiles(tmp_path, "out.nc"), KINDS) > 60


def test_every_file_operation_of_a_zarr_store_may_fail(tmp_path, monkeypatch):
    """From where the tiles are finished on: what is before is that of a netCDF file."""
    pytest.importorskip("zarr", minversion="3")
    given = []

    def finished(*arguments) -> None:
        given.extend(arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        patch.setattr("bmi_noahpy.distributed.tiles.gather", finished)
        in_tiles(tmp_path, "out.zarr", ["skin_temperature"]).start(False)

    def start(resume: bool) -> None:
        clear_leftovers(tmp_path, "out.zarr.")
        gather(*given)

    program = Program(start, tmp_path, lambda: values(tmp_path / "out.zarr"), apart=True)
    assert survives(program, KINDS) > 60


def test_every_file_operation_of_a_calibration_may_fail(tmp_path, monkeypatch):
    calibration_cases.write_site(tmp_path)
    calibration_cases.write_observations(tmp_path)
    # One of the figures stands for all, each of which takes as long as the rest.
    for name, none in (("series_figures", []), ("parameter_figure", None)):
        monkeypatch.setattr(f"bmi_noahpy.calibration.session.{name}", lambda *given, none=none: none)
    optimiser = {"name": "levenberg_marquardt", "iterations": 1}
    file = calibration_cases.write_calibration(tmp_path, {"optimiser": optimiser})
    results = tmp_path / "results"

    def start(resume: bool) -> None:
        calibrate(load_calibration(file), resume=resume)

    def found() -> dict[str, bytes]:
        texts = {path.name: path.read_bytes() for path in results.iterdir() if path.suffix in (".csv", ".yaml")}
        return texts | values(results / "trajectory.nc")

    assert survives(Program(start, tmp_path, found), KINDS) > 60
