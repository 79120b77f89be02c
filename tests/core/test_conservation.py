"""Water and energy close to round-off, whatever the weather and whatever stands in the slots."""

from __future__ import annotations

import pytest
import torch
from random_columns import REGIMES, Case, option_combinations, random_case
from torch import Tensor, nn

from noahpy_core.model import NoahModel
from noahpy_core.options import Options
from noahpy_core.physics.evaporation import CanopyResistance, Demand
from noahpy_core.physics.soil_hydraulics import Hydraulics
from noahpy_core.physics.turbulence import Conductance
from noahpy_core.processes import SCHEMES
from noahpy_core.state import Fluxes, State

COMBINATIONS = list(option_combinations())
PHASE_CHANGE = list(SCHEMES["phase_change"])
COLUMNS = 180
LATENT_HEAT_OF_FUSION = 3.335e5

CASES = {layers: random_case(COLUMNS, layers, seed=layers) for layers in (4, 20)}
LARGE_CASES = {layers: random_case(2700, layers, seed=100 + layers) for layers in (4, 20)}


def step(case: Case, options: Options | None = None, **processes) -> tuple[State, Fluxes]:
    with torch.no_grad():
        return NoahModel(case.column, options, processes)(case.state, case.forcing, case.parameters, case.dt)


def assert_small(residual: Tensor, magnitude: Tensor, relative: float) -> None:
    bad = ~(residual.abs() <= relative * magnitude)
    worst = (residual.abs() / magnitude).max().item()
    assert not bool(bad.any()), f"{int(bad.sum())} columns do not close, worst {worst:.1e} of the magnitude"


# --- water, from State and Fluxes alone -------------------------------------------------------------------------------


def soil_gain(case: Case, after: State) -> Tensor:
    before, thickness = case.state.soil, case.column.thickness
    change = (after.soil.liquid_water - before.liquid_water) + (after.soil.ice - before.ice)
    return 1000.0 * (change * thickness).sum(0)


def snow_presence(case: Case, fluxes: Fluxes, transitions: str) -> Tensor:
    """Share of the ground that counts as snow-covered when condensation is divided into frost and dew."""
    carried = case.state.snow.water_equivalent
    if transitions == "smooth":
        return 1.0 - torch.exp(-(carried + fluxes.snowfall * case.dt))
    return ((carried > 1.0e-4) | (fluxes.snowfall > 0)).double()


def store_leftovers(case: Case, after: State, fluxes: Fluxes, transitions: str) -> dict[str, Tensor]:
    """Gain of each store that its fluxes do not explain: what floors and caps of the model created. [kg m-2]"""
    before, dt = case.state, case.dt
    soil = fluxes.infiltration - fluxes.soil_evaporation - fluxes.root_uptake.sum(0)
    soil = soil - fluxes.drainage - fluxes.saturation_excess
    frost = fluxes.dew * snow_presence(case, fluxes, transitions)
    snow = fluxes.snowfall - fluxes.sublimation + frost - fluxes.snow_melt
    arriving = fluxes.rainfall + fluxes.snow_melt + (fluxes.dew - frost)
    canopy = fluxes.vegetation_fraction * arriving - fluxes.canopy_evaporation - fluxes.throughfall
    return {
        "soil": soil_gain(case, after) - soil * dt,
        "snow": (after.snow.water_equivalent - before.snow.water_equivalent) - snow * dt,
        "canopy": (after.canopy_water - before.canopy_water) - canopy * dt,
    }


def water_magnitude(case: Case, fluxes: Fluxes) -> Tensor:
    """Size of the numbers the budget is made of, which its round-off scales with. [kg m-2]"""
    passing = case.forcing.precipitation + fluxes.evapotranspiration.abs() + fluxes.drainage
    passing = passing + fluxes.saturation_excess + fluxes.numerical_water_source.abs()
    return 1.0 + fluxes.soil_water_storage + case.state.snow.water_equivalent + passing * case.dt


