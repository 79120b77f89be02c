"""The conformance suite of CSDMS, on one column and on a grid."""

from __future__ import annotations

import functools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import bmi_cases as cases
import pytest
from test_bmi_masked import write_masked

from bmi_noahpy import BmiNoahPy

bmi_tester = pytest.importorskip("bmi_tester")
# Without it bmi-tester skips its checks of units and says nothing.
pytest.importorskip("gimli.units")

PROGRAM = "import sys; from bmi_tester.main import main; sys.exit(main(sys.argv[1:]))"


WRITERS = {
    "column": lambda folder: cases.write_case(folder, cases.configuration()),
    "grid": lambda folder: cases.write_case(folder, cases.grid_configuration()),
    "masked": write_masked,
    "packed": functools.partial(write_masked, domain__masked_cells="packed"),
}
QUICK = ("masked",)


@pytest.mark.parametrize("kind", [pytest.param(k, marks=[] if k in QUICK else pytest.mark.slow) for k in WRITERS])
def test_bmi_tester_finds_nothing(tmp_path, kind, pytestconfig):
    path = WRITERS[kind](tmp_path)
    paths = [str(pytestconfig.rootpath), os.environ.get("PYTHONPATH", "")]
    # Its fixtures are above the folders it hands to pytest, which looks for them up to the root folder only.
    options = shlex.quote(f"--rootdir={Path(bmi_tester.__file__).parent}")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTEST_ADDOPTS": options}
    arguments = ["bmi_noahpy:BmiNoahPy", "--root-dir", str(tmp_path), "--config-file", str(path)]
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=540, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
    summaries = re.findall(r"=+ (.*\d+ passed.*) in .*=+", result.stdout)
    # One summary for each of bootstrap and three stages; the stages look at every variable at least once.
    assert len(summaries) == 4, result.stdout[-4000:]
    passed = sum(int(count) for count in re.findall(r"(\d+) passed", " ".join(summaries)))
    assert passed > 3 * BmiNoahPy().get_output_item_count()
    assert not re.search(r"failed|error|xfailed", " ".join(summaries))
    assert "not a valid standard name" not in result.stdout
