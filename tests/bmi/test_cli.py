from __future__ import annotations

import gc
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch
import xarray as xr
import yaml
from configurations import changed, write, write_weather
from made_up_run import made_up_run, output_spec, outputs_of
from typer.testing import CliRunner

from bmi_noahpy.cli import OBJECTS_BETWEEN_COLLECTIONS, app, main
from bmi_noahpy.cli.info_tables import TOPICS
from bmi_noahpy.config import ConfigurationError, load_configuration
from bmi_noahpy.output import OutputWriter
from bmi_noahpy.output.variables import output_variables
from bmi_noahpy.runs import blocks as blocks_module
from bmi_noahpy.runs import execute as runner
from bmi_noahpy.runs.prepare import prepare
from noahpy_core import simulation
from noahpy_core.errors import ConvergenceError
from noahpy_core.options import Options
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import get_quantity, quantities, replace_quantity
from noahpy_core.simulation import Trajectory

REPOSITORY = Path(__file__).resolve().parents[2]


def call(*arguments: str | Path):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def words(text: str) -> str:
    """Text without the line breaks and colours of a terminal."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """A configuration of six steps in the current folder."""
    monkeypatch.chdir(tmp_path)
    write_weather(tmp_path / "weather.csv")
    changes = {
        "period.end": "2020-01-01T15:00",
        "forcing": {"file": "weather.csv", "format": "csv"},
        "output": {"file": "out.nc"},
    }
    return write(tmp_path / "site.yaml", changed(changes))


def test_a_run_writes_every_step_and_reports_closure_and_paths(site):
    result = call("run", site)
    assert result.exit_code == 0, result.output
    text = words(result.stdout)
    assert "6 steps to 2020-01-01T18:00:00" in text
    for budget in ("water", "energy", "soil heat"):
        assert re.search(rf"Largest {budget} residual: \S+ (kg m-2 s-1|W m-2) \(column 0, 2020-01-01T", text)
    assert f"Output: {site.parent / 'out.nc'}" in text
    for figure in ("soil", "snow", "energy"):
        assert f"Figures: {site.parent / f'out_{figure}.png'}" in text
        assert (site.parent / f"out_{figure}.png").stat().st_size > 10_000
    with xr.open_dataset(site.parent / "out.nc", decode_timedelta=False) as data:
        assert data.sizes["time"] == 6
        assert data.attrs["title"].startswith("Test site")
        assert 250.0 < float(data.skin_temperature[-1]) < 290.0
        assert yaml.safe_load(data.attrs["configuration"])["soil"]["classes"] == [7, 7, 8, 8]


def test_the_configuration_kept_in_the_output_gives_the_same_run_again(site, tmp_path):
    assert call("run", site, "--no-plot").exit_code == 0
    with xr.open_dataset("out.nc", decode_timedelta=False) as first:
        again = tmp_path / "again.yaml"
        again.write_text(first.attrs["configuration"])
        result = call("run", again, "--no-plot", "--output", "again.nc")
        assert result.exit_code == 0, result.output
        with xr.open_dataset("again.nc", decode_timedelta=False) as second:
            xr.testing.assert_identical(first.drop_attrs(), second.drop_attrs())


def test_an_existing_output_is_refused_before_the_run_and_replaced_on_demand(site):
    assert call("run", site, "--no-plot").exit_code == 0
    before = Path("out.nc").read_bytes()
    refused = call("run", site, "--no-plot")
    assert refused.exit_code == 2
    assert "out.nc exists. Use --overwrite" in words(refused.stderr)
    assert Path("out.nc").read_bytes() == before
    assert call("run", site, "--no-plot", "--overwrite").exit_code == 0


def test_output_goes_where_the_option_says_without_figures_when_unwanted(site):
    result = call("run", site, "--output", Path("results") / "mine.nc", "--no-plot")
    assert result.exit_code == 0, result.output
    assert [path.name for path in Path("results").iterdir()] == ["mine.nc"]
    assert not Path("out.nc").exists()


def test_an_output_that_cannot_be_drawn_is_no_failure(site, tmp_path):
    mapping = yaml.safe_load(site.read_text())
    mapping["output"]["variables"] = ["albedo"]
    result = call("run", write(tmp_path / "few.yaml", mapping))
    assert result.exit_code == 0
    assert "No figures" in words(result.stderr)


def test_a_wrong_configuration_is_a_message_and_status_2(site, tmp_path):
    mapping = yaml.safe_load(site.read_text())
    mapping["output"]["variables"] = ["soil.temprature"]
    result = call("run", write(tmp_path / "wrong.yaml", mapping))
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert "unknown variable 'soil.temprature'. Did you mean soil.temperature," in words(result.stderr)
    assert "Traceback" not in result.output
    assert not Path("out.nc").exists()


@pytest.mark.parametrize("arguments", [("--debug", "run", "absent.yaml"), ("run", "absent.yaml", "--debug")])
def test_debug_lets_the_error_through(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    assert call("run", "absent.yaml").exit_code == 2
    assert isinstance(call(*arguments).exception, ConfigurationError)


@pytest.mark.parametrize(("options", "expected"), [((), "eager"), (("--execution", "auto"), "auto")])
def test_steps_are_taken_as_the_configuration_says_or_the_option(site, monkeypatch, options, expected):
    mapping = yaml.safe_load(site.read_text())
    # Torch takes the steps of a run whose forcing it has to correct, however they are executed.
    forcing = {**mapping["forcing"], "corrections": {"precipitation": {"factor": 1.1}}}
    write(site, {**mapping, "execution": "eager", "forcing": forcing})
    asked, results = [], simulation.run

    def recorded(*arguments, execution, **others):
        asked.append(execution)
        return results(*arguments, execution=execution, **others)

    monkeypatch.setattr(simulation, "run", recorded)
    assert call("run", site, "--no-plot", *options).exit_code == 0
    assert set(asked) == {expected}


def test_an_unknown_execution_is_refused_with_the_known_ones(site):
    mapping = yaml.safe_load(site.read_text())
    with pytest.raises(ConfigurationError, match=r"execution: unknown value 'fast'\. Use 'auto', 'eager' or 'comp"):
        load_configuration(write(site, {**mapping, "execution": "fast"}))
    with pytest.raises(ValueError, match=r"execution: unknown value 'fast'\. Use auto, eager, compiled"):
        prepare(load_configuration(write(site, mapping)), execution="fast")


def test_a_run_without_forcing_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call("run", write(tmp_path / "site.yaml", changed({})))
    assert result.exit_code == 2
    assert "Add a forcing section" in words(result.stderr)
    assert not (tmp_path / "site.nc").exists()


def test_without_arguments_the_example_runs_in_its_folder(tmp_path, monkeypatch):
    from bmi_noahpy import example

    mapping = example.example_configuration()
    mapping["period"]["end"] = "2019-09-02T21:00"
    monkeypatch.setattr(example, "example_configuration", lambda preset: mapping)
    monkeypatch.chdir(tmp_path)
    result = call("run")
    assert result.exit_code == 0, result.output
    folder = Path("noahpy-example")
    assert "noahpy-example" in result.stderr
    assert {".yaml", ".csv", ".nc", ".png"} == {path.suffix for path in folder.iterdir()}
    for path in folder.glob("*.png"):
        assert path.name in result.stdout
    (folder / "permafrost.yaml").write_text(
        (folder / "permafrost.yaml").read_text().replace("Permafrost example", "My own")
    )
    assert call("run", "--overwrite", "--no-plot").exit_code == 0
    assert load_configuration(folder / "permafrost.yaml").name == "My own"


def test_init_writes_a_configuration_that_loads_and_never_overwrites_silently(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call("init")
    assert result.exit_code == 0, result.output
    assert "noahpy run noahpy.yaml" in result.stdout
    write_weather(tmp_path / "forcing.csv")
    assert load_configuration("noahpy.yaml").name == "My site"
    refused = call("init")
    assert refused.exit_code == 2
    assert "--overwrite" in words(refused.stderr)
    assert call("init", "--overwrite").exit_code == 0


def test_init_takes_over_a_noah_ascii_file(shared, tmp_path):
    target = tmp_path / "tgl.yaml"
    result = call("init", "--from", shared / "data" / "tgl" / "forcing.txt", target)
    assert result.exit_code == 0, result.output
    assert len(load_configuration(target).soil.thickness) == 20


@pytest.mark.parametrize(("statuses", "expected"), [((0, 0), 0), ((0, 1), 1)])
def test_verify_fails_when_one_reference_does(monkeypatch, statuses, expected):
    given = dict(zip(("a.nc", "b.nc"), statuses, strict=True))
    asked = []

    def judge(path, *, mode, execution, json, csv, console):
        asked.append((str(path), mode, execution))
        return given[str(path)]

    monkeypatch.setattr("bmi_noahpy.verification.run_and_report", judge)
    assert call("verify", "a.nc", "b.nc", "--mode", "free").exit_code == expected
    assert asked == [("a.nc", "free", "auto"), ("b.nc", "free", "auto")]


def test_verify_of_a_missing_file_is_a_message(tmp_path):
    result = call("verify", tmp_path / "absent.nc")
    assert result.exit_code == 2
    assert "absent.nc" in words(result.stderr).replace(" ", "")


def test_plot_compares_with_observations_in_the_folder_asked_for(site):
    assert call("run", site, "--no-plot").exit_code == 0
    Path("o.csv").write_text("time_utc,snow_depth_m\n2020-01-01T06:00:00Z,0\n2020-01-01T12:00:00Z,0.01\n")
    result = call("plot", "out.nc", "--observations", "o.csv", "--folder", "figures", "--window", "instant")
    assert result.exit_code == 0, result.output
    assert (Path("figures") / "out_observed_snow.png").exists()


@pytest.mark.parametrize("cell", ["1", "a,b", "-1,0"])
def test_a_wrong_cell_is_explained(tmp_path, cell):
    result = call("plot", tmp_path / "out.nc", "--cell", cell)
    assert result.exit_code == 2
    assert "--cell" in result.stderr


@pytest.mark.parametrize(
    ("topic", "names"),
    [
        ("variables", list(output_variables())),
        ("parameters", [path for path, _ in quantities(Parameters)]),
        ("schemes", [*vars(Options()), *vars(Options()).values()]),
        ("tables", ["SILT LOAM", "SANDY LOAM", "Grassland"]),
    ],
)
def test_info_lists_every_name_in_full(topic, names):
    result = call("info", topic)
    assert result.exit_code == 0
    for name in names:
        assert name.lower() in result.stdout.lower()


def test_info_without_a_topic_lists_all(monkeypatch):
    everything = call("info").stdout
    for topic in TOPICS:
        assert call("info", topic).stdout in everything


def test_the_program_looks_for_garbage_seldom_and_does_what_the_commands_do(monkeypatch, capsys):
    before = gc.get_threshold()
    monkeypatch.setattr(sys, "argv", ["noahpy", "--version"])
    try:
        with pytest.raises(SystemExit) as end:
            main()
        assert gc.get_threshold()[0] == OBJECTS_BETWEEN_COLLECTIONS > before[0]
    finally:
        gc.set_threshold(*before)
    assert not end.value.code
    assert capsys.readouterr().out.startswith("noahpy ")


def test_version_is_that_of_the_package():
    from noahpy_core import __version__

    assert call("--version").stdout.strip() == f"noahpy {__version__}"


def test_help_imports_nothing_heavy():
    code = f"""
