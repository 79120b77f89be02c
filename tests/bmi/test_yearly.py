"""Permafrost year by year."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

from bmi_noahpy import permafrost_table
from bmi_noahpy.cli import app
from bmi_noahpy.observations.simulated import ColumnOutput, PlotError
from bmi_noahpy.observations.yearly import thaw_depth

DAYS = np.datetime64("2020-01-01", "ns") + np.arange(366) * np.timedelta64(1, "D")


def column(layers: int = 40, front: float = 1.3, longitude: float = 0.0) -> ColumnOutput:
    """A year in which the thaw goes down to a depth, sharply, and the ground freezes again."""
    faces = np.linspace(0.0, 4.0, layers + 1)
    season = np.clip(np.sin(np.pi * (np.arange(366) - 120.0) / 180.0), 0.0, None)
    reach = front * season / season.max()
    thawed = np.clip((reach[:, None] - faces[:-1]) / np.diff(faces), 0.0, 1.0)
    liquid = 0.3 * (0.1 + 0.9 * thawed)
    fields = {
        "soil_temperature": (273.15 - 2.0 + 3.0 * thawed, "K"),
        "soil_liquid_water": (liquid, "m3 m-3"),
        "soil_ice": (0.3 - liquid, "m3 m-3"),
    }
    data = xr.Dataset(
        {name: (("time", "layer"), values, {"units": units}) for name, (values, units) in fields.items()}
        | {"snow_depth": ("time", np.where(np.arange(366) < 100, 0.4, 0.0), {"units": "m"})}
        | {"time_bnds": (("time", "bnds"), np.stack([DAYS, DAYS + np.timedelta64(1, "D")], axis=1)), "lon": longitude},
        {"time": DAYS + np.timedelta64(12, "h")},
    )
    return ColumnOutput("made up", 0.5 * (faces[1:] + faces[:-1]), faces, 86400.0, data)


@pytest.mark.parametrize("layers", [5, 12, 60])
def test_the_active_layer_ends_within_a_layer_whatever_its_thickness(layers):
    (row,) = permafrost_table(column(layers)).to_dict("records")
    assert row["active_layer_m"] == pytest.approx(1.3, abs=1e-9)
    assert (row["year"], row["days"], row["snow_days"], row["highest_snow_m"]) == (2020, 366, 100, 0.4)
    assert row["mean_ground_temperature_degC"] == pytest.approx(-2.0)


def test_twelve_and_sixty_layers_agree_where_frozen_ground_gains_water_in_summer():
    # Ground that is coldest in winter and at the freezing point at 1.3 m in summer, with a curve of unfrozen water.
    fine = np.linspace(0.0, 6.0, 1201)
    middle = 0.5 * (fine[1:] + fine[:-1])
    season = np.cos(2.0 * np.pi * np.arange(366) / 366.0)[:, None]
    summer = np.where(middle < 1.3, 4.0 * (1.3 - middle), -0.5 * (1.0 - np.exp(1.3 - middle)))
    celsius = np.where(season < 0.0, -season * summer - (1.0 + season) * 3.0, -3.0)
    fraction = np.minimum((0.02 / np.maximum(-celsius, 0.02)) ** 0.35, 1.0)
    found = {}
    for layers in (12, 60):
        within = fraction.reshape(366, layers, -1).mean(axis=2)
        found[layers] = thaw_depth(0.3 * within, 0.3 * (1.0 - within), np.linspace(0.0, 6.0, layers + 1))
    assert found[60] == pytest.approx(1.34, abs=0.04)
    assert found[12] == pytest.approx(found[60], abs=0.05)


def test_dates_of_thaw_and_freezing_follow_the_front():
    table = permafrost_table(column(), depths=(0.5, 1.0, 9.0))
    (row,) = table.to_dict("records")
    assert row["thaw_0.5m"] < row["thaw_1m"] < row["freeze_up_1m"] < row["freeze_up_0.5m"]
    assert "thaw_9m" not in table.columns


def test_ground_that_thaws_everywhere_has_no_active_layer_and_frozen_ground_one_of_zero():
    faces = np.linspace(0.0, 2.0, 5)
    water = np.linspace(0.1, 0.3, 10)[:, None] * np.ones(4)
    assert np.isnan(thaw_depth(water, 0.3 - water, faces))
    assert thaw_depth(np.full((10, 4), 0.03), np.full((10, 4), 0.27), faces) == 0.0


@pytest.mark.parametrize("longitude", [-150.0, 150.0])
def test_daily_values_stay_in_their_day_at_any_longitude(longitude):
    assert permafrost_table(column(longitude=longitude))["days"].tolist() == [366]


def test_a_year_that_is_not_whole_has_no_active_layer():
    part = column()
    short = permafrost_table(dataclasses.replace(part, data=part.data.isel(time=slice(0, 300))))
    assert np.isnan(short["active_layer_m"].iloc[0])
    assert short["snow_days"].iloc[0] == 100


def test_an_output_without_ice_is_refused_with_the_key_to_add():
    bare = column()
    with pytest.raises(PlotError, match=r"lacks soil.ice. Add it to output.variables"):
        permafrost_table(dataclasses.replace(bare, data=bare.data.drop_vars("soil_ice")))


def test_an_observed_depth_of_thaw_stands_beside_the_simulated_one(tmp_path):
    (tmp_path / "calm.csv").write_text("year,ALT_cm\n2019,110\n2020,125\n")
    table = permafrost_table(column(), observations=tmp_path / "calm.csv")
    assert table["observed_active_layer_m"].tolist() == [1.25]


def test_the_table_is_written_as_a_spreadsheet_and_never_over_the_output(tmp_path):
    pytest.importorskip("openpyxl")
    data = column().data.assign_coords(lat=60.0, layer=("layer", column().depth))
    data["layer_bnds"] = (("layer", "bnds"), np.stack([column().faces[:-1], column().faces[1:]], axis=1))
    data.assign_attrs(step_seconds=86400.0).to_netcdf(tmp_path / "out.nc")
    arguments = ["table", str(tmp_path / "out.nc"), "--xlsx"]
    result = CliRunner().invoke(app, [*arguments, str(tmp_path / "out.xlsx")])
    assert result.exit_code == 0, result.output
    assert pd.read_excel(tmp_path / "out.xlsx")["active_layer_m"][0] == pytest.approx(1.3)
    assert CliRunner().invoke(app, [*arguments, str(tmp_path / "out.nc")]).exit_code == 2
