"""Gradients of whole runs against differences of the Fortran original, and reverse against forward mode."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from bmi_noahpy.config import load_configuration
from bmi_noahpy.verification.sensitivities import verify_sensitivities
from bmi_noahpy.verification.sensitivity_comparison import SensitivityComparison
from bmi_noahpy.verification.sensitivity_derivatives import forward_derivatives, results_after, reverse_derivatives
from bmi_noahpy.verification.sensitivity_file import is_sensitivity_file, read_sensitivities
from bmi_noahpy.verification.sensitivity_names import find_input, find_result
from bmi_noahpy.verification.sensitivity_report import worst_entries
from bmi_noahpy.verification.sensitivity_run import ColumnRun, open_run

FILES = {"enthalpy": "tgl_enthalpy_sensitivities.nc", "heat_limited": "tgl_sensitivities.nc"}
SCHEMES = tuple(FILES)


def compare(shared: Path, scheme: str, last_day: int | None = None) -> SensitivityComparison:
    return verify_sensitivities(
        shared / "reference" / FILES[scheme],
        shared / "data" / "tgl" / "forcing.txt",
        phase_change=scheme,
        last_day=last_day,
    )


def tgl_run(shared: Path, scheme: str) -> ColumnRun:
    return open_run(load_configuration(shared / "data" / "tgl" / "forcing.txt"), scheme)


def complain(comparison: SensitivityComparison) -> str:
    return "\n".join([f"{comparison.share:.4f}, {comparison.share_of_plain:.4f} within", *worst_entries(comparison)])


def copy_of(source: Path, target: Path, **changes: np.ndarray | str) -> Path:
    """The first day of a file of sensitivities, with other values in some variables or attributes."""
    with netCDF4.Dataset(source) as old, netCDF4.Dataset(target, "w") as new:
        old.set_auto_mask(False)
        for name, dimension in old.dimensions.items():
            new.createDimension(name, 1 if name == "day" else len(dimension))
        for name, variable in old.variables.items():
            one_day = tuple(slice(1) if dimension == "day" else slice(None) for dimension in variable.dimensions)
            copy = new.createVariable(name, variable.dtype, variable.dimensions)
            copy[:] = changes.get(name, variable[one_day])
    return target


@pytest.mark.parametrize("scheme", [pytest.param("enthalpy", marks=pytest.mark.slow), "heat_limited"])
def test_gradients_of_the_first_sixty_days_are_those_of_the_original(shared: Path, scheme: str) -> None:
    comparison = compare(shared, scheme, last_day=60)
    assert comparison.plain.sum() > 1000
    assert comparison.share >= 0.999, complain(comparison)
    assert comparison.share_of_plain >= 0.999, complain(comparison)


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "days"), [("enthalpy", 1370), ("heat_limited", 120)])
def test_gradients_are_those_of_the_original_as_long_as_they_have_a_meaning(
    shared: Path, scheme: str, days: int
) -> None:
    comparison = compare(shared, scheme)
    assert comparison.file.days[-1] == days
    assert comparison.share >= 0.99, complain(comparison)
    assert comparison.share_of_plain >= 0.99, complain(comparison)
    assert comparison.passed


@pytest.mark.parametrize("scheme", [pytest.param("enthalpy", marks=pytest.mark.slow), "heat_limited"])
def test_forward_mode_gives_the_same_derivatives_as_reverse_mode(shared: Path, scheme: str) -> None:
    file, column = read_sensitivities(shared / "reference" / FILES[scheme]), tgl_run(shared, scheme)
    inputs = [find_input(name, column.configuration) for name in file.parameters]
    results = [find_result(name) for name in file.quantities]
    forward = forward_derivatives(column, inputs, [2, 5], results)
    reverse = reverse_derivatives(column, inputs, [2, 5], results)
    scale = np.abs(forward).max(axis=1, keepdims=True)
    assert (np.abs(forward).max(axis=(1, 2)) > 0.0).mean() > 0.9
    assert (np.abs(forward - reverse) <= 1.0e-9 * scale).all()


def test_reverse_mode_agrees_with_differences_of_this_model_through_a_freeze_and_a_thaw(shared: Path) -> None:
    """The top layer's initial temperature carries over 30 days with nights and days around freezing."""
    column = tgl_run(shared, "enthalpy")
    one, results = find_input("nml:Soil_Temperature:0", column.configuration), [find_result("stc_1"), find_result("t1")]
    step = 1.0e-4
    inputs = {path: value.expand(-1, 2).clone() for path, value in column.inputs([one.path]).items()}
    inputs[one.path][0, 0] -= step
    inputs[one.path][0, 1] += step
    below, above = results_after(column, inputs, [30], results)
    reverse = reverse_derivatives(column, [one], [30], results)[0]
    np.testing.assert_allclose(reverse, (above - below) / (2.0 * step), rtol=1.0e-3)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_scheme_of_a_file_that_does_not_name_it_is_found_by_its_derivatives(
    shared: Path, tmp_path: Path, scheme: str
) -> None:
    path = copy_of(shared / "reference" / FILES[scheme], tmp_path / "unnamed.nc")
    comparison = verify_sensitivities(path, shared / "data" / "tgl" / "forcing.txt")
    assert comparison.phase_change == scheme
    assert comparison.passed


def test_wrong_derivatives_do_not_pass(shared: Path, tmp_path: Path) -> None:
    original = shared / "reference" / FILES["enthalpy"]
    wrong = read_sensitivities(original).sensitivity[:, :1].copy()
    wrong[::10] *= 1.01
    path = copy_of(original, tmp_path / "wrong.nc", sensitivity=wrong)
    comparison = verify_sensitivities(path, shared / "data" / "tgl" / "forcing.txt", phase_change="enthalpy")
    assert not comparison.passed
    assert "original" in worst_entries(comparison)[0]


def test_a_file_of_another_run_is_refused_by_the_values_of_its_parameters(shared: Path, tmp_path: Path) -> None:
    original = shared / "reference" / FILES["enthalpy"]
    values = read_sensitivities(original).values.copy()
    values[0] *= 1.1
    path = copy_of(original, tmp_path / "other.nc", value=values)
    with pytest.raises(ValueError, match=r"soil:7:BB is .* in the file"):
        verify_sensitivities(path, shared / "data" / "tgl" / "forcing.txt", phase_change="enthalpy")


def test_only_files_with_the_dimensions_of_sensitivities_are_taken_for_them(shared: Path, tmp_path: Path) -> None:
    assert is_sensitivity_file(shared / "reference" / FILES["enthalpy"])
    assert not is_sensitivity_file(shared / "reference" / "tgl.nc")
    assert not is_sensitivity_file(tmp_path / "absent.nc")


@pytest.mark.parametrize("name", ["soil:7:COLOUR", "veg:9:RSMAX", "gen:BB", "nml:Cloud:0", "wind"])
def test_an_unknown_parameter_is_named(shared: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"parameter '{name}' is unknown"):
        find_input(name, tgl_run(shared, "enthalpy").configuration)


@pytest.mark.parametrize("name", ["soil:1:BB", "veg:5:RS"])
def test_a_class_that_does_not_occur_in_the_run_is_named(shared: Path, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        find_input(name, tgl_run(shared, "enthalpy").configuration)


@pytest.mark.parametrize("name", ["stc", "t1_3", "stc_top", "rain"])
def test_an_unknown_quantity_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"quantity '{name}' is unknown"):
        find_result(name)
