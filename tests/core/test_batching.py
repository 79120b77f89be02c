"""Columns do not see each other, in any layout, number type or transformation."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from random_columns import Case, random_case

from noahpy_core.column import SoilColumn
from noahpy_core.model import NoahModel
from noahpy_core.options import Options
from noahpy_core.processes import SCHEMES
from noahpy_core.quantities import get_quantity
from noahpy_core.trees import select, tree_flatten_with_path, tree_leaves, tree_map

PHASE_CHANGE = list(SCHEMES["phase_change"])
TURBULENCE = list(SCHEMES["turbulence"])


def step(case: Case, options: Options | None = None, column: SoilColumn | None = None) -> Any:
    with torch.no_grad():
        model = NoahModel(column or case.column, options)
        return model(case.state, case.forcing, case.parameters, case.dt)


def assert_identical(one: Any, other: Any) -> None:
    for (path, a), b in zip(tree_flatten_with_path(one)[0], tree_leaves(other), strict=True):
        assert torch.equal(a, b), f"{path} differs by {(a - b).abs().max().item():.1e}"


def assert_near(one: Any, other: Any, tolerance: float) -> None:
    for (path, a), b in zip(tree_flatten_with_path(one)[0], tree_leaves(other), strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance, msg=lambda text, path=path: f"{path}: {text}")


def in_blocks(case: Case, block: int, options: Options, thickness: torch.Tensor | None = None) -> Any:
    parts = []
    for start in range(0, case.columns, block):
        index = slice(start, start + block)
        column = None if thickness is None else SoilColumn(thickness[:, index])
        parts.append(step(case.select(index), options, column))
    return tree_map(lambda *leaves: torch.cat(leaves, -1), *parts)


VECTOR = 16
"""Torch computes columns in groups of at most this many by vector instructions and a rest one by one, where a power may
round differently; identity to the last bit can be asked of whole groups only."""


@pytest.mark.parametrize("phase_change", PHASE_CHANGE)
@pytest.mark.parametrize("layers", [4, 20])
def test_columns_together_equal_groups_of_them_bit_for_bit(layers, phase_change):
    case = random_case(12 * VECTOR, layers, seed=31)
    options = Options(phase_change=phase_change)
    assert_identical(step(case, options), in_blocks(case, VECTOR, options))


@pytest.mark.parametrize("phase_change", PHASE_CHANGE)
@pytest.mark.parametrize("layers", [4, 20])
def test_columns_together_equal_columns_one_by_one_to_round_off(layers, phase_change):
    case = random_case(27, layers, seed=31)
    options = Options(phase_change=phase_change)
    assert_near(step(case, options), in_blocks(case, 1, options), 1e-9)


@pytest.mark.parametrize("phase_change", PHASE_CHANGE)
def test_the_order_of_the_columns_does_not_matter(phase_change):
    case = random_case(56 * VECTOR, seed=32)
    order = torch.randperm(case.columns, generator=torch.Generator().manual_seed(1))
    options = Options(phase_change=phase_change)
    shuffled = step(case.select(order), options)
    assert_identical(shuffled, tree_map(lambda x: x[..., order], step(case, options)))


def test_one_geometry_for_all_equals_the_same_geometry_for_each():
    for layers in (4, 20):
        case = random_case(6 * VECTOR, layers, seed=33)
        thickness = case.column.thickness
        each = SoilColumn(thickness.expand(-1, case.columns).clone())
        flat = SoilColumn(thickness[:, 0])
        reference = step(case)
        assert_identical(reference, step(case, column=each))
        assert_identical(reference, step(case, column=flat))


def test_columns_of_different_geometry_equal_those_computed_alone():
    case = random_case(4 * VECTOR, seed=34)
    stretch = torch.linspace(0.5, 2.0, case.columns, dtype=torch.float64)
    thickness = case.column.thickness * stretch
    together = step(case, column=SoilColumn(thickness))
    assert_identical(together, in_blocks(case, VECTOR, Options(), thickness))
    assert_near(together, in_blocks(case, 1, Options(), thickness), 1e-9)


def test_one_step_length_for_all_equals_the_same_for_each():
    case = dataclasses.replace(random_case(90, seed=35), dt=torch.full((90,), 10800.0, dtype=torch.float64))
    number = NoahModel(case.column)(case.state, case.forcing, case.parameters, 10800.0)
    assert_identical(step(case), number)


def test_a_column_that_is_not_a_number_leaves_the_others_alone():
    case = random_case(45, seed=36)
    poisoned = case.state.skin_temperature.clone()
    poisoned[7] = float("nan")
    broken = dataclasses.replace(case, state=dataclasses.replace(case.state, skin_temperature=poisoned))
    others = [k for k in range(45) if k != 7]
    pick = lambda tree: tree_map(lambda x: x[..., others], tree)  # noqa: E731
    after, fluxes = step(broken)
    assert torch.isnan(after.skin_temperature[7])
    assert_identical(pick((after, fluxes)), pick(step(case)))


@pytest.mark.parametrize("phase_change", PHASE_CHANGE)
@pytest.mark.parametrize("turbulence", TURBULENCE)
def test_vmap_over_columns_equals_the_batch(turbulence, phase_change):
    """The step has no branch on data: vmap refuses those."""
    case = random_case(36, seed=37)
    model = NoahModel(case.column, Options(turbulence=turbulence, phase_change=phase_change))

    def one_column(state, forcing, parameters, dt):
        kept = [tree_map(lambda x: x[..., None], tree) for tree in (state, forcing, parameters)]
        return tree_map(lambda x: x[..., 0], model(*kept, dt[None]))

    with torch.no_grad():
        mapped = torch.func.vmap(one_column, in_dims=-1, out_dims=-1)(
            case.state, case.forcing, case.parameters, case.dt
        )
    assert_near(mapped, step(case, model.options), 1e-9)


def test_vmap_over_an_ensemble_of_parameters_equals_one_run_for_each():
    case = random_case(18, seed=38)
    model = NoahModel(case.column)
    factors = torch.tensor([0.9, 1.0, 1.1], dtype=torch.float64)

    def skin(factor):
        soil = dataclasses.replace(
            case.parameters.soil, saturated_suction=case.parameters.soil.saturated_suction * factor
        )
        return model(case.state, case.forcing, dataclasses.replace(case.parameters, soil=soil), case.dt)[0].soil.ice

    with torch.no_grad():
        mapped = torch.func.vmap(skin)(factors)
        apart = torch.stack([skin(factor) for factor in factors])
    torch.testing.assert_close(mapped, apart, rtol=0.0, atol=1e-12)
    assert (mapped[0] - mapped[2]).abs().max().item() > 1e-4


def test_select_merges_containers_column_by_column():
    one, other = random_case(10, seed=1).state, random_case(10, seed=2).state
    condition = torch.arange(10) % 3 == 0
    merged = select(condition, one, other)
    assert torch.equal(merged.soil.temperature[:, condition], one.soil.temperature[:, condition])
    assert torch.equal(merged.snow.age[~condition], other.snow.age[~condition])


# --- single precision -------------------------------------------------------------------------------------------------

SINGLE_TOLERANCE = {
    "soil.temperature": (1.0e-4, 5.0e-2),
    "soil.liquid_water": (5.0e-6, 1.0e-3),
    "soil.ice": (5.0e-6, 1.0e-3),
    "skin_temperature": (1.0e-4, 5.0e-2),
    "snow.water_equivalent": (1.0e-4, 5.0e-3),
    "snow.depth": (1.0e-6, 2.0e-5),
    "canopy_water": (1.0e-5, 1.0e-3),
    "surface.albedo": (2.0e-7, 1.0e-6),
}
"""Absolute difference that 97 % of random columns stay within, and all of them. The rest sits beside a threshold
(freezing, emptying of a store), where single precision takes the other side for part of the step."""


def test_the_step_keeps_single_precision():
    for tree in step(random_case(45, seed=39).to(torch.float32)):
        assert {leaf.dtype for leaf in tree_leaves(tree)} == {torch.float32}


@pytest.mark.parametrize("layers", [4, 20])
def test_single_precision_stays_near_double_precision(layers):
    case = random_case(1800, layers, seed=40)
    # what a single-precision run can know of its inputs
    rounded = case.to(torch.float32).to(torch.float64)
    double, _ = step(rounded)
    single, _ = step(case.to(torch.float32))
    for name, (usual, largest) in SINGLE_TOLERANCE.items():
        a, b = get_quantity(single, name).double(), get_quantity(double, name)
        difference = (a - b).abs()
        difference = difference.amax(0) if difference.ndim == 2 else difference
        assert bool(torch.isfinite(a).all()), name
        assert difference.quantile(0.97).item() <= usual, name
        assert difference.max().item() <= largest, name
