"""A supplied scheme is tried on made-up columns when the model is built: what does not fit its slot is named."""

from __future__ import annotations

import dataclasses
import warnings

import pytest
import torch
from random_columns import random_case, standard_schemes
from random_networks import random_scheme
from torch import nn

from noahpy_core import equilibrium_liquid, preset
from noahpy_core.column import SoilColumn
from noahpy_core.model import NoahModel
from noahpy_core.options import Options
from noahpy_core.physics.freezing import Koren1999
from noahpy_core.physics.snow_processes import NoahsOwn
from noahpy_core.physics.soil_hydraulics import Hydraulics
from noahpy_core.physics.soil_thermal import CoteKonrad2005
from noahpy_core.processes import SCHEMES
from noahpy_core.slot_list import SLOTS
from noahpy_core.slots.acceptance import SchemeWarning, check_supplied
from noahpy_core.slots.trial_columns import TrialColumns

CASE = random_case(18, seed=3)
COLUMN = CASE.column
OPEN_SLOTS = [name for name, slot in SLOTS.items() if slot.trial is not None]
"""Where a scheme of one's own can stand."""


def refused(slot, scheme, **options) -> str:
    with pytest.raises(ValueError) as caught:
        NoahModel(COLUMN, Options(**options), {slot: scheme})
    message = str(caught.value)
    assert message.startswith(f"{slot}: ")
    return message


@pytest.mark.parametrize("columns", [None, 5])
@pytest.mark.parametrize("slot", OPEN_SLOTS)
def test_built_in_schemes_get_along_with_the_made_up_columns(slot, columns):
    """What they are given there is what the model gives them, and nothing of theirs is out of the limits."""
    thickness = COLUMN.thickness if columns is None else COLUMN.thickness.expand(-1, columns)
    column = SoilColumn(thickness)
    for name in SCHEMES[slot]:
        standard = Options() if name in standard_schemes()[slot] else preset("conservative")
        built = NoahModel(column, dataclasses.replace(standard, **{slot: name}))
        if isinstance(built.schemes[slot], NoahsOwn):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_supplied(SLOTS[slot], built.schemes[slot], column)


def test_a_wrong_shape_is_named_with_the_right_one():
    message = refused("soil_thermal", lambda liquid, ice, soil: liquid[0])
    assert "conductivity of shape (2,) instead of (4, 2)" in message
    assert "[layer, column]" in message


def test_a_broadcastable_shape_is_a_wrong_shape_too():
    assert "shape (4, 1) instead of (4, 2)" in refused("soil_thermal", lambda liquid, ice, soil: liquid[:, :1])


def test_a_missing_member_is_named_with_all_of_them():
    class OnlyConductivity(nn.Module):
        def forward(self, liquid, ice, soil):
            return liquid

    message = refused("soil_hydraulics", OnlyConductivity())
    assert "OnlyConductivity" in message
    assert "returned a tensor of shape (4, 2). Return the tuple (diffusivity, conductivity)" in message


def test_a_number_is_no_tensor():
    assert "float 0.5 for snow cover. Return a tensor of shape (2,)" in refused("snow_cover", lambda water, p: 0.5)


def test_values_that_are_not_finite_are_shown():
    message = refused("snow_melt", lambda heat: torch.log(heat - 100.0))
    assert "returned melt [nan, " in message
    assert "finite" in message


def test_single_precision_is_refused_where_the_model_computes_in_double():
    message = refused("snow_melt", lambda heat: (heat / 3e5).float())
    assert "torch.float32, the model computes in torch.float64" in message


def test_a_network_in_single_precision_is_told_the_remedy():
    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 1)

        def forward(self, heat):
            return self.layer(heat[:, None])[:, 0]

    message = refused("snow_melt", Small())
    assert "Small failed on made-up columns: RuntimeError" in message
    assert ".double()" in message


def test_a_wrong_number_of_arguments_is_told_what_the_slot_gives():
    message = refused("infiltration", lambda liquid, ice: liquid[0])
    assert "TypeError" in message
    assert "(Tensor, Tensor, Tensor, Tensor, Parameters, float)" in message


def test_transitions_without_a_method_are_refused():
    class Half(nn.Module):
        def rising(self, x, threshold, width):
            return 0.0 * x

    assert "Half has no method falling" in refused("transitions", Half())


def test_a_heat_step_returns_liquid_water():
    message = refused("phase_change", lambda *given: "frozen")
    assert "str 'frozen' for liquid water" in message


def test_a_freezing_curve_whose_ice_lowers_suction_is_refused():
    class Falling(Koren1999):
        def ice_term_slope(self, ice):
            return -super().ice_term_slope(ice)

    message = refused("supercooled_water", Falling(), phase_change="enthalpy")
    assert "Falling has an ice_term that is not 0 without ice or falls" in message


