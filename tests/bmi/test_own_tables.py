"""SOILPARM.TBL, VEGPARM.TBL and GENPARM.TBL in the place of the package's own tables."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from configurations import changed, problems, read, write, write_weather

from bmi_noahpy.config import load_configuration, read_configuration
from bmi_noahpy.config.classic_text import TableTextError, read_general, read_sections
from bmi_noahpy.config.named_files import files_read
from bmi_noahpy.runs.prepare import prepare
from noahpy_core import tables
from noahpy_core.quantities import quantities

SOIL = """Soil Parameters
STAS
4,1   'BB      DRYSMC      F11     MAXSMC   REFSMC   SATPSI  SATDK       SATDW     WLTSMC  QTZ    '
1,     2.79,    0.010,    -0.472,   0.339,   0.236,   0.069,  1.07E-6,  0.608E-6,   0.010,  0.92, 'SAND'
2,     4.26     0.028,    -1.044,   0.421,   0.383,   0.036,  1.41E-5,  0.514E-5,   0.028,  0.82, 'LOAMY SAND'
3,      0.0,      0.0,      0.0,     1.0,     1.0,     0.0,      0.0,       0.0,     0.0,    0.00, 'WATER'
4,     9.00,    0.050,    -1.000,   0.500,   0.300,   0.100,  1.00E-6,  0.100E-4,   0.060,  0.40, 'MINE TAILINGS'

Soil Parameters
STAS-RUC
1,1   'BB      DRYSMC       HC     MAXSMC   REFSMC   SATPSI  SATDK       SATDW     WLTSMC  QTZ    '
1,     4.05,    0.045,      1.47,   0.395,   0.236,   0.121,  1.76E-4,  0.608E-6,   0.068,  0.92, 'SAND'
"""
HEAD = "SHDFAC NROOT RS RGL HS SNUP MAXALB LAIMIN LAIMAX EMISSMIN EMISSMAX ALBEDOMIN ALBEDOMAX Z0MIN Z0MAX"
PLANTS = f"""Vegetation Parameters
USGS
3,1, '{HEAD} ZTOPV ZBOTV'
1, .80, 3, 40., 100., 36.25, 0.04, 66., 1.56, 5.68, .920, .985, .17, .23, .05, .15, 1., .1, 'Cropland'
2, .01, 0, 999., 999., 999.0, 0.02, 75., 0.10, 0.75, .900, .900, .38, .38, .01, .01, 1., .1, 'Barren'
3  .00, 0, 100., 30., 51.75  0.01, 70., 0.01, 0.01, .980, .980, .08, .08, 0.0001, 0.0001, 1., .1, 'Water Bodies'
TOPT_DATA
297.0
CMCMAX_DATA
0.4E-3
CFACTR_DATA
0.5
RSMAX_DATA
5000.0
BARE
2
NATURAL
1
Vegetation Parameters
TWO
1,1, '{HEAD}'
1, .80, 3, 40., 100., 36.25, 0.04, 66., 1.56, 5.68, .920, .985, .17, .23, .05, .15, 'Meadow'
BARE
1
"""
GENERAL = """General Parameters
SLOPE_DATA
2
0.1
0.6
CSOIL_DATA
2.10E+6
SALP_DATA
3.1
ZBOT_DATA
-8.0
SMLOW_DATA
0.5
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("SOILPARM.TBL", SOIL), ("VEGPARM.TBL", PLANTS), ("GENPARM.TBL", GENERAL)):
        (tmp_path / name).write_text(text)
    write_weather(tmp_path / "weather.csv")
    return tmp_path


CHANGES = {
    "soil.table": "SOILPARM.TBL",
    "soil.classes": "mine tailings",
    "soil.thickness": [0.1, 0.3, 0.6],
    "vegetation.table": {"file": "VEGPARM.TBL", "section": "USGS"},
    "vegetation.class": "cropland",
    "general.table": "GENPARM.TBL",
    "general.slope_class": 2,
    "initial.soil_temperature": 276.0,
    "initial.soil_moisture": 0.3,
    "initial.soil_liquid": 0.3,
    "forcing": {"file": "weather.csv"},
}


def test_a_run_has_the_numbers_of_the_files_in_si_units(folder):
    parameters = prepare(read(CHANGES, folder)).parameters
    soil, plants, snow, general = parameters.soil, parameters.vegetation, parameters.snow, parameters.general
    assert float(soil.porosity[0, 0]) == 0.5
    assert float(soil.saturated_diffusivity[0, 0]) == 1e-5
    assert float(plants.canopy_capacity[0]) == 0.4
    assert float(plants.optimum_air_temperature[0]) == 297.0
    assert float(snow.full_cover_snow[0]) == 40.0
    assert float(snow.deep_snow_albedo[0]) == 0.66
    assert float(snow.snow_cover_shape[0]) == 3.1
    assert float(general.mineral_heat_capacity[0]) == 2.1e6
    assert float(general.deep_temperature_depth[0]) == 8.0
    assert float(general.drainage_factor[0]) == 0.6
    # What the file lacks is as in the package.
    assert float(general.zilitinkevich_coefficient[0]) == 0.1


