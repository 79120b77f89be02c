"""Long checks of what must survive: flipped bits, several processes at once. Fixed seeds and counts."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr
from configurations import changed, read, write, write_weather

from bmi_noahpy.runs import blocks
from bmi_noahpy.runs.launch import launch
from bmi_noahpy.runs.prepare import prepare
from bmi_noahpy.runs.restart import RestartError, read_restart
from noahpy_core.quantities import get_quantity, quantities
from noahpy_core.state import State

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="files and signals of POSIX")]
REPOSITORY = Path(__file__).resolve().parents[2]


def settings(**changes) -> dict:
    return {
        "period": {"start": "2020-01-01T00:00", "end": "2020-01-01T08:00", "step": 3600},
        "forcing": {"file": "weather.csv", "format": "csv"},
        "output": {"file": "out.nc", "overwrite": True},
        "restart": {"every": "3 hours"},
        "execution": "eager",
        **changes,
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_weather(tmp_path / "weather.csv", 16)
    monkeypatch.setattr(blocks, "FIRST_LENGTH", 2)
    monkeypatch.setattr(blocks, "LARGEST_GROWTH", 1.0)
    return tmp_path


def values(path: Path) -> dict[str, bytes]:
    engine = {"engine": "zarr"} if path.suffix == ".zarr" else {}
    with xr.open_dataset(path, decode_times=False, **engine) as data:
        return {str(name): data[name].values.tobytes() for name in data.variables}


def test_no_flipped_bit_of_a_restart_file_is_taken_for_a_state(folder):
    """300 of them, half of them among the numbers of the state."""
    launch(read(settings(), folder))
    like = prepare(read(settings(), folder)).initial_state
    file = sorted((folder / "out_restart").iterdir())[-1]
    whole, chance = file.read_bytes(), random.Random(15)
    sound = read_restart(file, like)
    numbers = whole.index(sound.state.soil.temperature.numpy().tobytes())
    for attempt in range(300):
        content = bytearray(whole)
        place = chance.randrange(len(content)) if attempt % 2 else numbers + chance.randrange(32)
        content[place] ^= 1 << chance.randrange(8)
        file.write_bytes(bytes(content))
        try:
            found = read_restart(file, like)
        except RestartError:
            continue
        assert attempt % 2, f"bit {place} among the numbers was taken"
        # In bytes that hold nothing of the state.
        assert (found.step, found.time, found.start) == (sound.step, sound.time, sound.start)
        assert (found.fingerprint, found.followed) == (sound.fingerprint, sound.followed)
        for path, _ in quantities(State):
            one, other = get_quantity(found.state, path), get_quantity(sound.state, path)
            assert (one is None and other is None) or one.equal(other), path


# --- processes


def program(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-c", "from bmi_noahpy.cli import app; app()", "run", str(folder / "site.yaml"), *arguments]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}


def test_of_processes_that_write_one_output_at_once_one_does_and_all_others_say_so(folder):
    period = {"start": "2020-01-01T00:00", "end": "2020-01-02T12:00", "step": 600}
    write(folder / "site.yaml", changed(settings(period=period, restart={"every": "6 hours"})))
    launch(read(settings(period=period, output={"file": "whole.nc"}), folder))
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    running = [
        subprocess.Popen(program(folder, "--no-plot", "--execution", "eager"), env=ENVIRONMENT, **pipes)
        for _ in range(3)
    ]
    said = [process.communicate(timeout=300)[1] for process in running]
    status = sorted(process.returncode for process in running)
    # Whoever comes when the first has ended may write it again.
    assert status[0] == 0
    assert set(status) <= {0, 2}
    assert all("is writing it" in text for process, text in zip(running, said, strict=True) if process.returncode)
    assert values(folder / "out.nc") == values(folder / "whole.nc")
