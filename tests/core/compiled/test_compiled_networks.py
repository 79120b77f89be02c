"""Networks in kernels: the numbers of torch in every slot, weights that are followed, and what is refused by name."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
import torch
from compiled_cases import assert_agreement, series, shares_of_largest
from network_cases import Conductivity, everywhere, gradients_with_weights, stepped, with_schemes
from random_columns import Case, random_case
from threshold_columns import at_thresholds
from torch import Tensor, nn
from torch.nn import functional

from noahpy_core.compiled import CompiledStep, why_not_compiled
from noahpy_core.execution import step_function
from noahpy_core.learning import LearnedThermalConductivity
from noahpy_core.model import NoahModel
from noahpy_core.simulation import run

COLUMNS, STEPS = 90, 3
OUTPUTS = ["soil.temperature", "latent_heat_flux"]
HEAT_STEPS = ["heat_limited", pytest.param("enthalpy", marks=pytest.mark.slow)]
PLACES = pytest.mark.parametrize("threshold", [False, True], ids=["random", "threshold"])


def conductivity_model(case: Case, network: nn.Module | None = None) -> NoahModel:
    return with_schemes(case, "heat_limited", {"soil_thermal": network or Conductivity()})


# --- agreement --------------------------------------------------------------------------------------------------------


@PLACES
@pytest.mark.parametrize("phase_change", HEAT_STEPS)
def test_a_step_with_networks_in_all_slots_agrees_with_eager(phase_change, threshold):
    case = random_case(COLUMNS, 3, seed=601)
    case = at_thresholds(case) if threshold else case
    model = everywhere(case, phase_change)
    assert why_not_compiled(model) is None
    worst = assert_agreement(
        case, lambda c: stepped(model, c, "compiled"), lambda c: stepped(model, c, "eager"), few=0.05
    )
    assert worst < 1.0e-12


@pytest.mark.slow
@PLACES
@pytest.mark.parametrize("phase_change", HEAT_STEPS)
def test_gradients_with_networks_in_all_slots_agree_with_eager(phase_change, threshold):
    case = random_case(COLUMNS, 3, seed=602)
    case = at_thresholds(case) if threshold else case
    model = everywhere(case, phase_change)

    def by_inputs(execution: str) -> Any:
        return lambda c: gradients_with_weights(model, c, execution)[0]

    worst = assert_agreement(case, by_inputs("compiled"), by_inputs("eager"), few=0.05)
    assert worst < 1.0e-12


@pytest.mark.parametrize("columns", [COLUMNS, pytest.param(1, marks=pytest.mark.slow)])
def test_derivatives_by_weights_agree_with_eager(columns):
    case = random_case(columns, 3, seed=603)
    model = conductivity_model(case)
    weather = series(case, STEPS)
    (_, one), (_, other) = (gradients_with_weights(model, case, way, weather) for way in ("compiled", "eager"))
    for name, value in other.items():
        torch.testing.assert_close(one[name], value, rtol=1.0e-9, atol=1.0e-10 * value.abs().max().item(), msg=name)
        assert value.abs().max().item() > 0.0, name


@pytest.mark.slow
def test_derivatives_by_weights_are_those_of_differences():
    case = random_case(COLUMNS, 3, seed=604)
    network = Conductivity()
    model = conductivity_model(case, network)

    def scores() -> Tensor:
        path = run(
            model, case.state, series(case, STEPS), case.parameters, case.dt, outputs=OUTPUTS, execution="compiled"
        )
        return path.final_state.soil.temperature.sum(0)

    directions = [torch.ones_like(weight) for weight in network.parameters()]
    moved = []
    for size in (1.0e-5, -1.0e-5, 1.0e-6, -1.0e-6):
        with torch.no_grad():
            for weight in network.parameters():
                weight += size
            moved.append(scores())
            for weight in network.parameters():
                weight -= size
    coarse, fine = (moved[0] - moved[1]) / 2.0e-5, (moved[2] - moved[3]) / 2.0e-6
    smooth = (coarse - fine).abs() <= 1.0e-5 * (fine.abs() + 1.0e-3)
    assert smooth.double().mean().item() > 0.5
    found = torch.autograd.grad(scores()[smooth].sum(), list(network.parameters()))
    along = sum((gradient * direction).sum() for gradient, direction in zip(found, directions, strict=True))
    assert abs(along.item() - fine[smooth].sum().item()) < 1.0e-5 * fine[smooth].abs().sum().item()


@pytest.mark.slow
def test_forward_mode_by_weights_agrees_with_reverse_mode():
    case = random_case(20, 3, seed=605)
    model = conductivity_model(case).requires_grad_(False)
    weights = dict(model.named_parameters())
    along = {name: torch.ones_like(weight) for name, weight in weights.items()}

    class Run(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self) -> Tensor:
            path = run(self.model, case.state, series(case, STEPS), case.parameters, case.dt, outputs=OUTPUTS,
                       execution="compiled")  # fmt: skip
            return path.outputs["soil.temperature"].sum()

    whole = Run()

    def function(given: dict[str, Tensor]) -> Tensor:
        return torch.func.functional_call(whole, {f"model.{name}": weight for name, weight in given.items()})

    _, change = torch.func.jvp(function, (weights,), (along,))
    model.requires_grad_(True)
    found = torch.autograd.grad(whole(), list(model.parameters()))
    assert abs(change.item() - sum(gradient.sum() for gradient in found).item()) < 1.0e-9 * abs(change.item())


# --- of a column ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_column_has_the_same_bits_alone_among_others_in_threads_and_in_cut_runs():
    case = random_case(200, 3, seed=606)
    model, weather = conductivity_model(case), series(case, STEPS)
    together, _ = gradients_with_weights(model, case, "compiled", weather)

    def found(index: slice, **how: Any) -> Tensor:
        part, air = case.select(index), dataclasses.replace(weather)
        air = type(air)(**{
            field.name: None if getattr(air, field.name) is None else getattr(air, field.name)[..., index]
            for field in dataclasses.fields(air)
        })  # fmt: skip
        start = part.state.soil.temperature.clone().requires_grad_()
        state = dataclasses.replace(part.state, soil=dataclasses.replace(part.state.soil, temperature=start))
        path = run(model, state, air, part.parameters, part.dt, outputs=OUTPUTS, execution="compiled", **how)
        path.outputs["soil.temperature"].sum().backward()
        return torch.cat([path.outputs["soil.temperature"][-1].detach(), start.grad])

    whole = found(slice(None))
    assert together
    for count in (1, 3, 17):
        index = slice(9 * count + 5, 10 * count + 5)
        assert torch.equal(found(index), whole[:, index])
    assert torch.equal(found(slice(None), checkpoint_every=2), whole)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert torch.equal(found(slice(None)), whole)
    finally:
        torch.set_num_threads(threads)


# --- weights that change ----------------------------------------------------------------------------------------------


def the_outputs(model: NoahModel, case: Case, execution: str = "compiled") -> Tensor:
    with torch.no_grad():
        path = run(model, case.state, series(case, 2), case.parameters, case.dt, outputs=OUTPUTS, execution=execution)
    return path.outputs["soil.temperature"]


def refuse_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr("noahpy_core.compiled.execute.program.Program.__init__", refuse)


def test_the_next_run_sees_weights_that_the_optimizer_has_changed_without_another_kernel(monkeypatch):
    case = random_case(20, 3, seed=607)
    network = Conductivity()
    model = conductivity_model(case, network)
    before = the_outputs(model, case)
    refuse_to_compile(monkeypatch)
    monkeypatch.setattr("noahpy_core.compiled.execute.own.record_own_step", lambda *_: pytest.fail("recorded again"))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.3)
    run(
        model, case.state, series(case, 2), case.parameters, case.dt, outputs=OUTPUTS, execution="compiled"
    ).outputs["soil.temperature"].sum().backward()  # fmt: skip
    optimizer.step()
    after = the_outputs(model, case)
    assert not torch.equal(after, before)
    assert shares_of_largest(after, the_outputs(model, case, "eager")).max().item() < 1.0e-12
    monkeypatch.undo()
    refuse_to_compile(monkeypatch)
    # Other weights of the same form have the same kernels, and so has another object.
    assert torch.equal(the_outputs(conductivity_model(case, Conductivity()), case), before)


def test_a_step_function_sees_weights_numbers_and_modules_that_change():
    case = random_case(20, 3, seed=608)
    network = Conductivity()
    model = conductivity_model(case, network)
    step = step_function(model)
    assert isinstance(step, CompiledStep)
    arguments = (case.state, case.forcing, case.parameters, case.dt)

    def assert_equal_to_eager() -> None:
        with torch.no_grad():
            one, other = step(*arguments)[0].soil.temperature, model(*arguments)[0].soil.temperature
        assert shares_of_largest(one, other).max().item() < 1.0e-12

    assert_equal_to_eager()
    with torch.no_grad():
        network.last.bias += 2.0
    assert_equal_to_eager()
    network.factor = 3.0
    assert_equal_to_eager()
    network.last = nn.Linear(5, 1).double()
    assert_equal_to_eager()


def test_weights_changed_between_a_run_and_its_way_back_are_an_error():
    case = random_case(8, 3, seed=609)
    network = Conductivity()
    path = run(
        conductivity_model(case, network), case.state, series(case, 2), case.parameters, case.dt, outputs=OUTPUTS,
        execution="compiled",
    )  # fmt: skip
    with torch.no_grad():
        network.last.bias += 1.0
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        path.outputs["soil.temperature"].sum().backward()


@pytest.mark.slow
def test_a_single_precision_network_in_a_double_precision_model_is_compiled():
    class Single(Conductivity):
        def __init__(self) -> None:
            super().__init__()
            self.float()

        def forward(self, liquid, ice, soil):
            return super().forward(liquid.float(), ice.float(), soil).double()

    case = random_case(COLUMNS, 4, seed=610)
    model = conductivity_model(case, Single())
    (_, one), (_, other) = (gradients_with_weights(model, case, way) for way in ("compiled", "eager"))
    assert shares_of_largest(the_outputs(model, case), the_outputs(model, case, "eager")).max().item() < 1.0e-6
    for name, value in other.items():
        assert one[name].dtype == torch.float32
        torch.testing.assert_close(one[name], value, rtol=1.0e-3, atol=1.0e-4 * value.abs().max().item(), msg=name)


@pytest.mark.slow
def test_a_network_of_the_package_that_is_not_trained_is_compiled_too():
    case = random_case(20, 4, seed=611)
    model = conductivity_model(case, LearnedThermalConductivity((4,)).requires_grad_(False))
    assert why_not_compiled(model) is None
    path = run(model, case.state, series(case, 1), case.parameters, case.dt, outputs=OUTPUTS)
    assert not path.outputs["soil.temperature"].requires_grad


# --- what a scheme may be made of -------------------------------------------------------------------------------------


def in_features(function: Any) -> Any:
    return lambda s, x: s.last(function(s.first(x))).squeeze(-1).square()


SUPPORTED = {
    **{name: in_features(getattr(functional, name)) for name in (
        "tanh", "sigmoid", "relu", "leaky_relu", "elu", "celu", "selu", "silu", "mish", "softplus", "softsign",
        "logsigmoid", "hardtanh", "relu6", "tanhshrink",
    )},
    "gelu": in_features(lambda x: functional.gelu(x, approximate="tanh")),
    "in place": in_features(nn.ReLU(inplace=True)),
    "softmax": in_features(lambda x: torch.softmax(x, -1)),
    "log_softmax": in_features(lambda x: torch.log_softmax(x, -1)),
    "softmax over layers": in_features(lambda x: torch.softmax(x, 0)),
    "layer_norm": in_features(lambda x: functional.layer_norm(x, (5,))),
    "normalisation": in_features(lambda x: (x - torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5], dtype=x.dtype)) / 3.0),
    "mean": lambda s, x: s.first(x).mean(-1).square(),
    "extremes": lambda s, x: s.first(x).amax(-1) - s.first(x).amin(-1) + s.first(x).amin(0).square().sum(-1),
    "matmul": lambda s, x: torch.sigmoid((x @ s.first.weight.T + s.first.bias) @ s.last.weight.T)[..., 0],
    "einsum": lambda s, x: torch.einsum("of,lcf->lco", s.first.weight, x).square().sum(-1),
    "weights made of weights": lambda s, x: functional.linear(x, functional.softplus(s.first.weight)).sum(-1),
    "profile": lambda s, x: torch.tanh(x[..., 0].T[:, :2] @ s.first.weight.T)[:, :4].square().T,
    "chunks": lambda s, x: sum(part.sum(-1).square() for part in s.first(x).split([2, 3], -1)),
    "skip": lambda s, x: s.last(torch.cat([x, s.first(x)[..., :3]], -1))[..., 0].square(),
    "no gradient": lambda s, x: torch.sigmoid(s.last(without_gradient(s, x)))[..., 0],
}  # fmt: skip


def without_gradient(scheme: Conductivity, x: Tensor) -> Tensor:
    with torch.no_grad():
        return scheme.first(x)


@pytest.mark.parametrize("what", list(SUPPORTED))
def test_usual_operations_of_networks_are_recorded_with_their_values_and_derivatives(what):
    """What is recorded is computed on made-up columns, and compared with the model, derivatives included."""
    case = random_case(2, 4, seed=612)
    assert why_not_compiled(conductivity_model(case, Conductivity(SUPPORTED[what]))) is None


class Doubled(torch.autograd.Function):
    """A value with a way back of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 1.0

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Tensor:
        return 2.0 * cotangents[0]


