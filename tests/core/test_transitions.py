"""Switches of the model: exactly the original's when sharp, continuous when smooth, and budgets that close in both."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from random_columns import Case, random_case

from bmi_noahpy.verification.reference import read_reference
from noahpy_core import NoahModel, Options, equilibrium_liquid, run
from noahpy_core.physics.transitions import SharpTransitions, SmoothTransitions
from noahpy_core.quantities import get_quantity, replace_quantity
from noahpy_core.trees import map_tensors

FREEZING = 273.15
COUNT = 4001
SNOW_DENSITY = 200.0


def values(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def test_sharp_weights_are_zero_or_one_and_leave_the_threshold_to_the_far_side():
    sharp = SharpTransitions()
    x = values(0.9, 1.0, 1.1)
    assert sharp.rising(x, 1.0, 0.5).tolist() == [0.0, 0.0, 1.0]
    assert sharp.falling(x, 1.0, 0.5).tolist() == [1.0, 0.0, 0.0]
    assert sharp.amount(values(0.0, 1e-300), 1.0).tolist() == [0.0, 1.0]


def test_smooth_weights_are_one_half_at_the_threshold_and_saturate_half_a_width_away():
    smooth = SmoothTransitions()
    assert smooth.rising(values(0.75, 1.0, 1.25, 9.0), 1.0, 0.5).tolist() == [0.0, 0.5, 1.0, 1.0]
    assert smooth.falling(values(0.75, 1.0, 1.25), 1.0, 0.5).tolist() == [1.0, 0.5, 0.0]
    assert smooth.amount(values(0.0, 2.0), 2.0).tolist() == pytest.approx([0.0, 1.0 - 0.36787944117])


def test_merge_with_weight_one_or_zero_returns_one_side_exactly():
    inside, outside = values(0.1, 0.2), values(1e9, 3.0)
    for transitions in (SharpTransitions(), SmoothTransitions()):
        assert torch.equal(transitions.merge(values(1.0, 0.0), inside, outside), values(0.1, 3.0))


@pytest.mark.parametrize("phase_change", ["heat_limited", "enthalpy"])
def test_water_and_energy_close_with_smooth_transitions(phase_change):
    case = random_case(3000, 4, seed=3)
    model = NoahModel(case.column, Options(transitions="smooth", phase_change=phase_change))
    with torch.no_grad():
        _, fluxes = model(case.state, case.forcing, case.parameters, case.dt)
    assert (fluxes.water_residual * case.dt).abs().max() < 1e-10
    assert fluxes.energy_residual.abs().max() < 1e-9
    assert fluxes.soil_heat_residual.abs().max() < 1e-5


def _scan(case: Case, path: str, low: float, high: float) -> Case:
    """One column repeated, with one of its inputs running from `low` to `high`."""
    repeated = case.select(torch.zeros(COUNT, dtype=torch.int64))
    along = torch.linspace(low, high, COUNT, dtype=torch.float64)
    tree, _, rest = path.partition(".")
    changed = dataclasses.replace(repeated, **{tree: replace_quantity(getattr(repeated, tree), rest, along)})
    if rest == "snow.water_equivalent":
        state = replace_quantity(changed.state, "snow.depth", along / SNOW_DENSITY)
        changed = dataclasses.replace(changed, state=state)
    return changed


def _rainy(temperature: float, skin: float) -> Case:
    case = random_case(1, 4, seed=8, regime="temperate")
    forcing = dataclasses.replace(
        case.forcing, air_temperature=values(temperature), precipitation=values(5e-4), shortwave_down=values(100.0)
    )
    return dataclasses.replace(
        case, forcing=forcing, state=dataclasses.replace(case.state, skin_temperature=values(skin))
    )


def _melting() -> Case:
    return random_case(1, 4, seed=4, regime="snow_melting")


SCANS = {
    "rain turns to snow": (_rainy(FREEZING, 272.0), "forcing.air_temperature", FREEZING - 1.5, FREEZING + 1.5),
    "rain freezes on the surface": (_rainy(275.0, FREEZING), "state.skin_temperature", 272.0, 274.5),
    "snow appears": (_rainy(268.0, 270.0), "forcing.precipitation", 0.0, 1e-5),
    "snow vanishes": (_melting(), "state.snow.water_equivalent", 0.0, 5.0),
    "soil water is solved twice": (_rainy(285.0, 286.0), "forcing.precipitation", 0.0, 2e-2),
}


def _largest_jumps(transitions: str, case: Case, path: str, low: float, high: float) -> float:
    """Largest change between neighbouring inputs, in units of the range of the result."""
    scan = _scan(case, path, low, high)
    model = NoahModel(scan.column, Options(transitions=transitions, phase_change="enthalpy"))
    with torch.no_grad():
        state, _ = model(scan.state, scan.forcing, scan.parameters, scan.dt)
    jumps = []
    for name in ("skin_temperature", "snow.water_equivalent", "soil.temperature", "soil.liquid_water"):
        result = get_quantity(state, name)
        spread = result.amax(-1) - result.amin(-1)
        scaled = result.diff(dim=-1).abs().amax(-1) / spread.clamp(min=1e-6)
        jumps.append(scaled.max().item())
    return max(jumps)


@pytest.mark.parametrize("name", SCANS)
def test_a_jump_of_the_original_becomes_continuous(name):
    case, path, low, high = SCANS[name]
    middle = 0.5 * (low + high)
    quarter = 0.125 * (high - low)
    coarse = _largest_jumps("smooth", case, path, low, high)
    assert coarse < 0.02, "a four-thousandth of the range changes the result by less than 2 %"
    assert _largest_jumps("sharp", case, path, low, high) > 0.05
    assert _largest_jumps("smooth", case, path, middle - quarter, middle + quarter) < 0.02


PARAMETERS = (
    "soil.clapp_hornberger_b",
    "snow.deep_snow_albedo",
    "snow.full_cover_snow",
    "vegetation.maximum_albedo",
    "general.deep_temperature",
    "general.zilitinkevich_coefficient",
    "vegetation.minimum_stomatal_resistance",
)
OUTPUTS = ("soil.temperature", "skin_temperature", "snow.water_equivalent")
DAYS = (60, 100, 140, 180, 220, 249)


def _differences(shared, transitions: str) -> torch.Tensor:
    """Central differences of a snowy season for relative steps 1e-2 and 1e-6, ``[step, number]``."""
    cases = read_reference(shared / "reference" / "tgl_snowy.nc").groups[0]
    steps = (1e-2, 1e-6)
    columns = 2 * len(steps) * len(PARAMETERS)
    spread = {"state": cases.state, "parameters": cases.parameters}
    state, parameters = (
        map_tensors(lambda x: x[..., :1].expand(*x.shape[:-1], columns).clone(), spread[name]) for name in spread
    )
    moisture = state.soil.moisture
    liquid = equilibrium_liquid(state.soil.temperature, moisture, parameters)
    state = dataclasses.replace(state, soil=dataclasses.replace(state.soil, liquid_water=liquid, ice=moisture - liquid))
    for k, path in enumerate(PARAMETERS):
        value = get_quantity(parameters, path).clone()
        for j, step in enumerate(steps):
            first = 2 * (len(steps) * k + j)
            value[..., first] *= 1.0 + step
            value[..., first + 1] *= 1.0 - step
        parameters = replace_quantity(parameters, path, value)
    forcing = map_tensors(lambda x: x[: max(DAYS) + 1, None].expand(-1, columns), cases.forcing)
    options = dataclasses.replace(cases.options, transitions=transitions, phase_change="enthalpy")
    with torch.no_grad():
        outputs = run(NoahModel(cases.column, options), state, forcing, parameters, 86400.0, outputs=OUTPUTS).outputs
    rows = []
    for name in OUTPUTS:
        at_days = outputs[name][list(DAYS)]
        top = at_days[:, :6] if at_days.ndim == 3 else at_days[:, None]
        pairs = top.reshape(*top.shape[:-1], len(PARAMETERS), len(steps), 2)
        rows.append(((pairs[..., 0] - pairs[..., 1]) / (2.0 * values(*steps))).reshape(-1, len(steps)))
    return torch.cat(rows).T


def _share_that_agrees(differences: torch.Tensor) -> float:
    wide, narrow = differences
    felt = narrow.abs() > 1e-3
    return (((wide - narrow).abs() < 0.1 * narrow.abs())[felt]).double().mean().item()


@pytest.mark.slow
def test_derivatives_of_a_snowy_season_agree_between_relative_steps_1e_2_and_1e_6_when_smooth(shared):
    smooth = _share_that_agrees(_differences(shared, "smooth"))
    sharp = _share_that_agrees(_differences(shared, "sharp"))
    print(f"share of derivatives that agree within 10 %: smooth {smooth:.3f}, sharp {sharp:.3f}")
    assert smooth > 0.9
    assert smooth > sharp
