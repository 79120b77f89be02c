"""Derived soil parameters, and the metadata of every quantity."""

from __future__ import annotations

import dataclasses
import re

import pint
import pytest
import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.parameters import Parameters, SoilParameters, VegetationParameters
from noahpy_core.quantities import get_quantity, quantities, replace_quantity
from noahpy_core.state import Fluxes, Forcing, SnowState, SoilState, State
from noahpy_core.tables import soil_parameters, vegetation_parameters

CONTAINERS = [State, Forcing, Fluxes, Parameters]
DERIVED = ("field_capacity", "wilting_point", "dry_limit", "saturated_diffusivity")
PRIMARY = ("clapp_hornberger_b", "saturated_hydraulic_conductivity", "saturated_suction", "porosity")


def one(number: float) -> Tensor:
    return torch.full((1, 1), number, dtype=torch.float64)


def soil(**changes: Tensor) -> SoilParameters:
    """Loam of the Noah table without its derived values."""
    table = soil_parameters(torch.tensor([[7]]), hydraulics="derived")
    return dataclasses.replace(table, **changes)


def test_the_derived_wilting_point_of_loam_is_half_the_water_at_200_metres_of_suction():
    # 0.5 x 0.439 x (200/0.355)^(-1/5.25): ln 563.380 = 6.333955, / 5.25 = 1.206468, exp = 0.299252
    assert soil().resolved().wilting_point.item() == pytest.approx(0.2195 * 0.299252, rel=1e-5)


def test_the_derived_field_capacity_of_loam_lies_a_third_above_slow_drainage():
    # (5.79e-9/3.38e-6)^(1/13.5): ln 1.713018e-3 = -6.369498, / 13.5 = -0.471815, exp = 0.623869
    slow_drainage = 0.439 * 0.623869
    expected = slow_drainage + (0.439 - slow_drainage) / 3.0
    assert soil().resolved().field_capacity.item() == pytest.approx(expected, rel=1e-5)


def test_the_derived_diffusivity_of_loam_is_worked_by_hand():
    # 5.25 x 3.38e-6 x 0.355/0.439
    assert soil().resolved().saturated_diffusivity.item() == pytest.approx(1.434966e-5, rel=1e-5)


def test_the_derived_values_of_loam_are_close_to_those_of_the_table():
    derived, table = soil().resolved(), soil_parameters(torch.tensor([[7]]))
    for name in DERIVED:
        assert getattr(derived, name).item() == pytest.approx(getattr(table, name).item(), rel=0.01), name


def test_given_values_are_not_derived():
    given = {name: one(0.123) for name in DERIVED}
    resolved = soil(**given).resolved()
    assert all(getattr(resolved, name) is given[name] for name in DERIVED)


def test_the_dry_limit_follows_a_given_wilting_point():
    assert soil(wilting_point=one(0.07)).resolved().dry_limit.item() == 0.07


@pytest.mark.parametrize(
    ("derived", "primaries"),
    [
        ("wilting_point", ("clapp_hornberger_b", "saturated_suction", "porosity")),
        ("dry_limit", ("clapp_hornberger_b", "saturated_suction", "porosity")),
        ("field_capacity", ("clapp_hornberger_b", "saturated_hydraulic_conductivity", "porosity")),
        ("saturated_diffusivity", PRIMARY),
    ],
)
def test_gradients_of_derived_values_reach_the_primaries(derived, primaries):
    inputs = {name: getattr(soil(), name).clone().requires_grad_() for name in primaries}

    def value(*numbers: Tensor) -> Tensor:
        resolved = soil(**dict(zip(primaries, numbers, strict=True))).resolved()
        return torch.log(getattr(resolved, derived))

    slopes = torch.autograd.grad(value(*inputs.values()), tuple(inputs.values()))
    assert all(slope.abs().item() > 0.0 for slope in slopes)
    for (name, number), slope in zip(inputs.items(), slopes, strict=True):
        step = 1.0e-6 * number.item()
        ends = [
            value(*(x.detach() + (sign * step if key == name else 0.0) for key, x in inputs.items())).item()
            for sign in (1.0, -1.0)
        ]
        assert slope.item() == pytest.approx((ends[0] - ends[1]) / (2.0 * step), rel=1e-6), name


def test_logarithmic_sensitivities_of_the_diffusivity_are_plus_and_minus_one():
    inputs = {name: getattr(soil(), name).clone().requires_grad_() for name in PRIMARY}
    slopes = torch.autograd.grad(soil(**inputs).resolved().saturated_diffusivity.log(), tuple(inputs.values()))
    elasticity = [(slope * value).item() for slope, value in zip(slopes, inputs.values(), strict=True)]
    assert elasticity == pytest.approx([1.0, 1.0, 1.0, -1.0], rel=1e-12)


def plants(*roots: float) -> VegetationParameters:
    table = vegetation_parameters(torch.tensor([7] * len(roots)), minimum_fraction=0.1, maximum_fraction=0.9)
    return dataclasses.replace(table, root_layers=torch.tensor(roots, dtype=torch.float64))