def inside(function: Any) -> Any:
    return lambda s, x: function(torch.sigmoid(s.last(s.first(x)))[..., 0])


REFUSED = {
    "an operation without a form": (inside(torch.erf), "torch operation aten.erf.default has no compiled form"),
    "dropout": (inside(lambda x: functional.dropout(x, 0.5, True)), "aten."),
    "random numbers": (inside(lambda x: x + torch.rand(1, dtype=x.dtype)), "is another when it is computed"),
    "numpy": (
        inside(lambda x: torch.from_numpy(x.detach().numpy().copy())),
        "a tensor made for each column|is another when",
    ),
    "a function with its own way back": (inside(Doubled.apply), "its derivative is another"),
    "a mean over columns": (inside(lambda x: x - x.mean(-1, keepdim=True) + 1.0), "over the columns"),
    "a branch on values": (inside(lambda x: x if bool((x > 0).all()) else -x), "over the columns|has no compiled form"),
    "half precision": (inside(lambda x: x.half().double()), "torch.float16"),
}


@pytest.mark.parametrize("what", list(REFUSED))
def test_what_has_no_compiled_form_is_named_and_runs_eagerly(what):
    head, reason = REFUSED[what]
    case = random_case(8, 4, seed=613)
    model = conductivity_model(case, Conductivity(head))
    arguments = (model, case.state, series(case, 1), case.parameters, case.dt)
    with pytest.raises(ValueError, match=rf"its soil_thermal cannot be compiled.*({reason})") as error:
        run(*arguments, outputs=OUTPUTS, execution="compiled")
    assert re.search("'eager' or 'auto'", str(error.value))
    if what != "random numbers" and what != "dropout":
        automatic, eager = (
            run(*arguments, outputs=OUTPUTS, execution=way).outputs["soil.temperature"] for way in ("auto", "eager")
        )
        assert torch.equal(automatic, eager)
    assert step_function(model) is model


def test_a_function_that_is_no_module_runs_eagerly():
    case = random_case(8, 4, seed=614)
    model = with_schemes(case, "enthalpy", {"snow_cover": lambda water, parameters: torch.sigmoid(water - 1.0)})
    assert "snow_cover is supplied by the user and no torch.nn.Module" in why_not_compiled(model)
