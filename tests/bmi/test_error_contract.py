"""Whatever a file holds, a user reads one sentence; the exit status says whose fault it is."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
import xarray as xr
import yaml
from configurations import changed, read, write, write_weather
from typer.testing import CliRunner

from bmi_noahpy.cli import app
from bmi_noahpy.cli.messages import reported
from bmi_noahpy.config import ConfigurationError, load_configuration
from bmi_noahpy.config.yaml_text import YamlError, parse_yaml
from bmi_noahpy.files.trust import own_code
from bmi_noahpy.region.file import DomainFileError, read_region
from bmi_noahpy.runs import execute as runner
from bmi_noahpy.runs.launch import launch
from bmi_noahpy.runs.prepare import prepare

REPOSITORY = Path(__file__).resolve().parents[2]


def settings(**changes) -> dict:
    return {
        "period": {"start": "2020-01-01T00:00", "end": "2020-01-01T09:00", "step": 3600},
        "forcing": {"file": "weather.csv", "format": "csv"},
        "output": {"file": "out.nc"},
        "execution": "eager",
        **changes,
    }


@pytest.fixture
def folder(tmp_path):
    write_weather(tmp_path / "weather.csv", 16)
    return tmp_path


def told(*arguments: object) -> tuple[int, str]:
    """Exit status of a command and what it said; never a traceback, never a line that nobody can read."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    text = result.output + result.stderr
    assert "Traceback" not in text
    assert max(map(len, text.splitlines()), default=0) <= 520
    return result.exit_code, text


# --- YAML


BILLION = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + k)}: &{chr(98 + k)} [{', '.join([f'*{chr(97 + k)}'] * 10)}]\n" for k in range(8)
)
TEXTS = {
    "a word as a boolean": ("a: 1\nb: !!bool abc\n", "line 2: 'abc' cannot be read as bool"),
    "a word as a number": ("b: !!int abc\n", "line 1: 'abc' cannot be read as int"),
    "a day that is none": ("a: 2020-02-30\n", "line 1: '2020-02-30' cannot be read as timestamp"),
    "a mapping as a key": ("{a: b}: c\n", "stands as a key"),
    "a list as a key": ("? [a, b]\n: c\n", "stands as a key"),
    "a list as a mapping": ("a: !!map [1]\n", "cannot be read|no mapping|not valid YAML"),
    "brackets": ("a: " + "[" * 500 + "]" * 500, "more than 32 lists or mappings within each other"),
    "nested keys": ("".join(f"{'  ' * k}a:\n" for k in range(60)), "more than 32 lists or mappings"),
    "aliases that unfold": (BILLION, "more than 500000 values"),
    "merged aliases that unfold": (
        "a: &a {x: 1}\n"
        + "".join(
            f"{c}: &{c} {{<<: [*{p}, *{p}], {c}{c}: 1}}\n"
            for p, c in zip("abcdefghijklmnopqrstu", "bcdefghijklmnopqrstuv", strict=True)
        ),
        "more than 500000 values",
    ),
    "an alias of itself": ("a: &a [*a]\n", "'a' holds itself"),
    "digits": (f"a: {'9' * 5000}\n", "cannot be read as int"),
    "a tag of Python": ("a: !!python/object/apply:os.system [echo]\n", "not valid YAML, could not determine"),
    "characters": ("a: \x00\n", "unacceptable character"),
    "no end": ("a: [1, 2\n", "line 2: not valid YAML"),
    "twice": ("a: 1\na: 2\n", "line 2: key 'a' is given twice"),
    "two documents": ("a: 1\n---\nb: 2\n", "not valid YAML"),
}


@pytest.mark.parametrize("what", TEXTS)
def test_yaml_is_plain_data_of_a_bounded_size(what):
    text, message = TEXTS[what]
    begin = time.monotonic()
    with pytest.raises(YamlError, match=message) as caught:
        parse_yaml(text)
    assert len(str(caught.value)) <= 500
    assert time.monotonic() - begin < 30.0


def test_aliases_and_merged_keys_are_fine_within_reason():
    assert parse_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a, *a]\n") == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 3},
        "c": [{"x": 1, "y": 2}] * 2,
    }


# --- values


