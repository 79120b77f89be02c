"""A configuration may be moved when every file it names is named where it lies."""

from pathlib import Path

import pytest
from calibration_cases import write_calibration, write_observations, write_site

from bmi_noahpy import load_calibration
from bmi_noahpy.config import ConfigurationError
from bmi_noahpy.config.named_files import with_absolute_files


def test_every_file_of_a_configuration_is_made_absolute():
    sections = {
        "name": "a",
        "domain": {"file": "maps.nc", "latitude": None},
        "forcing": {"file": ["a_*.nc", "/far/b.nc"], "format": None},
        "output": {"file": "out/x.nc"},
        "restart": {"from": "state.nc", "folder": None, "every": 86400},
        "spin_up": {"file": "spun.nc"},
        "schemes": {"turbulence": "chen1997", "soil_thermal": {"class": "a:B", "weights": "nets/w.pt"}},
    }
    found = with_absolute_files(sections, Path("/site"))
    assert found["domain"] == {"file": "/site/maps.nc", "latitude": None}
    assert found["forcing"]["file"] == ["/site/a_*.nc", "/far/b.nc"]
    assert found["output"]["file"] == "/site/out/x.nc"
    assert found["restart"] == {"from": "/site/state.nc", "folder": None, "every": 86400}
    assert found["spin_up"]["file"] == "/site/spun.nc"
    assert found["schemes"]["soil_thermal"] == {"class": "a:B", "weights": "/site/nets/w.pt"}
    assert sections["domain"]["file"] == "maps.nc", "what was given is changed"
    assert with_absolute_files({"forcing": None, "output": "x"}, Path("/site")) == {"forcing": None, "output": "x"}


def test_every_file_of_a_calibration_is_made_absolute():
    sections = {
        "run": "site.yaml",
        "observations": ["soil.csv", {"file": "snow.csv", "variables": {"snow_depth": "SD"}}],
        "results": {"folder": "fit"},
        "starts": {"count": 2},
    }
    assert with_absolute_files(sections, Path("/site")) == {
        "run": "/site/site.yaml",
        "observations": ["/site/soil.csv", {"file": "/site/snow.csv", "variables": {"snow_depth": "SD"}}],
        "results": {"folder": "/site/fit"},
        "starts": {"count": 2},
    }
    changed = {"run": {"base": "site.yaml", "forcing": {"file": "w.csv"}}, "results": "fit"}
    assert with_absolute_files(changed, Path("/site"))["run"]["base"] == "/site/site.yaml"
    whole = {"run": {"name": "a", "forcing": {"file": "w.csv"}}, "observations": "soil.csv"}
    assert with_absolute_files(whole, Path("/site"))["run"]["forcing"]["file"] == "/site/w.csv"


def test_a_calibration_may_stand_on_one_in_another_folder(tmp_path):
    (tmp_path / "below").mkdir()
    base = write_calibration(tmp_path)
    write_site(tmp_path)
    write_observations(tmp_path)
    other = tmp_path / "below" / "other.yaml"
    other.write_text(f"base: ../{base.name}\noptimiser: {{iterations: 3}}\nresults: mine\n", encoding="utf-8")
    found = load_calibration(other)
    assert (found.optimiser.iterations, found.run.source) == (3, tmp_path / "site.yaml")
    assert [entry.file for entry in found.observations] == [tmp_path / "observed.csv"]
    assert found.results.folder == tmp_path / "below" / "mine"
    (tmp_path / "site.yaml").unlink()
    with pytest.raises(ConfigurationError, match=r"run: '.*site\.yaml': No such file"):
        load_calibration(other)
