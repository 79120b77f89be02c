"""Second derivatives of kernels are those of differences of gradients, on random columns and exactly on thresholds.

On a threshold a derivative has two sides, and the model takes that of the branch it steps in. Each column is therefore
moved in one number only, and a product with the Hessian must be the difference to one side, if not the central one.
Left out by construction are columns whose moved number lies on two thresholds at once, the branches of which may lie on
different sides, and those whose air is moved from exactly neutral: the difference to the skin is round-off there, and
its sign, which chooses between stable and unstable air, that of neither side.
"""

from __future__ import annotations

import dataclasses

import pytest
import torch
from compiled_cases import COVER, Setup
from random_columns import Case, layered, random_case
from test_compiled_second import (
    ENTHALPY,
    Function,
    direction,
    forward_over_reverse,
    functional,
    point,
    reverse_over_reverse,
)
from threshold_columns import at_thresholds
from torch import Tensor

from noahpy_core.model import NoahModel
from noahpy_core.presets import preset

CLOSE = 1.0e-4
SIZES = (1.0e-3, 1.0e-4, 1.0e-5, 1.0e-6)
"""Of the steps of differences, of which the best counts: curvature varies between columns by orders of magnitude."""
FEW = 0.01
"""Of the columns: thresholds that a step reaches by chance."""
MELTING, LAPSE_RATE, ROUND_OFF = 273.15, 0.0098, 1.0e-10
"""[K, K m-1, K]"""
Vectors = tuple[Tensor, ...]


def one_number_each(case: Case, at: Vectors) -> Vectors:
    """A direction that moves one number of each column: a layer's temperature or exponent, or that of the air."""
    rows = [x.reshape(-1, case.columns).shape[0] for x in at]
    chosen, first, found = torch.arange(case.columns) % sum(rows), 0, list[Tensor]()
    for x, along, count in zip(at, direction(at), rows, strict=True):
        moved = torch.arange(first, first + count)[:, None] == chosen
        step = torch.where(along < 0, -0.3, 0.3).to(along)
        found.append(torch.where(moved.reshape(x.shape), step, torch.zeros_like(step)))
        first += count
    return tuple(found)


def on_one_side(case: Case, along: Vectors) -> Tensor:
    """Columns whose moved number lies on one threshold at most, and whose moved air is not neutral."""
    air, skin, top = case.forcing.air_temperature, case.state.skin_temperature, case.state.soil.temperature[0]
    neutral = (skin - air - LAPSE_RATE * case.parameters.general.air_temperature_height).abs() < ROUND_OFF
    moved_top, moved_air = along[0][0] != 0, (along[1] != 0).reshape(-1, case.columns).any(0)
    on_two = (moved_air & (air == MELTING) & (skin == air)) | (moved_top & (top == MELTING) & (skin == top))
    return ~on_two & ~(moved_air & neutral)


def by_column(vectors: Vectors, others: Vectors) -> Tensor:
    """Products of each column."""
    return torch.stack([(a * b).reshape(-1, a.shape[-1]).sum(0) for a, b in zip(vectors, others, strict=True)]).sum(0)


def errors(value: Function, at: Vectors, along: Vectors, found: Tensor) -> Tensor:
    """By how much each column's curvature is off that of differences of gradients, the least of any side."""

    def slope(size: float) -> Tensor:
        leaves = tuple((x + size * d).requires_grad_() for x, d in zip(at, along, strict=True))
        return by_column(along, torch.autograd.grad(value(*leaves), leaves))

    here, off = slope(0.0), list[Tensor]()
    for size in SIZES:
        right, left = slope(size), slope(-size)
        sides = (
            (right - left) / (2.0 * size),
            (4.0 * right - slope(2.0 * size) - 3.0 * here) / (2.0 * size),
            (3.0 * here - 4.0 * left + slope(-2.0 * size)) / (2.0 * size),
        )
        off += [(side - found).abs() for side in sides]
    return torch.stack(off).amin(0)


def scale(found: Tensor) -> Tensor:
    """Of the curvature of each column."""
    return found.abs() + found.abs().median()


def assert_curvature_is_that_of_differences(model: NoahModel, case: Case) -> None:
    value, at = functional(model, case, "compiled", 1), point(case, 1)
    along = one_number_each(case, at)
    fair = on_one_side(case, along)
    assert fair.double().mean().item() > 0.8
    for method in (forward_over_reverse, reverse_over_reverse):
        found = by_column(along, method(value, at, along))
        # Heat of deep unfrozen layers is linear in their temperature.
        assert (found[fair] != 0).double().mean().item() > 0.5
        wrong = (errors(value, at, along, found) > CLOSE * scale(found))[fair]
        assert wrong.double().mean().item() <= FEW, wrong.nonzero().flatten().tolist()


def prepared(case: Case, threshold: bool) -> Case:
    return at_thresholds(case) if threshold else case


@pytest.mark.slow
@pytest.mark.parametrize("setup", [*COVER[1:], Setup(ENTHALPY, 2)], ids=str)
@pytest.mark.parametrize("threshold", [False, True], ids=["random", "threshold"])
def test_curvature_in_kernels_of_many_columns_is_that_of_differences(setup: Setup, threshold: bool):
    case = prepared(setup.case(300, seed=705), threshold)
    assert_curvature_is_that_of_differences(setup.model(case), case)


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [False, True], ids=["random", "threshold"])
def test_curvature_of_the_coupled_column_is_that_of_differences(threshold: bool):
    case = prepared(random_case(120, 3, seed=706, regime="freeze_up"), threshold)
    case = dataclasses.replace(case, state=layered(case.state))
    assert_curvature_is_that_of_differences(NoahModel(case.column, preset("conservative")), case)


@pytest.mark.slow
@pytest.mark.parametrize("setup", [COVER[2], Setup(ENTHALPY, 2)], ids=str)
def test_curvature_in_the_kernel_of_one_column_on_thresholds_is_that_of_differences(setup: Setup):
    case = at_thresholds(setup.case(24, seed=707))
    along, model = one_number_each(case, point(case, 1)), setup.model(case)
    found, off = list[Tensor](), list[Tensor]()
    for number in range(case.columns):
        one, here = case.select(slice(number, number + 1)), tuple(x[..., number : number + 1] for x in along)
        value, at = functional(model, one, "compiled", 1), point(one, 1)
        found.append(by_column(here, forward_over_reverse(value, at, here)))
        off.append(errors(value, at, here, found[-1]))
    wrong = torch.cat(off) > CLOSE * scale(torch.cat(found))
    assert not (wrong & on_one_side(case, along)).any(), wrong.nonzero().flatten().tolist()