def test_bare_land_is_what_the_file_says(folder):
    parameters = prepare(read(CHANGES | {"vegetation.class": 2}, folder)).parameters
    assert float(parameters.vegetation.bare[0]) == 1.0


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"soil.classes": 3}, "soil.classes", "no physics for open water"),
        ({"soil.classes": "loamy sant"}, "soil.classes", "Did you mean 'loamy sand'?"),
        ({"vegetation.class": 3}, "vegetation.class", "no physics for open water"),
        ({"general.slope_class": 3}, "general.slope_class", "Use 1 to 2"),
        ({"vegetation.table": "VEGPARM.TBL"}, "vegetation.table", "holds the tables USGS, TWO. Say which"),
        ({"vegetation.table": {"file": "VEGPARM.TBL", "section": "USG"}}, "vegetation.table", "Did you mean 'USGS'?"),
        ({"soil.table": "SOILPARN.TBL"}, "soil.table", "no such file"),
        ({"soil.table": "stass"}, "soil.table", "Did you mean 'stas'?"),
        ({"soil.table": "GENPARM.TBL"}, "soil.table", "Is it another file?"),
        ({"general.table": "SOILPARM.TBL"}, "general.table", "no SLOPE_DATA"),
    ],
)
def test_what_does_not_fit_is_named(folder, changes, key, words):
    assert words in problems(CHANGES | changes, folder)[key]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("0.339", "33.9", "line 4: MAXSMC: impossible value 33.9"),
        ("0.92, 'SAND'", "'SAND'", "line 4: 9 values for the 10 columns"),
        ("4,     9.00", "5,     9.00", "announces 4 classes, but there are 1, 2, 3, 5"),
        ("REFSMC", "WATER", "no column REFSMC"),
    ],
)
def test_a_damaged_table_is_refused_with_its_line(folder, old, new, words):
    (folder / "SOILPARM.TBL").write_text(SOIL.replace(old, new, 1))
    assert words in problems(CHANGES, folder)["soil.table"]


def test_texts_of_another_kind_are_refused():
    with pytest.raises(TableTextError, match="no line like"):
        read_sections("time,temperature\n1,2\n")
    with pytest.raises(TableTextError, match="announces 9 slopes, but there are 2"):
        read_general(GENERAL.replace("\n2\n", "\n9\n", 1))


def test_a_configuration_with_files_is_written_and_read_back_from_any_folder(folder, tmp_path):
    first = load_configuration(write(folder / "site.yaml", changed(CHANGES)))
    again = read_configuration(first.model_dump(mode="json"), tmp_path.parent)
    assert again.soil.table.rows == first.soil.table.rows
    assert again.general.table == first.general.table
    assert files_read(first)["vegetation.table"] == [folder / "VEGPARM.TBL"]


def test_folders_and_files_may_have_brackets(folder):
    place = folder / "Tables (2020)"
    place.mkdir()
    for name in ("SOILPARM", "GENPARM"):
        (folder / f"{name}.TBL").rename(place / f"{name} (1).TBL")
    changes = CHANGES | {
        "soil.table": "Tables (2020)/SOILPARM (1).TBL", "general.table": "Tables (2020)/GENPARM (1).TBL"
    }  # fmt: skip
    found = load_configuration(write(folder / "site.yaml", changed(changes)))
    files = files_read(found)
    assert files["soil.table"] == [place / "SOILPARM (1).TBL"]
    assert files["general.table"] == [place / "GENPARM (1).TBL"]
    again = read_configuration(found.model_dump(mode="json"), folder)
    assert again.soil.table.rows == found.soil.table.rows


def test_a_base_in_another_folder_finds_its_tables(folder):
    write(folder / "site.yaml", changed(CHANGES))
    (folder / "other").mkdir()
    above = write(folder / "other" / "above.yaml", {"base": "../site.yaml", "general": {"slope_class": 1}})
    assert str(folder / "SOILPARM.TBL") in load_configuration(above).soil.table.name


CLASSIC = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "parameter_tables"


@pytest.mark.skipif(not CLASSIC.is_dir(), reason="the classic tables are not at hand")
@pytest.mark.parametrize(
    ("kind", "name", "section"),
    [("soil", "noah", "STAS"), ("vegetation", "usgs", "USGS"), ("vegetation", "modis", "MODIFIED_IGBP_MODIS_NOAH")],
)
def test_the_classic_files_give_the_tables_of_the_package(tmp_path, kind, name, section):
    file = CLASSIC / ("SOILPARM.TBL" if kind == "soil" else "VEGPARM.TBL")
    write_weather(tmp_path / "weather.csv")
    given = getattr(read({f"{kind}.table": {"file": str(file), "section": section}}, tmp_path), kind).table
    if kind == "soil":
        numbers = torch.tensor(list(tables.soil_class_names(name)))[None]
        pairs = [(tables.soil_parameters(numbers, table=given), tables.soil_parameters(numbers, table=name))]
    else:
        numbers = torch.tensor(list(tables.vegetation_class_names(name)))
        limits = {"minimum_fraction": 0.1, "maximum_fraction": 0.9}
        pairs = [
            (tables.vegetation_parameters(numbers, table=t, **limits), tables.snow_parameters(numbers, table=t))
            for t in (given, name)
        ]
        pairs = list(zip(*pairs, strict=True))
    for own, packaged in pairs:
        for path, _ in quantities(type(own)):
            values = [getattr(one, path) for one in (own, packaged)]
            assert (values[0] is None) == (values[1] is None), path
            if values[0] is not None:
                np.testing.assert_array_equal(values[0], values[1], err_msg=path)


@pytest.mark.skipif(not CLASSIC.is_dir(), reason="the classic tables are not at hand")
def test_the_classic_general_file_gives_the_constants_of_the_package(tmp_path):
    write_weather(tmp_path / "weather.csv")
    given = read({"general.table": str(CLASSIC / "GENPARM.TBL")}, tmp_path).general.table
    arguments = {"deep_temperature": 270.0, "air_temperature_height": 2.0, "wind_height": 10.0}
    own, packaged = (tables.general_parameters(1, table=table, **arguments) for table in (given, None))
    assert all(bool((getattr(own, f.name) == getattr(packaged, f.name)).all()) for f in dataclasses.fields(own))