def assert_water_closes(case: Case, after: State, fluxes: Fluxes) -> None:
    magnitude = water_magnitude(case, fluxes)
    gain = soil_gain(case, after)
    gain = gain + (after.snow.water_equivalent - case.state.snow.water_equivalent)
    gain = gain + (after.canopy_water - case.state.canopy_water)
    vapour = fluxes.soil_evaporation + fluxes.canopy_evaporation + fluxes.root_uptake.sum(0)
    vapour = vapour + fluxes.sublimation - fluxes.dew
    lost = vapour + fluxes.surface_runoff + fluxes.drainage + fluxes.saturation_excess
    net = case.forcing.precipitation + fluxes.numerical_water_source - lost
    assert_small(gain - net * case.dt, magnitude, 2e-14)
    assert_small(vapour - fluxes.evapotranspiration, vapour.abs() + 1e-6, 1e-14)
    assert_small(fluxes.water_residual * case.dt, magnitude, 2e-14)


def assert_stores_account_for_created_water(case: Case, after: State, fluxes: Fluxes, transitions: str) -> None:
    magnitude = water_magnitude(case, fluxes)
    leftovers = store_leftovers(case, after, fluxes, transitions)
    assert_small(sum(leftovers.values()) - fluxes.numerical_water_source * case.dt, magnitude, 4e-14)
    small = 4e-14 * magnitude
    assert bool((leftovers["soil"] > -small).all())
    assert bool((leftovers["canopy"] > -small).all())
    # a pack that sublimation leaves with less than a gram is lost with it
    assert bool((leftovers["snow"] > -1.0e-3 - small).all())
    if transitions == "smooth":  # the mean of two water passes may be above a floor that one of them is at
        return
    # water is created only in stores that are at their floor
    assert not bool(((leftovers["soil"] > small) & (after.soil.moisture > 0.02 + 1e-15).all(0)).any())
    assert not bool(((leftovers["canopy"] > small) & (after.canopy_water > 0)).any())
    assert not bool(((leftovers["snow"] > small) & (after.snow.water_equivalent > 1.0e-3)).any())


def assert_supply_is_split(case: Case, fluxes: Fluxes, transitions: str) -> None:
    """Rain is rain or snow, and what reaches the soil infiltrates or runs off."""
    falling = fluxes.rainfall + fluxes.snowfall
    torch.testing.assert_close(falling, case.forcing.precipitation, rtol=1e-14, atol=0.0)
    dew = fluxes.dew * (1.0 - snow_presence(case, fluxes, transitions))
    arriving = fluxes.rainfall + fluxes.snow_melt + dew
    reaching = (1.0 - fluxes.vegetation_fraction) * arriving + fluxes.throughfall
    torch.testing.assert_close(fluxes.infiltration + fluxes.surface_runoff, reaching, rtol=1e-12, atol=1e-19)


# --- energy -----------------------------------------------------------------------------------------------------------


def absorbed(case: Case) -> Tensor:
    surface, forcing = case.state.surface, case.forcing
    return forcing.shortwave_down * (1.0 - surface.albedo) + forcing.longwave_down * surface.emissivity


def assert_surface_energy_closes(case: Case, after: State, fluxes: Fluxes, transitions: str) -> None:
    forcing, skin = case.forcing, after.skin_temperature
    # side by side, snow and bare ground emit by their own temperatures, which the mean does not tell
    emitted = 5.67e-8 * after.surface.emissivity * skin**4 if transitions == "sharp" else fluxes.longwave_up
    theta = forcing.air_temperature + 0.0098 * case.parameters.general.air_temperature_height
    density = forcing.air_pressure / (287.04 * forcing.air_temperature * (1.0 + 0.61 * forcing.specific_humidity))
    sensible = 1004.5 * density * after.surface.aerodynamic_conductance * (skin - theta)
    melt = LATENT_HEAT_OF_FUSION * fluxes.snow_melt
    spent = emitted + sensible + fluxes.latent_heat_flux + fluxes.ground_heat_flux + melt
    spent = spent + fluxes.precipitation_heat + fluxes.freezing_rain_heat + fluxes.numerical_heat_source
    magnitude = absorbed(case) + emitted + sensible.abs() + fluxes.ground_heat_flux.abs() + melt
    magnitude = magnitude + fluxes.latent_heat_flux.abs() + fluxes.numerical_heat_source.abs()
    assert_small(absorbed(case) - spent, magnitude, 1e-12)
    assert_small(fluxes.energy_residual, magnitude, 1e-12)


