"""Classes of soil and land cover against the classic tables they were carried over from."""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path

import pytest
import torch

from noahpy_core.parameters import (
    BEDROCK,
    GRAVEL,
    MINERAL,
    GeneralParameters,
    SnowParameters,
    SoilParameters,
    VegetationParameters,
)
from noahpy_core.tables import (
    class_number,
    general_parameters,
    slope_class_count,
    snow_parameters,
    soil_class_names,
    soil_parameters,
    vegetation_class_names,
    vegetation_parameters,
)

SOIL_COLUMNS = {
    "clapp_hornberger_b": 1,
    "dry_limit": 2,
    "porosity": 4,
    "field_capacity": 5,
    "saturated_suction": 6,
    "saturated_hydraulic_conductivity": 7,
    "saturated_diffusivity": 8,
    "wilting_point": 9,
    "quartz_fraction": 10,
}
VEGETATION_COLUMNS = {
    "minimum_stomatal_resistance": 3,
    "radiation_stress_scale": 4,
    "humidity_stress_coefficient": 5,
    "minimum_leaf_area_index": 8,
    "maximum_leaf_area_index": 9,
    "minimum_emissivity": 10,
    "maximum_emissivity": 11,
    "minimum_albedo": 12,
    "maximum_albedo": 13,
    "minimum_roughness_length": 14,
    "maximum_roughness_length": 15,
}
HEADINGS = {"usgs": "USGS", "modis": "MODIFIED_IGBP_MODIS_NOAH"}


def columns(*classes: int) -> torch.Tensor:
    return torch.tensor(classes)


def vegetation(classes: torch.Tensor, table: str = "usgs") -> VegetationParameters:
    return vegetation_parameters(classes, table=table, minimum_fraction=0.01, maximum_fraction=0.96)


def general(count: int = 1, **other: float) -> GeneralParameters:
    given = {"deep_temperature": 272.0, "air_temperature_height": 2.0, "wind_height": 10.0}
    return general_parameters(count, **{**given, **other})


def classic_rows(text: str) -> dict[int, list[float]]:
    """Number -> numbers of every line that starts with a class number and ends with a quoted name."""
    rows = {}
    for line in text.splitlines():
        match = re.match(r"\s*(\d[^']*)'[^']*'", line)
        if match:
            numbers = [float(word) for word in re.split(r"[,\s]+", match[1]) if word]
            if len(numbers) > 2:
                rows[int(numbers[0])] = numbers
    return rows


def classic_vegetation(shared: Path, table: str) -> dict[int, list[float]]:
    text = (shared / "data/parameter_tables/VEGPARM.TBL").read_text()
    start = text.index(f"\n{HEADINGS[table]}\n")
    return classic_rows(text[start : text.index("TOPT_DATA", start)])


def classic_constants(shared: Path, file: str) -> dict[str, float]:
    lines = (shared / "data/parameter_tables" / file).read_text().splitlines()
    pairs = itertools.pairwise(lines)
    return {name.strip(): float(value) for name, value in pairs if name.strip().endswith("_DATA")}


@pytest.mark.parametrize(("table", "file"), [("noah", "SOILPARM.TBL"), ("noahpy", "SOILPARM_noahpy.TBL")])
def test_every_soil_number_is_the_one_of_the_classic_table(shared, table, file):
    text = (shared / "data/parameter_tables" / file).read_text().split("STAS-RUC")[0]
    rows = classic_rows(text)
    numbers = [number for number in soil_class_names(table) if number <= len(rows)]
    parameters = soil_parameters(columns(*numbers)[:, None], table=table)
    for name, position in SOIL_COLUMNS.items():
        expected = [rows[number][position] for number in numbers]
        assert getattr(parameters, name).flatten().tolist() == expected, name


