"""Ground without a capacity of its area: all that a pond of no depth presses in enters, and every budget closes."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from random_columns import layered, random_case
from water_columns import hard_columns

from noahpy_core import NoahModel, Options, preset, run
from noahpy_core.physics.infiltration import Ponding, Schaake1996
from noahpy_core.physics.soil_water_richards import RichardsSoilWater
from noahpy_core.trees import map_tensors

CASE = random_case(60, seed=31)
PONDING = dataclasses.replace(preset("conservative"), infiltration="ponding")


def test_what_enters_is_what_the_ground_alone_lets_in():
    case = hard_columns(200, seed=8)
    given = case.liquid, case.ice, case.supply, case.demand, case.parameters, case.dt
    alone = RichardsSoilWater(case.column)(*given)
    ponded, held_back = (
        RichardsSoilWater(case.column, scheme)(*given) for scheme in (Ponding(), Schaake1996(case.column))
    )
    assert torch.equal(ponded.infiltration, alone.infiltration)
    assert torch.equal(ponded.liquid, alone.liquid)
    assert (ponded.infiltration - held_back.infiltration).min() > -1.0e-12 * case.supply.max()
    assert (ponded.infiltration > 1.5 * held_back.infiltration).any(), "no capacity of the area is felt"
    assert (ponded.surface_runoff > 0.0).any(), "no ground is ponded"


@pytest.mark.parametrize("transitions", ["sharp", "smooth"])
def test_water_and_enthalpy_close(transitions):
    model = NoahModel(CASE.column, dataclasses.replace(PONDING, transitions=transitions))
    with torch.no_grad():
        _, fluxes = model(layered(CASE.state), CASE.forcing, CASE.parameters, CASE.dt)
    assert (fluxes.water_residual.abs() * CASE.dt).max() < 1.0e-9
    assert fluxes.enthalpy_residual.abs().max() < 1.0e-8


def test_noahs_soil_water_which_knows_no_limit_of_its_own_refuses_it():
    with pytest.raises(ValueError, match=r"soil_water: 'noah' does not go with 'ponding' as infiltration"):
        NoahModel(CASE.column, Options(infiltration="ponding"))


@pytest.mark.slow
def test_compiled_and_eager_agree():
    names, model = ["soil.liquid_water", "infiltration", "surface_runoff"], NoahModel(CASE.column, PONDING)
    with torch.no_grad():
        forcing = map_tensors(lambda values: values[None], CASE.forcing)
        given = model, layered(CASE.state), forcing, CASE.parameters, 3600.0
        compiled, eager = (run(*given, outputs=names, execution=way).outputs for way in ("compiled", "eager"))
    for name in names:
        assert (compiled[name] - eager[name]).abs().max() <= 1.0e-12 * eager[name].abs().max() + 1.0e-15, name