def assert_latent_heat_is_that_of_the_vapour(fluxes: Fluxes) -> None:
    """Evaporating ground loses the heat of vaporisation and snow that of sublimation."""
    liquid = fluxes.soil_evaporation + fluxes.canopy_evaporation + fluxes.root_uptake.sum(0)
    heat = 2.501e6 * liquid + 2.83e6 * fluxes.sublimation
    evaporating = fluxes.potential_evaporation > 0
    torch.testing.assert_close(fluxes.latent_heat_flux[evaporating], heat[evaporating], rtol=1e-12, atol=1e-9)
    condensing = fluxes.potential_evaporation < 0
    per_mass = fluxes.latent_heat_flux[condensing] / -fluxes.dew[condensing]
    assert bool(((per_mass > 2.5e6) & (per_mass < 2.84e6)).all())


def assert_soil_heat_closes(case: Case, after: State, fluxes: Fluxes, transitions: str) -> None:
    """Heat content of the soil: sensible with the water after its movement, latent by the ice formed."""
    before, thickness, dt = case.state.soil, case.column.thickness, case.dt
    moisture = after.soil.liquid_water + after.soil.ice
    ice_before = torch.minimum(before.ice, moisture)
    porosity, mineral = case.parameters.soil.porosity, case.parameters.general.mineral_heat_capacity
    capacity = (
        4.2e6 * (moisture - ice_before)
        + 2.106e6 * ice_before
        + mineral * (1.0 - porosity)
        + 1004.0 * (porosity - moisture)
    )
    warming = capacity * (after.soil.temperature - before.temperature) * thickness
    freezing = 1000.0 * LATENT_HEAT_OF_FUSION * (after.soil.ice - ice_before) * thickness
    content = (warming - freezing).sum(0) / dt
    magnitude = (warming.abs() + freezing.abs()).sum(0) / dt + fluxes.soil_heat_flux.abs() + fluxes.deep_heat_flux.abs()
    # Temperatures are known to 6e-14 K and water to 1e-16; the liquid that belongs to a temperature below freezing is
    # known to that times the slope of the curve, W/(b (T_0 - T)), which is steep close to freezing.
    deficit = 273.15 - after.soil.temperature
    slope = torch.where(
        deficit > 0, after.soil.liquid_water / case.parameters.soil.clapp_hornberger_b.clamp(max=5.5), 0.0
    )
    slope = slope / torch.where(deficit > 0, deficit, 1.0)
    rounding = ((6e-14 * (capacity + 3.335e8 * slope) + 1e-16 * 3.335e8) * thickness).sum(0) / dt
    residual = content - (fluxes.soil_heat_flux - fluxes.deep_heat_flux)
    allowed = magnitude + rounding / 1e-12
    assert_small(fluxes.soil_heat_residual, allowed, 4e-12)
    if transitions == "smooth":
        # where one of two water passes takes ice, the ice before the heat step cannot be told from the states
        known = (residual.abs() <= 4e-12 * allowed).double().mean().item()
        assert known > 0.99
    else:
        assert_small(residual, allowed, 4e-12)


def assert_everything_closes(case: Case, after: State, fluxes: Fluxes, transitions: str = "sharp") -> None:
    assert_water_closes(case, after, fluxes)
    assert_stores_account_for_created_water(case, after, fluxes, transitions)
    assert_supply_is_split(case, fluxes, transitions)
    assert_surface_energy_closes(case, after, fluxes, transitions)
    assert_latent_heat_is_that_of_the_vapour(fluxes)
    assert_soil_heat_closes(case, after, fluxes, transitions)


# --- tests ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "every"), [(4, 1), (20, 5), pytest.param(20, 1, marks=pytest.mark.slow)], ids=["4", "20, a fifth", "20"]
)
@pytest.mark.parametrize("phase_change", PHASE_CHANGE)
@pytest.mark.parametrize("turbulence", list(SCHEMES["turbulence"]))
def test_water_and_energy_close_in_every_combination_of_schemes(layers, every, phase_change, turbulence):
    chosen = [o for o in COMBINATIONS if (o.phase_change, o.turbulence) == (phase_change, turbulence)]
    assert len(chosen) >= 32
    for options in chosen[::every]:
        after, fluxes = step(CASES[layers], options)
        assert_everything_closes(CASES[layers], after, fluxes)


