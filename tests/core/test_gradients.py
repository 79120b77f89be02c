"""Derivatives of one step: right in each regime, finite everywhere, equal in both modes, and reaching every input."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from random_columns import REGIMES, Case, option_combinations, random_case
from threshold_columns import at_thresholds
from torch import Tensor

from noahpy_core.model import NoahModel
from noahpy_core.options import Options
from noahpy_core.parameters import Parameters
from noahpy_core.processes import SCHEMES
from noahpy_core.quantities import get_quantity, quantities, replace_quantity
from noahpy_core.state import Fluxes, Forcing, State

PHASE_CHANGE = list(SCHEMES["phase_change"])
STATE = [path for path, metadata in quantities(State) if not metadata["optional"]]
FLUXES = [path for path, metadata in quantities(Fluxes) if not metadata["optional"] and not path.endswith("_residual")]
OUTPUTS = STATE + FLUXES
"""The residuals are round-off, and so are their derivatives."""
CONTAINERS = {"state": State, "forcing": Forcing, "parameters": Parameters}


def inputs(case: Case) -> list[tuple[str, str]]:
    """Container and path of every quantity the step may be differentiated by."""
    return [
        (container, path)
        for container, cls in CONTAINERS.items()
        for path, metadata in quantities(cls)
        if metadata["differentiable"] and get_quantity(getattr(case, container), path) is not None
    ]


def replaced(case: Case, names: list[tuple[str, str]], tensors: list[Tensor] | tuple[Tensor, ...]) -> Case:
    for (container, path), value in zip(names, tensors, strict=True):
        tree = replace_quantity(getattr(case, container), path, value)
        case = dataclasses.replace(case, **{container: tree})
    return case


Step = Callable[..., tuple[Tensor, ...]]


def as_function(case: Case, names: list[tuple[str, str]], options: Options | None = None) -> tuple[Step, list[Tensor]]:
    """The step as a function of the named tensors, giving all tensors of `OUTPUTS`."""
    model = NoahModel(case.column, options)

    def function(*tensors: Tensor) -> tuple[Tensor, ...]:
        changed = replaced(case, names, tensors)
        after, fluxes = model(changed.state, changed.forcing, changed.parameters, case.dt)
        return tuple(get_quantity(tree, path) for tree, paths in ((after, STATE), (fluxes, FLUXES)) for path in paths)

    return function, [get_quantity(getattr(case, container), path) for container, path in names]


def random_like(tensors: Any, seed: int, relative: bool = False) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(x.shape, generator=generator, dtype=x.dtype) for x in tensors]
    return tuple(r * x.abs() if relative else r for r, x in zip(drawn, tensors, strict=True))


def output_scales(outputs: tuple[Tensor, ...]) -> list[Tensor]:
    return [1.0 / (x.abs().amax() + 1e-12) for x in outputs]


def column_products(function: Step, tensors: list[Tensor], directions: Any, cotangents: Any) -> tuple[Tensor, Tensor]:
    """<w, J v> and <J^T w, v> of each column."""
    _, forward = torch.func.jvp(function, tuple(tensors), tuple(directions))
    _, pullback = torch.func.vjp(function, *tensors)
    return _by_column(forward, cotangents), _by_column(pullback(tuple(cotangents)), directions)


def _by_column(ones: Any, others: Any) -> Tensor:
    return sum((a * b).reshape(-1, a.shape[-1]).sum(0) for a, b in zip(ones, others, strict=True))


# --- against finite differences ---------------------------------------------------------------------------------------

SCALES = {
    "surface.specific_humidity": 1e-3,
    "specific_humidity": 1e-3,
    "precipitation": 1e-4,
    "skin_temperature": 10.0,
    "air_temperature": 10.0,
    "soil.temperature": 10.0,
    "deep_temperature": 10.0,
    "optimum_air_temperature": 10.0,
}
"""Size of a change of an input; that of its value otherwise."""


def scaled_directions(case: Case, names: list[tuple[str, str]], tensors: list[Tensor], seed: int) -> list[Tensor]:
    drawn = random_like(tensors, seed)
    return [
        r * (SCALES[path] if path in SCALES else x.abs()) for r, x, (_, path) in zip(drawn, tensors, names, strict=True)
    ]


def repeated(case: Case, times: int) -> Case:
    """Every column `times` times, copies of a column side by side."""
    return case.select(torch.arange(case.columns).repeat_interleave(times))


def unit_directions(case: Case, names: list[tuple[str, str]]) -> tuple[Case, list[Tensor], list[str]]:
    """The case with a copy of each column for each scalar input, and directions that change that input in that copy."""
    unit = scaled_directions(case, names, [get_quantity(getattr(case, c), p) for c, p in names], seed=1)
    entries = [(k, layer) for k, x in enumerate(unit) for layer in range(x.shape[0] if x.ndim == 2 else 1)]
    many = repeated(case, len(entries))
    directions = []
    for k, x in enumerate(unit):
        repeated_unit = x.abs().repeat_interleave(len(entries), -1)
        rows = torch.zeros_like(repeated_unit).reshape(-1, many.columns)
        source = repeated_unit.reshape(-1, many.columns)
        for number, (owner, layer) in enumerate(entries):
            if owner == k:
                rows[layer, number :: len(entries)] = source[layer, number :: len(entries)]
        directions.append(rows.reshape(repeated_unit.shape))
    return many, directions, [f"{names[k][1]}[{layer}]" for k, layer in entries]


@pytest.mark.parametrize("phase_change", PHASE_CHANGE)
@pytest.mark.parametrize("regime", list(REGIMES))
def test_every_entry_of_the_jacobian_of_a_step_equals_a_finite_difference(regime, phase_change):
    """All state, forcing and parameters against all outputs.

    An entry is compared where the two one-sided quotients agree: beside a kink (a threshold, a floor that is just
    reached) they do not, and there is no derivative to compare with.
    """
    case = random_case(12, seed=51, regime=regime)
    names = inputs(case)
    many, directions, labels = unit_directions(case, names)
    function, tensors = as_function(many, names, Options(phase_change=phase_change))
    outputs, derivative = torch.func.jvp(function, tuple(tensors), tuple(directions))
    ends = {}
    with torch.no_grad():
        for step in (STEP, -STEP):
            ends[step] = function(*(x + step * v for x, v in zip(tensors, directions, strict=True)))
    compared, wrong = 0, []
    for name, value, exact, up, down in zip(OUTPUTS, outputs, derivative, ends[STEP], ends[-STEP], strict=True):
        forward, backward = (up - value) / STEP, (value - down) / STEP
        noise = 1e-14 * max(value.abs().amax().item(), 1.0e-3) / STEP
        scale = exact.abs() + forward.abs() + 1e-3 * exact.abs().amax()
        smooth = (forward - backward).abs() <= 1e-3 * scale + 10.0 * noise
        different = smooth & ((exact - 0.5 * (forward + backward)).abs() > 2e-3 * scale + 20.0 * noise)
        compared += int(smooth.sum())
        wrong += [f"d {name}/d {labels[k % len(labels)]}" for k in different.nonzero()[:, -1].tolist()]
    total = sum(x.numel() for x in outputs)
    assert compared > 0.9 * total, f"only {compared} of {total} entries have a derivative"
    assert len(wrong) <= 1e-5 * compared, f"{len(wrong)} of {compared} are wrong: {sorted(set(wrong))[:12]}"


STEP = 1.0e-6


@pytest.mark.parametrize("regime", list(REGIMES))
def test_one_column_of_each_regime_passes_gradcheck(regime):
    """The reverse mode against torch's own finite differences, for the soil, snow and skin of a smooth column."""
    case = random_case(40, seed=53, regime=regime)
    names = [name for name in inputs(case) if name[1] in GRADCHECK_INPUTS]
    function, tensors = as_function(case, names)
    directions = scaled_directions(case, names, tensors, 54)
    rough = torch.zeros(case.columns, dtype=torch.bool)
    with torch.no_grad():
        middle, up, down = (
            function(*(x + h * v for x, v in zip(tensors, directions, strict=True))) for h in (0.0, 1e-5, -1e-5)
        )
    for a, b, c in zip(middle[:6], up[:6], down[:6], strict=True):
        bent = (b + c - 2.0 * a).abs() > 1e-4 * (b - c).abs() + 1e-10
        rough = rough | bent.reshape(-1, case.columns).any(0)
    assert not bool(rough.all())
    chosen = int((~rough).nonzero()[0])
    case = case.select(slice(chosen, chosen + 1))
    function, tensors = as_function(case, names)
    units = [v.abs().amax().item() + 1e-3 for v in scaled_directions(case, names, tensors, 54)]

    def soil_snow_and_skin(*scaled: Tensor) -> tuple[Tensor, ...]:
        outputs = function(*(s * unit for s, unit in zip(scaled, units, strict=True)))
        return (*outputs[:3], outputs[OUTPUTS.index("skin_temperature")], outputs[3])

    points = [(x / unit).requires_grad_() for x, unit in zip(tensors, units, strict=True)]
    assert torch.autograd.gradcheck(soil_snow_and_skin, points, eps=1e-6, atol=1e-4, rtol=1e-3, fast_mode=True)


