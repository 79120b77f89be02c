"""One process writes an output, and nothing that is read is ever written over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from configurations import changed, read, write, write_weather
from typer.testing import CliRunner

from bmi_noahpy import atomic
from bmi_noahpy.atomic import clear_leftovers, replace_folder, replaced
from bmi_noahpy.cli import app
from bmi_noahpy.files.lock import InUse, NoPlace, SoleWriter
from bmi_noahpy.files.targets import RefusedTarget, check_target
from bmi_noahpy.learn import train
from bmi_noahpy.output.journal import Journal
from bmi_noahpy.runs import execute as runner
from bmi_noahpy.runs.launch import Launch, launch

REPOSITORY = Path(__file__).resolve().parents[2]


def settings(**changes) -> dict:
    return {
        "period": {"start": "2020-01-01T00:00", "end": "2020-01-01T09:00", "step": 3600},
        "forcing": {"file": "weather.csv", "format": "csv"},
        "output": {"file": "out.nc", "overwrite": True},
        "restart": {"every": "2 hours"},
        "execution": "eager",
        **changes,
    }


@pytest.fixture
def folder(tmp_path):
    write_weather(tmp_path / "weather.csv", 16)
    return tmp_path


def during(monkeypatch, action) -> None:
    """Do something between two blocks of a run."""
    take, first = runner.take_block, iter([True])

    def meanwhile(*given):
        if next(first, False):
            action()
        return take(*given)

    monkeypatch.setattr(runner, "take_block", meanwhile)


# --- one writer


def test_a_second_run_of_the_same_output_is_refused_with_who_writes_it(folder, monkeypatch):
    refused = []

    def again():
        for how in (Launch(), Launch(resume=True), Launch(overwrite=True)):
            with pytest.raises(InUse) as caught:
                launch(read(settings(), folder), how)
            refused.append(str(caught.value))

    during(monkeypatch, again)
    assert launch(read(settings(), folder)).steps_done == 10
    assert len(refused) == 3
    assert all(f"out.nc: process {os.getpid()} on " in text and ", since 20" in text for text in refused)


def test_two_runs_may_not_share_the_names_of_their_restart_files(folder, monkeypatch):
    other = settings(output={"file": "elsewhere/out.nc"}, restart={"every": "2 hours", "folder": "out_restart"})

    def again():
        with pytest.raises(InUse, match=r"restart\.folder of its own"):
            launch(read(other, folder))

    during(monkeypatch, again)
    assert launch(read(settings(), folder)).steps_done == 10


def test_a_request_to_stop_while_a_lock_is_given_back_gives_it_back(tmp_path, monkeypatch):
    def stopped(path, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt), SoleWriter(tmp_path / "out.nc"):
        patch.setattr(Path, "unlink", stopped)
    with SoleWriter(tmp_path / "out.nc") as alone:
        assert alone.held


def test_what_a_killed_spin_up_has_left_is_removed_by_the_next(folder):
    left = folder / ".state.nc.0123.partial"
    left.write_text("half a state")
    launch(read(settings(spin_up={"period": "3 hours", "cycles": 1, "file": "state.nc"}), folder))
    assert (folder / "state.nc").exists()
    assert not left.exists()


def test_a_run_leaves_nothing_but_its_results_behind(folder):
    launch(read(settings(), folder))
    assert sorted(path.name for path in folder.iterdir()) == ["out.nc", "out_restart", "weather.csv"]
    assert all(path.name.startswith("out_2020") for path in (folder / "out_restart").iterdir())


def test_a_lock_is_free_when_its_process_is_dead(tmp_path):
    program = "from pathlib import Path; from bmi_noahpy.files.lock import SoleWriter; import sys\n"
    program += "alone = SoleWriter(Path(sys.argv[1]))\nalone.__enter__()\n"
    program += "print('held', flush=True)\nsys.stdin.readline()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "out.nc")],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(InUse, match=f"process {process.pid} on "):
        SoleWriter(tmp_path / "out.nc").__enter__()
    process.kill()
    process.communicate()
    with SoleWriter(tmp_path / "out.nc", wait=10.0) as alone:
        assert alone.held
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("note", ["", "{", "[]", json.dumps({"host": 1, "process": "x", "since": None})])
def test_a_lock_with_a_note_that_cannot_be_read_is_still_a_lock(tmp_path, note):
    with SoleWriter(tmp_path / "out.nc"):
        (tmp_path / ".out.nc.lock").write_text(note)
        with pytest.raises(InUse, match="another process is writing it"):
            SoleWriter(tmp_path / "out.nc").__enter__()


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder in which nobody can make a file")
def test_a_place_where_no_file_can_be_made_is_not_called_in_use():
    with pytest.raises(NoPlace, match="no file can be made in /proc"), SoleWriter(Path("/proc/out.nc")):
        pass


def test_a_training_and_its_checkpoint_are_written_by_one_process(tmp_path):
    module = torch.nn.Linear(1, 1)

    def loss(epoch):
        with pytest.raises(InUse, match="checkpoint of its own"):
            train(module, lambda _: module.weight.sum(), epochs=1, checkpoint=tmp_path / "checkpoint.pt")
        return module(torch.ones(1)).sum() ** 2

    assert len(train(module, loss, epochs=2, checkpoint=tmp_path / "checkpoint.pt")) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


# --- temporary files


def test_temporary_files_have_names_of_their_own_and_what_is_left_of_them_is_removed(tmp_path):
    with replaced(tmp_path / "a.txt") as one, replaced(tmp_path / "a.txt") as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    left = tmp_path / ".a.txt.0123.partial"
    left.write_text("of a killed program")
    (tmp_path / ".a.txtual.0123.partial").write_text("of somebody else")
    clear_leftovers(tmp_path, "a.txt.")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.txtual.0123.partial", "a.txt"]


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_no_link_that_lies_in_wait_is_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "out.nc.journal").symlink_to(victim)
    with pytest.raises(OSError, match=r"out\.nc\.journal"):
        Journal(tmp_path / "out.nc.journal", 3)
    assert victim.read_text() == "precious"


def test_a_folder_takes_the_place_of_another_one_or_leaves_it(tmp_path, monkeypatch):
    old, new = tmp_path / "store.zarr", tmp_path / "new"
    for path, text in ((old, "old"), (new, "new")):
        path.mkdir()
        (path / "zarr.json").write_text(text)
    move, calls = os.replace, iter(range(9))

    def fails(source, target):
        if next(calls) == 1:
            raise OSError(5, "Input/output error")
        move(source, target)

    with monkeypatch.context() as patch:
        # As where the system cannot exchange two folders.
        patch.setattr(atomic, "_exchanged", lambda one, other: False)
        patch.setattr(os, "replace", fails)
        with pytest.raises(OSError, match="Input/output"):
            replace_folder(new, old)
    assert (old / "zarr.json").read_text() == "old"
    replace_folder(new, old)
    assert (old / "zarr.json").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["store.zarr"]


@pytest.mark.skipif(sys.platform != "linux", reason="folders are exchanged in one move on Linux only")
def test_a_folder_is_under_its_name_at_every_moment(tmp_path, monkeypatch):
    old, new = tmp_path / "store.zarr", tmp_path / ".store.zarr.2.partial"
    for path, text in ((old, "old"), (new, "new")):
        path.mkdir()
        (path / "zarr.json").write_text(text)
    if not atomic._exchanged(old, new):
        pytest.skip("this file system cannot exchange folders")
    assert (old / "zarr.json").read_text() == "new"

    def never(*given):
        raise AssertionError("moved aside")

    monkeypatch.setattr(os, "replace", never)
    replace_folder(new, old)
    assert (old / "zarr.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["store.zarr"]


# --- what may be written over


@pytest.mark.parametrize("target", ["weather.csv", "site.yaml", "hard.csv", "device", "link.nc", "pipe", "directory"])
def test_inputs_devices_links_and_folders_are_never_written_over(folder, target):
    weather = (folder / "weather.csv").read_bytes()
    site = write(folder / "site.yaml", changed(settings()))
    os.link(folder / "weather.csv", folder / "hard.csv")
    (folder / "link.nc").symlink_to(folder / "real.nc")
    os.mkfifo(folder / "pipe")
    (folder / "directory").mkdir()
    path = Path("/dev/null") if target == "device" else folder / target
    result = CliRunner().invoke(app, ["run", str(site), "--no-plot", "--overwrite", "--output", str(path)])
    assert result.exit_code == 2, result.output
    assert str(path) in result.stderr
    assert any(remedy in result.stderr for remedy in ("Write elsewhere", "Give the "))
    assert (folder / "weather.csv").read_bytes() == weather
    assert Path("/dev/null").is_char_device()
    assert (folder / "link.nc").is_symlink()


def test_a_folder_is_replaced_only_by_a_store_of_its_kind(tmp_path):
    store = tmp_path / "a.zarr"
    (store / "weather").mkdir(parents=True)
    with pytest.raises(RefusedTarget, match="is a folder"):
        check_target(store)
    (store / "zarr.json").write_text("{}")
    check_target(store)
    with pytest.raises(RefusedTarget, match=r"forcing\.file lies in"):
        check_target(store, {"forcing.file": [store / "weather" / "a.nc"]})


def test_the_state_of_a_spin_up_does_not_replace_what_is_read(folder):
    spin_up = {"period": "3 hours", "file": "weather.csv"}
    with pytest.raises(RefusedTarget, match=r"spin_up\.file: .*weather\.csv is the file of forcing\.file"):
        launch(read(settings(spin_up=spin_up), folder))