def test_the_enthalpy_step_refuses_what_is_no_freezing_curve():
    with pytest.raises(ValueError, match="needs a freezing curve"):
        NoahModel(
            COLUMN, Options(phase_change="enthalpy"), {"supercooled_water": random_scheme("supercooled_water", "", 0)}
        )


def test_proposals_beyond_all_limits_are_warned_of_with_their_range():
    class InMilliwatts(CoteKonrad2005):
        def forward(self, liquid, ice, soil):
            return 1000.0 * super().forward(liquid, ice, soil)

    with pytest.warns(SchemeWarning, match=r"soil_thermal: .*InMilliwatts returned conductivity of .* 0.01 to 10 W"):
        NoahModel(COLUMN, None, {"soil_thermal": InMilliwatts()})


def test_proposals_partly_beyond_the_limits_are_held_to_them_in_silence():
    class Wide(nn.Module):
        def forward(self, liquid, ice, soil):
            return Hydraulics(liquid - 0.2, 1e-6 * (liquid - 0.2))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = NoahModel(COLUMN, None, {"soil_hydraulics": Wide()})
    result = model.schemes["soil_hydraulics"](*SLOTS["soil_hydraulics"].trial(TrialColumns(COLUMN)))
    assert result.diffusivity.min().item() == 0.0
    assert result.diffusivity.max().item() == pytest.approx(0.05)


def test_a_scheme_derived_from_a_built_in_heat_step_keeps_its_own_balance():
    class Mine(SCHEMES["phase_change"]["enthalpy"]):
        pass

    curve = Koren1999()
    mine = Mine(COLUMN, curve)
    model = NoahModel(COLUMN, None, {"phase_change": mine, "supercooled_water": curve})
    assert model.schemes["phase_change"] is mine
    own, _ = model(CASE.state, CASE.forcing, CASE.parameters, CASE.dt)
    built_in, _ = NoahModel(COLUMN, Options(phase_change="enthalpy"))(
        CASE.state, CASE.forcing, CASE.parameters, CASE.dt
    )
    torch.testing.assert_close(own.soil.temperature, built_in.soil.temperature, rtol=0.0, atol=0.0)


def test_a_limited_scheme_of_one_model_serves_another():
    class Cover(nn.Module):
        def forward(self, water_equivalent, parameters):
            return 0.0 * water_equivalent + 0.4

    first = NoahModel(COLUMN, None, {"snow_cover": Cover()})
    second = NoahModel(COLUMN, None, {"snow_cover": first.schemes["snow_cover"]})
    assert second.schemes["snow_cover"] is first.schemes["snow_cover"]


@pytest.mark.parametrize("phase_change", list(SCHEMES["phase_change"]))
@pytest.mark.parametrize("slot", ["soil_thermal", "soil_hydraulics", "evaporation", "supercooled_water", "turbulence"])
def test_limits_leave_a_built_in_scheme_of_another_name_as_it_is(slot, phase_change):
    """Where the original's proposals are within the limits, so are those of a copy that the model does not know."""
    case = random_case(90, 4, seed=8, regime="temperate")
    case = dataclasses.replace(case, dt=torch.full_like(case.dt, 600.0))
    options = Options(phase_change=phase_change)
    built = NoahModel(case.column, options)
    known = built.schemes[slot]
    copy = type("Copy", (type(known),), {})
    mine = copy.__new__(copy)
    mine.__dict__.update(known.__dict__)
    after, _ = NoahModel(case.column, options, {slot: mine})(case.state, case.forcing, case.parameters, case.dt)
    expected, _ = built(case.state, case.forcing, case.parameters, case.dt)
    same = (after.soil.temperature == expected.soil.temperature).all(0)
    same &= (after.soil.liquid_water == expected.soil.liquid_water).all(0)
    assert same.double().mean().item() > 0.9


def test_a_supplied_freezing_function_gives_the_initial_liquid_water():
    model = NoahModel(COLUMN, None, {"supercooled_water": lambda t, liquid, ice, soil: 2.0 * liquid * (t > 273.0)})
    soil = CASE.state.soil
    liquid = equilibrium_liquid(soil.temperature, soil.moisture, CASE.parameters, model.supercooled_water)
    warm = soil.temperature > 273.0
    assert bool((liquid[warm] == soil.moisture[warm]).all())
    assert bool((liquid[~warm] == 0.0).all())
    assert 0 < warm.sum().item() < warm.numel()


@pytest.mark.parametrize(
    "scheme",
    [
        lambda liquid, ice, soil: CoteKonrad2005()(liquid.mul_(0.5), ice, soil),
        lambda liquid, ice, soil: CoteKonrad2005()(liquid, ice, soil) * soil.quartz_fraction.mul_(0.9),
    ],
)
def test_a_scheme_that_changes_its_arguments_is_refused(scheme):
    assert "changed its arguments in place" in refused("soil_thermal", scheme)
