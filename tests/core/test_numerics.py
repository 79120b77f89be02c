"""The numerical building blocks: values, and derivatives at thresholds and ties."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from noahpy_core.numerics import (
    at_least,
    at_most,
    between,
    implicit_root,
    positive_part,
    safe_divide,
    safe_power,
    safe_sqrt,
    solve_tridiagonal,
)


def values(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def random_system(layers: int, columns: int = 3, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A diagonally dominant system without symmetry."""
    generator = torch.Generator().manual_seed(seed)
    lower, upper, right = (2.0 * torch.rand(3, layers, columns, generator=generator, dtype=torch.float64) - 1.0).unbind(
        0
    )
    diagonal = 2.5 + torch.rand(layers, columns, generator=generator, dtype=torch.float64)
    return lower, diagonal, upper, right


def dense(lower: Tensor, diagonal: Tensor, upper: Tensor) -> Tensor:
    """The matrices of all columns, ``[column, layer, layer]``."""
    return (
        torch.diag_embed(diagonal.T)
        + torch.diag_embed(lower[1:].T, offset=-1)
        + torch.diag_embed(upper[:-1].T, offset=1)
    )


@pytest.mark.parametrize("layers", [2, 3, 4, 20, 100])
def test_the_tridiagonal_solution_equals_the_dense_one(layers):
    lower, diagonal, upper, right = random_system(layers)
    expected = torch.linalg.solve(dense(lower, diagonal, upper), right.T[..., None])[..., 0].T
    torch.testing.assert_close(solve_tridiagonal(lower, diagonal, upper, right), expected, rtol=0.0, atol=1e-14)


def test_the_ends_of_the_off_diagonals_are_ignored():
    lower, diagonal, upper, right = random_system(5)
    corner = torch.zeros_like(lower)
    corner[0] = 1.0e6
    given = solve_tridiagonal(lower + corner, diagonal, upper + corner.flip(0), right)
    torch.testing.assert_close(given, solve_tridiagonal(lower, diagonal, upper, right), rtol=0.0, atol=0.0)


def test_one_set_of_coefficients_serves_all_columns():
    lower, diagonal, upper, _ = random_system(4, columns=1)
    right = random_system(4, columns=6)[3]
    together = solve_tridiagonal(lower, diagonal, upper, right)
    apart = torch.cat([solve_tridiagonal(lower, diagonal, upper, right[:, k : k + 1]) for k in range(6)], dim=1)
    torch.testing.assert_close(together, apart, rtol=0.0, atol=0.0)


@pytest.mark.parametrize("layers", [2, 4, 9])
def test_the_derivatives_of_the_tridiagonal_solve_pass_gradcheck_in_both_modes(layers):
    system = [x.requires_grad_() for x in random_system(layers, columns=2)]
    assert torch.autograd.gradcheck(
        solve_tridiagonal, system, eps=1e-6, atol=1e-7, check_forward_ad=True, check_batched_grad=True
    )


def test_the_tridiagonal_solve_can_be_differentiated_twice():
    system = [x.requires_grad_() for x in random_system(3, columns=1)]
    assert torch.autograd.gradgradcheck(solve_tridiagonal, system, atol=1e-6)


def test_forward_and_reverse_mode_of_the_tridiagonal_solve_agree():
    system, tangents, cotangent = random_system(6), random_system(6, seed=1), random_system(6, seed=2)[3]
    _, forward = torch.func.jvp(solve_tridiagonal, system, tangents)
    _, pullback = torch.func.vjp(solve_tridiagonal, *system)
    reverse = sum((a * b).sum() for a, b in zip(pullback(cotangent), tangents, strict=True))
    assert (forward * cotangent).sum().item() == pytest.approx(reverse.item(), rel=1e-13)


def test_the_tridiagonal_solve_maps_over_an_added_dimension():
    systems = [random_system(4, seed=seed) for seed in range(5)]
    stacked = [torch.stack(parts) for parts in zip(*systems, strict=True)]
    mapped = torch.func.vmap(solve_tridiagonal)(*stacked)
    apart = torch.stack([solve_tridiagonal(*system) for system in systems])
    torch.testing.assert_close(mapped, apart, rtol=0.0, atol=0.0)


