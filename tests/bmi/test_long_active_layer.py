"""The active layer of a run depends little on how many layers its soil has."""

from __future__ import annotations

import warnings

import pytest

from bmi_noahpy import permafrost_table, simulate
from bmi_noahpy.config import read_configuration
from bmi_noahpy.example import example_configuration, write_example

pytestmark = pytest.mark.slow

TWELVE = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.4)
"""Eight metres, thinnest at the surface. [m]"""
PARTS = (1, 2, 3, 4, 6, 7, 7, 7, 7, 6, 5, 5)
SIXTY = tuple(whole / count for whole, count in zip(TWELVE, PARTS, strict=True) for _ in range(count))
"""The same with the layers below the first one in parts of 5 to 50 cm."""


def active_layer(folder, thickness, schemes) -> float:
    """Of the year 2020 of the example, in silt loam that begins frozen at -3 degC. [m]"""
    configuration = example_configuration()
    configuration |= {
        "period": configuration["period"] | {"end": "2020-12-31T21:00"},
        "soil": {"thickness": [round(one, 9) for one in thickness], "classes": 8, "table": "noah"},
        "schemes": schemes,
        "execution": "auto",
        "output": {
            "file": "out.nc", "daily": ["mean"], "variables": ["soil.temperature", "soil.liquid_water", "soil.ice"],
        },
    }  # fmt: skip
    configuration["initial"] |= {"soil_temperature": 270.15, "soil_moisture": 0.3, "soil_liquid": "equilibrium"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        simulate(read_configuration(configuration, folder)).to_netcdf(folder / f"{len(thickness)}.nc")
    table = permafrost_table(folder / f"{len(thickness)}.nc", depths=()).set_index("year")
    return float(table.loc[2020, "active_layer_m"])


@pytest.mark.parametrize("schemes", [{"preset": "conservative"}, {"phase_change": "enthalpy"}], ids=str)
def test_runs_of_twelve_and_of_sixty_layers_have_the_same_active_layer(schemes, tmp_path):
    assert len(SIXTY) == 60
    write_example(tmp_path)
    twelve, sixty = (active_layer(tmp_path, thickness, schemes) for thickness in (TWELVE, SIXTY))
    assert 1.0 < twelve < 2.5
    assert twelve == pytest.approx(sixty, abs=0.05)
