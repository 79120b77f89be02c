"""Reading reference files and comparing with them, on files made with this model itself."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pytest
from made_up_reference import STEPS, WEATHER, write_run, write_single_steps
from rich.console import Console
from typer.testing import CliRunner

from bmi_noahpy.cli import app
from bmi_noahpy.verification import run_and_report, verify
from bmi_noahpy.verification.comparison import Differences, nash_sutcliffe, tolerances, usual_magnitude
from bmi_noahpy.verification.reference import read_reference
from bmi_noahpy.verification.result import judge_free_run
from bmi_noahpy.verification.run import free_run_differences, step_differences, twin_efficiency
from bmi_noahpy.verification.setup import scheme_options
from bmi_noahpy.verification.variables import VARIABLES, Variable


def the_variable(name: str) -> Variable:
    return next(variable for variable in VARIABLES if variable.name == name)


def recorded(path: Path, name: str) -> np.ndarray:
    with netCDF4.Dataset(path) as file:
        return np.asarray(file[name][:])


def changed(path: Path, name: str, where: tuple[int, ...], by: float) -> None:
    with netCDF4.Dataset(path, "a") as file:
        file[name][where] = file[name][where] + by


@pytest.fixture(scope="module")
def pristine_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("pristine") / "run.nc")


@pytest.fixture
def run_file(pristine_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(pristine_run, tmp_path))


# reading


def test_a_run_starts_from_the_namelist_and_each_step_from_the_record_before(run_file: Path) -> None:
    (cases,) = read_reference(run_file).groups
    state = cases.state
    assert state.snow.water_equivalent[0] == 4.0
    assert state.surface.emissivity[0] == 0.96
    assert state.surface.aerodynamic_conductance[0] == 1.0e-4
    assert state.surface.specific_humidity[0] == WEATHER["q2"][0]
    assert state.surface.roughness_length[0] == pytest.approx(0.03, rel=1e-15)
    np.testing.assert_array_equal(state.soil.temperature[:, 1:].numpy(), recorded(run_file, "stc")[:-1].T)
    np.testing.assert_allclose(
        state.soil.ice[:, 1:].numpy(), (recorded(run_file, "smc") - recorded(run_file, "sh2o"))[:-1].T
    )
    np.testing.assert_array_equal(state.snow.water_equivalent[1:].numpy(), 1000.0 * recorded(run_file, "sneqv")[:-1])


def test_single_steps_are_grouped_by_their_options(tmp_path: Path) -> None:
    plain = {"opt_inf": 1, "opt_tcnd": 1, "sfcdif_option": 0}
    prescribed = {"opt_inf": 2, "opt_tcnd": 2, "sfcdif_option": 1, "usemonalb": 1, "rdlai2d": 1}
    reference = read_reference(write_single_steps(tmp_path / "steps.nc", [plain, prescribed, plain]))
    groups = {tuple(group.index.tolist()): group for group in reference.groups}
    assert set(groups) == {(0, 2), (1,)}
    first, second = groups[0, 2], groups[1,]
    assert first.time_step.tolist() == [1800.0, 86400.0]
    assert first.column.thickness.shape == (4, 2)
    assert first.forcing.leaf_area_index is None
    assert first.forcing.snow_free_albedo is None
    assert first.options.turbulence == "paulson1970"
    assert second.forcing.leaf_area_index is not None
    assert second.forcing.snow_free_albedo is not None
    assert (second.options.infiltration, second.options.soil_hydraulics) == ("schaake1996", "zhang2007")


def test_taken_cases_keep_their_parameters_and_numbers(tmp_path: Path) -> None:
    option = {"opt_inf": 2, "opt_tcnd": 2, "sfcdif_option": 1}
    (group,) = read_reference(write_single_steps(tmp_path / "steps.nc", [option] * 3)).groups
    taken = group.select(np.array([2, 0, 2]))
    assert taken.index.tolist() == [2, 0, 2]
    assert taken.parameters.general.drainage_factor[0] == group.parameters.general.drainage_factor[2]
    assert taken.time_step.tolist() == [86400.0, 1800.0, 86400.0]


def test_an_unknown_option_number_is_named() -> None:
    with pytest.raises(ValueError, match=r"sfcdif_option: 7 is unknown\. Use one of \[0, 1, 2\]"):
        scheme_options({"opt_frz": 1, "opt_inf": 1, "opt_tcnd": 1, "sfcdif_option": 7, "iz0tlnd": 0})


def test_a_missing_reference_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.nc does not exist"):
        read_reference(tmp_path / "absent.nc")


def test_a_file_that_is_no_reference_output_is_refused(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "other.nc", "w") as file:
        file.createDimension("x", 3)
    with pytest.raises(ValueError, match=r"other\.nc: dimensions \['x'\] are those of neither kind"):
        read_reference(tmp_path / "other.nc")


def test_a_variable_missing_from_a_reference_file_is_named(run_file: Path) -> None:
    with netCDF4.Dataset(run_file, "a") as file:
        file.renameVariable("snotime1", "snow_age")
    with pytest.raises(ValueError, match=r"run\.nc: 'snotime1' is missing"):
        read_reference(run_file)


# comparing


def test_a_run_of_this_model_agrees_with_itself_step_by_step(run_file: Path) -> None:
    verification = verify(run_file)
    assert verification.passed
    assert (verification.cases, verification.within) == (STEPS, STEPS)
    assert verification.variable("stc").largest < 1.0e-11


def test_a_free_run_of_this_model_agrees_with_itself(run_file: Path) -> None:
    verification = verify(run_file, mode="free", early_days=1)
    assert verification.passed
    assert verification.early_temperature is not None
    assert verification.early_temperature < 1.0e-10
    assert min(verification.variable("sh2o").efficiency or ()) > 1.0 - 1e-12


def test_every_single_step_lands_in_its_own_case(tmp_path: Path) -> None:
    first = {"opt_inf": 1, "opt_tcnd": 2, "sfcdif_option": 2}
    second = {"opt_inf": 2, "opt_tcnd": 1, "sfcdif_option": 1, "iz0tlnd": 1}
    verification = verify(write_single_steps(tmp_path / "steps.nc", [first, second, second, first]))
    assert verification.passed
    assert verification.within == 4


def test_a_value_beyond_tolerance_is_named_with_its_case_and_layer(run_file: Path) -> None:
    changed(run_file, "stc", (STEPS - 1, 2), by=1.0e-6)
    verification = verify(run_file)
    assert not verification.passed
    (failure,) = verification.failures
    assert (failure.case, failure.variable, failure.layer) == (STEPS - 1, "stc", 3)
    assert failure.theirs - failure.ours == pytest.approx(1.0e-6, rel=1e-4)
    assert failure.others == ()
    report = verification.variable("stc")
    assert (report.case, report.layer) == ("2001-01-10T15:00:00", 3)
    assert report.largest == pytest.approx(1.0e-6, rel=1e-4)
    assert report.share == pytest.approx((STEPS - 1) / STEPS)


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [("t1", 0.9e-8, 1.1e-8), ("sneqv", 0.9e-10, 1.1e-10), ("snowh", 0.9e-10, 1.1e-10), ("etp", 0.9e-6, 1.1e-6)],
)
def test_differences_are_accepted_up_to_the_tolerance_in_the_units_of_the_original(
    run_file: Path, name: str, accepted: float, refused: float
) -> None:
    last = (STEPS - 1,)
    changed(run_file, name, last, by=accepted)
    assert verify(run_file).passed
    changed(run_file, name, last, by=refused - accepted)
    assert [failure.variable for failure in verify(run_file).failures] == [name]


def test_what_the_original_did_not_compute_is_not_compared(run_file: Path) -> None:
    changed(run_file, "pc", (2,), by=-1.0e36)
    assert verify(run_file).passed


def test_a_value_that_is_not_a_number_is_beyond_every_tolerance() -> None:
    ours, theirs = np.array([[np.nan], [1.0]]), np.array([[1.0], [1.0]])
    differences = Differences(the_variable("t1"), ours, theirs, np.full((2, 1), 1e-8), np.full((2, 1), True))
    assert differences.within.tolist() == [False, True]


def test_relative_tolerances_do_not_shrink_below_the_usual_magnitude() -> None:
    theirs = np.array([[0.0], [1.0e-12], [2.0], [-2.0], [2000.0], [-1.0e36]])
    assert usual_magnitude(theirs) == 2.0
    accepted = tolerances(the_variable("runoff2"), theirs, usual_magnitude(theirs))[:5, 0]
    np.testing.assert_allclose(accepted, [2.0e-9, 2.0e-9, 2.0e-9, 2.0e-9, 2.0e-6])


def test_efficiency_is_one_for_the_same_series_and_nought_for_its_mean() -> None:
    series = np.array([[1.0, 5.0], [2.0, 5.0], [6.0, 5.0]])
    np.testing.assert_allclose(nash_sutcliffe(series, series), [1.0, 1.0])
    mean = np.broadcast_to(series.mean(axis=0), series.shape)
    np.testing.assert_allclose(nash_sutcliffe(mean, series), [0.0, 1.0])
    assert nash_sutcliffe(series + 1.0, series)[1] == -np.inf


def test_frost_on_snow_counts_as_no_evapotranspiration_as_in_the_original(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run.nc", WEATHER | {"q2": [0.006] * STEPS})
    frost_on_snow = (recorded(path, "etp") < 0.0) & (recorded(path, "sneqv") > 0.0)
    assert frost_on_snow.any()
    assert (recorded(path, "dew")[frost_on_snow] > 0.0).all()
    assert (recorded(path, "etakin")[frost_on_snow] == 0.0).all()


# ties and chaos


def test_a_case_that_round_off_decides_is_recognised_as_a_tie(tmp_path: Path) -> None:
    """Precipitation falls at exactly the freezing point: rain here, snow for the original by the last digit."""
    temperature = list(WEATHER["sfctmp"])
    temperature[-1] = float(np.nextafter(273.15, 0.0))
    snowing = write_run(tmp_path / "run.nc", WEATHER | {"sfctmp": temperature})
    changed(snowing, "sfctmp", (STEPS - 1,), by=273.15 - temperature[-1])
    (failure,) = verify(snowing).failures
    assert failure.case == STEPS - 1
    assert failure.tie


def test_a_case_that_really_differs_is_no_tie(run_file: Path) -> None:
    changed(run_file, "stc", (STEPS - 1, 0), by=1.0e-6)
    (failure,) = verify(run_file).failures
    assert failure.tie is False


def test_twins_of_a_predictable_run_stay_together(run_file: Path) -> None:
    efficiency = twin_efficiency(read_reference(run_file), twins=3)
    assert set(efficiency) == {"stc", "sh2o"}
    assert all((values > 1.0 - 1e-12).all() and values.shape == (4,) for values in efficiency.values())


def test_a_layer_that_falls_short_fails_unless_twins_fall_short_there_too(run_file: Path) -> None:
    changed(run_file, "stc", (2, 3), by=5.0)
    reference = read_reference(run_file)
    differences = free_run_differences(reference)
    steady = np.ones(4)
    failed = judge_free_run(reference, differences, 1, {"stc": steady, "sh2o": steady})
    assert not failed.passed
    assert failed.variable("stc").short_layers == (4,)
    chaotic = judge_free_run(reference, differences, 1, {"stc": np.array([1.0, 1.0, 1.0, 0.5]), "sh2o": steady})
    assert chaotic.passed
    assert chaotic.variable("stc").unpredictable_layers == (4,)


# reporting


def test_the_exit_status_and_the_table_tell_a_pass_from_a_failure(run_file: Path) -> None:
    console = Console(file=io.StringIO(), width=160)
    assert run_and_report(run_file, console=console) == 0
    changed(run_file, "sh2o", (STEPS - 1, 1), by=1.0e-3)
    assert run_and_report(run_file, console=console) == 1
    shown = console.file.getvalue()
    assert "6 of 6 cases (100.000 %) have every output within tolerance." in shown
    assert "case 2001-01-10T15:00:00: sh2o layer 2" in shown
    assert "et (top)" in shown


def test_the_csv_file_has_a_row_for_each_variable_and_for_each_layer_judged_by_its_efficiency(
    run_file: Path, tmp_path: Path
) -> None:
    found = verify(run_file, mode="free")
    run_and_report(run_file, mode="free", csv=tmp_path / "scores.csv", console=Console(file=io.StringIO()))
    table = pd.read_csv(tmp_path / "scores.csv")
    assert set(table.name) == {report.name for report in found.variables}
    layers = table[table.name == "stc"]
    assert list(layers.efficiency_layer) == list(range(1, len(layers) + 1))
    assert np.allclose(layers.efficiency, found.variable("stc").efficiency, atol=1e-8)
    assert layers.largest.iloc[0] == pytest.approx(found.variable("stc").largest)


def test_the_json_file_holds_the_whole_result(run_file: Path, tmp_path: Path) -> None:
    changed(run_file, "stc", (STEPS - 1, 2), by=1.0e-6)
    run_and_report(run_file, json=tmp_path / "result.json", console=Console(file=io.StringIO()))
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["share"] == pytest.approx(5 / 6)
    assert result["passed"] is False
    assert result["failures"][0]["variable"] == "stc"
    assert {report["name"] for report in result["variables"]} >= {"t1", "stc", "sh2o", "eta"}


def test_the_command_line_exits_with_the_verdict(run_file: Path) -> None:
    result = CliRunner().invoke(app, ["verify", str(run_file), "--mode", "free"])
    assert result.exit_code == 0, result.output
    assert "passed" in result.output


def test_a_free_run_of_single_steps_is_refused(tmp_path: Path) -> None:
    path = write_single_steps(tmp_path / "steps.nc", [{"opt_inf": 2, "opt_tcnd": 2, "sfcdif_option": 1}])
    with pytest.raises(ValueError, match=r"steps\.nc holds single steps\. Use mode 'steps'"):
        verify(path, mode="free")


def test_an_unknown_mode_is_refused(run_file: Path) -> None:
    with pytest.raises(ValueError, match=r"mode 'fast' is unknown\. Use one of steps, free"):
        verify(run_file, mode="fast")


def test_differences_come_in_the_order_of_the_calculation(run_file: Path) -> None:
    names = [one.variable.name for one in step_differences(read_reference(run_file))]
    assert names.index("ch") < names.index("etp") < names.index("smc") < names.index("stc") < names.index("sneqv")