VALUES = {
    "a number of 400 digits": ({"general.wind_height": int("9" * 400)}, "general.wind_height"),
    "a class beyond all tables": ({"soil.classes": 1e300}, "soil.classes"),
    "another class beyond all tables": ({"vegetation.class": -1e300}, "vegetation.class"),
    "a statistic twice": ({"output": {"file": "out.nc", "daily": ["mean", "mean"]}}, "output.daily"),
    "a format of times": ({"forcing": {"file": "weather.csv", "time": {"format": "%Q"}}}, "forcing.time.format"),
    "an offset": ({"forcing": {"file": "weather.csv", "time": {"utc_offset": 25}}}, "forcing.time.utc_offset"),
    "a user that is none": ({"output": {"file": "~nosuchuser/out.nc"}}, "output.file"),
    "a character that no path has": ({"output": {"file": "a\0b.nc"}}, "output.file"),
    "layers": ({"soil.thickness": [0.01] * 5000, "soil.classes": 7}, "soil.thickness"),
    "cells": (
        {"domain": {"latitude": np.linspace(0, 80, 11000).tolist(), "longitude": np.linspace(0, 80, 11000).tolist()}},
        "domain.longitude",
    ),
    "a step of nothing": ({"period": settings()["period"] | {"step": 0}}, "period.step"),
    "a step backwards": ({"period": settings()["period"] | {"step": -3600}}, "period.step"),
    "text without end": ({"schemes": {"turbulence": "x" * 100_000}}, "schemes.turbulence"),
}


@pytest.mark.parametrize("what", VALUES)
def test_a_value_that_cannot_be_is_refused_by_its_key(folder, what):
    changes, key = VALUES[what]
    with pytest.raises(ConfigurationError) as caught:
        read({**settings(), **changes}, folder)
    assert key in [problem.key.partition("[")[0] for problem in caught.value.problems]
    assert max(map(len, str(caught.value).splitlines())) <= 520


def test_a_message_of_many_problems_does_not_go_on_for_ever(folder):
    with pytest.raises(ConfigurationError) as caught:
        read({**settings(), **{f"soil.unknown_{k}": k for k in range(300)}}, folder)
    assert len(caught.value.problems) == 300
    assert str(caught.value).endswith("and 275 more.")


# --- files


@pytest.mark.skipif(os.name == "nt", reason="needs devices and pipes")
@pytest.mark.parametrize("what", ["/dev/zero", "pipe", "folder", "absent", "compressed", "bytes", "huge"])
def test_a_configuration_that_is_no_text_file_is_refused_at_once(tmp_path, what):
    path = Path(what) if what.startswith("/") else tmp_path / what
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "compressed":
        path.write_bytes(gzip.compress(b"name: a"))
    elif what == "bytes":
        path.write_bytes(bytes(range(256)))
    elif what == "huge":
        with path.open("wb") as file:
            file.truncate(2**40)
    status, text = told("run", path)
    assert status == 2
    assert str(path) in text


NAMELIST = "&METADATA_NAMELIST\n startdate = '202001010000'\n {entry}\n/\n"


@pytest.mark.parametrize(
    "entry",
    ["soil_htype = 1000000000*7", "soil_htype(1000000000) = 7", f"latitude = {'9' * 5000}", "name = '" + "x" * 9999],
)
def test_a_namelist_cannot_ask_for_memory_without_end(tmp_path, entry):
    (tmp_path / "forcing.dat").write_text(NAMELIST.format(entry=entry))
    status, text = told("run", tmp_path / "forcing.dat")
    assert status == 2
    assert "forcing.dat" in text


def test_a_small_file_of_a_huge_map_is_refused_before_memory_is_taken(tmp_path):
    side = {"lat": ("lat", np.linspace(-80, 80, 40_000)), "lon": ("lon", np.linspace(0, 300, 40_000))}
    xr.Dataset(coords=side).to_netcdf(tmp_path / "domain.nc")
    with pytest.raises(DomainFileError, match=r"domain\.nc: the grid of lat and lon has 40000 x 40000 values"):
        read_region(tmp_path / "domain.nc", {})


@pytest.mark.parametrize("attribute", [{"scale_factor": "abc"}, {"_FillValue": "x"}, {"units": 3}])
def test_attributes_of_the_wrong_kind_are_one_sentence(tmp_path, attribute):
    import netCDF4

    with netCDF4.Dataset(tmp_path / "domain.nc", "w") as data:
        for name in ("lat", "lon"):
            data.createDimension(name, 2)
            data.createVariable(name, "f8", (name,))[:] = [1.0, 2.0]
        variable = data.createVariable("skin_temperature", "f8", ("lat", "lon"))
        variable[:] = 270.0
        if "_FillValue" not in attribute:
            variable.setncatts(attribute)
    from bmi_noahpy.config.map_names import targets

    with contextlib.suppress(DomainFileError):
        assert read_region(tmp_path / "domain.nc", targets()).domain.columns == 4


def test_a_name_that_is_too_long_for_what_lies_beside_it_is_refused(folder):
    site = write(folder / "site.yaml", changed(settings()))
    status, text = told("run", site, "--no-plot", "--output", folder / ("x" * 237 + ".nc"))
    assert status == 2
    assert "240 bytes. Use at most 200" in text


# --- configurations with code


