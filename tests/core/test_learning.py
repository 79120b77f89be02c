"""Networks between physical quantities, learned schemes, and parameters from covariates."""

from __future__ import annotations

import pytest
import torch
from random_columns import random_case

from noahpy_core import run
from noahpy_core.learning import (
    BoundedNetwork,
    ColumnParameters,
    LearnedEvaporation,
    LearnedParameter,
    LearnedThermalConductivity,
    ParameterNetwork,
)
from noahpy_core.learning.parameters import with_values
from noahpy_core.model import NoahModel
from noahpy_core.options import Options
from noahpy_core.physics.soil_thermal import dry_conductivity, saturated_conductivity
from noahpy_core.quantities import get_quantity
from noahpy_core.trees import map_tensors

CASE = random_case(36, 4, seed=90)
TARGETS = (
    LearnedParameter("soil.porosity", 0.3, 0.7),
    LearnedParameter("soil.saturated_hydraulic_conductivity", 1e-7, 1e-4, logarithmic=True),
    LearnedParameter("vegetation.minimum_stomatal_resistance", 20.0, 400.0),
)
START = {"soil.porosity": 0.42, "soil.saturated_hydraulic_conductivity": 3e-6}


def network(**options) -> BoundedNetwork:
    return BoundedNetwork(
        {"temperature": (250.0, 300.0), "moisture": (0.0, 0.5)},
        {"conductivity": (0.1, 4.0), "diffusivity": (1e-9, 1e-3)},
        logarithmic=("diffusivity",),
        **options,
    )


def test_outputs_stay_within_their_bounds_for_inputs_far_outside_of_theirs():
    outputs = network()(torch.linspace(-1e4, 1e4, 201, dtype=torch.float64), torch.tensor(0.2, dtype=torch.float64))
    for value, (low, high) in zip(outputs, ((0.1, 4.0), (1e-9, 1e-3)), strict=True):
        assert value.shape == (201,)
        assert low <= value.min().item() < value.max().item() <= high


def test_outputs_take_the_shape_of_the_inputs_together():
    conductivity, _ = network()(torch.full((4, 1), 280.0).double(), torch.rand(7).double())
    assert conductivity.shape == (4, 7)


def test_the_untrained_network_starts_around_the_value_given():
    generator = torch.Generator().manual_seed(1)
    inputs = [
        low + (high - low) * torch.rand(500, generator=generator).double() for low, high in ((250, 300), (0, 0.5))
    ]
    found = [
        torch.stack(
            [x.log().mean() for x in network(start={"conductivity": 0.5, "diffusivity": 1e-8}, seed=seed)(*inputs)]
        )
        for seed in range(40)
    ]
    conductivity, diffusivity = torch.stack(found).mean(0).exp().tolist()
    assert conductivity == pytest.approx(0.5, rel=0.3)
    assert diffusivity == pytest.approx(1e-8, rel=1.5)


def test_the_same_seed_gives_the_same_network():
    first, second, third = network(seed=3), network(seed=3), network(seed=4)
    x = (torch.tensor(280.0).double(), torch.tensor(0.1).double())
    assert first(*x) == second(*x)
    assert first(*x)[0] != third(*x)[0]


@pytest.mark.parametrize(
    ("outputs", "options", "named"),
    [
        ({"k": (2.0, 1.0)}, {}, "k: bounds 2.0 and 1.0 must be in order"),
        ({"k": (0.0, 1.0)}, {"logarithmic": ("k",)}, "positive for a logarithm"),
        ({"k": (0.5, 1.0)}, {"start": {"k": 1.0}}, "k: start 1.0 must lie inside"),
    ],
)
def test_wrong_bounds_are_named(outputs, options, named):
    with pytest.raises(ValueError, match=named):
        BoundedNetwork({"x": (0.0, 1.0)}, outputs, **options)


@pytest.mark.parametrize("seed", range(5))
def test_learned_conductivity_keeps_dry_and_saturated_soil_as_they_are(seed):
    learned, soil = LearnedThermalConductivity(seed=seed), CASE.parameters.soil
    nothing, mineral = torch.zeros_like(soil.porosity), soil.material == 0
    assert mineral.double().mean().item() > 0.5
    torch.testing.assert_close(
        learned(nothing, nothing, soil)[mineral], dry_conductivity(soil.porosity)[mineral], rtol=1e-12, atol=0.0
    )
    full = saturated_conductivity(soil.porosity, soil.porosity, soil)
    torch.testing.assert_close(learned(soil.porosity, nothing, soil)[mineral], full[mineral], rtol=1e-12, atol=0.0)
    half = learned(0.5 * soil.porosity, nothing, soil)
    assert bool(((half > dry_conductivity(soil.porosity)) & (half < full))[mineral].all())


def test_learned_conductivity_leaves_gravel_and_bedrock_to_the_built_in_relation():
    learned, soil = LearnedThermalConductivity(), CASE.parameters.soil
    coarse = soil.material > 0
    built_in = NoahModel(CASE.column).schemes["soil_thermal"]
    wet, ice = 0.4 * soil.porosity, 0.2 * soil.porosity
    assert coarse.sum().item() > 3
    gravel = soil.material == 1
    torch.testing.assert_close(learned(wet, ice, soil)[gravel], built_in(wet, ice, soil)[gravel], rtol=0.0, atol=0.0)


