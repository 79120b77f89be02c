"""The model against every file of output of the Fortran original."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bmi_noahpy.verification import verify
from bmi_noahpy.verification.comparison import nash_sutcliffe
from bmi_noahpy.verification.reference import read_reference
from bmi_noahpy.verification.result import Verification
from bmi_noahpy.verification.run import free_run_differences
from bmi_noahpy.verification.variables import VARIABLES

SINGLE_STEPS = ["single_step_20_layers", "single_step_4_layers"]
TGL = ["tgl", "tgl_roughness_y08", "tgl_paulson", "tgl_original_physics", "tgl_snowy"]
BONDVILLE = ["bondville", "bondville_original_physics"]
ENTHALPY = ["tgl_enthalpy", "bondville_enthalpy"]

QUICKLY_COMPILED = ["tgl", "bondville_original_physics", "bondville_enthalpy"]
"""Both freeze-thaw schemes, both numbers of layers, both soil physics, a kernel each."""

NOT_OURS = {"ffrozp"}
"""Phase of the precipitation as a number: the model has rainfall and snowfall."""
GIVEN = {"sfcspd", "sfctmp", "q2", "sfcprs", "soldn", "longwave", "prcp"}


LONG_EAGER_RUNS = {"bondville", "bondville_enthalpy"}
"""17520 eager steps take six minutes: one such run, of the original physics, is enough: all steps are compared."""


def free_runs(names: list[str]) -> list[tuple[str, str]]:
    """Runs, each with the executions that are tested."""
    eager = [(name, "eager") for name in names if name not in LONG_EAGER_RUNS]
    return eager + [(name, "compiled") for name in names]


def the_file(shared: Path, name: str) -> Path:
    return shared / "reference" / f"{name}.nc"


def complain(verification: Verification) -> str:
    lines = [f"{one.label}: {one.variable} {one.ours!r} != {one.theirs!r}" for one in verification.failures[:10]]
    return "\n".join([f"{verification.within} of {verification.cases} within", *lines])


@pytest.mark.parametrize(
    ("name", "execution"),
    [(name, "eager") for name in SINGLE_STEPS + TGL + BONDVILLE + ENTHALPY]
    + [(name, "compiled") for name in QUICKLY_COMPILED]
    + [
        pytest.param(name, "compiled", marks=pytest.mark.slow)
        for name in SINGLE_STEPS + TGL + BONDVILLE + ENTHALPY
        if name not in QUICKLY_COMPILED
    ],
)
def test_every_step_from_the_state_of_the_original_agrees_in_every_output(
    shared: Path, name: str, execution: str
) -> None:
    verification = verify(the_file(shared, name), execution=execution)
    assert verification.share >= 0.999, complain(verification)
    assert [one.label for one in verification.failures if not one.tie] == [], complain(verification)


@pytest.mark.parametrize("name", ["single_step_20_layers", "bondville"])
def test_nothing_the_original_computed_is_left_out_of_the_comparison(shared: Path, name: str) -> None:
    records = set(read_reference(the_file(shared, name)).records)
    assert records - NOT_OURS - GIVEN == {variable.record for variable in VARIABLES}


@pytest.mark.parametrize("execution", ["eager", "compiled"])
def test_the_first_sixty_days_of_a_free_run_follow_the_original(shared: Path, execution: str) -> None:
    for one in free_run_differences(read_reference(the_file(shared, "tgl")), execution, steps=60):
        if one.variable.units == "K":
            assert one.size.max() <= 1.0e-7


@pytest.mark.slow
@pytest.mark.parametrize(("name", "execution"), free_runs([name for name in TGL if name != "tgl_snowy"] + BONDVILLE))
def test_free_runs_keep_to_the_original_in_every_layer(shared: Path, name: str, execution: str) -> None:
    verification = verify(the_file(shared, name), mode="free", execution=execution)
    for variable in ("stc", "sh2o"):
        report = verification.variable(variable)
        # Where runs of this model that differ by round-off part, a compiled and an eager one may part too.
        chaotic = report.unpredictable_layers
        judged = [score for layer, score in enumerate(report.efficiency or (), 1) if layer not in chaotic]
        assert min(judged) > 0.999
        assert len(chaotic) <= 4
    assert verification.passed


@pytest.mark.slow
@pytest.mark.parametrize("execution", ["eager", "compiled"])
def test_a_free_run_with_deep_snow_keeps_to_the_original_until_its_gravel_turns_chaotic(
    shared: Path, execution: str
) -> None:
    """The daily steps empty and fill the layers of gravel by turns; in the third year round-off decides which."""
    above_gravel, before_chaos = 10, 800
    for one in free_run_differences(read_reference(the_file(shared, "tgl_snowy")), execution):
        if one.variable.name in ("stc", "sh2o"):
            assert nash_sutcliffe(one.ours, one.theirs)[:above_gravel].min() > 0.999
            assert nash_sutcliffe(one.ours[:before_chaos], one.theirs[:before_chaos]).min() > 0.999


@pytest.mark.slow
@pytest.mark.parametrize(("name", "execution"), free_runs(ENTHALPY))
def test_free_runs_with_the_enthalpy_scheme_never_leave_the_original(shared: Path, name: str, execution: str) -> None:
    """Over the whole run, freezing and thawing included: 1e-6 K and 1e-7 m3 m-3."""
    found = free_run_differences(read_reference(the_file(shared, name)), execution)
    differences = {one.variable.name: one for one in found}
    assert differences["stc"].size.max() <= 1.0e-6
    assert differences["t1"].size.max() <= 1.0e-6
    assert differences["smc"].size.max() <= 1.0e-7
    assert differences["sh2o"].size.max() <= 1.0e-7
    assert np.isfinite(differences["stc"].ours).all()
