"""The header of a Noah ASCII forcing file: every entry has an effect, or is refused or warned about."""

from __future__ import annotations

import pytest

from bmi_noahpy.config import ConfigurationError, ConfigurationWarning, load_configuration
from bmi_noahpy.config.namelist import KEYS
from bmi_noahpy.config.namelist_text import has_namelist, parse_namelist

ENTRIES = {
    "startdate": '"200001010000"',
    "enddate": '"200001020000"',
    "loop_for_a_while": "0",
    "output_dir": '"results"',
    "Latitude": "33.0",
    "Longitude": "92.0",
    "Forcing_Timestep": "10800",
    "Noahlsm_Timestep": "3600",
    "Sea_ice_point": ".FALSE.",
    "Soil_layer_thickness": "0.1 0.3 0.6",
    "Soil_Temperature": "270.0 271.0 272.0",
    "Soil_Moisture": "0.2 0.2 0.2",
    "Soil_Liquid": "0.1 0.1 0.1",
    "Soil_htype": "7 8 9",
    "Skin_Temperature": "269.0",
    "Canopy_water": "2.0E-04",
    "Snow_depth": "0.1",
    "Snow_equivalent": "0.02",
    "Deep_Soil_Temperature": "272.0",
    "Landuse_dataset": '"USGS"',
    "Soil_type_index": "7",
    "Vegetation_type_index": "9",
    "Urban_veg_category": "1",
    "glacial_veg_category": "24",
    "Slope_type_index": "3",
    "Max_snow_albedo": "0.75",
    "Air_temperature_level": "2.0",
    "Wind_level": "10.0",
    "Green_Vegetation_Min": "0.01",
    "Green_Vegetation_Max": "0.96",
    "Usemonalb": ".FALSE.",
    "Rdlai2d": ".FALSE.",
    "sfcdif_option": "1",
    "iz0tlnd": "0",
    "Albedo_monthly": "12*0.2",
    "Shdfac_monthly": "0.1 0.1 0.2 0.3 0.4 0.5 0.6 0.5 0.4 0.3 0.2 0.1",
    "lai_monthly": "12*4.0",
    "Z0brd_monthly": "12*0.03",
}


def header(**changes: str | None) -> str:
    entries = {name: changes.get(name, value) for name, value in ENTRIES.items()} | changes
    lines = [f"{name} = {value}" for name, value in entries.items() if value is not None]
    return "\n".join(["&METADATA_NAMELIST", *lines, "/", "<Forcing>", ""])


def load(tmp_path, **changes):
    path = tmp_path / "site.txt"
    path.write_text(header(**changes))
    return load_configuration(path)


def refused(tmp_path, **changes):
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, **changes)
    return str(caught.value)


def test_values_are_read_whatever_the_style_of_the_namelist():
    text = "&Metadata_Namelist a = 3*0.1, B='it''s' ! comment / with = signs\n c(2)=5\n d=.true. e = F, f = 1.5d-3 /"
    assert parse_namelist(text) == {"a": [0.1] * 3, "b": "it's", "c": [None, 5], "d": True, "e": False, "f": 0.0015}


def test_text_after_the_namelist_is_not_read():
    assert parse_namelist("&METADATA_NAMELIST\na = 1\n/\nb = 2") == {"a": 1}


def test_namelist_is_recognised_only_at_the_start_of_a_line():
    assert has_namelist("! a comment\n &metadata_namelist\n/")
    assert not has_namelist("# made from a file with &METADATA_NAMELIST")


def test_word_that_is_no_value_is_named():
    with pytest.raises(ValueError, match="'warm' is neither a number"):
        parse_namelist("&METADATA_NAMELIST\nskin_temperature = warm\n/")


def test_every_entry_arrives_where_it_belongs(tmp_path):
    configuration = load(tmp_path)
    initial, general, vegetation = configuration.initial, configuration.general, configuration.vegetation
    assert (configuration.domain.latitude, configuration.domain.longitude) == (33.0, 92.0)
    assert (configuration.period.steps, configuration.period.step) == (25, 3600.0)
    assert configuration.soil.thickness == (0.1, 0.3, 0.6)
    assert configuration.soil.classes == (7, 8, 9)
    assert initial.soil_temperature == (270.0, 271.0, 272.0)
    assert (initial.soil_moisture, initial.soil_liquid) == ((0.2,) * 3, (0.1,) * 3)
    assert (initial.skin_temperature, initial.snow_depth) == (269.0, 0.1)
    assert (initial.albedo, initial.roughness_length) == ((0.2,) * 12, (0.03,) * 12)
    assert (general.deep_temperature, general.slope_class) == (272.0, 3)
    assert (general.air_temperature_height, general.wind_height) == (2.0, 10.0)
    assert (vegetation.table, vegetation.class_, vegetation.fraction[6]) == ("usgs", 9, 0.6)
    assert (vegetation.minimum_fraction, vegetation.maximum_fraction) == (0.01, 0.96)
    assert configuration.snow.deep_snow_albedo == 0.75
    assert configuration.forcing.file == tmp_path / "site.txt"
    assert (configuration.forcing.format, configuration.forcing.interval) == ("noah_ascii", 10800.0)
    assert configuration.output.file == tmp_path / "results" / "site.nc"
    assert configuration.name == "site"


def test_depths_of_water_become_masses(tmp_path):
    initial = load(tmp_path).initial
    assert initial.snow_water_equivalent == pytest.approx(20.0)
    assert initial.canopy_water == pytest.approx(0.2)


