"""`transitions: smooth` in the conservative column: corners of ponding, stores and snow are rounded, budgets close."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from random_columns import Case, layered, random_case
from torch import Tensor, nn

from noahpy_core import NoahModel, Options, preset, run
from noahpy_core.physics.limits import SHARP_LIMITS, SmoothLimits
from noahpy_core.physics.snow_layered import layered_snow
from noahpy_core.physics.transitions import SharpTransitions, SmoothTransitions
from noahpy_core.state import Fluxes
from noahpy_core.trees import map_tensors

CASE = random_case(45, seed=3)
DEEP = random_case(45, 20, seed=3)
SMOOTH = dataclasses.replace(preset("conservative"), transitions="smooth")
SHARP = preset("conservative")
EVAPORATED = ("soil_evaporation", "canopy_evaporation", "transpiration", "sublimation")


# --- the rounded minimum ----------------------------------------------------------------------------------------------


def pairs() -> tuple[Tensor, Tensor]:
    """Amounts and bounds of very different size, equal ones and nothing among them."""
    values = torch.tensor([0.0, 1.0e-9, 0.5, 0.9, 0.95, 0.999, 1.0, 1.001, 1.05, 1.1, 3.0, 1.0e6], dtype=torch.float64)
    return tuple(torch.meshgrid(values, values, indexing="ij"))  # type: ignore[return-value]


def test_the_rounded_minimum_is_never_above_the_hard_one_and_never_below_nothing():
    amount, bound = pairs()
    rounded = SmoothLimits(torch.tensor(0.1, dtype=torch.float64)).lesser(amount, bound, bound)
    hard = torch.minimum(amount, bound)
    assert bool((rounded.value <= hard).all())
    assert bool((rounded.value >= 0.0).all())
    far = (amount - bound).abs() >= 0.1 * bound
    assert torch.equal(rounded.value[far], hard[far])
    assert bool((rounded.value < hard)[(amount - bound).abs() < 0.09 * bound].all())
    assert torch.equal(rounded.limited[far], (amount > bound)[far])


def test_its_shares_are_its_derivatives_and_change_without_a_jump():
    amount = torch.linspace(0.8, 1.2, 4001, dtype=torch.float64).requires_grad_()
    bound = torch.ones_like(amount).requires_grad_()
    scale = torch.ones_like(bound)
    found = SmoothLimits(torch.full_like(bound, 0.1)).lesser(amount, bound, scale)
    by_amount, by_bound = torch.autograd.grad(found.value.sum(), (amount, bound))
    assert torch.allclose(by_amount, found.share, atol=1.0e-12)
    assert torch.allclose(by_bound, 1.0 - found.share, atol=1.0e-12)
    # A jump would be as large however close the points are.
    assert found.share.diff().abs().max() < 2.0 * 1.0e-4 / 0.1
    assert SHARP_LIMITS.lesser(amount, bound, scale).share.diff().abs().max() == 1.0


def test_it_tends_to_the_hard_minimum_in_proportion_to_its_width():
    amount, bound = pairs()
    gaps = []
    for width in (0.1, 0.05, 0.025):
        rounded = SmoothLimits(torch.tensor(width, dtype=torch.float64)).smaller(amount, bound)
        gaps.append(((torch.minimum(amount, bound) - rounded) / bound.clamp(min=1.0e-9)).max().item())
    assert gaps[0] == pytest.approx(0.1 / 6.0)
    assert gaps[1] == pytest.approx(0.5 * gaps[0])
    assert gaps[2] == pytest.approx(0.25 * gaps[0])


# --- the column -------------------------------------------------------------------------------------------------------


def step(case: Case, options: Options = SMOOTH) -> tuple[object, Fluxes]:
    return NoahModel(case.column, options)(layered(case.state), case.forcing, case.parameters, case.dt)


@pytest.mark.parametrize("case", [CASE, pytest.param(DEEP, marks=pytest.mark.slow)], ids=["4 layers", "20 layers"])
def test_water_and_enthalpy_close_with_rounded_limits_in_every_regime(case):
    with torch.no_grad():
        state, fluxes = step(case)
    assert (fluxes.water_residual.abs() * case.dt).max() < 1.0e-9
    assert fluxes.enthalpy_residual.abs().max() < 1.0e-8
    assert fluxes.energy_residual.abs().max() < 1.0e-8
    assert not bool(fluxes.numerical_water_source.any())
    assert state.soil.liquid_water.min() > -1.0e-12
    assert (state.soil.moisture - case.parameters.soil.porosity).max() < 1.0e-9
    assert state.canopy_water.min() >= 0.0
    assert (state.canopy_water - case.parameters.vegetation.canopy_capacity).max() <= 0.0
    assert state.snow.layer_mass.min() >= 0.0


def test_results_tend_to_those_with_corners_as_the_width_vanishes():
    def fluxes(transitions: nn.Module) -> Fluxes:
        model = NoahModel(CASE.column, SHARP, {"transitions": transitions})
        return model(layered(CASE.state), CASE.forcing, CASE.parameters, CASE.dt)[1]

    with torch.no_grad():
        hard, gaps = fluxes(SharpTransitions()), []
        for width in (0.1, 0.01, 0.001):
            # Of water that enters, of soil, canopy, plants and snow: each has its limit.
            found, names = fluxes(SmoothTransitions(width)), ("infiltration", *EVAPORATED)
            gaps.append([(getattr(found, name) - getattr(hard, name)).abs().max().item() for name in names])
    for wide, middle, narrow in zip(*gaps, strict=True):
        assert narrow <= 0.2 * middle <= 0.04 * wide
    assert sum(gap > 0.0 for gap in gaps[0]) >= 4


def test_a_width_without_sense_is_refused():
    with pytest.raises(ValueError, match=r"limit_range is 0\.9\. Give a share above 0 and at most 0\.5"):
        SmoothTransitions(0.9)


class Scan:
    """One column many times, with one number of it from low to high, and a flux that has a corner between."""

    def __init__(
        self, regime: str, low: float, high: float, output: str, put: Callable[[Case, Tensor], Case], **scheme: str
    ) -> None:
        self.case = random_case(1, regime=regime, seed=7)
        self.low, self.high, self.output, self.put, self.scheme = low, high, output, put, scheme

    def slopes(self, points: int, transitions: str) -> Tensor:
        """Derivative of the flux by the number, ``[points]``."""
        number = torch.linspace(self.low, self.high, points, dtype=torch.float64).requires_grad_()
        many = {
            name: map_tensors(lambda x: x.expand(*x.shape[:-1], points), getattr(self.case, name))
            for name in ("state", "forcing", "parameters")
        }
        case = dataclasses.replace(self.case, **many, dt=torch.full_like(number, 3600.0).detach())
        case = self.put(case, number)
        options = dataclasses.replace(preset("conservative"), transitions=transitions, **self.scheme)
        _, fluxes = NoahModel(case.column, options)(case.state, case.forcing, case.parameters, case.dt)
        return torch.autograd.grad(getattr(fluxes, self.output).sum(), number)[0]


def with_weather(case: Case, **values: Tensor) -> Case:
    return dataclasses.replace(case, forcing=dataclasses.replace(case.forcing, **values), state=layered(case.state))


def with_top(case: Case, water: Tensor) -> Case:
    """Little water in the first layer, under strong sun."""
    soil = case.state.soil
    liquid = torch.cat([water[None], soil.liquid_water[1:]])
    state = dataclasses.replace(case.state, soil=dataclasses.replace(soil, liquid_water=liquid))
    sun = torch.full_like(water, 900.0).detach()
    case = dataclasses.replace(case, state=state, dt=torch.full_like(water, 86400.0).detach())
    return with_weather(case, shortwave_down=sun, precipitation=0.0 * sun, vegetation_fraction=0.0 * sun)


def with_canopy(case: Case, water: Tensor) -> Case:
    """Some water on leaves in the sun."""
    case = dataclasses.replace(case, state=dataclasses.replace(case.state, canopy_water=water))
    none = torch.zeros_like(water).detach()
    return with_weather(case, precipitation=none, shortwave_down=none + 100.0, vegetation_fraction=none + 0.8)


def with_pack(case: Case, water: Tensor) -> Case:
    """A thin pack in dry wind."""
    state = case.state
    snow = dataclasses.replace(state.snow, water_equivalent=water, depth=water / 200.0)
    state = dataclasses.replace(state, snow=layered_snow(snow, state.skin_temperature, 2))
    none = torch.zeros_like(water).detach()
    forcing = dataclasses.replace(
        case.forcing,
        precipitation=none,
        specific_humidity=none + 1.0e-4,
        wind_speed=none + 15.0,
        air_temperature=none + 272.0,
        shortwave_down=none + 200.0,
    )
    return dataclasses.replace(case, state=state, forcing=forcing, dt=none + 21600.0)


SCANS = {
    "ponding": Scan("temperate", 2.0e-3, 5.0e-3, "surface_runoff", lambda case, x: with_weather(case, precipitation=x)),
    "a soil that runs dry": Scan("temperate", 0.022, 0.028, "soil_evaporation", with_top),
    "a canopy that runs dry": Scan("temperate", 0.005, 0.02, "canopy_evaporation", with_canopy),
    "a canopy that is full": Scan(
        "temperate", 1.0e-6, 1.0e-3, "throughfall", lambda case, x: with_weather(case, precipitation=x)
    ),
    "snow that gives all it may": Scan("snow_accumulating", 0.5, 15.0, "sublimation", with_pack),
    "snow that sets in": Scan(
        "temperate",
        271.0,
        276.0,
        "snowfall",
        lambda case, x: with_weather(case, air_temperature=x, precipitation=torch.full_like(x, 1e-4).detach()),
        phase="ramp",
    ),
}


QUICK = ("ponding", "snow that sets in")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SCANS]
)
def test_the_derivative_has_no_jump_where_that_of_the_column_with_corners_has(name):
    scan = SCANS[name]

    def largest_jump(points: int, transitions: str) -> float:
        return scan.slopes(points, transitions).diff().abs().max().item()

    sharp, smooth = ([largest_jump(points, kind) for points in (101, 401)] for kind in ("sharp", "smooth"))
    assert sharp[1] > 0.6 * sharp[0] > 0.0
    assert smooth[1] < 0.4 * smooth[0]
    assert smooth[1] < 0.4 * sharp[1]


@pytest.mark.slow
@pytest.mark.parametrize("width", [None, 0.02])
def test_compiled_and_eager_agree_with_rounded_limits(width):
    case = random_case(18, seed=4)
    model = NoahModel(case.column, SMOOTH)
    if width is not None:
        model = NoahModel(case.column, SHARP, {"transitions": SmoothTransitions(width)})
    forcing = map_tensors(lambda x: torch.stack([x, x.roll(5, -1)]), case.forcing)
    names = ["soil.liquid_water", "soil.temperature", "canopy_water", "snow.age", "infiltration", *EVAPORATED]
    with torch.no_grad():
        given = model, layered(case.state), forcing, case.parameters, 10800.0
        compiled, eager = (run(*given, outputs=names, execution=way).outputs for way in ("compiled", "eager"))
    for name in names:
        scale = eager[name].abs().max()
        assert (compiled[name] - eager[name]).abs().max() <= 1.0e-12 * scale + 1.0e-15, name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["precipitation", "shortwave_down"])
def test_the_gradient_with_rounded_limits_is_that_of_differences_in_every_regime(name):
    case = random_case(90, seed=12)

    def total(change: Tensor) -> Tensor:
        forcing = dataclasses.replace(case.forcing, **{name: getattr(case.forcing, name) * (1.0 + change)})
        state, fluxes = step(dataclasses.replace(case, forcing=forcing))
        found = state.soil.temperature.sum(0) + 30.0 * state.soil.liquid_water.sum(0) + state.canopy_water
        return found + state.snow.water_equivalent + 1.0e3 * fluxes.infiltration + 0.01 * fluxes.latent_heat_flux

    change = torch.zeros(case.columns, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(total(change).sum(), change)
    with torch.no_grad():
        best = torch.full_like(gradient, torch.inf)
        for h in (1.0e-5, 1.0e-7):
            difference = (total(change + h) - total(change - h)) / (2.0 * h)
            best = torch.minimum(best, (gradient - difference).abs() / (gradient.abs() + 1.0e-3))
    # Corners of freezing and melting are left as they are: few columns sit on them.
    assert best.quantile(0.99) < 1.0e-4