@pytest.mark.parametrize("table", ["usgs", "modis"])
def test_every_vegetation_number_is_the_one_of_the_classic_table(shared, table):
    rows = classic_vegetation(shared, table)
    numbers = list(vegetation_class_names(table))
    parameters = vegetation(columns(*numbers), table)
    for name, position in VEGETATION_COLUMNS.items():
        assert getattr(parameters, name).tolist() == [rows[number][position] for number in numbers], name
    assert parameters.root_layers.tolist() == [max(rows[number][2], 1) for number in numbers]


@pytest.mark.parametrize("table", ["usgs", "modis"])
def test_snow_numbers_are_those_of_the_classic_table_in_si_units(shared, table):
    rows = classic_vegetation(shared, table)
    numbers = list(vegetation_class_names(table))
    snow = snow_parameters(columns(*numbers), table=table)
    assert snow.full_cover_snow.tolist() == pytest.approx([rows[number][6] * 1000 for number in numbers])
    assert snow.deep_snow_albedo.tolist() == pytest.approx([rows[number][7] / 100 for number in numbers])


def test_general_numbers_are_those_of_the_classic_table(shared):
    classic = classic_constants(shared, "GENPARM.TBL")
    parameters, snow = general(), snow_parameters(columns(9))
    assert parameters.canopy_shading_coefficient.item() == classic["SBETA_DATA"]
    assert parameters.soil_evaporation_exponent.item() == classic["FXEXP_DATA"]
    assert parameters.mineral_heat_capacity.item() == classic["CSOIL_DATA"]
    assert parameters.reference_hydraulic_conductivity.item() == classic["REFDK_DATA"]
    assert parameters.reference_infiltration_decay.item() == classic["REFKDT_DATA"]
    assert parameters.impermeable_ice_depth.item() == classic["FRZK_DATA"]
    assert parameters.deep_temperature_depth.item() == -classic["ZBOT_DATA"]
    assert parameters.zilitinkevich_coefficient.item() == classic["CZIL_DATA"]
    assert snow.snow_cover_shape.item() == classic["SALP_DATA"]
    assert snow.snow_albedo_weight.item() == classic["LVCOEF_DATA"]


def test_canopy_numbers_are_those_of_the_classic_table_in_si_units(shared):
    classic = classic_constants(shared, "VEGPARM.TBL")
    parameters = vegetation(columns(9))
    assert parameters.optimum_air_temperature.item() == classic["TOPT_DATA"]
    assert parameters.canopy_capacity.item() == pytest.approx(1000 * classic["CMCMAX_DATA"])
    assert parameters.canopy_wetness_exponent.item() == classic["CFACTR_DATA"]
    assert parameters.maximum_stomatal_resistance.item() == classic["RSMAX_DATA"]


def test_drainage_factors_are_those_of_the_classic_table(shared):
    lines = (shared / "data/parameter_tables/GENPARM.TBL").read_text().splitlines()
    expected = [float(line) for line in lines[3 : 3 + int(lines[2])]]
    count = slope_class_count()
    parameters = general(count, slope_class=torch.arange(1, count + 1))
    assert parameters.drainage_factor.tolist() == expected


def test_gravel_and_bedrock_are_marked_as_such():
    material = soil_parameters(columns(7, 13, 14)[:, None]).material
    assert material.flatten().tolist() == [MINERAL, GRAVEL, BEDROCK]


@pytest.mark.parametrize(
    ("number", "noah", "noahpy"),
    [(1, 0.90, 0.90), (3, 0.86, 0.86), (5, 0.80, 0.80), (7, 0.74, 0.74), (9, 0.85, 0.90), (14, 0.80, 0.90)],
)
def test_threshold_of_the_second_water_pass_belongs_to_the_class(number, noah, noahpy):
    classes = columns(number)[:, None]
    assert soil_parameters(classes).two_pass_saturation.item() == noah
    assert soil_parameters(classes, table="noahpy").two_pass_saturation.item() == noahpy


