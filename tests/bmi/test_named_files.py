"""A configuration may be moved when every file it names is named where it lies."""

from pathlib import Path

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