GRADCHECK_INPUTS = (
    "soil.temperature", "soil.liquid_water", "skin_temperature", "surface.albedo", "air_temperature", "shortwave_down",
    "wind_speed", "soil.porosity", "soil.clapp_hornberger_b", "soil.saturated_hydraulic_conductivity",
)  # fmt: skip


# --- finite everywhere ------------------------------------------------------------------------------------------------


def assert_finite_derivatives(case: Case, options: Options | None = None) -> None:
    names = inputs(case)
    function, tensors = as_function(case, names, options)
    leaves = [x.clone().requires_grad_() for x in tensors]
    outputs = function(*leaves)
    for k, output in enumerate(outputs):
        assert bool(torch.isfinite(output).all()), f"output {k} is not finite"
    total = sum((w * x).sum() for w, x in zip(random_like(outputs, 3), outputs, strict=True))
    for (container, path), gradient in zip(names, torch.autograd.grad(total, leaves, allow_unused=True), strict=True):
        if gradient is None:
            continue
        bad = ~torch.isfinite(gradient)
        assert not bool(bad.any()), f"{int(bad.sum())} derivatives by {container}.{path} are not finite"


@pytest.mark.parametrize("phase_change", PHASE_CHANGE)
@pytest.mark.parametrize("turbulence", list(SCHEMES["turbulence"]))
def test_derivatives_are_finite_on_twelve_thousand_random_columns(turbulence, phase_change):
    """Four thousand with each turbulence scheme."""
    case = random_case(4000, seed=61 + len(turbulence))
    assert_finite_derivatives(case, Options(turbulence=turbulence, phase_change=phase_change))


