"""Organic matter in soil: peat classes, mixtures with mineral soil, and what they do to heat and water."""

import dataclasses

import pytest
import torch
from random_columns import random_case

from noahpy_core import NoahModel, Options, run
from noahpy_core.organic_soil import organic_share
from noahpy_core.parameters import SoilParameters
from noahpy_core.physics.soil_thermal import CoteKonrad2005, heat_capacity, solids_heat_capacity
from noahpy_core.simulation import equilibrium_liquid
from noahpy_core.tables import soil_class_names, soil_parameters
from noahpy_core.trees import map_tensors

LOAM = 7


def soil(share: float | None, number: int = LOAM, **options: str) -> SoilParameters:
    parameters = soil_parameters(torch.tensor([[number]]), **options)
    matter = None if share is None else torch.full((1, 1), share, dtype=torch.float64)
    return dataclasses.replace(parameters, organic_matter=matter)


def number_of(name: str, table: str = "noah") -> int:
    return next(number for number, own in soil_class_names(table).items() if own == name)


@pytest.mark.parametrize("table", ["noah", "noahpy"])
def test_every_table_has_the_peat_of_letts_after_its_own_classes(table):
    classes = [number_of(f"{kind} peat", table) for kind in ("fibric", "hemic", "sapric")]
    peat = soil_parameters(torch.tensor(classes)[:, None], table=table)
    assert peat.porosity.flatten().tolist() == [0.93, 0.88, 0.83]
    assert peat.saturated_hydraulic_conductivity.flatten().tolist() == [2.8e-4, 2.0e-6, 1.0e-7]
    assert peat.clapp_hornberger_b.flatten().tolist() == [2.7, 4.0, 12.0]
    assert peat.saturated_suction.flatten().tolist() == [0.0103, 0.0102, 0.0101]


def test_the_diffusivity_of_a_peat_class_is_the_one_of_its_other_properties():
    for kind in ("fibric peat", "hemic peat", "sapric peat", "moss and litter"):
        table = soil(None, number_of(kind)).saturated_diffusivity
        derived = soil(None, number_of(kind), hydraulics="derived").resolved().saturated_diffusivity
        assert table.item() == pytest.approx(derived.item(), rel=1e-3), kind


def test_no_organic_matter_is_mineral_soil_to_the_bit():
    mineral, none = soil(None).resolved(), soil(0.0).resolved()
    for field in dataclasses.fields(SoilParameters):
        if not field.name.startswith("organic"):
            assert torch.equal(getattr(mineral, field.name), getattr(none, field.name)), field.name


def test_half_organic_soil_has_the_means_of_lawrence_and_slater():
    half = soil(0.5).resolved()
    assert half.porosity.item() == pytest.approx(0.5 * (0.439 + 0.9))
    assert half.clapp_hornberger_b.item() == pytest.approx(0.5 * (5.25 + 2.7))
    assert half.saturated_hydraulic_conductivity.item() == pytest.approx(0.5 * (3.38e-6 + 1e-4))
    assert half.saturated_suction.item() == pytest.approx(0.5 * (0.355 + 0.0103))
    b, suction, conductivity = half.clapp_hornberger_b, half.saturated_suction, half.saturated_hydraulic_conductivity
    assert torch.equal(half.saturated_diffusivity, b * conductivity * suction / half.porosity)


def test_mixing_once_is_mixing_for_good():
    once = soil(0.3).resolved()
    twice = once.resolved()
    assert once.organic_matter is None
    assert torch.equal(once.porosity, twice.porosity)


def test_a_layer_with_the_carbon_of_peat_is_all_organic():
    assert organic_share(torch.tensor([0.0, 65.0, 130.0, 200.0])).tolist() == [0.0, 0.5, 1.0, 1.0]


def test_dry_and_saturated_peat_have_the_conductivity_of_peat():
    peat = soil(1.0).resolved()
    none = torch.zeros(1, 1, dtype=torch.float64)
    scheme = CoteKonrad2005()
    assert scheme(none, none, peat).item() == pytest.approx(0.05)
    saturated = scheme(peat.porosity, none, peat).item()
    assert saturated == pytest.approx(0.25**0.1 * 0.57**0.9)
    assert 0.5 < saturated < 0.6, "0.55 in table 1 of Lawrence and Slater"


def test_the_solids_of_peat_store_the_heat_of_peat():
    peat, none = soil(1.0).resolved(), torch.zeros(1, 1, dtype=torch.float64)
    solids = solids_heat_capacity(torch.tensor(2.0e6, dtype=torch.float64), peat)
    assert solids.item() == 2.5e6
    assert heat_capacity(none, none, peat.porosity, solids).item() == pytest.approx(0.1 * 2.5e6 + 0.9 * 1004.0)


@pytest.mark.parametrize("hydraulics", ["table", "derived"])
def test_derivatives_by_the_share_agree_with_differences(hydraulics):
    share = torch.tensor([[0.35]], dtype=torch.float64, requires_grad=True)
    bare = soil_parameters(torch.tensor([[LOAM]]), hydraulics=hydraulics)

    def results(value: torch.Tensor) -> torch.Tensor:
        mixed = dataclasses.replace(bare, organic_matter=value).resolved()
        wet = 0.4 * mixed.porosity
        conductivity = CoteKonrad2005()(wet, 0.2 * wet, mixed)
        return torch.cat([mixed.saturated_diffusivity.log(), mixed.field_capacity, mixed.wilting_point, conductivity])

    assert torch.autograd.gradcheck(results, (share,))


def with_organic_top(case):
    """Columns whose upper three layers are organic, and full water within their new pores."""
    share = torch.zeros_like(case.parameters.soil.porosity)
    share[:3] = torch.tensor([0.9, 0.6, 0.2])[:, None]
    own = dataclasses.replace(case.parameters.soil, organic_matter=share)
    return dataclasses.replace(case.parameters, soil=own)


@pytest.mark.parametrize("phase_change", ["heat_limited", "enthalpy"])
def test_organic_columns_step_alike_compiled_and_eager_and_close(phase_change):
    case = random_case(12, 4, seed=3)
    model = NoahModel(case.column, Options(phase_change=phase_change))
    parameters = with_organic_top(case)
    forcing = map_tensors(lambda value: value[None], case.forcing)
    outputs = ["soil.temperature", "soil.liquid_water", "water_residual", "energy_residual", "soil_heat_residual"]
    both = [
        run(model, case.state, forcing, parameters, case.dt, outputs=outputs, execution=way)
        for way in ("eager", "compiled")
    ]
    for name in outputs:
        torch.testing.assert_close(both[0].outputs[name], both[1].outputs[name], rtol=1e-11, atol=1e-9)
    assert float(both[0].outputs["water_residual"].abs().max()) * 3600 < 1e-9
    mineral = run(model, case.state, forcing, case.parameters, case.dt, outputs=outputs)
    assert not torch.equal(mineral.outputs["soil.temperature"], both[1].outputs["soil.temperature"])


def test_the_equilibrium_of_a_frozen_organic_layer_is_the_one_of_its_mixture():
    case = random_case(12, 4, seed=1).select([0])
    temperature = torch.full((1, 1), 272.0, dtype=torch.float64)
    moisture = torch.full_like(temperature, 0.3)
    mixed = dataclasses.replace(case.parameters, soil=soil(0.8))
    resolved = dataclasses.replace(case.parameters, soil=soil(0.8).resolved())
    assert torch.equal(
        equilibrium_liquid(temperature, moisture, mixed), equilibrium_liquid(temperature, moisture, resolved)
    )