def test_the_derivative_of_the_tridiagonal_solve_maps_over_directions():
    system = random_system(4, columns=2)

    def forward(direction: Tensor) -> Tensor:
        return torch.func.jvp(lambda right: solve_tridiagonal(*system[:3], right), (system[3],), (direction,))[1]

    directions = torch.eye(8, dtype=torch.float64).reshape(8, 4, 2)
    columns = torch.func.vmap(forward)(directions)
    inverse = torch.linalg.inv(dense(*system[:3]))
    for layer in range(4):
        torch.testing.assert_close(columns[2 * layer, :, 0], inverse[0, :, layer], rtol=0.0, atol=1e-14)


def derivative(function, *numbers: float) -> list[float]:
    point = values(*numbers).requires_grad_()
    (slope,) = torch.autograd.grad(function(point).sum(), point)
    _, forward = torch.func.jvp(function, (point.detach(),), (torch.ones_like(point),))
    torch.testing.assert_close(slope, forward, rtol=0.0, atol=0.0, equal_nan=True)
    return slope.tolist()


@pytest.mark.parametrize("exponent", [0.25, 0.5, 1.5])
def test_safe_power_is_nought_with_nought_derivative_at_and_below_nought(exponent):
    assert safe_power(values(-1.0, 0.0, 4.0), exponent).tolist() == [0.0, 0.0, 4.0**exponent]
    slopes = derivative(lambda x: safe_power(x, exponent), -1.0, 0.0, 4.0)
    assert slopes[:2] == [0.0, 0.0]
    assert slopes[2] == pytest.approx(exponent * 4.0 ** (exponent - 1.0), rel=1e-14)


def test_safe_power_has_no_derivative_in_its_exponent_at_nought():
    exponent = values(0.5, 0.5).requires_grad_()
    (slope,) = torch.autograd.grad(safe_power(values(0.0, 4.0), exponent).sum(), exponent)
    # d 4^x = 4^x ln 4
    torch.testing.assert_close(slope, values(0.0, 2.0 * 1.3862943611198906), rtol=1e-14, atol=0.0)


def test_safe_square_root_is_a_square_root_above_nought():
    assert safe_sqrt(values(0.0, 9.0, 2.25)).tolist() == [0.0, 3.0, 1.5]
    assert derivative(safe_sqrt, 0.0, 0.25) == [0.0, 1.0]


def test_safe_divide_by_nought_gives_the_other_value_with_nought_derivative():
    assert safe_divide(values(1.0, 6.0), values(0.0, 3.0), 7.0).tolist() == [7.0, 2.0]
    assert derivative(lambda x: safe_divide(values(1.0, 6.0), x), 0.0, 3.0) == [0.0, pytest.approx(-6.0 / 9.0)]
    assert derivative(lambda x: safe_divide(x, values(0.0, 4.0)), 1.0, 6.0) == [0.0, 0.25]
    assert derivative(lambda x: safe_divide(x, x), 0.0, 2.0) == [0.0, 0.0]


def test_at_a_tie_the_derivative_of_a_limit_is_that_of_the_limited_value():
    bound = values(2.0).requires_grad_()
    for limit in (at_most, at_least):
        assert derivative(lambda x, limit=limit: limit(x, 2.0), 2.0) == [1.0]
        assert derivative(lambda x, limit=limit: limit(x, values(2.0)), 2.0) == [1.0]
        (leak,) = torch.autograd.grad(limit(values(2.0), bound).sum(), bound)
        assert leak.item() == 0.0
        assert derivative(lambda b, limit=limit: limit(values(2.0), b), 2.0) == [0.0]