import sys, types
package = types.ModuleType("bmi_noahpy")
package.__path__ = [{str(REPOSITORY / "bmi_noahpy")!r}]
sys.modules["bmi_noahpy"] = package
from typer.testing import CliRunner
from bmi_noahpy.cli import app
assert "verify" in CliRunner().invoke(app, ["--help"]).stdout
print(sorted({{"torch", "xarray", "matplotlib", "netCDF4", "numpy", "pydantic"}} & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def possible(number, state, fluxes):
    """Made-up values, but a state of the soil that can be."""
    for path, value in (("soil.temperature", 270.0), ("soil.liquid_water", 0.2), ("soil.ice", 0.1),
                        ("skin_temperature", 270.0)):  # fmt: skip
        state = replace_quantity(state, path, torch.full_like(get_quantity(state, path), value))
    return state, fluxes


def made_up_steps(monkeypatch, run, change=lambda number, state, fluxes: (state, fluxes), ending=None):
    """Let made-up results stand for those of the model; after the first block, perhaps an exception."""
    blocks = iter(range(1000))

    def results(model, state, forcing, parameters, dt, *, outputs, **_):
        count = len(forcing.air_temperature)
        if next(blocks) and ending is not None:
            raise ending
        first = round(float(forcing.air_temperature[0, 0]) / 10.0)
        return Trajectory(*outputs_of(run, first, count, outputs, lambda *step: change(step[0], *possible(*step))))

    monkeypatch.setattr(simulation, "run", results)
    monkeypatch.setattr(blocks_module, "FIRST_LENGTH", 4)


def test_a_state_that_is_not_finite_stops_the_run_and_is_located(tmp_path, monkeypatch):
    run = made_up_run(latitude=[1.0], longitude=[1.0, 2.0])

    def change(number, state, fluxes):
        temperature = state.soil.temperature.clone()
        temperature[2, 1] = torch.nan if number >= 3 else 270.0
        return replace_quantity(state, "soil.temperature", temperature), fluxes

    made_up_steps(monkeypatch, run, change)
    where = r"soil\.temperature became nan in column 1, layer 3, in step 4, which ends 2007-04-05T00:00:00"
    with pytest.raises(runner.NonFiniteState, match=where):
        runner.execute(run, OutputWriter(tmp_path / "out.nc", run, output_spec(variables=["albedo"])))
    with netCDF4.Dataset(tmp_path / "out.nc") as data:
        assert data["time"].size == 3


def test_an_interrupted_run_keeps_its_records_and_says_how_far_it_went(tmp_path, monkeypatch):
    run = made_up_run(steps=10)
    made_up_steps(monkeypatch, run, ending=KeyboardInterrupt())
    summary = runner.execute(run, OutputWriter(tmp_path / "out.nc", run, output_spec()))
    assert (summary.interrupted, summary.steps_done, summary.steps) == (True, 4, 10)
    assert summary.reached == np.datetime64("2007-04-05T00:00:00")
    with netCDF4.Dataset(tmp_path / "out.nc") as data:
        assert data["time"].size == 4


def test_an_interrupt_while_a_block_is_written_comes_after_it(tmp_path, monkeypatch):
    run = made_up_run(steps=10)
    made_up_steps(monkeypatch, run)
    writer = OutputWriter(tmp_path / "out.nc", run, output_spec())
    write = writer.write

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGINT)
        write(*arguments)

    monkeypatch.setattr(writer, "write", interrupted)
    summary = runner.execute(run, writer)
    assert (summary.interrupted, summary.steps_done) == (True, 4)
    with netCDF4.Dataset(tmp_path / "out.nc") as data:
        assert data["time"].size == 4
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_largest_residual_is_reported_with_its_column_and_time(tmp_path, monkeypatch):
    run = made_up_run(latitude=[1.0], longitude=[1.0, 2.0])
    residuals = torch.zeros(10, 2, dtype=torch.float64)
    residuals[:3] = torch.tensor([[0.0, 1e-9], [-3e-9, 2e-9], [0.0, 1e-10]])
    residuals[8, 1] = -3e-9

    def change(number, state, fluxes):
        return state, replace_quantity(fluxes, "water_residual", residuals[number])

    made_up_steps(monkeypatch, run, change)
    summary = runner.execute(run, OutputWriter(tmp_path / "out.nc", run, output_spec()))
    water = next(residual for residual in summary.residuals if residual.name == "water_residual")
    assert (water.value, water.column, water.units) == (pytest.approx(3e-9), 0, "kg m-2 s-1")
    assert water.at == np.datetime64("2007-04-03T00:00:00")


@pytest.mark.parametrize("failing", [0, 2, 5])
def test_an_equation_that_is_not_solved_is_reported_with_the_step_of_the_run(tmp_path, monkeypatch, failing):
    run = made_up_run(steps=10)
    made_up_steps(monkeypatch, run)
    results = simulation.run

    def fails(model, state, forcing, *rest, **options):
        first = round(float(forcing.air_temperature[0, 0]) / 10.0)
        if first <= failing < first + len(forcing.air_temperature):
            raise ConvergenceError("1 of 1 columns", step=failing - first)
        return results(model, state, forcing, *rest, **options)

    monkeypatch.setattr(simulation, "run", fails)
    with pytest.raises(ConvergenceError, match=f"^step {failing}: 1 of 1 columns"):
        runner.execute(run, OutputWriter(tmp_path / "out.nc", run, output_spec()))
    with netCDF4.Dataset(tmp_path / "out.nc") as data:
        assert data["time"].size == failing


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")
def test_control_c_ends_the_program_with_a_message_and_a_readable_file(site):
    mapping = yaml.safe_load(site.read_text())
    mapping["period"] = {"start": "2020-01-01T00:00", "end": "2020-01-02T21:00", "step": 1}
    mapping["execution"] = "eager"  # takes an hour
    write(site, mapping)
    process = subprocess.Popen(
        [sys.executable, "-c", "from bmi_noahpy.cli import app; app()", "run", str(site)],
        cwd=site.parent,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120.0
    while not (site.parent / "out.nc").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(10.0)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=120.0)
    assert process.returncode == 130, stderr
    assert "Interrupted after" in stdout
    assert "Traceback" not in stderr
    with xr.open_dataset(site.parent / "out.nc", decode_timedelta=False) as data:
        assert data.sizes["time"] > 1
        assert np.isfinite(data.soil_temperature).all()
