"""The conservative preset: budgets from states and fluxes, compiled as eager, derivatives, and what it refuses."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from random_columns import Case, layered, random_case
from torch import Tensor

from noahpy_core import NoahModel, SoilColumn, State, initial_state, preset, run
from noahpy_core.physics.atmosphere import diagnose_air
from noahpy_core.physics.snow_layers import SnowLayers
from noahpy_core.quantities import get_quantity, quantities
from noahpy_core.state import Fluxes, Forcing
from noahpy_core.steps.conservative import heat as heat_of_the_step
from noahpy_core.trees import map_tensors

LATENT_HEAT_FUSION = 3.335e5
CASE = random_case(180, seed=1)
DEEP = random_case(90, 20, seed=1)


def series(case: Case, steps: int) -> Forcing:
    """The forcing of a case, warmer and colder from step to step, so that snow falls, melts and freezes again."""

    def spread(value: Tensor) -> Tensor:
        return value.expand(steps, *value.shape).clone()

    forcing = map_tensors(spread, case.forcing)
    wave = 8.0 * torch.sin(torch.arange(steps, dtype=torch.float64) * 0.7)[:, None]
    return dataclasses.replace(forcing, air_temperature=forcing.air_temperature + wave)


def step(case: Case, snow_layers: int = 3) -> tuple[State, Fluxes]:
    with torch.no_grad():
        model = NoahModel(case.column, preset("conservative"))
        return model(layered(case.state, snow_layers), case.forcing, case.parameters, case.dt)


def soil_enthalpy(case: Case, state: State) -> Tensor:
    """Written from its definition, not with the model's functions. [J m-2]"""
    soil, parameters = state.soil, case.parameters
    capacity = (1.0 - parameters.soil.porosity) * parameters.general.mineral_heat_capacity
    capacity = capacity + 4.2e6 * soil.liquid_water + 2.106e6 * soil.ice
    content = capacity * (soil.temperature - 273.15) - 1000.0 * LATENT_HEAT_FUSION * soil.ice
    return (content * case.column.thickness).sum(0)


@pytest.mark.parametrize("case", [CASE, DEEP], ids=["4 layers", "20 layers"])
@pytest.mark.parametrize("snow_layers", [1, 2, 3])
def test_water_and_enthalpy_close_to_round_off_in_every_regime(case, snow_layers):
    before = layered(case.state, snow_layers)
    after, fluxes = step(case, snow_layers)
    assert after.snow.layer_mass is not None
    assert after.snow.layer_enthalpy is not None

    moisture = ((after.soil.moisture - before.soil.moisture) * case.column.thickness).sum(0) * 1000.0
    snow = (after.snow.layer_mass - before.snow.layer_mass).sum(0)
    stored = moisture + snow + after.canopy_water - before.canopy_water
    lost = fluxes.evapotranspiration + fluxes.surface_runoff + fluxes.drainage
    assert (stored - case.dt * (case.forcing.precipitation - lost)).abs().max() < 1.0e-9

    gained = soil_enthalpy(case, after) - soil_enthalpy(case, before)
    gained = gained + (after.snow.layer_enthalpy - before.snow.layer_enthalpy).sum(0) - LATENT_HEAT_FUSION * snow
    entered = fluxes.absorbed_radiation - fluxes.longwave_up - fluxes.sensible_heat_flux - fluxes.latent_heat_flux
    entered = entered + fluxes.advected_heat - fluxes.deep_heat_flux
    assert (gained / case.dt - entered).abs().max() < 1.0e-8
    assert fluxes.enthalpy_residual.abs().max() < 1.0e-8
    assert not bool(fluxes.numerical_water_source.any())
    assert not bool(fluxes.numerical_heat_source.any())