@pytest.mark.parametrize(("number", "name"), [("0", "paulson1970"), ("1", "chen1997"), ("2", "yang2008")])
def test_exchange_option_chooses_the_turbulence_scheme(tmp_path, number, name):
    assert load(tmp_path, sfcdif_option=number).schemes.turbulence == name


@pytest.mark.parametrize(("number", "name"), [("0", "zilitinkevich1995"), ("1", "chen_zhang2009")])
def test_thermal_roughness_option_chooses_the_scheme(tmp_path, number, name):
    assert load(tmp_path, iz0tlnd=number).schemes.thermal_roughness == name


def test_schemes_that_are_not_in_the_header_are_those_of_the_permafrost_version(tmp_path):
    schemes = load(tmp_path).schemes
    assert (schemes.infiltration, schemes.soil_hydraulics) == ("schaake1996", "zhang2007")
    assert schemes.soil_thermal == "cote_konrad2005"


def test_absent_options_are_as_in_the_original(tmp_path):
    absent = dict.fromkeys(("sfcdif_option", "iz0tlnd", "Usemonalb", "Rdlai2d", "loop_for_a_while", "output_dir"))
    configuration = load(tmp_path, **absent)
    assert configuration.schemes.turbulence == "paulson1970"
    assert configuration.schemes.thermal_roughness == "zilitinkevich1995"
    assert (configuration.vegetation.leaf_area_index, configuration.vegetation.albedo) == (None, None)
    assert configuration.output.file == tmp_path / "site.nc"


def test_monthly_albedo_and_leaf_area_are_prescribed_only_when_asked_for(tmp_path):
    plain = load(tmp_path).vegetation
    assert (plain.albedo, plain.leaf_area_index) == (None, None)
    asked = load(tmp_path, Usemonalb=".TRUE.", Rdlai2d="T").vegetation
    assert (asked.albedo, asked.leaf_area_index) == ((0.2,) * 12, (4.0,) * 12)


def test_modis_classes_are_used_with_a_warning_that_the_original_does_not(tmp_path):
    with pytest.warns(ConfigurationWarning, match="original driver reads the USGS table"):
        configuration = load(tmp_path, Landuse_dataset='"MODIFIED_IGBP_MODIS_NOAH"', glacial_veg_category="15")
    assert configuration.vegetation.table == "modis"


def test_surface_soil_that_differs_from_layer_one_is_warned_about(tmp_path):
    with pytest.warns(ConfigurationWarning, match=r"soil_type_index is 3, but the first soil_htype is 7.*7 is used"):
        configuration = load(tmp_path, Soil_type_index="3")
    assert configuration.soil.classes[0] == 7


def test_dynamic_vegetation_is_warned_about(tmp_path):
    with pytest.warns(ConfigurationWarning, match="dynamic_vegetation = 1 has no effect"):
        load(tmp_path, dynamic_vegetation="1")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Sea_ice_point": ".TRUE."}, "sea_ice_point: True, but this model computes land only"),
        ({"use_urban_module": ".TRUE."}, "use_urban_module: True, but there is no urban canopy model"),
        ({"Urban_veg_category": "9"}, "vegetation_type_index: 9 is urban_veg_category"),
        ({"glacial_veg_category": "9"}, "vegetation_type_index: 9 is glacial_veg_category"),
        ({"loop_for_a_while": "3"}, "loop_for_a_while: 3, but a run goes through its period once"),
        ({"sfcdif_option": "5"}, "sfcdif_option: unknown option 5. Use one of 0, 1, 2"),
        ({"iz0tlnd": "2"}, "iz0tlnd: unknown option 2"),
        ({"Landuse_dataset": '"NLCD"'}, "landuse_dataset: unknown data set 'NLCD'. Use USGS"),
        ({"Rdlai2d": ".TRUE.", "lai_monthly": None}, "lai_monthly: missing, but rdlai2d asks for it"),
        ({"startdate": '"2000-01-01"'}, "startdate: '2000-01-01' is not a date"),
        ({"soil_htyp": "7"}, "soil_htyp: unknown entry. Did you mean 'soil_htype'"),
        ({"Skin_Temperature": None}, "skin_temperature: missing"),
    ],
)
def test_what_cannot_be_computed_is_refused_with_its_entry(tmp_path, changes, words):
    assert words in refused(tmp_path, **changes)


def test_wrong_value_is_named_by_its_entry_and_its_key(tmp_path):
    text = refused(tmp_path, Soil_Liquid="0.1 0.3 0.1")
    assert "soil_liquid (initial.soil_liquid): 0.3 in layer 2 is above soil_moisture, 0.2" in text


def test_layer_count_that_differs_is_named_by_entry(tmp_path):
    assert "soil_htype (soil.classes): has 2 layers, but soil.thickness has 3" in refused(tmp_path, Soil_htype="7 7")


@pytest.mark.parametrize(("site", "steps"), [("tgl", 1371), ("bondville", 17520)])
def test_number_of_steps_is_that_of_the_reference_run(shared, site, steps):
    assert load_configuration(shared / "data" / site / "forcing.txt").period.steps == steps


def test_every_entry_of_the_real_files_is_known(shared):
    for site in ("tgl", "bondville"):
        assert set(parse_namelist((shared / "data" / site / "forcing.txt").read_text())) <= set(KEYS)