@pytest.mark.parametrize("layers", [4, 20])
@pytest.mark.parametrize("phase_change", PHASE_CHANGE)
@pytest.mark.parametrize("transitions", list(SCHEMES["transitions"]))
def test_water_and_energy_close_on_thousands_of_columns(transitions, phase_change, layers):
    case = LARGE_CASES[layers]
    for turbulence in SCHEMES["turbulence"]:
        options = Options(transitions=transitions, phase_change=phase_change, turbulence=turbulence)
        after, fluxes = step(case, options)
        assert_everything_closes(case, after, fluxes, transitions)


@pytest.mark.parametrize("phase_change", PHASE_CHANGE)
def test_budgets_stay_closed_over_a_run_of_many_steps(phase_change):
    case = random_case(180, 4, seed=17)
    for _ in range(20):
        after, fluxes = step(case, Options(phase_change=phase_change))
        assert_everything_closes(case, after, fluxes)
        case = Case(case.column, after, case.forcing, case.parameters, case.dt)


@pytest.mark.parametrize("phase_change", PHASE_CHANGE)
def test_stores_stay_within_their_bounds(phase_change):
    for layers, case in LARGE_CASES.items():
        after, _ = step(case, Options(phase_change=phase_change))
        moisture = after.soil.liquid_water + after.soil.ice
        before = case.state.soil.liquid_water + case.state.soil.ice
        assert moisture.min().item() >= 0.02 - 1e-15, layers
        assert bool((moisture <= torch.maximum(case.parameters.soil.porosity, before) + 1e-14).all())
        assert min(after.soil.liquid_water.min().item(), after.soil.ice.min().item()) >= 0.0
        assert min(after.snow.water_equivalent.min().item(), after.canopy_water.min().item()) >= 0.0
        assert bool((after.canopy_water <= case.parameters.vegetation.canopy_capacity).all())
        density = after.snow.water_equivalent / after.snow.depth
        lying = after.snow.water_equivalent > 0
        assert bool(((density >= 50.0 - 1e-9) & (density <= 400.0 + 1e-9))[lying].all())
        assert bool((after.snow.depth[~lying] == 0).all())


def test_the_random_columns_reach_every_regime_they_are_meant_to():
    """The budgets above mean little unless snow melts, rain freezes, ground freezes, dries, floods and condenses."""
    reached = {}
    for regime in REGIMES:
        case = random_case(300, seed=9, regime=regime)
        after, fluxes = step(case)
        ice_change = (after.soil.ice - case.state.soil.ice).abs().amax(0)
        at_the_floor = (after.soil.moisture <= 0.02).any(0)
        reached[regime] = (
            {
                "snow_accumulating": (fluxes.snowfall > 0)
                & (after.snow.water_equivalent > case.state.snow.water_equivalent),
                "snow_melting": fluxes.snow_melt > 0,
                "freezing_rain": fluxes.freezing_rain_heat < 0,
                "deep_frost": (after.soil.ice > 0).all(0) & (fluxes.snowfall == 0),
                "freeze_up": ice_change > 1e-3,
                "dry": at_the_floor & (fluxes.numerical_water_source > 0),
                "saturated": (fluxes.surface_runoff > 0) & (fluxes.saturation_excess > 0),
                "dew": fluxes.dew > 0,
                "temperate": fluxes.transpiration > 0,
            }[regime]
            .double()
            .mean()
            .item()
        )
    assert min(reached.values()) > 0.15, reached


def test_ground_heat_of_bare_ground_is_what_the_soil_receives():
    case = LARGE_CASES[4]
    _after, fluxes = step(case)
    bare = (case.state.snow.water_equivalent <= 1.0e-4) & (fluxes.snowfall == 0)
    assert bare.sum().item() > 500
    torch.testing.assert_close(fluxes.ground_heat_flux[bare], fluxes.soil_heat_flux[bare], rtol=1e-9, atol=1e-8)


