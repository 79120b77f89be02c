"""Observations of networks: ISMN stations, boreholes of GTN-P, depths of thaw of CALM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bmi_noahpy import read_observations
from bmi_noahpy.observations.simulated import PlotError
from bmi_noahpy.observations.thaw import read_thaw_depths

HEAD = "NET NET Station-One 68.62070 -149.61000 749.00 0.0500 0.0500 HydraProbe"


def ismn(folder: Path, variable: str, values: list[str], depth: str = "0.050000") -> Path:
    path = folder / f"NET_NET_Station-One_{variable}_{depth}_{depth}_HydraProbe_20190901_20190902.stm"
    rows = [f"2019/09/01 {hour:02d}:00 {value}" for hour, value in enumerate(values)]
    path.write_text("\n".join([HEAD, *rows]) + "\n")
    return path


def test_a_station_file_of_ismn_says_depth_and_units_and_bad_values_are_left_out(tmp_path):
    path = ismn(tmp_path, "sm", ["0.2500 G M", "0.2600 D01,D03 M", "-9999.0 M M", "0.2700 G M"])
    with pytest.warns(UserWarning, match="2 of 4 values are flagged as not good"):
        (found,) = read_observations(path)
    assert (found.quantity, found.depth) == ("soil_liquid_water", 0.05)
    assert found.values.tolist() == [0.25, 0.27]
    assert found.times[-1] == np.datetime64("2019-09-01T03:00")


def test_the_form_of_ismn_with_the_place_in_every_line_is_read_as_well(tmp_path):
    path = tmp_path / "NET_NET_Barrow_sm_0.000000_0.210000_Cosmic-ray-Probe_20170810_20180809.stm"
    place = "NET     NET          Barrow        71.32980  -156.62870    4.00    0.00    0.21"
    stamps = ("2017/08/10 00:00", "2017/08/10 01:00")
    rows = [f"{stamp} {stamp} {place}   {value} G M" for stamp, value in zip(stamps, (0.177, 0.175), strict=True)]
    path.write_text("\n".join(rows))
    (found,) = read_observations(path)
    assert (found.quantity, found.depth, found.values.tolist()) == ("soil_liquid_water", 0.105, [0.177, 0.175])


@pytest.mark.parametrize(
    ("variable", "quantity", "depth", "value"),
    [
        ("ts", "soil_temperature", 0.05, 283.15),
        ("sd", "snow_depth", None, 0.01),
        ("tsf", "skin_temperature", None, 283.15),
    ],
)
def test_the_variable_of_ismn_is_that_of_the_file_name(tmp_path, variable, quantity, depth, value):
    (found,) = read_observations(ismn(tmp_path, variable, ["10.0 G M", "10.0 G M"]))
    assert (found.quantity, found.depth) == (quantity, depth)
    assert found.values[0] == pytest.approx(value)


def test_a_variable_of_ismn_that_is_not_simulated_and_a_renamed_file_are_refused(tmp_path):
    with pytest.raises(PlotError, match="no column to compare among ISMN p"):
        read_observations(ismn(tmp_path, "p", ["1.0 G M", "2.0 G M"]))
    renamed = ismn(tmp_path, "sm", ["0.2 G M", "0.2 G M"]).rename(tmp_path / "data.stm")
    with pytest.raises(PlotError, match="does not say its variable"):
        read_observations(renamed)


def test_a_borehole_of_gtn_p_has_its_depths_as_names(tmp_path):
    path = tmp_path / "borehole.csv"
    path.write_text(
        "Date/Depth,0.05,0.5,2,10\n2010-08-01 00:00,4.2,1.1,-0.3,-2.4\n2010-08-02 00:00,4.4,-999,-0.3,-2.4\n"
    )
    found = {series.depth: series for series in read_observations(path)}
    assert sorted(found) == [0.05, 0.5, 2.0, 10.0]
    assert found[2.0].values.tolist() == pytest.approx([272.85, 272.85])
    assert len(found[0.5].values) == 1
    assert found[0.05].quantity == "soil_temperature"


def test_a_grid_of_calm_has_a_column_for_each_year_and_a_row_for_each_node(tmp_path):
    path = tmp_path / "U1.csv"
    path.write_text("node,1995,1996,2004-08-21\n1,40,44,50\n2,44,-999,54\n3,42,46,52\n")
    found = read_thaw_depths(path).set_index("year")
    assert found["thaw_depth_m"].to_dict() == pytest.approx({1995: 0.42, 1996: 0.45, 2004: 0.52})
    assert found.loc[1996, "points"] == 2


@pytest.mark.parametrize(
    ("text", "depths"),
    [
        ("year,ALT_cm\n2001,45\n2002,50\n", {2001: 0.45, 2002: 0.5}),
        ("date;thaw depth [cm]\n2001-08-01;40\n2001-08-30;47\n2002-08-29;50\n", {2001: 0.47, 2002: 0.5}),
        ("Year,active_layer\n2001,0.45\n2002,0.5\n", {2001: 0.45, 2002: 0.5}),
        ("Year,ALT\n2001,45\n2002,50\n", {2001: 0.45, 2002: 0.5}),
    ],
)
def test_depths_of_thaw_stand_beside_years_or_dates(tmp_path, text, depths):
    (tmp_path / "calm.csv").write_text(text)
    found = read_thaw_depths(tmp_path / "calm.csv")
    assert dict(zip(found["year"], found["thaw_depth_m"], strict=True)) == pytest.approx(depths)


@pytest.mark.parametrize(
    ("text", "depths"),
    [
        ("node,2020 [mm],2021 [mm]\n1,850,900\n2,950,800\n", {2020: 0.9, 2021: 0.85}),
        ("node,2020_mm,2021\n1,850,90\n2,950,80\n", {2020: 0.9, 2021: 0.85}),
        ("node;ALT_2020 (m);X2021\n1;0.85;90\n2;0.95;80\n", {2020: 0.9, 2021: 0.85}),
    ],
)
def test_units_in_the_name_of_a_year_count(tmp_path, text, depths):
    (tmp_path / "calm.csv").write_text(text)
    found = read_thaw_depths(tmp_path / "calm.csv")
    assert dict(zip(found["year"], found["thaw_depth_m"], strict=True)) == pytest.approx(depths)


def test_columns_of_a_year_that_are_not_its_depths_are_left_out_and_named(tmp_path):
    (tmp_path / "calm.csv").write_text("node,2020_max_cm,2020_std_cm,X_2020,2020_mean_cm\n1,99,9,3,60\n2,99,9,3,70\n")
    with pytest.warns(UserWarning, match="not used, .*: 2020_max_cm, 2020_std_cm, X_2020"):
        found = read_thaw_depths(tmp_path / "calm.csv")
    assert found.to_dict("records") == [{"year": 2020, "thaw_depth_m": pytest.approx(0.65), "points": 2}]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("year,ALT\n2001,9\n2002,10\n", "may be metres or centimetres"),
        ("year,ALT_m\n2001,45\n2002,50\n", "45 m is no depth of thaw"),
        ("year,depth\n2001,45\n2002,50\n", "no depths of thaw among"),
        ("site,ALT_cm\n1,45\n2,50\n", "no column of years or dates"),
        ("year,ALT_cm\n1,45\n2,50\n", "has no year"),
        ("year,ALT_kg\n2001,45\n2002,50\n", "no depths of thaw"),
    ],
)
def test_depths_of_thaw_that_cannot_be_understood_are_refused(tmp_path, text, words):
    (tmp_path / "calm.csv").write_text(text)
    with pytest.raises(PlotError, match=words):
        read_thaw_depths(tmp_path / "calm.csv")