@pytest.mark.parametrize("seed", range(5))
def test_learned_evaporation_never_exceeds_the_potential_rate(seed):
    learned = LearnedEvaporation(CASE.column, seed=seed)
    model = NoahModel(CASE.column, None, {"evaporation": learned})
    with torch.no_grad():
        for air in (CASE.forcing, map_tensors(lambda x: x.roll(5, -1), CASE.forcing)):
            _, fluxes = model(CASE.state, air, CASE.parameters, CASE.dt)
            used = fluxes.soil_evaporation + fluxes.canopy_evaporation + fluxes.transpiration
            assert bool((used <= fluxes.potential_evaporation.clamp(min=0.0) * (1.0 + 1e-12)).all())
            assert used.max().item() > 0.0


def covariates(columns: int) -> torch.Tensor:
    return torch.rand(2, columns, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def test_a_parameter_network_fills_all_layers_and_leaves_the_other_parameters():
    module = ParameterNetwork({"sand": (0.0, 1.0), "elevation": (0.0, 1.0)}, TARGETS, start=START)
    values = module(covariates(CASE.columns))
    parameters = with_values(CASE.parameters, values)
    assert set(values) == {target.path for target in TARGETS}
    assert parameters.soil.porosity.shape == (4, CASE.columns)
    for target in TARGETS:
        assert bool(((values[target.path] > target.low) & (values[target.path] < target.high)).all())
        assert bool((get_quantity(parameters, target.path) == values[target.path]).all())
    assert parameters.soil.quartz_fraction is CASE.parameters.soil.quartz_fraction


def test_a_network_without_hidden_layers_on_class_indicators_is_a_table():
    classes = torch.tensor([0, 1, 2, 0, 1, 2, 2])
    indicators = torch.nn.functional.one_hot(classes, 3).T.double()
    module = ParameterNetwork(dict.fromkeys("abc", (0.0, 1.0)), TARGETS, hidden=())
    values = module(indicators)["soil.porosity"]
    for number in range(3):
        assert values[classes == number].unique().numel() == 1
    assert values.unique().numel() == 3


def test_column_parameters_start_where_they_are_told_and_differ_by_column_only_when_trained():
    module = ColumnParameters(5, TARGETS, start=START)
    values = module()
    torch.testing.assert_close(values["soil.porosity"], torch.full((5,), 0.42).double())
    torch.testing.assert_close(values["soil.saturated_hydraulic_conductivity"], torch.full((5,), 3e-6).double())


@pytest.mark.parametrize(
    ("target", "named"),
    [
        (LearnedParameter("soil.porosities", 0.3, 0.6), "soil.porosities is no parameter that can be learned"),
        (LearnedParameter("soil.material", 0.0, 1.0), "soil.material is no parameter that can be learned"),
        (LearnedParameter("soil.porosity", 0.3, 2.0), "within 0.05 and 0.95 m3 m-3"),
    ],
)
def test_targets_that_cannot_be_learned_are_named(target, named):
    for build in (lambda: ColumnParameters(3, [target]), lambda: ParameterNetwork({"x": (0.0, 1.0)}, [target])):
        with pytest.raises(ValueError, match=named):
            build()


@pytest.mark.parametrize("phase_change", ["enthalpy", "heat_limited"])
def test_the_gradient_of_a_run_reaches_the_network_behind_the_parameters(phase_change):
    """Against the difference quotient, column by column, where the columns are smooth."""
    case = random_case(24, 4, seed=91, regime="temperate")
    forcing = map_tensors(lambda x: torch.stack([x, x.roll(3, -1), x]), case.forcing)
    model = NoahModel(case.column, Options(phase_change=phase_change))
    module = ParameterNetwork({"a": (0.0, 1.0), "b": (0.0, 1.0)}, TARGETS, hidden=(4,), start=START)
    known = covariates(24)

    def score(size: float = 0.0) -> torch.Tensor:
        with torch.no_grad():
            for number, weight in enumerate(module.parameters()):
                weight += size * torch.randn(weight.shape, generator=torch.Generator().manual_seed(number)).double()
        parameters = with_values(case.parameters, module(known))
        result = run(model, case.state, forcing, parameters, 1800.0, outputs=["soil.moisture", "soil.temperature"])
        return (result.outputs["soil.moisture"] * 100.0 + result.outputs["soil.temperature"]).sum((0, 1))

    gradient = torch.autograd.grad(score().sum(), list(module.parameters()))
    along = sum(
        (g * torch.randn(g.shape, generator=torch.Generator().manual_seed(number)).double()).sum().item()
        for number, g in enumerate(gradient)
    )
    with torch.no_grad():
        up = score(1e-6).sum().item()
        down = score(-2e-6).sum().item()
    assert abs(along) > 1e-3
    assert along == pytest.approx((up - down) / 2e-6, rel=2e-4)