def test_heat_that_the_balance_of_bare_ground_leaves_is_the_curvature_of_the_emission():
    case = random_case(1000, seed=21, regime="temperate")
    after, fluxes = step(case)
    evaporating = fluxes.potential_evaporation > 0
    air, skin = case.forcing.air_temperature, after.skin_temperature
    linear = air**4 + 4.0 * air**3 * (skin - air) / (1.0 + 0.61 * case.forcing.specific_humidity)
    curvature = 5.67e-8 * after.surface.emissivity * (linear - skin**4)
    difference = (fluxes.numerical_heat_source - curvature)[evaporating].abs()
    # rounded constants: 1e-4 of the sensible heat, 4e-5 of the linear emission
    allowed = 1.0e-2 + 1.1e-4 * fluxes.sensible_heat_flux.abs() + 3.0e-4 * (skin - air).abs()
    assert bool((difference <= allowed[evaporating]).all()), difference.max().item()


# --- random networks in every slot ------------------------------------------------------------------------------------


class Network(nn.Module):
    """Random numbers that depend on the inputs, about as large as `scale` and of either sign unless `positive`."""

    def __init__(self, outputs: int, scale: float, *, positive: bool = False) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(outputs + 7)
        self.weights = torch.randn(outputs, 3, generator=generator, dtype=torch.float64)
        self.scale, self.positive = scale, positive

    def forward(self, x: Tensor) -> list[Tensor]:
        features = torch.stack([x, x**2, torch.sin(7.0 * x)])
        out = torch.tensordot(self.weights, features, dims=1)
        out = nn.functional.softplus(out) + 0.01 if self.positive else out
        return list(self.scale * out)


def surface(ground, cover, age, parameters):
    return tuple(Network(2, 1.0)(ground.vegetation_fraction))


def snow_cover(water_equivalent, parameters):
    return Network(1, 1.0)(0.01 * water_equivalent)[0]


def turbulence(memory, skin_temperature, air, parameters):
    return Conductance(*Network(3, 0.05, positive=True)(skin_temperature - air.temperature))


def canopy_resistance(soil, air, ground, shortwave, conductance, emissivity, parameters):
    return CanopyResistance(*Network(6, 1.0, positive=True)(shortwave / 300.0))


def evaporation(soil, canopy_water, ground, potential, plant_coefficient, parameters):
    bare, canopy = Network(2, 1.0e-4)(ground.vegetation_fraction)
    return Demand(bare, canopy, Network(1, 1.0e-4)(soil.liquid_water)[0])


def snow_melt(available_heat):
    return Network(1, 1.0e-2)(available_heat / 100.0)[0]


def infiltration(liquid, ice, supply, wilting_point, parameters, dt):
    return Network(1, 1.0e-4)(liquid[0])[0]


def soil_hydraulics(liquid, ice, soil):
    return Hydraulics(*Network(2, 1.0e-6, positive=True)(liquid))


def soil_thermal(liquid, ice, soil):
    return Network(1, 1.0, positive=True)(liquid)[0]


def supercooled_water(temperature, liquid, ice, soil):
    return Network(1, 1.0)(0.1 * (temperature - 273.15))[0]


NETWORKS = {
    function.__name__: function
    for function in (
        surface, snow_cover, turbulence, canopy_resistance, evaporation, snow_melt, infiltration, soil_hydraulics,
        soil_thermal, supercooled_water,
    )
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::noahpy_core.slots.acceptance.SchemeWarning")
@pytest.mark.parametrize(
    "slots", [*([name] for name in NETWORKS), list(NETWORKS)], ids=lambda slots: "+".join(slots[:2])
)
@pytest.mark.parametrize("layers", [4, 20])
def test_budgets_close_with_random_networks_in_the_slots(slots, layers):
    case = CASES[layers]
    after, fluxes = step(case, None, **{name: NETWORKS[name] for name in slots})
    assert_everything_closes(case, after, fluxes)


def test_a_network_is_held_to_what_is_stored():
    case = LARGE_CASES[4]
    _, fluxes = step(case, None, evaporation=evaporation, snow_melt=snow_melt)
    assert bool((fluxes.canopy_evaporation * case.dt <= case.state.canopy_water * (1.0 + 1e-12)).all())
    assert min(fluxes.soil_evaporation.min().item(), fluxes.root_uptake.min().item()) >= 0.0
    snow_at_hand = case.state.snow.water_equivalent + fluxes.snowfall * case.dt + fluxes.dew * case.dt
    assert bool((fluxes.snow_melt * case.dt <= snow_at_hand * (1.0 + 1e-12)).all())
    assert fluxes.snow_melt.min().item() >= 0.0
