"""Heat and water in the ground against closed-form solutions, and the order of the time step."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable

import pytest
import torch
from random_columns import random_case
from torch import Tensor, nn

from noahpy_core.column import SoilColumn
from noahpy_core.parameters import Parameters, SoilParameters
from noahpy_core.physics.freezing import NiuYang2006
from noahpy_core.physics.infiltration import Schaake1996
from noahpy_core.physics.soil_heat import Coupling
from noahpy_core.physics.soil_hydraulics import Hydraulics, Zhang2007
from noahpy_core.physics.soil_water import SoilDemand, SoilWater, SoilWaterStep
from noahpy_core.processes import SCHEMES

PHASE_CHANGE = list(SCHEMES["phase_change"])
CONDUCTIVITY = 1.2
HEAT_CAPACITY = 0.1 * 4.2e6 + 0.6 * 2.0e6 + 0.3 * 1004.0
DIFFUSIVITY = CONDUCTIVITY / HEAT_CAPACITY
LIQUID = 0.1


def parameters(layers: int, **general: float) -> Parameters:
    """One column with porosity 0.4, b = 4, 1e-6 m s-1; the rest does not matter."""
    numbers = {
        "clapp_hornberger_b": 4.0, "saturated_hydraulic_conductivity": 1.0e-6, "saturated_suction": 0.2,
        "porosity": 0.4, "quartz_fraction": 0.5, "two_pass_saturation": 1.0, "material": 0.0, "field_capacity": 0.3,
        "wilting_point": 0.05, "dry_limit": 0.05, "saturated_diffusivity": 2.0e-6,
    }  # fmt: skip
    soil = SoilParameters(**{k: torch.full((layers, 1), v, dtype=torch.float64) for k, v in numbers.items()})
    base = random_case(1).parameters
    values = {"mineral_heat_capacity": 2.0e6, "drainage_factor": 1.0, **general}
    changed = {name: torch.tensor([value], dtype=torch.float64) for name, value in values.items()}
    return dataclasses.replace(base, soil=soil, general=dataclasses.replace(base.general, **changed))


def conduct(
    scheme: str, column: SoilColumn, start: Tensor, surface: Callable[[float], float], one: Parameters, dt: float,
    steps: int,
) -> tuple[Tensor, tuple[float, float]]:  # fmt: skip
    """Soil temperature after a number of steps below a prescribed surface temperature, and the last boundary fluxes."""
    module = SCHEMES["phase_change"][scheme](column, NiuYang2006())
    temperature, liquid, ice = start, torch.full_like(start, LIQUID), torch.zeros_like(start)
    conductivity = torch.full_like(start, CONDUCTIVITY)
    for step in range(steps):
        at_end = torch.tensor([surface((step + 1) * dt)], dtype=torch.float64)
        coupling = Coupling(at_end, torch.ones_like(at_end), conductivity[0])
        heat = module(temperature, liquid, ice, coupling, conductivity, one, dt)
        temperature, liquid, ice = heat.temperature, heat.liquid, heat.ice
    return temperature[:, 0], (heat.top_flux.item(), heat.bottom_flux.item())


@pytest.mark.parametrize("scheme", PHASE_CHANGE)
def test_steady_conduction_has_a_straight_profile_from_the_surface_to_the_deep_boundary(scheme):
    column = SoilColumn(torch.tensor([0.1, 0.2, 0.4, 0.8, 1.5], dtype=torch.float64))
    one = parameters(5, deep_temperature=280.0, deep_temperature_depth=8.0)
    start = torch.full((5, 1), 285.0, dtype=torch.float64)
    temperature, fluxes = conduct(scheme, column, start, lambda _: 296.0, one, 4.0e6, 120)
    # 16 K over 8 m: -2 K m-1
    torch.testing.assert_close(temperature, 296.0 - 2.0 * column.node_depth[:, 0], rtol=0.0, atol=1e-9)
    assert fluxes == pytest.approx((2.0 * CONDUCTIVITY, 2.0 * CONDUCTIVITY), rel=1e-9)


DAY = 86400.0
FREQUENCY = 2.0 * math.pi / DAY
DAMPING_DEPTH = math.sqrt(2.0 * DIFFUSIVITY / FREQUENCY)


def wave(depth: Tensor, time: float) -> Tensor:
    """Half space below a surface of 290 K + 8 K sin(2 pi t/day)."""
    scaled = depth / DAMPING_DEPTH
    return 290.0 + 8.0 * torch.exp(-scaled) * torch.sin(FREQUENCY * time - scaled)


def wave_error(scheme: str, spacing: float, dt: float) -> float:
    """Largest difference to the wave after a day from the exact profile, in the upper two damping depths."""
    layers = round(6.0 * DAMPING_DEPTH / spacing)
    column = SoilColumn(torch.full((layers,), spacing, dtype=torch.float64))
    one = parameters(layers, deep_temperature=290.0, deep_temperature_depth=40.0)
    start = wave(column.node_depth, 0.0)
    surface = lambda t: wave(torch.zeros(()).double(), t).item()  # noqa: E731
    temperature, _ = conduct(scheme, column, start, surface, one, dt, round(DAY / dt))
    depth = column.node_depth[:, 0]
    near = depth < 2.0 * DAMPING_DEPTH
    return (temperature - wave(depth, DAY))[near].abs().max().item()


@pytest.mark.parametrize("scheme", PHASE_CHANGE)
def test_a_daily_heat_wave_is_damped_and_delayed_with_depth(scheme):
    assert pytest.approx(0.1427, abs=1e-4) == DAMPING_DEPTH
    assert wave_error(scheme, DAMPING_DEPTH / 8.0, 1800.0) < 0.3


@pytest.mark.parametrize("scheme", PHASE_CHANGE)
def test_the_heat_step_is_of_first_order_in_time(scheme):
    errors = [wave_error(scheme, DAMPING_DEPTH / 8.0, dt) for dt in (7200.0, 3600.0, 1800.0)]
    orders = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    assert all(0.8 < order < 1.2 for order in orders), orders


def test_the_published_annual_wave_of_the_benchmark_is_the_formula_used_here(shared):
    """Mean and amplitude at the surface and the decay between depths fit one damping depth and one phase."""
    rows = (shared / "benchmarks" / "periodic_wave.csv").read_text().split()[1:]
    table = {(float(day), float(depth)): float(t) for day, depth, t in (row.split(",") for row in rows)}
    depths = sorted({depth for _, depth in table})
    days = sorted({day for day, _ in table})
    frequency = 2.0 * math.pi / 365.0
    angles = torch.tensor(days, dtype=torch.float64) * frequency
    harmonics = torch.stack([torch.ones_like(angles), torch.sin(angles), torch.cos(angles)], 1)
    amplitudes = {}
    for depth in depths:
        series = torch.tensor([table[day, depth] for day in days], dtype=torch.float64)
        mean, sine, cosine = torch.linalg.lstsq(harmonics, series).solution.tolist()
        amplitudes[depth] = (mean, math.hypot(sine, cosine), math.atan2(cosine, sine))
    (mean, amplitude, phase), deeper = amplitudes[0.0], amplitudes[1.0]
    damping = 1.0 / math.log(amplitude / deeper[1])
    for depth in depths:
        for day in days:
            scaled = depth / damping
            expected = mean + amplitude * math.exp(-scaled) * math.sin(frequency * day + phase - scaled)
            assert table[day, depth] == pytest.approx(expected, abs=2e-3)


class Gravity(nn.Module):
    """Clapp and Hornberger conductivity without diffusion."""

    def forward(self, liquid, ice, soil):
        conductivity = soil.saturated_hydraulic_conductivity * (liquid / soil.porosity) ** 11
        return Hydraulics(torch.zeros_like(liquid), conductivity)


def drain(
    moisture: float, supply: float, dt: float, steps: int, hydraulics: nn.Module, thickness: tuple[float, ...]
) -> tuple[Tensor, SoilWater]:
    column = SoilColumn(torch.tensor(thickness, dtype=torch.float64))
    one = parameters(len(thickness))
    module = SoilWaterStep(column, Schaake1996(column), hydraulics)
    liquid = torch.full((len(thickness), 1), moisture, dtype=torch.float64)
    ice, rate = torch.zeros_like(liquid), torch.tensor([supply], dtype=torch.float64)
    for _ in range(steps):
        water = module(liquid, ice, rate, SoilDemand(torch.zeros_like(rate), torch.zeros_like(liquid)), one, dt)
        liquid = water.liquid
    return liquid[:, 0], water


def draining_layer(start: float, time: float, thickness: float) -> float:
    """Saturation of a layer that only loses water by gravity: ds/dt = -K_s s^11/(porosity dz)."""
    return (start**-10 + 10.0 * 1.0e-6 * time / (0.4 * thickness)) ** -0.1


def test_the_top_layer_drains_by_gravity_as_its_differential_equation_says():
    liquid, _ = drain(0.4 * 0.95, 0.0, 1200.0, 360, Gravity(), (0.1, 0.3, 0.6))
    assert liquid[0].item() / 0.4 == pytest.approx(draining_layer(0.95, 5.0 * DAY, 0.1), rel=2e-3)


def test_the_water_step_is_of_first_order_in_time():
    exact = 0.4 * draining_layer(0.9, 2.0 * DAY, 0.1)
    errors = [
        abs(drain(0.4 * 0.9, 0.0, dt, round(2.0 * DAY / dt), Gravity(), (0.1, 0.3, 0.6))[0][0].item() - exact)
        for dt in (7200.0, 3600.0, 1800.0)
    ]
    orders = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    assert all(0.8 < order < 1.2 for order in orders), orders


@pytest.mark.parametrize("hydraulics", [Gravity, Zhang2007])
def test_steady_rain_wets_every_layer_until_its_conductivity_passes_the_rain(hydraulics):
    rain = 2.0e-9 * 1000.0
    liquid, water = drain(0.2, rain, 2.0e5, 400, hydraulics(), (0.1, 0.2, 0.3))
    # Schaake's capacity lets a few per mille of any rain run off
    entering = water.infiltration.item()
    assert 0.99 * rain < entering < rain
    saturation = (entering / 1000.0 / 1.0e-6) ** (1.0 / 11.0)
    torch.testing.assert_close(liquid, torch.full_like(liquid, 0.4 * saturation), rtol=1e-6, atol=0.0)
    assert water.drainage.item() == pytest.approx(entering, rel=1e-5)


def test_the_flux_between_layers_vanishes_in_undrained_soil_at_rest():
    """Diffusion upwards balances gravity: D (w_1 - w_2)/dz + K = 0."""
    column = SoilColumn(torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64))
    one = parameters(3, drainage_factor=0.0)
    module = SoilWaterStep(column, Schaake1996(column), Zhang2007())
    liquid = torch.full((3, 1), 0.25, dtype=torch.float64)
    none = torch.zeros_like(liquid)
    for _ in range(500):
        liquid = module(liquid, none, none[0], SoilDemand(none[0], none), one, 1.0e5).liquid
    hydraulics = Zhang2007()(liquid, none, one.soil)
    gradient = (liquid[:-1] - liquid[1:]) / column.node_distance
    flux = hydraulics.diffusivity[:-1] * gradient + hydraulics.conductivity[:-1]
    assert bool((liquid.diff(dim=0) > 0).all())
    assert (flux.abs() / hydraulics.conductivity[:-1]).max().item() < 1e-3
    assert (liquid * column.thickness).sum().item() == pytest.approx(0.25 * 0.6, rel=1e-12)