def test_what_is_no_class_of_a_scheme_is_not_called(folder, monkeypatch):
    called = []
    monkeypatch.setattr(subprocess, "check_output", lambda *given, **more: called.append(given))
    for name, words in (
        ("subprocess:check_output", "is not a class"),
        ("subprocess:Popen", r"no torch\.nn\.Module"),
        ("functools:partial", r"no torch\.nn\.Module"),
        ("os:environ", "is not a class"),
    ):
        scheme = {"snow_cover": {"class": name, "arguments": {"args": ["touch", "owned"]}}}
        with pytest.raises(ConfigurationError, match=rf"schemes\.snow_cover: .*{words}"):
            prepare(read(settings(schemes=scheme), folder))
    assert called == []


@pytest.mark.parametrize("scheme", ["my.module:Class", {"class": "my.module:Class"}])
def test_code_of_its_own_is_refused_on_request(folder, scheme):
    site = write(folder / "site.yaml", changed(settings(schemes={"snow_cover": scheme})))
    status, text = told("--no-own-code", "run", site)
    assert status == 2
    assert "schemes.snow_cover: 'my.module:Class' is code of its own, which --no-own-code refuses" in text
    assert own_code.get() is False
    status, text = told("run", site)
    assert "cannot import 'my.module:Class'" in text


def learned(folder: Path, change=lambda weights: weights, **options):
    from bmi_noahpy.learn import write_weights
    from noahpy_core.learning import LearnedThermalConductivity

    module = LearnedThermalConductivity(hidden=[3])
    write_weights(module, folder / "good.pt")
    torch.save(change(dict(module.state_dict())), folder / "weights.pt")
    scheme = {"class": "noahpy_core.learning:LearnedThermalConductivity", "arguments": {"hidden": [3]}}
    return prepare(read(settings(schemes={"soil_thermal": scheme | {"weights": "weights.pt"} | options}), folder))


BAD_WEIGHTS = {
    "complex": (lambda weights: {k: v.to(torch.complex128) for k, v in weights.items()}, "of type complex128"),
    "whole": (lambda weights: {k: v.to(torch.int64) for k, v in weights.items()}, "of type int64"),
    "not finite": (lambda weights: {k: v * torch.nan for k, v in weights.items()}, "is not finite"),
    "a list": (lambda weights: list(weights.values()), "holds a list"),
}


@pytest.mark.parametrize("what", BAD_WEIGHTS)
def test_weights_that_no_training_leaves_are_refused(folder, what):
    change, message = BAD_WEIGHTS[what]
    with pytest.raises(ConfigurationError, match=rf"schemes\.soil_thermal: .*{message}"):
        learned(folder, change)


def test_weights_can_be_held_to_their_digest(folder):
    learned(folder)
    digest = hashlib.sha256((folder / "weights.pt").read_bytes()).hexdigest()
    learned(folder, sha256=digest)
    with pytest.raises(ConfigurationError, match="not the file whose digest is given"):
        learned(folder, lambda weights: {k: v + 1e-6 for k, v in weights.items()}, sha256=digest)
    with pytest.raises(ConfigurationError, match="64 hexadecimal digits"):
        learned(folder, sha256="abc")


# --- physics


PHYSICS = {
    "ice in warm soil": (
        {"initial.soil_temperature": 285.0},
        r"initial\.soil_liquid: leaves 0.1 of ice in layer 1, at 285 K",
    ),
    "beyond the deep boundary": (
        {"soil.thickness": [0.1, 0.3, 0.6, 50.0]},
        r"soil\.thickness: the layers reach to 51 m, beyond the deep boundary at 40 m",
    ),
    "rough": ({"initial.roughness_length": 2.5}, r"initial\.roughness_length: 2\.5 m is not below the lower of"),
}


@pytest.mark.parametrize("what", PHYSICS)
def test_what_no_run_can_begin_with_is_refused_by_name(folder, what):
    changes, message = PHYSICS[what]
    with pytest.raises(ConfigurationError, match=message):
        prepare(read({**settings(), **changes}, folder))


# --- whose fault it is


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (ValueError("soil.classes: 99"), 2, "soil.classes: 99"),
        (OSError(errno.ENOENT, "No such file", "a.nc"), 2, "a.nc"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "No space"),
        (OSError(errno.EIO, "Input/output error"), 1, "Input/output"),
        (ArithmeticError("step 3"), 1, "step 3"),
        (MemoryError(), 1, "memory is full"),
        (RecursionError("too deep"), 1, "not foreseen"),
        (KeyError("x" * 5000), 1, "please report"),
        (KeyboardInterrupt(), 130, "Interrupted"),
    ],
)
def test_no_error_is_a_traceback_and_the_status_says_whose_fault_it_is(capsys, error, status, words):
    with pytest.raises(typer.Exit) as caught, reported(debug=False):
        raise error
    text = " ".join(capsys.readouterr().err.split())
    assert caught.value.exit_code == status
    assert words in text
    assert len(text) <= 520