@pytest.mark.parametrize("phase_change", PHASE_CHANGE)
@pytest.mark.parametrize("turbulence", list(SCHEMES["turbulence"]))
def test_derivatives_are_finite_exactly_at_the_thresholds(turbulence, phase_change):
    case = at_thresholds(random_case(4000, seed=62 + len(turbulence)), seed=len(turbulence))
    assert_finite_derivatives(case, Options(turbulence=turbulence, phase_change=phase_change))


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)], ids=["a fifth", "all"])
@pytest.mark.parametrize("phase_change", PHASE_CHANGE)
def test_derivatives_are_finite_at_the_thresholds_in_every_combination_of_schemes(phase_change, every):
    case = at_thresholds(random_case(360, seed=63))
    for options in [o for o in option_combinations() if o.phase_change == phase_change][::every]:
        assert_finite_derivatives(case, options)


def test_derivatives_are_finite_when_all_thresholds_meet():
    """Melting point everywhere, calm, dark, dry air at saturation, nothing falls, nothing grows, nothing lies."""
    case = random_case(5, seed=64, regime="temperate")
    ones = torch.ones(5, dtype=torch.float64)
    state = replace_quantity(case.state, "soil.temperature", torch.full((4, 5), 273.15, dtype=torch.float64))
    for path, value in {"skin_temperature": 273.15, "canopy_water": 0.0, "snow.age": 0.0}.items():
        state = replace_quantity(state, path, value * ones)
    forcing = case.forcing
    quiet = {"air_temperature": 273.15, "wind_speed": 0.0, "shortwave_down": 0.0, "precipitation": 0.0}
    for path, value in {**quiet, "vegetation_fraction": 0.0}.items():
        forcing = replace_quantity(forcing, path, value * ones)
    state = replace_quantity(state, "surface.specific_humidity", forcing.specific_humidity)
    for phase_change, turbulence in product(PHASE_CHANGE, SCHEMES["turbulence"]):
        options = Options(phase_change=phase_change, turbulence=turbulence)
        assert_finite_derivatives(dataclasses.replace(case, state=state, forcing=forcing), options)


# --- both modes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase_change", PHASE_CHANGE)
@pytest.mark.parametrize("turbulence", list(SCHEMES["turbulence"]))
@pytest.mark.parametrize("place", ["random", "thresholds"])
def test_forward_and_reverse_mode_are_transposes_of_each_other(place, turbulence, phase_change):
    case = random_case(900, seed=71)
    case = at_thresholds(case) if place == "thresholds" else case
    names = inputs(case)
    function, tensors = as_function(case, names, Options(turbulence=turbulence, phase_change=phase_change))
    directions = scaled_directions(case, names, tensors, seed=72)
    outputs = function(*tensors)
    cotangents = [w * s for w, s in zip(random_like(outputs, 73), output_scales(outputs), strict=True)]
    forward, reverse = column_products(function, tensors, directions, cotangents)
    magnitude = forward.abs() + forward.abs().median()
    worst = ((forward - reverse).abs() / magnitude).max().item()
    assert worst < 1e-7, f"<w, J v> and <J^T w, v> differ by {worst:.1e}"