def test_rain_on_a_dry_canopy_evaporates_in_the_step_in_which_it_falls():
    rain = torch.full_like(CASE.forcing.precipitation, 2.0e-4)
    warm = dataclasses.replace(CASE.forcing, precipitation=rain, air_temperature=CASE.forcing.air_temperature + 60.0)
    dry = dataclasses.replace(layered(CASE.state), canopy_water=torch.zeros_like(CASE.state.canopy_water))
    with torch.no_grad():
        after, fluxes = NoahModel(CASE.column, preset("conservative"))(dry, warm, CASE.parameters, CASE.dt)

    caught = fluxes.vegetation_fraction * (1.0 - fluxes.snow_cover_fraction) * fluxes.rainfall
    evaporated = fluxes.canopy_evaporation
    assert (evaporated - caught).max() <= 1.0e-12 * caught.max()
    drying = (caught > 0) & (fluxes.dew <= 0) & (fluxes.latent_heat_flux > 0)
    assert int(drying.sum()) > 50
    assert (evaporated[drying] > 0).all()
    gained = (after.canopy_water / CASE.dt - caught + evaporated + fluxes.throughfall)[drying]
    assert gained.abs().max() < 1.0e-16


def test_stores_stay_within_their_bounds():
    after, _ = step(DEEP)
    soil, snow = after.soil, after.snow
    assert snow.layer_mass is not None
    assert soil.liquid_water.min() > -1.0e-12
    assert soil.ice.min() >= 0.0
    assert (soil.moisture - DEEP.parameters.soil.porosity).max() < 1.0e-9
    assert snow.layer_mass.min() >= 0.0
    assert after.canopy_water.min() >= 0.0
    assert (after.canopy_water - DEEP.parameters.vegetation.canopy_capacity).max() <= 0.0
    assert torch.equal(snow.water_equivalent, snow.layer_mass.sum(0))


OTHERS = [pytest.param(columns, layers, marks=pytest.mark.slow) for columns in (1, 9) for layers in (1, 3, 4)]


@pytest.mark.parametrize("snow_layers", [1, 3])
def test_heat_that_passes_to_the_soil_because_the_snow_has_no_digits_for_it_is_round_off(monkeypatch, snow_layers):
    """Otherwise it would hide that the pack does not close."""
    passed = []

    def recorded(*given):
        passed.append(unstored(*given))
        return passed[-1]

    unstored = heat_of_the_step.unstored_heat
    monkeypatch.setattr(heat_of_the_step, "unstored_heat", recorded)
    model, state = NoahModel(CASE.column, preset("conservative")), layered(CASE.state, snow_layers)
    for warmer in (0.0, 8.0, -8.0):
        forcing = dataclasses.replace(CASE.forcing, air_temperature=CASE.forcing.air_temperature + warmer)
        with torch.no_grad():
            state, _ = model(state, forcing, CASE.parameters, CASE.dt)
    assert len(passed) == 3
    assert torch.stack(passed).abs().max() < 1.0e-9


