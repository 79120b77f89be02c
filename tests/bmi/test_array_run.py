"""Runs whose kernel is in the cache: of arrays, without torch, and the same to the last bit as those of tensors."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
from configurations import changed, read, write, write_weather
from typer.testing import CliRunner

from bmi_noahpy.cli import app
from bmi_noahpy.example import write_example
from bmi_noahpy.runs import array_run, blocks
from bmi_noahpy.runs import execute as runner
from bmi_noahpy.runs import launch as starter
from bmi_noahpy.runs.any_run import AnyRun
from bmi_noahpy.runs.array_run import ArrayRun
from bmi_noahpy.runs.kept_liquid import keep_liquid, liquid_at_hand
from bmi_noahpy.runs.launch import Launch, launch
from bmi_noahpy.runs.outline import Outline, outlined
from bmi_noahpy.runs.prepare import prepare
from bmi_noahpy.runs.restart import read_restart
from bmi_noahpy.runs.run import Run
from noahpy_core.compiled.execute.program import Program
from noahpy_core.compiled.execute.threads import thread_count
from noahpy_core.errors import ConvergenceError
from noahpy_core.options import BUILT_IN, Options
from noahpy_core.quantities import get_quantity, quantities, replace_quantity
from noahpy_core.state import State

TANGGULA = Path(__file__).resolve().parents[3] / "shared" / "data" / "tgl" / "forcing.txt"
WITHOUT_TORCH = """
import sys
from bmi_noahpy.cli import app
try:
    app(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
assert "torch" not in sys.modules
"""
GRID = {
    "domain": {"latitude": [33.0], "longitude": [92.0, 93.0, 94.0]},
    "initial.skin_temperature": [[269.0, 280.0, 268.0]],
    "vegetation.class": [[9, 10, 14]],
    "initial.snow_water_equivalent": [[0.0, 20.0, 5.0]],
    "initial.snow_depth": [[0.0, 0.1, 0.02]],
}
SCHEMES: dict[str, Any] = {
    "noah-permafrost": {"preset": "noah-permafrost"},
    "noah-3.4.1": {"preset": "noah-3.4.1"},
    "enthalpy": {"phase_change": "enthalpy"},
    "conservative": {"preset": "conservative"},
}


def settings(**changes: Any) -> dict[str, Any]:
    """Hourly steps, which are interpolated between the records."""
    return {
        "period": {"start": "2020-01-01T00:00", "end": "2020-01-02T12:00", "step": 3600},
        "forcing": {"file": "weather.csv", "format": "csv"},
        "output": {"file": "out.nc", "variables": ["all", "snow.density", "net_radiation", "forcing.wind_speed"]},
        **changes,
    }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_weather(tmp_path / "weather.csv", 30)
    monkeypatch.setattr(blocks, "FIRST_LENGTH", 8)
    monkeypatch.setattr(blocks, "LARGEST_GROWTH", 1.0)
    return tmp_path


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> list[type]:
    """Of the runs that are executed."""
    seen: list[type] = []
    take = runner.take_block

    def noted(run: AnyRun, *others: Any) -> Any:
        seen.append(type(run))
        return take(run, *others)

    monkeypatch.setattr(runner, "take_block", noted)
    return seen


def go(folder: Path, name: str, how: Mapping[str, Any] | None = None, *, arrays: bool = True, **changes: Any) -> Any:
    """Launch the configuration with changes; without `arrays` as where the kernel is not in the cache yet."""
    with pytest.MonkeyPatch.context() as patch:
        if not arrays:
            patch.setattr(array_run, "program_of_arrays", lambda *given: None)
        return launch(read(settings(**changes), folder), Launch(output=folder / name, **(how or {})))


def content(path: Path) -> Iterator[tuple[str, bytes]]:
    """All numbers of a netCDF file."""
    with netCDF4.Dataset(path) as data:
        data.set_auto_mask(False)
        for group in (data, *data.groups.values()):
            for name, variable in group.variables.items():
                yield f"{group.name}/{name}", np.asarray(variable[...]).tobytes()


def assert_same(one: Path, other: Path) -> None:
    first, second = dict(content(one)), dict(content(other))
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        pytest.param(name, columns, marks=[] if (name, columns) == ("noah-permafrost", "one") else pytest.mark.slow)
        for name in SCHEMES
        for columns in ("one", "several")
    ],
)
def test_a_run_of_arrays_writes_what_a_run_of_tensors_does(folder, kinds, name, columns):
    changes = {"schemes": SCHEMES[name], **(GRID if columns == "several" else {})}
    of_tensors = go(folder, "tensors.nc", arrays=False, **changes)
    of_arrays = go(folder, "arrays.nc", **changes)
    assert set(kinds) == {Run, ArrayRun}
    assert_same(folder / "tensors.nc", folder / "arrays.nc")
    assert of_arrays.residuals == of_tensors.residuals
    # Sums of blocks, which are shorter where a kernel was made.
    assert dataclasses.astuple(of_arrays.created) == pytest.approx(dataclasses.astuple(of_tensors.created), rel=1e-12)


@pytest.mark.parametrize(
    "changes",
    [
        {"initial.soil_liquid": "equilibrium"},
        pytest.param({"soil.parameters": {"organic_matter": [0.5, 0.1, 0.0, 0.0]}, **GRID}, marks=pytest.mark.slow),
        pytest.param(
            {
                "initial.soil_liquid": "equilibrium",
                "initial.snow_water_equivalent": 80.0,
                "initial.snow_depth": 0.4,
                "soil.parameters": {"organic_matter": 0.2},
                "snow.layers": 5,
                "schemes": {"preset": "conservative"},
            },
            marks=pytest.mark.slow,
        ),
    ],
    ids=["equilibrium", "organic matter", "layered snow"],
)
def test_what_torch_has_computed_once_is_the_same_later(folder, kinds, changes):
    go(folder, "tensors.nc", arrays=False, **changes)
    go(folder, "arrays.nc", **changes)
    assert set(kinds) == {Run, ArrayRun}
    assert_same(folder / "tensors.nc", folder / "arrays.nc")


def test_liquid_water_in_equilibrium_belongs_to_its_temperature_water_and_soil(folder, monkeypatch):
    monkeypatch.setenv("NOAHPY_CACHE", str(folder / "cache"))

    def outline(**changes: Any) -> Outline:
        return outlined(read(settings(**{"initial.soil_liquid": "equilibrium", **changes}), folder))

    one, liquid = outline(), np.full((4, 1), 0.125)
    keep_liquid(one, liquid)
    found = liquid_at_hand(one)
    assert found is not None
    assert found.tobytes() == liquid.tobytes()
    for changes in (
        {"initial.soil_temperature": [270.0, 271.0, 272.0, 272.4]},
        {"initial.soil_moisture": [0.2, 0.25, 0.3, 0.31]},
        {"soil.parameters": {"organic_matter": 0.0001}},
        {"schemes": {"supercooled_water": "niu_yang2006"}},
    ):
        assert liquid_at_hand(outline(**changes)) is None, changes
    given = outline(**{"initial.soil_liquid": 0.1})
    keep_liquid(given, liquid)
    assert (liquid_at_hand(given) == 0.1).all()


def test_a_spin_up_and_restart_files_are_the_same(folder, kinds):
    changes: dict[str, Any] = {
        "spin_up": {"period": "1 day", "cycles": 3, "deep_temperature": 0.0, "file": "spun_up.nc"},
        "restart": {"every": "10 hours", "keep": 5},
        "output": {"file": "out.nc", "daily": ["mean", "min", "max"]},
    }
    for name, arrays in (("tensors", False), ("arrays", True)):
        with pytest.warns(UserWarning, match="not settled after 3 repetitions"):
            go(folder, f"{name}.nc", arrays=arrays, **changes)
        (folder / "spun_up.nc").rename(folder / f"{name}_spun_up.nc")
    assert set(kinds) == {Run, ArrayRun}
    for suffix in (".nc", "_spun_up.nc"):
        assert_same(folder / f"tensors{suffix}", folder / f"arrays{suffix}")
    written = [sorted((folder / f"{name}_restart").iterdir()) for name in ("tensors", "arrays")]
    assert len(written[0]) == len(written[1]) == 4
    for one, other in zip(*written, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("first", [True, False], ids=["arrays, then tensors", "tensors, then arrays"])
def test_a_run_goes_on_from_a_restart_of_the_other_kind(folder, monkeypatch, first):
    changes = {"restart": {"every": "10 hours", "keep": 5}}
    go(folder, "whole.nc", arrays=False, **changes)
    take = runner.take_block

    def stops(run: AnyRun, state: State, begin: int, *others: Any) -> Any:
        if begin >= 17:
            raise KeyboardInterrupt
        return take(run, state, begin, *others)

    with monkeypatch.context() as patch:
        patch.setattr(runner, "take_block", stops)
        assert go(folder, "out.nc", arrays=first, **changes).interrupted
    assert go(folder, "out.nc", {"resume": True}, arrays=not first, **changes).first_step == 18
    assert_same(folder / "whole.nc", folder / "out.nc")


def test_a_restart_file_is_read_as_what_the_run_is_made_of(folder):
    changes = {"restart": {"every": "10 hours"}}
    go(folder, "out.nc", **changes)
    path = sorted((folder / "out_restart").iterdir())[-1]
    prepared = prepare(read(settings(**changes), folder))
    tensors = read_restart(path, prepared.initial_state).state
    as_arrays = dataclasses.replace(prepared.initial_state, canopy_water=prepared.initial_state.canopy_water.numpy())
    assert isinstance(read_restart(path, as_arrays).state.canopy_water, np.ndarray)
    assert tensors.canopy_water.numpy().tobytes() == read_restart(path, as_arrays).state.canopy_water.tobytes()


def broken(monkeypatch: pytest.MonkeyPatch, how: Callable[[Any], Any]) -> None:
    """Let the steps of both kinds of run give something else from the second block on."""
    for kind in (Run, ArrayRun):
        take = kind.take

        def other(run: Any, state: State, forcing: Any, outputs: Any, take: Any = take) -> Any:
            found = take(run, state, forcing, outputs)
            return found if float(forcing.shortwave_down[0, 0]) == 0.0 else how(found)

        monkeypatch.setattr(kind, "take", other)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("soil.temperature", 500.0, "soil.temperature became 500 in column 0, layer 1, in step 9"),
        ("skin_temperature", np.nan, "skin_temperature became nan in column 0, in step 9"),
    ],
)
def test_states_that_cannot_be_stop_both_kinds_with_the_same_words(folder, monkeypatch, path, value, words):
    def spoilt(found: Any) -> Any:
        if path in found.outputs:
            found.outputs[path][...] = value
        like = get_quantity(found.final_state, path)
        return found._replace(final_state=replace_quantity(found.final_state, path, like * 0.0 + value))

    broken(monkeypatch, spoilt)
    said = []
    for arrays in (False, True):
        with pytest.raises(blocks.NonFiniteState) as caught:
            go(folder, f"{arrays}.nc", arrays=arrays)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert said[0].startswith(words)
    assert_same(folder / "False.nc", folder / "True.nc")


def test_an_equation_that_is_not_solved_stops_both_kinds_with_the_same_words(folder, monkeypatch):
    forward = Program.forward

    def fails(program: Program, inputs: Any, outputs: Any, columns: int, steps: int, **others: Any) -> Any:
        forward(program, inputs, outputs, columns, steps, **others)
        calls.append(steps)
        return np.full(columns, 5, dtype=np.int64) if len(calls) == 2 else None

    monkeypatch.setattr(Program, "forward", fails)
    said = []
    for arrays in (False, True):
        calls: list[int] = []
        with pytest.raises(ConvergenceError, match=r"^step 13: ") as caught:
            go(folder, f"{arrays}.nc", arrays=arrays)
        said.append((str(caught.value), caught.value.columns))
    assert said[0] == said[1]
    assert_same(folder / "False.nc", folder / "True.nc")


@pytest.mark.parametrize(
    "changes",
    [
        {"execution": "eager"},
        {"forcing.corrections": {"air_temperature": {"offset": 1.0}}},
        {"schemes": {"preset": "conservative"}, "snow.layers": 6},
    ],
    ids=["eager", "corrections", "many layers of snow"],
)
def test_what_torch_computes_is_a_run_of_tensors(folder, changes):
    found = starter.prepared(read(settings(**changes), folder), Launch())
    assert isinstance(found, Run)


def test_a_kernel_that_is_not_in_the_cache_is_made(folder, kinds, monkeypatch):
    monkeypatch.setenv("NOAHPY_CACHE", "")
    assert go(folder, "out.nc").steps_done == 37
    assert set(kinds) == {Run}


@pytest.mark.parametrize(("told", "count"), [("3", 3), ("2,4", 2)])
def test_threads_without_torch_are_as_many_as_torch_would_have(monkeypatch, told, count):
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert thread_count() == count
    for none in ("", "0", "many"):
        monkeypatch.setenv("OMP_NUM_THREADS", none)
        assert thread_count() >= 1


def test_built_in_schemes_bring_no_weights_along():
    """A fingerprint of a run of arrays has none."""
    import torch

    from noahpy_core import NoahModel, SoilColumn
    from noahpy_core.presets import PRESETS

    column = SoilColumn(torch.tensor([0.1, 0.3], dtype=torch.float64))
    for options in PRESETS.values():
        assert not NoahModel(column, options).state_dict()
    # Those of no preset that go with the usual ones.
    for slot in ("turbulence", "supercooled_water", "soil_thermal", "thermal_roughness", "canopy_resistance"):
        for name in BUILT_IN[slot].places:
            assert not NoahModel(column, Options(**{slot: name})).state_dict(), name


def test_a_run_of_arrays_holds_what_a_run_of_tensors_does(folder):
    configuration = read(settings(**GRID), folder)
    go(folder, "out.nc", **GRID)
    one, other = prepare(configuration), starter.prepared(configuration, Launch())
    assert isinstance(other, ArrayRun)
    for holder in ("initial_state", "parameters"):
        for path, _ in quantities(type(getattr(one, holder))):
            tensor, array = (get_quantity(getattr(run, holder), path) for run in (one, other))
            assert (tensor is None) == (array is None), path
            assert tensor is None or (array.dtype == np.float64 and tensor.numpy().tobytes() == array.tobytes()), path
    assert one.thickness.tobytes() == other.thickness.tobytes()
    assert (one.schemes, one.weights) == (other.schemes, other.weights)


# --- in a process of its own ------------------------------------------------------------------------------------------


def assert_runs_without_torch(folder: Path, *arguments: str) -> None:
    """The command runs; again, with the kernel in the cache, it does so without torch, and writes the same."""
    for name in ("first", "second"):
        command = ["run", *arguments, "--overwrite", "--output", str(folder / f"{name}.nc")]
        if name == "first":
            result = CliRunner().invoke(app, command)
            assert result.exit_code == 0, result.output
        else:
            subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *command], check=True, capture_output=True)
    assert_same(folder / "first.nc", folder / "second.nc")


def test_a_command_whose_kernel_is_in_the_cache_does_not_import_torch(folder):
    site = write(folder / "site.yaml", changed(settings(restart={"every": "1 day"})))
    assert_runs_without_torch(folder, str(site), "--no-plot")


@pytest.mark.slow
def test_figures_after_a_run_do_not_import_torch_either(tmp_path):
    example = write_example(tmp_path)
    assert_runs_without_torch(tmp_path, str(example), "--set", "period.end=2019-09-12T00:00")


@pytest.mark.slow
@pytest.mark.skipif(not TANGGULA.is_file(), reason="needs the forcing file of Tanggula in ../shared")
def test_the_file_of_tanggula_is_run_without_torch(tmp_path):
    assert_runs_without_torch(tmp_path, str(TANGGULA), "--no-plot")
