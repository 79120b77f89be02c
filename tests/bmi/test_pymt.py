"""pymt itself, where CSDMS's is installed: the calls its users make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "pymt_run.ipynb"
TEMPERATURE, SOIL = "land_surface__temperature", "soil__temperature"


def _pymt_models() -> Any:
    """The models of CSDMS's pymt; a touch-screen library on PyPI has the same name."""
    pymt = pytest.importorskip("pymt", reason="needs pymt of CSDMS (conda-forge)")
    if not hasattr(pymt, "MODELS"):
        pytest.skip("the installed pymt is not that of CSDMS")
    if "NoahPy" not in pymt.MODELS.keys():  # noqa: SIM118
        reasons = dict(pymt.MODELS.errors)
        if "NoahPy" in reasons:
            pytest.fail(f"pymt could not load the plugin: {reasons['NoahPy']}")
        pytest.skip("pymt does not see the plugin: install the package, not only its source folder")
    return pytest.importorskip("pymt.models")


def notebook_cells() -> list[str]:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_the_notebook_is_valid_and_its_code_compiles():
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    for cell in notebook["cells"]:
        assert {"cell_type", "id", "metadata", "source"} <= set(cell)
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
    for number, source in enumerate(notebook_cells()):
        compile(source, f"cell {number}", "exec")


@pytest.fixture
def model() -> Any:
    started = _pymt_models().NoahPy()
    started.initialize(*started.setup())
    return started


def test_setup_and_initialize_give_a_model_that_runs(model):
    first = model.get_value(TEMPERATURE)
    for _ in range(3):
        model.update()
    assert model.time == 3 * model.time_step
    assert not np.array_equal(model.get_value(TEMPERATURE), first)
    model.finalize()


def test_a_single_column_is_one_setup_argument():
    column = _pymt_models().NoahPy()
    column.initialize(*column.setup(domain="column", time_step=86400))
    column.update()
    assert column.get_value(TEMPERATURE).shape == (1,)
    assert column.grid_type(column.var_grid(SOIL)) == "unstructured"


def test_quick_plot_draws_the_grid(model):
    import matplotlib.pyplot as plt

    model.update()
    model.quick_plot(TEMPERATURE)
    [mesh] = plt.gca().collections
    assert np.array_equal(np.ravel(mesh.get_array()), model.get_value(TEMPERATURE))
    plt.close("all")


def test_values_come_in_other_units_and_can_be_set(model):
    model.set_value("land_surface_air__temperature", np.full(12, 260.0))
    model.update()
    assert np.allclose(model.get_value("land_surface_air__temperature", units="degC"), -13.15)
    assert model.var[SOIL].units == "K"
    assert model.var[SOIL].data.shape == (14 * 12,)


def test_update_until_works_in_other_units_of_time(model):
    model.time_units = "d"
    model.update_until(1.0)
    assert model.time == pytest.approx(1.0)
    assert model.bmi.get_current_time() == 86400.0


def test_metadata_and_documentation_are_shown(model):
    assert model.version
    assert model.license == "MIT"
    assert "domain" in dict(model.parameters)
    assert "Noah land surface model" in type(model).__doc__


def test_the_notebook_runs(monkeypatch, tmp_path):
    _pymt_models()
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for number, source in enumerate(notebook_cells()):
        exec(compile(source, f"cell {number}", "exec"), names)