def test_derived_hydraulics_leave_the_four_derivable_values_open():
    derived = soil_parameters(columns(7)[:, None], hydraulics="derived")
    open_fields = {field.name for field in dataclasses.fields(derived) if getattr(derived, field.name) is None}
    derivable = {"field_capacity", "wilting_point", "dry_limit", "saturated_diffusivity"}
    assert open_fields == derivable | {"organic_matter", "organic_solids"}


@pytest.mark.parametrize("table", ["noah", "noahpy"])
def test_every_soil_value_lies_within_the_bounds_of_its_parameter(table):
    parameters = soil_parameters(columns(*soil_class_names(table))[:, None], table=table)
    assert_within_bounds(parameters)


@pytest.mark.parametrize("table", ["usgs", "modis"])
def test_every_vegetation_and_snow_value_lies_within_the_bounds_of_its_parameter(table):
    classes = columns(*vegetation_class_names(table))
    assert_within_bounds(vegetation(classes, table))
    assert_within_bounds(snow_parameters(classes, table=table))


def assert_within_bounds(parameters: SoilParameters | VegetationParameters | SnowParameters) -> None:
    for field in dataclasses.fields(parameters):
        low, high = field.metadata["bounds"]
        value = getattr(parameters, field.name)
        assert value is None or bool(((value >= low) & (value <= high)).all()), field.name


def test_layers_and_columns_keep_their_places():
    parameters = soil_parameters(torch.tensor([[7, 8, 9], [12, 13, 14]]))
    assert parameters.porosity.tolist() == [[0.439, 0.476, 0.434], [0.339, 0.262, 0.20]]


def test_only_the_barren_class_is_bare():
    assert vegetation(columns(9, 19, 27)).bare.tolist() == [0.0, 1.0, 0.0]
    assert vegetation(columns(10, 16), "modis").bare.tolist() == [0.0, 1.0]


def test_a_given_deep_snow_albedo_replaces_that_of_the_class():
    assert snow_parameters(columns(9, 7), deep_snow_albedo=0.75).deep_snow_albedo.tolist() == [0.75, 0.75]


def test_gradients_pass_through_a_given_parameter():
    temperature = torch.tensor(270.0, requires_grad=True)
    general(3, deep_temperature=temperature).deep_temperature.sum().backward()
    assert temperature.grad.item() == 3.0


@pytest.mark.parametrize(
    ("table", "number", "reason"),
    [
        ("usgs", 1, "urban"),
        ("usgs", 16, "water"),
        ("usgs", 24, "snow or ice"),
        ("modis", 13, "urban"),
        ("modis", 15, "ice"),
        ("modis", 17, "water"),
    ],
)
def test_land_cover_without_physics_is_refused_with_its_column(table, number, reason):
    with pytest.raises(ValueError, match=rf"vegetation class of column 2: {number} .*{reason}"):
        vegetation(columns(9, number), table)


@pytest.mark.parametrize(("number", "reason"), [(15, "ice"), (16, "water")])
def test_soil_without_physics_is_refused_with_its_layer_and_column(number, reason):
    with pytest.raises(ValueError, match=rf"soil class of layer 1 column 2: {number} .*{reason}"):
        soil_parameters(torch.tensor([[7, number], [7, 7]]))


@pytest.mark.parametrize("number", [0, 24])
def test_a_soil_class_that_does_not_exist_is_named_with_the_valid_range(number):
    with pytest.raises(ValueError, match=f"layer 2 column 1: {number} does not exist. Use 1 to 23"):
        soil_parameters(torch.tensor([[7], [number]]))


def test_a_slope_class_that_does_not_exist_is_named_with_the_valid_range():
    with pytest.raises(ValueError, match=r"slope class of column 1: 10 does not exist. Use 1 to 9"):
        general(slope_class=10)


def test_an_unknown_table_is_named_with_the_valid_ones():
    with pytest.raises(ValueError, match=r"'statsgo'. Use noah or noahpy"):
        soil_parameters(columns(7)[:, None], table="statsgo")


