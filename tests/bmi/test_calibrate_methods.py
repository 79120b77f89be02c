from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import torch

from bmi_noahpy.calibration.file.sections import Optimiser
from bmi_noahpy.calibration.methods.levenberg_marquardt import LevenbergMarquardt, bounded_minimum
from bmi_noahpy.calibration.methods.method import Adam
from bmi_noahpy.calibration.methods.quasi_newton import LimitedMemoryBfgs


class Rosenbrock:
    """A curved valley as residuals, with its minimum at (1, 1); infinite beyond a limit."""

    scale = 3.0
    limit = 6.5
    starts_at_once = 3

    def residuals(self, unknowns):
        x, y = unknowns
        return torch.stack([self.scale * (y - x**2), 1.0 - x])

    def losses(self, unknowns):
        found = (self.residuals(unknowns) ** 2).sum(0)
        return torch.where((unknowns.abs() > self.limit).any(0), torch.inf, found)

    def gradient(self, unknowns):
        leaf = unknowns.detach().requires_grad_()
        losses = (self.residuals(leaf) ** 2).sum(0)
        return self.losses(unknowns), torch.autograd.grad(losses.sum(), leaf)[0]

    def linearised(self, unknowns):
        jacobian = torch.func.vmap(torch.func.jacfwd(self.residuals), in_dims=1, out_dims=1)(unknowns)
        residuals = self.residuals(unknowns)
        return residuals, jacobian, self.losses(unknowns), [residuals]


METHODS = {
    "adam": (Adam, {"learning_rate": 0.1, "patience": 100}, 1500, 1e-2),
    "lbfgs": (LimitedMemoryBfgs, {}, 60, 1e-10),
    "levenberg_marquardt": (LevenbergMarquardt, {}, 20, 1e-10),
}
STARTS = torch.tensor([[-1.2, 2.0, 0.5, -3.0], [1.0, -2.0, 3.0, 0.0]], dtype=torch.float64)


def run(name, starts, iterations=None):
    kind, settings, most, _ = METHODS[name]
    method = kind(Optimiser(name=name, **settings), starts)
    unknowns, which = starts.clone(), torch.arange(starts.shape[1])
    path = []
    for _ in range(iterations or most):
        moved = method.move(Rosenbrock(), unknowns, which)
        unknowns = moved.unknowns
        path.append(moved.losses)
    return unknowns, torch.stack(path)


@pytest.mark.parametrize("name", METHODS)
def test_every_start_reaches_the_end_of_a_curved_valley(name):
    unknowns, path = run(name, STARTS)
    assert float(path[-1].max()) < METHODS[name][3]
    torch.testing.assert_close(unknowns, torch.ones_like(unknowns), rtol=0.0, atol=0.15)


@pytest.mark.parametrize("name", METHODS)
def test_a_start_goes_its_own_way_whatever_the_others_do(name):
    _, together = run(name, STARTS, 15)
    for start in range(STARTS.shape[1]):
        _, alone = run(name, STARTS[:, start : start + 1], 15)
        torch.testing.assert_close(together[:, start], alone[:, 0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["lbfgs", "levenberg_marquardt"])
def test_methods_with_a_line_of_candidates_never_get_worse(name):
    _, path = run(name, STARTS)
    assert bool((path.diff(dim=0) <= 0.0).all())


@pytest.mark.parametrize("name", METHODS)
def test_a_start_with_an_infinite_objective_is_finished_at_once(name):
    kind, settings, _, _ = METHODS[name]
    starts = torch.tensor([[0.5, 30.0], [0.5, 1.0]], dtype=torch.float64)
    moved = kind(Optimiser(name=name, **settings), starts).move(Rosenbrock(), starts, torch.arange(2))
    assert moved.finished.tolist() == [False, True]


def test_the_rate_is_reduced_only_where_the_objective_stays_on_a_plateau():
    class Two:
        def gradient(self, unknowns):
            slope = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
            return torch.tensor([1.0, float(unknowns[0, 1]) + 100.0], dtype=torch.float64), slope

    starts = torch.zeros(1, 2, dtype=torch.float64)
    method = Adam(Optimiser(name="adam", learning_rate=0.5, patience=3, factor=0.5), starts)
    unknowns = starts
    for _ in range(10):
        unknowns = method.move(Two(), unknowns, torch.arange(2)).unknowns
    assert method.memory["rate"].tolist() == [0.125, 0.5]


def test_steps_without_any_effect_are_not_taken():
    class Flat(Rosenbrock):
        def residuals(self, unknowns):
            return torch.sigmoid(torch.full_like(unknowns[:1], 2.0)) - torch.sigmoid(unknowns[:1])

    starts = torch.tensor([[1.2], [5.0]], dtype=torch.float64)
    moved = LevenbergMarquardt(Optimiser(name="levenberg_marquardt"), starts).move(Flat(), starts, torch.arange(1))
    assert float(moved.unknowns[1, 0]) == pytest.approx(5.0)
    assert float(moved.unknowns[0, 0]) == pytest.approx(2.0, abs=0.01)


def test_a_step_between_limits_is_the_least_there_is():
    generator = torch.Generator().manual_seed(5)
    jacobian = torch.randn(40, 12, 6, generator=generator, dtype=torch.float64)
    residuals = torch.randn(40, 12, generator=generator, dtype=torch.float64)
    low = -0.3 * torch.rand(40, 6, generator=generator, dtype=torch.float64)
    high = 0.3 * torch.rand(40, 6, generator=generator, dtype=torch.float64)
    low[::5, 0], high[::7, 1] = 0.0, 0.0
    hessian = jacobian.mT @ jacobian
    slope = (jacobian.mT @ residuals[..., None])[..., 0]
    steps = bounded_minimum(hessian, slope, low, high)
    for number, step in enumerate(steps):
        limits = np.stack([low[number] - 1e-12, high[number] + 1e-12])
        least = scipy.optimize.lsq_linear(jacobian[number].numpy(), -residuals[number].numpy(), limits, "bvls").x

        def value(x, number=number):
            return float(((jacobian[number] @ torch.as_tensor(x) + residuals[number]) ** 2).sum())

        assert bool((low[number] <= step).all() and (step <= high[number]).all())
        assert value(step) - value(least) <= 0.05 * (value(torch.zeros(6, dtype=torch.float64)) - value(least))
    assert bool((steps == low).any() and (steps == high).any())


def test_a_parameter_that_was_driven_to_its_bound_comes_back():
    class Bent(Rosenbrock):
        limit = 20.0

        def residuals(self, unknowns):
            x, y = torch.sigmoid(unknowns)
            return torch.stack([x - 0.5, y - 0.4])

    at = torch.tensor([[15.0], [0.0]], dtype=torch.float64)
    method = LevenbergMarquardt(Optimiser(name="levenberg_marquardt"), at)
    for _ in range(6):
        at = method.move(Bent(), at, torch.arange(1)).unknowns
    torch.testing.assert_close(torch.sigmoid(at[:, 0]), torch.tensor([0.5, 0.4], dtype=torch.float64))