@pytest.mark.parametrize("lost", [0.0, 1.0, 100.0])
def test_heat_that_the_pack_loses_is_seen_in_the_closure(monkeypatch, lost):
    """It is no round-off, and does not pass to the soil in its place."""
    whole = heat_of_the_step.pack_after_heat

    def leaking(*given):
        layers, left = whole(*given)
        return layers._replace(enthalpy=layers.enthalpy - lost), left

    monkeypatch.setattr(heat_of_the_step, "pack_after_heat", leaking)
    _, fluxes = step(CASE, 1)
    assert fluxes.enthalpy_residual is not None
    torch.testing.assert_close(
        fluxes.enthalpy_residual.abs() * CASE.dt, torch.full_like(CASE.dt, lost), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize(("columns", "snow_layers"), [(9, 2), pytest.param(1, 2, marks=pytest.mark.slow), *OTHERS])
def test_compiled_runs_agree_with_eager_ones_whatever_the_number_of_snow_layers(columns, snow_layers):
    case = random_case(columns, seed=4)
    model, forcing = NoahModel(case.column, preset("conservative")), series(case, 4)
    names = [path for path, _ in quantities(State)] + ["snow_temperature", "latent_heat_flux", "snow_outflow"]
    with torch.no_grad():
        given = model, layered(case.state, snow_layers), forcing, case.parameters, 3600.0
        compiled, eager = (run(*given, outputs=names, execution=way).outputs for way in ("compiled", "eager"))
    for name in names:
        scale = eager[name].abs().max()
        assert (compiled[name] - eager[name]).abs().max() <= 1.0e-10 * scale + 1.0e-12, name


def test_a_column_does_not_depend_on_its_company():
    # torch rounds powers differently inside and outside vector registers: groups of 16 have the same bits.
    after, _ = step(CASE)
    for part in (slice(16, 48), slice(96, 160)):
        alone, _ = step(CASE.select(part))
        for path, _ in quantities(State):
            assert torch.equal(get_quantity(alone, path), get_quantity(after, path)[..., part]), path


@pytest.mark.slow
def test_the_gradient_through_snowfall_melt_and_freezing_is_that_of_differences():
    case = random_case(9, seed=4)
    model, forcing = NoahModel(case.column, preset("conservative")), series(case, 12)
    state, parameters = layered(case.state), dataclasses.replace(case.parameters, snow=case.parameters.snow.resolved())

    def result(change: Tensor) -> Tensor:
        weather = dataclasses.replace(
            forcing,
            precipitation=forcing.precipitation * (1.0 + change[0]),
            shortwave_down=forcing.shortwave_down * (1.0 + change[1]),
        )
        snow = dataclasses.replace(parameters.snow, fresh_albedo=parameters.snow.fresh_albedo * (1.0 + change[2]))
        changed = dataclasses.replace(parameters, snow=snow)
        outputs = run(
            model, state, weather, changed, 3600.0, outputs=["snow.water_equivalent", "soil.temperature"],
            execution="compiled",
        ).outputs  # fmt: skip
        return torch.stack([outputs["snow.water_equivalent"].sum(0), outputs["soil.temperature"][:, 0].sum(0)])

    start = torch.zeros(3, 9, dtype=torch.float64, requires_grad=True)
    results = result(start)
    for quantity in range(2):
        (gradient,) = torch.autograd.grad(results[quantity].sum(), start, retain_graph=True)
        for place in range(3):
            shift = torch.zeros_like(start)
            shift[place] = 1.0e-6
            with torch.no_grad():
                difference = (result(start + shift) - result(start - shift))[quantity] / 2.0e-6
            error = (gradient[place] - difference).abs() / difference.abs().max().clamp(min=1.0)
            assert error.max() < 1.0e-4, (quantity, place)


def test_a_state_without_snow_layers_is_refused_with_the_remedy():
    model = NoahModel(CASE.column, preset("conservative"))
    with pytest.raises(ValueError, match=r"no snow layers.*snow_layers=3"):
        model(CASE.state, CASE.forcing, CASE.parameters, CASE.dt)
    with pytest.raises(ValueError, match="has snow layers, and Noah's step has none"):
        NoahModel(CASE.column)(layered(CASE.state), CASE.forcing, CASE.parameters, CASE.dt)


@pytest.mark.parametrize(
    ("slot", "scheme"),
    [
        ("turbulence", "chen1997"),
        ("soil_water", "noah"),
        ("snow", "noah"),
        ("phase", "noah"),
    ],
)
def test_a_scheme_that_the_closed_balance_cannot_use_is_refused(slot, scheme):
    with pytest.raises(ValueError, match="does not go with"):
        NoahModel(CASE.column, dataclasses.replace(preset("conservative"), **{slot: scheme}))


def test_the_initial_layers_hold_the_water_and_depth_of_the_pack():
    one = torch.ones(2, dtype=torch.float64)
    column = SoilColumn(torch.tensor([0.1, 0.4], dtype=torch.float64))
    profile = torch.full((2, 2), 275.0, dtype=torch.float64)
    snow = torch.tensor([0.0, 120.0], dtype=torch.float64)
    state = initial_state(
        column, soil_temperature=profile, soil_moisture=0.3 * profile / 275.0, soil_liquid=0.3 * profile / 275.0,
        skin_temperature=268.0 * one, snow_water_equivalent=snow, snow_depth=snow / 240.0, canopy_water=0.0 * one,
        albedo=0.2 * one, roughness_length=0.05 * one, specific_humidity=0.003 * one, snow_layers=3,
    )  # fmt: skip
    assert state.snow.layer_mass is not None
    assert torch.allclose(state.snow.layer_mass.sum(0), snow)
    assert torch.allclose(state.snow.layer_thickness.sum(0), snow / 240.0)
    assert torch.allclose(state.snow.layer_enthalpy.sum(0), snow * 2106.0 * (268.0 - 273.15))


def test_the_depth_of_snow_that_falls_and_settles_hardly_depends_on_the_length_of_the_step():
    case = random_case(1, seed=1)
    snow, parameters = NoahModel(case.column, preset("conservative")).step.snow, case.parameters.snow.resolved()
    air = diagnose_air(case.forcing, case.parameters.general)._replace(temperature=torch.full((1,), 263.15).double())
    mass = torch.tensor([[8.0], [15.0], [20.0]], dtype=torch.float64)
    layers = SnowLayers(mass, mass * 2.1e3 * -10.0, mass / 150.0)
    none = torch.zeros(1, dtype=torch.float64)
    start = snow.state(layers, none + 0.8, none)

    def depth(steps: int) -> float:
        """After 6 hours of snowfall without heat. [m]"""
        state, dt = start, 21600.0 / steps
        for _ in range(steps):
            ground = snow.snowed_on(state, none + 1.0e-3, none, air, parameters, dt)
            settled = snow.settled(ground.layers, ground.patch.temperature, ground.patch.scale, parameters, 0.5 * dt)
            state = snow.state(settled, state.albedo, none)
        return state.depth.item()

    often = depth(72)
    # With all of the settling after all of the snowfall it would be 6e-3 off.
    assert depth(2) == pytest.approx(often, rel=2.0e-3)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_layer_of_snow_that_is_not_there_has_the_melting_point(dtype):
    case = random_case(60, 4, seed=21).to(dtype)
    state = layered(case.state, 3)
    bare = torch.arange(60) % 2 == 0
    snow = map_tensors(lambda value: torch.where(bare, 0.0, value), state.snow)
    state = dataclasses.replace(state, snow=snow)
    forcing = dataclasses.replace(case.forcing, precipitation=0.0 * case.forcing.precipitation, snowfall=None)
    warmer = torch.zeros_like(state.soil.temperature, requires_grad=True)
    soil = dataclasses.replace(state.soil, temperature=state.soil.temperature + warmer)
    given = dataclasses.replace(state, soil=soil)
    after, fluxes = NoahModel(case.column, preset("conservative"))(
        given, forcing, case.parameters, torch.full_like(case.dt, 86400.0)
    )
    assert after.snow.layer_mass is not None
    assert fluxes.snow_temperature is not None
    none = after.snow.layer_mass <= 1.0e-9
    assert bool(none.any())
    assert bool((~none).any())
    melting = torch.tensor(273.15, dtype=dtype)
    assert bool((fluxes.snow_temperature[none] == melting).all())
    # Where there is snow, it has a temperature, and all of water can be warmer than melting.
    assert (fluxes.snow_temperature > 200.0).all()
    assert (fluxes.snow_temperature < 320.0).all()
    (gradient,) = torch.autograd.grad(fluxes.snow_temperature.sum(), warmer)
    assert bool(torch.isfinite(gradient).all())