def test_a_warning_is_said_once_however_often_its_file_is_read(capsys):
    with reported(debug=False):
        for sentence in ("first", "second", "first"):
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                warnings.warn(sentence, UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "Warning: first\nWarning: second\n"


def test_a_fault_of_the_medium_names_the_file(folder, monkeypatch):
    site, real = write(folder / "site.yaml", changed(settings())), Path.read_bytes

    def broken(path: Path) -> bytes:
        if path.name == "weather.csv":
            raise OSError(errno.EIO, "Input/output error")
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", broken)
    result = CliRunner().invoke(app, ["check", str(site)])
    assert result.exit_code == 1
    assert "weather.csv" in " ".join(result.output.split())


# --- signals and streams


PROGRAM = """
import sys, time
import bmi_noahpy.runs.execute as runner
take = runner.take_block
def slow(*given):
    print("step", flush=True)
    time.sleep(0.05)
    return take(*given)
runner.take_block = slow
import bmi_noahpy.runs.blocks as blocks
blocks.FIRST_LENGTH, blocks.LARGEST_GROWTH = 1, 1.0
from bmi_noahpy.cli import app
from bmi_noahpy.cli.messages import reported
app(sys.argv[1:])
"""


def started(folder: Path, command_name: str, *arguments: str, **changes) -> subprocess.Popen[str]:
    period = {"start": "2020-01-01T00:00", "end": "2020-01-02T12:00", "step": 600}
    site = write(folder / "site.yaml", changed(settings(period=period, **changes)))
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM, command_name, str(site), *arguments]
    # What is ignored when tests are started by nohup would be ignored by the program too, as it should.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(
    "name", ["SIGTERM", pytest.param("SIGHUP", marks=pytest.mark.slow), pytest.param("SIGINT", marks=pytest.mark.slow)]
)
def test_a_request_to_stop_leaves_a_complete_output_and_a_restart_file(folder, name):
    process = started(folder, "run", "--no-plot", restart={"every": "1 day"})
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline() == "step\n"
    process.send_signal(getattr(signal, name))
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "The output file holds everything up to there" in output
    with xr.open_dataset(folder / "out.nc") as data:
        assert data.sizes["time"] >= 2
    assert len(list((folder / "out_restart").iterdir())) == 1


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("together", [True, False])
def test_a_sweep_that_is_asked_to_stop_keeps_what_it_has_written_and_says_how_far_it_came(folder, name, together):
    varied = "general.deep_temperature=270,271" if together else "schemes.phase_change=heat_limited,enthalpy"
    process = started(folder, "sweep", "--set", varied)
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline() == "step\n"
    process.send_signal(getattr(signal, name))
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "begin it anew with --overwrite" in " ".join(output.split())
    assert ("of run 0" in output) is not together
    with xr.open_dataset(folder / ("site_sweep.nc" if together else "site_sweep_0.nc")) as data:
        assert 2 <= data.sizes["time"] < 217
    assert not (folder / "site_sweep_1.nc").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_signal_that_is_ignored_stays_ignored(folder):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with runner.Interrupts():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "how", ["full", *(pytest.param(how, marks=pytest.mark.slow) for how in ("closed", "nobody reads"))]
)
def test_a_standard_output_that_cannot_be_written_does_not_change_what_came_of_a_run(folder, how):
    site = write(folder / "site.yaml", changed(settings()))
    program = "from bmi_noahpy.cli import app; app()"
    command = f"exec {sys.executable} -c '{program}' run {site} --no-plot"
    text = {"full": f"{command} > /dev/full", "closed": f"{command} >&-", "nobody reads": None}[how]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    if text is not None:
        process = subprocess.run(["sh", "-c", text], env=environment, capture_output=True, text=True, timeout=300)
        status, errors = process.returncode, process.stderr
    else:
        reader, writer = os.pipe()
        os.close(reader)
        process = subprocess.run(
            [sys.executable, "-c", program, "run", str(site), "--no-plot"],
            env=environment,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(writer)
        status, errors = process.returncode, process.stderr
    assert status == 0, errors
    assert "Traceback" not in errors
    with xr.open_dataset(folder / "out.nc") as data:
        assert data.sizes["time"] == 10


def test_plain_data_goes_round(folder):
    """What is refused is refused by limits that no sensible configuration comes near."""
    path = write(folder / "site.yaml", changed(settings()))
    configuration = load_configuration(path)
    again = yaml.safe_load(yaml.safe_dump(configuration.model_dump(mode="json")))
    assert again["period"]["step"] == 3600
    assert launch(configuration).steps_done == 10