def test_root_fractions_are_thickness_over_root_depth():
    column = SoilColumn(torch.tensor([0.1, 0.3, 0.6, 1.0], dtype=torch.float64))
    table = plants(1.0, 3.0, 4.0)
    expected = [[1.0, 0.1, 0.05], [0.0, 0.3, 0.15], [0.0, 0.6, 0.3], [0.0, 0.0, 0.5]]
    torch.testing.assert_close(
        table.root_fraction(column), torch.tensor(expected, dtype=torch.float64), rtol=1e-14, atol=0.0
    )
    assert table.root_depth(column).tolist() == pytest.approx([0.1, 1.0, 2.0], rel=1e-14)


def test_geometry_is_measured_downwards():
    column = SoilColumn(torch.tensor([0.1, 0.3, 0.6], dtype=torch.float64))
    assert column.bottom_depth.flatten().tolist() == pytest.approx([0.1, 0.4, 1.0])
    assert column.node_depth.flatten().tolist() == pytest.approx([0.05, 0.25, 0.7])
    assert column.node_distance.flatten().tolist() == pytest.approx([0.2, 0.45])


@pytest.mark.parametrize("thickness", [[0.1], [0.1, -0.2], [0.1, 0.0]])
def test_impossible_geometry_is_refused(thickness):
    with pytest.raises(ValueError, match="soil column"):
        SoilColumn(torch.tensor(thickness, dtype=torch.float64))


# --- metadata ---------------------------------------------------------------------------------------------------------

ALL_QUANTITIES = [
    pytest.param(cls, path, metadata, id=f"{cls.__name__}.{path}")
    for cls in CONTAINERS
    for path, metadata in quantities(cls)
]


def tensor_fields(cls: type, prefix: str = "") -> set[str]:
    """Dotted paths of every field that is not a container, found without the metadata of `quantities`."""
    found: set[str] = set()
    for field in dataclasses.fields(cls):
        if "Tensor" in str(field.type):
            found.add(prefix + field.name)
        else:
            found |= tensor_fields(field.metadata["container"], f"{prefix}{field.name}.")
    return found


@pytest.mark.parametrize("cls", CONTAINERS)
def test_every_tensor_field_is_a_quantity(cls):
    assert tensor_fields(cls) == {path for path, _ in quantities(cls)}


UNITS = pint.UnitRegistry()


@pytest.mark.parametrize(("cls", "path", "metadata"), ALL_QUANTITIES)
def test_metadata_of_a_quantity_is_complete(cls, path, metadata):
    spelled = re.sub(r"(?<=[A-Za-z])(-?\d+)", r"**\1", metadata["units"])
    UNITS.parse_units("" if spelled == "1" else spelled.replace(" ", " * "))
    assert metadata["long_name"] == metadata["long_name"].strip() != ""
    assert metadata["dims"] in ((), ("layer",), ("snow_layer",))
    if metadata["standard_name"] is not None:
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)+", metadata["standard_name"])
    if metadata["bounds"] is not None:
        low, high = metadata["bounds"]
        assert low < high


@pytest.mark.parametrize(("path", "metadata"), list(quantities(Parameters)))
def test_every_parameter_has_bounds(path, metadata):
    assert metadata["bounds"] is not None, path


@pytest.mark.parametrize("cls", CONTAINERS)
def test_no_standard_name_is_used_twice_in_one_container(cls):
    names = [metadata["standard_name"] for _, metadata in quantities(cls) if metadata["standard_name"]]
    assert sorted(names) == sorted(set(names))


UNITS_OF_NAMES = {
    "_temperature": {"K"},
    "_flux": {"kg m-2 s-1", "W m-2"},
    "_fraction": {"1"},
    "_amount": {"kg m-2"},
    "volume_fraction": {"m3 m-3"},
    "flux_in_air": {"W m-2"},
    "_thickness": {"m"},
    "_pressure": {"Pa"},
}


def test_units_suit_the_standard_names():
    """Fluxes of water and heat, fractions, amounts and temperatures have the canonical units of their kind."""
    seen = 0
    for cls in CONTAINERS:
        for path, metadata in quantities(cls):
            name = metadata["standard_name"] or ""
            for ending, allowed in UNITS_OF_NAMES.items():
                if name.endswith(ending) or (ending == "volume_fraction" and name.startswith(ending)):
                    assert metadata["units"] in allowed, (path, name)
                    seen += 1
    assert seen > 25


def small_state() -> State:
    soil = SoilState(one(280.0), one(0.2), one(0.0))
    snow = SnowState(*(torch.zeros(1, dtype=torch.float64) for _ in range(3)))
    return State(soil, snow, None, torch.zeros(1).double(), torch.full((1,), 281.0).double())  # type: ignore[arg-type]


def test_a_quantity_is_found_by_its_dotted_path():
    state = small_state()
    assert get_quantity(state, "soil.temperature") is state.soil.temperature
    assert get_quantity(state, "skin_temperature") is state.skin_temperature


def test_replacing_a_quantity_leaves_the_original_and_all_other_fields_alone():
    state = small_state()
    changed = replace_quantity(state, "soil.temperature", one(300.0))
    assert changed.soil.temperature.item() == 300.0
    assert state.soil.temperature.item() == 280.0
    assert changed.soil.ice is state.soil.ice
    assert changed.snow is state.snow
    assert replace_quantity(state, "canopy_water", one(1.0)).canopy_water.item() == 1.0


def test_an_unknown_path_is_refused():
    with pytest.raises(TypeError):
        replace_quantity(small_state(), "soil.temperatur", one(300.0))
    with pytest.raises(AttributeError):
        get_quantity(small_state(), "soil.temperatur")