def test_derivatives_of_a_column_do_not_reach_another():
    case = random_case(12, seed=74)
    names = inputs(case)
    function, tensors = as_function(case, names)
    leaves = [x.clone().requires_grad_() for x in tensors]
    total = sum(x[..., 3].sum() for x in function(*leaves))
    others = torch.arange(12) != 3
    reached = 0
    for gradient in torch.autograd.grad(total, leaves, allow_unused=True):
        if gradient is not None:
            assert gradient[..., others].abs().max().item() == 0.0
            reached += int(gradient[..., 3].abs().max().item() > 0)
    assert reached > 30


# --- every input matters somewhere ------------------------------------------------------------------------------------


def test_every_differentiable_input_has_an_effect_somewhere():
    case = random_case(1800, seed=81)
    leaf_area = torch.linspace(0.5, 5.0, case.columns, dtype=torch.float64)
    forcing = dataclasses.replace(case.forcing, leaf_area_index=leaf_area, snow_free_albedo=0.04 * leaf_area)
    for variant in (case, dataclasses.replace(case, forcing=forcing)):
        names = inputs(variant)
        function, tensors = as_function(variant, names)
        leaves = [x.clone().requires_grad_() for x in tensors]
        outputs = function(*leaves)
        total = sum((w * x).sum() for w, x in zip(random_like(outputs, 82), outputs, strict=True))
        gradients = torch.autograd.grad(total, leaves, allow_unused=True)
        idle = {
            f"{container}.{path}"
            for (container, path), gradient in zip(names, gradients, strict=True)
            if gradient is None or not bool((gradient != 0).any())
        }
        assert idle <= (PRESCRIBED if variant is not case else ONLY_WITH_OTHER_SCHEMES), idle


ONLY_WITH_OTHER_SCHEMES = {"parameters.general.impermeable_ice_depth"}
"""Read by the infiltration of Koren et al. 1999, which is not the default."""
PRESCRIBED = ONLY_WITH_OTHER_SCHEMES | {
    f"parameters.vegetation.{end}_{what}" for end in ("minimum", "maximum") for what in ("leaf_area_index", "albedo")
}
"""Replaced by a prescribed leaf area and albedo."""


@pytest.mark.parametrize(
    ("options", "path"),
    [
        (Options(infiltration="koren1999"), "general.impermeable_ice_depth"),
        (Options(turbulence="paulson1970"), "general.zilitinkevich_coefficient"),
        (Options(soil_hydraulics="noah"), "soil.saturated_diffusivity"),
        (Options(supercooled_water="niu_yang2006"), "soil.clapp_hornberger_b"),
        (Options(soil_thermal="peters_lidard1998"), "soil.quartz_fraction"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_parameters_of_other_schemes_have_an_effect_with_them(options, path):
    case = random_case(900, seed=83)
    function, tensors = as_function(case, [("parameters", path)], options)
    (derivative,) = (torch.func.jvp(function, tuple(tensors), tuple(x.abs() for x in tensors))[1][0],)
    assert bool((derivative != 0).any())


def test_derived_soil_parameters_carry_the_gradient_to_the_primaries():
    """With hydraulics derived, b, suction, conductivity and porosity act through four more routes."""
    case = random_case(900, seed=84, hydraulics="derived")
    names = [name for name in inputs(case) if name[1].startswith("soil.") and name[0] == "parameters"]
    assert {path for _, path in names} == {
        "soil.clapp_hornberger_b", "soil.saturated_hydraulic_conductivity", "soil.saturated_suction", "soil.porosity",
        "soil.quartz_fraction",
    }  # fmt: skip
    function, tensors = as_function(case, names)
    directions = [x.abs() for x in tensors]
    _, derivative = torch.func.jvp(function, tuple(tensors), tuple(directions))
    with torch.no_grad():
        up, down = (function(*(x + h * v for x, v in zip(tensors, directions, strict=True)))[1] for h in (1e-6, -1e-6))
    quotient = (up - down) / 2e-6
    close = (derivative[1] - quotient).abs() <= 1e-3 * (derivative[1].abs() + 1e-4)
    assert close.double().mean().item() > 0.97
    assert bool((derivative[1] != 0).any())