@pytest.mark.parametrize("table", ["stas", "stas-2010"])
def test_public_numbering_has_the_values_of_the_same_classes_and_refuses_water_and_ice(table):
    names = soil_class_names(table)
    assert (names[1], names[12], names[15]) == ("sand", "clay", "bedrock")
    assert {14, 16}.isdisjoint(names)
    noah = {name: number for number, name in soil_class_names("noah").items()}
    changed = {"sand", "white sand", "loamy sand", "sandy loam", "silt", "sandy clay loam", "silty clay loam"}
    for number, name in names.items():
        if name in noah and (table == "stas" or name not in changed):
            own = soil_parameters(columns(number)[:, None], table=table)
            other = soil_parameters(columns(noah[name])[:, None], table="noah")
            assert own.porosity.item() == other.porosity.item(), name
            assert own.saturated_hydraulic_conductivity.item() == other.saturated_hydraulic_conductivity.item(), name
    with pytest.raises(ValueError, match=r"14 \(water\) cannot be computed"):
        soil_parameters(columns(14)[:, None], table=table)


def test_corrected_sand_drains_as_later_public_tables_say():
    sand = soil_parameters(columns(1)[:, None], table="stas-2010")
    assert (sand.saturated_hydraulic_conductivity.item(), sand.field_capacity.item()) == (4.66e-5, 0.192)


@pytest.mark.parametrize(
    ("number", "name", "numbers"),
    [
        # b, porosity, field capacity, suction [m], conductivity [m s-1], diffusivity [m2 s-1], wilting point, quartz.
        (1, "sand", (2.79, 0.339, 0.192, 0.069, 4.66e-5, 2.65e-5, 0.010, 0.92)),
        (2, "loamy sand", (4.26, 0.421, 0.283, 0.036, 1.41e-5, 5.14e-6, 0.028, 0.82)),
        (3, "sandy loam", (4.74, 0.434, 0.312, 0.141, 5.23e-6, 8.05e-6, 0.047, 0.60)),
        (5, "silt", (3.86, 0.484, 0.347, 0.955, 2.18e-6, 1.66e-5, 0.061, 0.10)),
        (7, "sandy clay loam", (6.77, 0.404, 0.315, 0.135, 4.45e-6, 1.01e-5, 0.069, 0.60)),
        (8, "silty clay loam", (8.72, 0.464, 0.387, 0.617, 2.03e-6, 2.35e-5, 0.120, 0.10)),
    ],
)
def test_classes_that_later_public_tables_correct_have_their_values(number, name, numbers):
    assert soil_class_names("stas-2010")[number] == name
    found = soil_parameters(columns(number)[:, None], table="stas-2010")
    assert (
        found.clapp_hornberger_b.item(), found.porosity.item(), found.field_capacity.item(),
        found.saturated_suction.item(), found.saturated_hydraulic_conductivity.item(),
        found.saturated_diffusivity.item(), found.wilting_point.item(), found.quartz_fraction.item(),
    ) == numbers  # fmt: skip


@pytest.mark.parametrize("table", ["stas", "stas-2010"])
@pytest.mark.parametrize(("number", "reason"), [(14, "water"), (16, "land ice")])
def test_water_and_land_ice_of_public_tables_are_refused_as_such(table, number, reason):
    with pytest.raises(ValueError, match=rf"layer 1 column 2: {number} \({reason}\) cannot be computed"):
        soil_parameters(torch.tensor([[7, number]]), table=table)


def test_a_class_is_found_by_its_name():
    assert class_number("Sandy Loam", soil_class_names("noah")) == 9
    assert class_number("sandy_loam", soil_class_names("stas")) == 3
    with pytest.raises(ValueError, match="Did you mean 'sandy loam'"):
        class_number("sandy lome", soil_class_names("noah"))
