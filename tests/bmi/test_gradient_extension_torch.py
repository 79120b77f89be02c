"""A component as a PyTorch operation."""

from __future__ import annotations

import bmi_cases as cases
import gradient_cases as gradients
import numpy as np
import pytest
import torch

from bmi_noahpy.gradient.torch_module import ComponentModule

STEPS = 3
NAMES = {
    "inputs": (gradients.AIR, gradients.RAIN),
    "parameters": (gradients.POROSITY,),
    "outputs": (gradients.TEMPERATURE, gradients.RUNOFF),
}


@pytest.fixture
def model(tmp_path):
    model = gradients.started(tmp_path, schemes={"phase_change": "enthalpy", "transitions": "smooth"})
    for _ in range(8):
        model.update()
    return model


def arguments(model, grad=True):
    extension = model.get_extension("gradient")
    inputs = {
        gradients.AIR: torch.tensor([[272.0], [274.0], [276.0]], dtype=torch.float64),
        gradients.RAIN: torch.tensor([[1e-4], [3e-4], [2e-4]], dtype=torch.float64),
    }
    parameters = {gradients.POROSITY: torch.from_numpy(gradients.parameter(extension, gradients.POROSITY))}
    state = torch.from_numpy(gradients.state(extension))
    for tensor in (*inputs.values(), *parameters.values(), state):
        tensor.requires_grad_(grad)
    return inputs, parameters, state


def objective(outputs, final):
    return outputs[gradients.TEMPERATURE].sum() + 1e4 * outputs[gradients.RUNOFF].square().sum() * 1e3 + final[0]


def test_the_operation_gives_what_the_bmi_run_gives(tmp_path):
    # Recorded steps are eager: the bits of others are the same when they are too.
    model = gradients.started(tmp_path, execution="eager")
    model.update()
    module = ComponentModule(model, **NAMES)
    inputs, parameters, state = arguments(model)
    time = model.get_current_time()
    outputs, final = module(inputs, parameters, state, steps=STEPS)
    assert outputs[gradients.TEMPERATURE].shape == (STEPS, cases.LAYERS)
    assert np.array_equal(final.detach().numpy(), gradients.state(model.get_extension("gradient")))
    module.extension.set_state(state.detach().numpy())
    module.extension.set_time(time)
    for step in range(STEPS):
        for name, series in inputs.items():
            model.set_value(name, series[step].detach().numpy())
        model.update()
        expected = cases.read(model, gradients.TEMPERATURE)
        assert np.array_equal(outputs[gradients.TEMPERATURE][step].detach().numpy(), expected)


def test_its_backward_pass_is_the_derivative(model):
    module = ComponentModule(model, **NAMES)
    inputs, parameters, state = arguments(model)
    time = model.get_current_time()
    objective(*module(inputs, parameters, state, steps=STEPS)).backward()
    random = torch.Generator().manual_seed(0)
    leaves = [*inputs.values(), *parameters.values(), state]
    # Temperatures of hundreds of kelvin take a smaller share of themselves as a difference.
    for leaf, size in zip(leaves, (4e-8, 1e-6, 1e-6, 4e-8), strict=True):
        vector = torch.rand(leaf.shape, generator=random, dtype=torch.float64) * leaf.detach()
        ends = []
        for sign in (size, -size):
            with torch.no_grad():
                leaf += sign * vector
                ends.append(objective(*module(inputs, parameters, state, steps=STEPS, time=time)).item())
                leaf -= sign * vector
        expected = (ends[0] - ends[1]) / (2.0 * size)
        assert (leaf.grad * vector).sum().item() == pytest.approx(expected, rel=1e-5)


def test_a_chain_of_calls_is_one_long_call(model):
    """Step by step, as in a differentiable coupler: earlier calls are recorded again on the way back."""
    module = ComponentModule(model, **NAMES)
    inputs, parameters, state = arguments(model)
    time = model.get_current_time()
    leaves = [*inputs.values(), *parameters.values(), state]
    expected = torch.autograd.grad(objective(*module(inputs, parameters, state, steps=STEPS)), leaves)

    def call(now, step):
        row = {name: series[step : step + 1] for name, series in inputs.items()}
        return module(row, parameters, now, time=time + step * cases.STEP)

    total, now = 0.0, state
    for step in range(STEPS):
        outputs, now = call(now, step)
        total = total + objective(outputs, 0.0 * now)
    found = torch.autograd.grad(total + now[0], leaves)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_a_repeated_backward_pass_leaves_the_component_where_it_stood(model):
    module = ComponentModule(model, **NAMES)
    inputs, parameters, state = arguments(model)
    first = objective(*module(inputs, parameters, state, steps=STEPS))
    module({name: 1.001 * series for name, series in inputs.items()}, parameters, steps=STEPS)
    before = gradients.state(module.extension), model.get_current_time()
    first.backward()
    assert np.array_equal(gradients.state(module.extension), before[0])
    assert model.get_current_time() == before[1]


def test_it_takes_part_in_training(model):
    """A network before the component learns the air temperature that gives a wanted soil temperature."""
    module = ComponentModule(model, inputs=(gradients.AIR,), outputs=(gradients.TEMPERATURE,))
    start, time = torch.from_numpy(gradients.state(module.extension)), model.get_current_time()
    warming = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))
    optimizer = torch.optim.SGD([warming], lr=0.5)

    def top():
        air = (273.0 + warming).expand(2, 1)
        return module({gradients.AIR: air}, state=start, steps=2, time=time)[0][gradients.TEMPERATURE][-1, 0]

    with torch.no_grad():
        wanted = top() + 0.02
    losses = []
    for _ in range(6):
        loss = (top() - wanted).square()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]


def test_names_and_steps_that_do_not_fit_are_refused(model):
    module = ComponentModule(model, **NAMES)
    inputs, parameters, state = arguments(model)
    with pytest.raises(ValueError, match=f"parameters: {gradients.POROSITY} given and not declared, or declared and"):
        module(inputs, {}, state, steps=STEPS)
    with pytest.raises(ValueError, match=f"{gradients.AIR}: 3 steps given, 2 to take"):
        module(inputs, parameters, state, steps=2)
    with pytest.raises(TypeError, match="object: the component has no gradient extension"):
        ComponentModule(object())
