"""The layers of a snowpack over time and height: worked by hand, and drawn from the output of a run."""

from __future__ import annotations

import numpy as np

from bmi_noahpy import read_configuration, simulate
from bmi_noahpy.observations.simulated import column_of
from bmi_noahpy.plot.simulation import snow_figure
from bmi_noahpy.plot.snowpack import at_heights, layers_of


def test_a_height_belongs_to_the_layer_around_it_and_to_none_above_the_snow():
    thickness = np.array([[0.1, 0.2, 0.3], [0.0, 0.0, 0.05]])
    values = np.array([[-9.0, -4.0, -1.0], [-7.0, -7.0, -2.0]])
    section = at_heights(thickness, values, np.array([0.02, 0.29, 0.31, 0.49, 0.51, 0.59, 0.7]))
    np.testing.assert_array_equal(section[0], [-1.0, -1.0, -4.0, -4.0, -9.0, -9.0, np.nan])
    np.testing.assert_array_equal(section[1], [-2.0, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan])


def test_a_run_with_layered_snow_has_a_panel_of_its_layers(tmp_path):
    rows = ["time,air_temperature,air_pressure,specific_humidity,wind_speed,shortwave_down,longwave_down,precipitation"]
    for day in range(12):
        date = np.datetime64("2020-01-01") + day
        rows.append(f"{date}T00:00,{263.0 + day % 3},90000,0.0015,3,60,230,0.0001")
    (tmp_path / "weather.csv").write_text("\n".join(rows) + "\n")
    settings = {
        "domain": {"latitude": 60.0, "longitude": 10.0},
        "period": {"start": "2020-01-01T00:00", "end": "2020-01-11T00:00", "step": 21600},
        "soil": {"thickness": [0.1, 0.3, 0.6], "classes": [8, 8, 4]},
        "vegetation": {"class": 9, "fraction": 0.2},
        "general": {"deep_temperature": 274.0, "air_temperature_height": 2.0, "wind_height": 10.0},
        "schemes": {"preset": "conservative"},
        "initial": {
            "soil_temperature": [270.5, 271.5, 273.5], "soil_moisture": [0.3, 0.3, 0.25], "soil_liquid": "equilibrium",
            "skin_temperature": 270.0, "albedo": 0.2, "roughness_length": 0.05,
        },
        "forcing": {
            "file": "weather.csv",
            "variables": {"precipitation": {"name": "precipitation", "units": "kg m-2 s-1"}},
        },
        "output": {"file": "x.nc"},
    }  # fmt: skip
    names = ["snow.depth", "snow.water_equivalent", "snow.layer_thickness", "snow_temperature"]
    column = column_of(simulate(read_configuration(settings, tmp_path), variables=names), "the run")
    layers = layers_of(column)
    assert layers is not None
    thickness, temperature = layers
    assert thickness.values.shape[1] == 3
    assert temperature.values.max() <= 0.0
    figure = snow_figure(column)
    assert figure is not None
    assert [axes.get_ylabel() for axes in figure.axes[:3]][-1] == "height in the snow [m]"