def test_a_limit_passes_the_derivative_of_its_bound_where_it_binds():
    bound = values(2.0).requires_grad_()
    (slope,) = torch.autograd.grad(at_most(values(3.0), bound).sum(), bound)
    assert slope.item() == 1.0
    assert derivative(lambda x: at_most(x, 2.0), 1.0, 3.0) == [1.0, 0.0]
    assert derivative(lambda x: at_least(x, 2.0), 1.0, 3.0) == [0.0, 1.0]


def test_the_positive_part_has_no_derivative_at_nought():
    assert positive_part(values(-1.0, 0.0, 2.0)).tolist() == [0.0, 0.0, 2.0]
    assert derivative(positive_part, -1.0, 0.0, 2.0) == [0.0, 0.0, 1.0]


def test_an_interval_has_derivative_one_up_to_and_including_its_ends():
    assert between(values(-1.0, 0.0, 0.5, 1.0, 2.0), 0.0, 1.0).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert derivative(lambda x: between(x, 0.0, 1.0), -1.0, 0.0, 0.5, 1.0, 2.0) == [0.0, 1.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_building_blocks_keep_the_number_type(dtype):
    x = torch.tensor([0.5, 2.0], dtype=dtype)
    for result in (positive_part(x), between(x, 0.0, 1.0), safe_power(x, 0.5), safe_divide(x, x), at_least(x, 1.0)):
        assert result.dtype == dtype
    system = [part.to(dtype) for part in random_system(4)]
    assert solve_tridiagonal(*system).dtype == dtype


# --- derivatives of higher order --------------------------------------------------------------------------------------

OneNumber = Callable[[Tensor], Tensor]
MODES: dict[str, Callable[[OneNumber], OneNumber]] = {
    "forward": lambda function: lambda x: torch.func.jvp(function, (x,), (torch.ones_like(x),))[1],
    "reverse": torch.func.grad,
}


def through_a_system(x: Tensor) -> Tensor:
    """A number of a tridiagonal solution all of whose coefficients change."""
    parts = [torch.stack([x * k + shift, x * x + shift])[:, None] for k, shift in ((0.3, 1), (2, 5), (0.7, 1), (1, 2))]
    return (solve_tridiagonal(*parts) ** 3).sum()


def through_a_root(x: Tensor) -> Tensor:
    """The root y of y^3 + y = x."""
    root = x.detach()[None]
    for _ in range(60):
        root = root - (root**3 + root - x.detach()) / (3.0 * root**2 + 1.0)
    slope = (3.0 * root**2 + 1.0).detach()
    return implicit_root(root, lambda y: -(y**3 + y - x) / slope)[0]


@pytest.mark.parametrize("modes", itertools.product(MODES, repeat=3), ids="-".join)
@pytest.mark.parametrize("function", [through_a_system, through_a_root])
def test_derivatives_to_the_third_are_right_in_any_order_of_modes(function: OneNumber, modes: tuple[str, ...]):
    at, size = torch.tensor(0.4, dtype=torch.float64), 1.0e-4
    derivative = function
    for mode in modes:
        lower, derivative = derivative, MODES[mode](derivative)
        by_difference = (lower(at + size) - lower(at - size)) / (2.0 * size)
        torch.testing.assert_close(derivative(at), by_difference, rtol=1e-6, atol=1e-9)


def test_a_third_pass_back_through_a_root_is_refused_and_a_second_one_is_right():
    x = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(through_a_root(x), x, create_graph=True)
    (second,) = torch.autograd.grad(first, x, create_graph=True)
    expected = torch.func.grad(torch.func.grad(through_a_root))(x.detach())
    torch.testing.assert_close(second, expected, rtol=1e-12, atol=0.0)
    with pytest.raises(RuntimeError, match=r"derivatives up to the second.*use torch\.func"):
        torch.autograd.grad(second, x)


def test_derivatives_outside_of_transformations_count_too():
    x = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    second = torch.func.grad(torch.func.grad(through_a_root))
    (third,) = torch.autograd.grad(second(x), x)
    torch.testing.assert_close(third, torch.func.grad(second)(x.detach()), rtol=1e-12, atol=0.0)
