"""Training with checkpoints, and learned weights and parameters as files that a configuration names."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import yaml
from torch import nn
from typer.testing import CliRunner

from bmi_noahpy.cli import app
from bmi_noahpy.config import ConfigurationError, load_configuration, read_configuration
from bmi_noahpy.config.template import render
from bmi_noahpy.example import example_configuration, write_example
from bmi_noahpy.learn import TrainingError, TrainingWarning, train, write_parameter_map, write_weights
from bmi_noahpy.runs.prepare import prepare
from noahpy_core.learning import LearnedEvaporation, LearnedThermalConductivity
from noahpy_core.options import OwnScheme

CONDUCTIVITY = "noahpy_core.learning:LearnedThermalConductivity"


def mapping(tmp_path, schemes, days=1):
    write_example(tmp_path, "noah-permafrost")
    plain = example_configuration("noah-permafrost")
    plain["period"] = {"start": "2019-09-01T00:00", "end": f"2019-09-0{days}T00:00", "step": "1 day"}
    plain["schemes"] = schemes
    return plain


# --- training ---------------------------------------------------------------------------------------------------------


class Line(nn.Module):
    """A line with noise of torch's generator in its slope."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.tensor([0.0, 5.0], dtype=torch.float64))

    def loss(self, epoch):
        x = torch.randn(20, dtype=torch.float64)
        return (self.weights[0] * x + self.weights[1] - (2.0 * x - 1.0)).square().mean() + 0.01 * torch.rand(())


def trained(epochs, **options):
    torch.manual_seed(5)
    line = Line()
    return line, train(line, line.loss, epochs=epochs, learning_rate=0.2, **options)


def test_training_lowers_the_loss_and_keeps_the_best_weights():
    line, losses = trained(60)
    assert len(losses) == 60
    assert min(losses) < 0.01 * losses[0]
    torch.testing.assert_close(line.weights.detach(), torch.tensor([2.0, -1.0]).double(), rtol=0.1, atol=0.1)


@pytest.mark.parametrize("stop", [1, 7, 19])
def test_training_resumed_from_a_checkpoint_is_identical_to_one_never_interrupted(tmp_path, stop):
    expected, losses = trained(20)
    trained(stop, checkpoint=tmp_path / "training.pt")
    torch.manual_seed(12345)
    resumed = Line()
    again = train(resumed, resumed.loss, epochs=20, learning_rate=0.2, checkpoint=tmp_path / "training.pt")
    assert again == losses
    assert torch.equal(resumed.weights, expected.weights)


def to_line(line: Line, slope: float, offset: float) -> torch.Tensor:
    """Distance of a line from another one."""
    target = torch.tensor([slope, offset], dtype=torch.float64)
    return (line.weights - target).square().sum()


def validated(epochs, **options):
    """A line on its way to (2, -1), validated against one that it passes."""
    line = Line()
    found = train(
        line, lambda epoch: to_line(line, 2.0, -1.0), epochs=epochs, learning_rate=0.2,
        validation=lambda: to_line(line, 1.0, 2.0), **options,
    )  # fmt: skip
    return line, found


def test_with_validation_the_weights_with_its_lowest_loss_are_kept():
    line, losses = validated(60)
    assert losses.best == int(np.argmin(losses.validation)) < 59
    assert to_line(line, 1.0, 2.0).item() == min(losses.validation)
    assert losses[-1] < losses[losses.best]


def test_training_stops_when_validation_no_longer_improves():
    line, losses = validated(200, patience=5)
    assert losses.stopped
    assert len(losses) == losses.best + 6 < 60
    assert to_line(line, 1.0, 2.0).item() == min(losses.validation)


@pytest.mark.parametrize("stop", [3, 20])
def test_validation_and_stopping_go_on_identically_from_a_checkpoint(tmp_path, stop):
    expected, losses = validated(200, patience=5)
    validated(stop, patience=5, checkpoint=tmp_path / "training.pt")
    line, again = validated(200, patience=5, checkpoint=tmp_path / "training.pt")
    assert list(again) == list(losses)
    assert (again.validation, again.best, again.stopped) == (losses.validation, losses.best, True)
    assert torch.equal(line.weights, expected.weights)
    with pytest.raises(ValueError, match=r"with validation\. Go on with the same arguments"):
        trained(30, checkpoint=tmp_path / "training.pt")


def test_the_test_is_taken_once_with_the_weights_that_are_kept():
    taken = []

    def score(line=None):
        taken.append(1)
        return 0.25

    line = Line()
    losses = train(
        line, lambda epoch: to_line(line, 2.0, -1.0), epochs=5, validation=lambda: to_line(line, 2.0, -1.0),
        test=lambda: to_line(line, 0.0, 0.0), built_in=score,
    )  # fmt: skip
    assert taken == [1]
    assert losses.test == pytest.approx(to_line(line, 0.0, 0.0).item())
    assert losses.built_in == 0.25


def test_a_learned_scheme_that_is_no_better_than_the_built_in_one_is_told_of():
    line = Line()
    with pytest.warns(TrainingWarning, match=r"has a loss of 2, the built-in one 1: keep the built-in one"):
        train(line, line.loss, epochs=1, test=lambda: 2.0, built_in=lambda: 1.0)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"patience": 3}, "patience: 3. .* needs validation"),
        ({"patience": 0, "validation": lambda: 1.0}, "patience: 0"),
        ({"built_in": lambda: 1.0}, "built_in: given without test"),
    ],
)
def test_arguments_of_training_that_do_not_go_together_are_refused(options, text):
    line = Line()
    with pytest.raises(ValueError, match=text):
        train(line, line.loss, epochs=1, **options)


def test_a_validation_that_is_no_number_is_an_error_with_its_epoch():
    line = Line()
    with pytest.raises(TrainingError, match="epoch 0: validation or test gave nan"):
        train(line, line.loss, epochs=1, validation=lambda: float("nan"))


def test_training_through_the_model_resumes_identically(tmp_path):
    run = prepare(read_configuration(mapping(tmp_path, {"phase_change": "enthalpy"}, 2), tmp_path))
    assert run.forcing is not None
    air = run.forcing.at(0)

    def session(epochs):
        from noahpy_core import NoahModel

        network = LearnedThermalConductivity(hidden=[3])
        model = NoahModel(run.model.column, run.model.options, {"soil_thermal": network})

        def loss(epoch):
            state, _ = model(run.initial_state, air, run.parameters, run.step)
            return (state.soil.temperature[:5] - 275.0).square().mean()

        return network, lambda file: train(network, loss, epochs=epochs, checkpoint=file)

    network, start = session(4)
    losses = start(None)
    session(2)[1](tmp_path / "c.pt")
    again, start = session(4)
    assert start(tmp_path / "c.pt") == losses
    assert losses[-1] < losses[0]
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name


def test_a_finished_training_is_not_trained_further(tmp_path):
    line, losses = trained(5, checkpoint=tmp_path / "training.pt")
    other = Line()
    assert train(other, other.loss, epochs=5, checkpoint=tmp_path / "training.pt") == losses
    assert torch.equal(other.weights, line.weights)


def test_a_checkpoint_of_another_module_is_refused_with_the_remedy(tmp_path):
    trained(2, checkpoint=tmp_path / "training.pt")
    other = LearnedThermalConductivity()
    with pytest.raises(ValueError, match=r"training\.pt' is of another module .* remove the file"):
        train(other, lambda epoch: torch.tensor(0.0), epochs=3, checkpoint=tmp_path / "training.pt")


def test_a_loss_that_is_not_a_number_stops_training_with_its_epoch():
    line = Line()
    with pytest.raises(TrainingError, match="epoch 3: loss nan"):
        train(line, lambda epoch: line.weights.sum() * (torch.nan if epoch == 3 else 1.0), epochs=9)


# --- schemes in a configuration ---------------------------------------------------------------------------------------


def test_a_run_of_a_configuration_uses_the_learned_weights(tmp_path):
    network = LearnedThermalConductivity(hidden=[5], seed=3)
    write_weights(network, tmp_path / "nets" / "conductivity.pt")
    scheme = {"class": CONDUCTIVITY, "arguments": {"hidden": [5]}, "weights": "nets/conductivity.pt"}
    run = prepare(read_configuration(mapping(tmp_path, {"soil_thermal": scheme}), tmp_path))
    used = run.model.schemes["soil_thermal"].scheme
    assert isinstance(used, LearnedThermalConductivity)
    assert all(torch.equal(a, b) for a, b in zip(used.parameters(), network.parameters(), strict=True))
    water = run.initial_state.soil
    given = (water.liquid_water, water.ice, run.parameters.soil)
    assert torch.equal(run.model.schemes["soil_thermal"](*given), network(*given))


def test_a_scheme_that_needs_the_layers_gets_them(tmp_path):
    run = prepare(
        read_configuration(
            mapping(tmp_path, {"evaporation": {"class": "noahpy_core.learning:LearnedEvaporation"}}), tmp_path
        )
    )
    assert isinstance(run.model.schemes["evaporation"].scheme, LearnedEvaporation)
    assert run.model.schemes["evaporation"].scheme.column is run.model.column


def test_the_command_line_runs_with_a_learned_scheme(tmp_path):
    write_weights(LearnedThermalConductivity(), tmp_path / "weights.pt")
    plain = mapping(tmp_path, {"soil_thermal": {"class": CONDUCTIVITY, "weights": "weights.pt"}}, 2)
    plain["output"] = {"file": "learned.nc"}
    (tmp_path / "learned.yaml").write_text(yaml.safe_dump(plain))
    done = CliRunner().invoke(app, ["run", str(tmp_path / "learned.yaml")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "learned.nc").is_file()


@pytest.mark.parametrize(
    ("scheme", "key", "text"),
    [
        ({"clas": CONDUCTIVITY}, "soil_thermal.clas", "Did you mean 'class'?"),
        ({"arguments": {"seed": 1}}, "soil_thermal.class", "None is not the name of a class"),
        ({"class": "LearnedThermalConductivity"}, "soil_thermal.class", "Write it as 'package.module:Class'"),
        ({"class": CONDUCTIVITY, "arguments": [5]}, "soil_thermal.arguments", "[5] are not names with values"),
        ({"class": CONDUCTIVITY, "weights": "gone.pt"}, "soil_thermal.weights", "'gone.pt' does not exist"),
        ({"class": CONDUCTIVITY, "weights": 3}, "soil_thermal.weights", "3 is not a path"),
        (3, "soil_thermal", "3 is not the name of a scheme"),
    ],
)
def test_what_is_wrong_in_the_section_is_named_by_its_key(tmp_path, scheme, key, text):
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(mapping(tmp_path, {"soil_thermal": scheme}), tmp_path)
    problems = {problem.key: problem.text for problem in caught.value.problems}
    assert text in problems[f"schemes.{key}"]


@pytest.mark.parametrize(
    ("scheme", "text"),
    [
        ({"class": "noahpy_core.learning:Missing"}, "cannot import 'noahpy_core.learning:Missing'"),
        ({"class": CONDUCTIVITY, "arguments": {"depth": 3}}, "unexpected keyword argument 'depth'"),
        ({"class": "noahpy_core.learning:BoundedNetwork"}, "missing 2 required positional arguments"),
        ({"class": "torch.nn:Identity"}, "Identity failed on made-up columns"),
    ],
)
def test_a_scheme_that_does_not_fit_is_reported_before_the_run(tmp_path, scheme, text):
    configuration = read_configuration(mapping(tmp_path, {"soil_thermal": scheme}), tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        prepare(configuration)
    (problem,) = caught.value.problems
    assert problem.key == "schemes.soil_thermal"
    assert text in problem.text


def test_weights_of_another_size_are_reported_by_the_slot(tmp_path):
    write_weights(LearnedThermalConductivity(hidden=[5]), tmp_path / "weights.pt")
    scheme = {"class": CONDUCTIVITY, "arguments": {"hidden": [6]}, "weights": "weights.pt"}
    configuration = read_configuration(mapping(tmp_path, {"soil_thermal": scheme}), tmp_path)
    with pytest.raises(ConfigurationError, match=r"schemes\.soil_thermal: cannot load weights .* size mismatch"):
        prepare(configuration)


def test_a_configuration_with_a_learned_scheme_survives_writing_and_reading(tmp_path):
    write_weights(LearnedThermalConductivity(), tmp_path / "weights.pt")
    scheme = {"class": CONDUCTIVITY, "arguments": {"seed": 2}, "weights": "weights.pt"}
    first = read_configuration(mapping(tmp_path, {"soil_thermal": scheme, "turbulence": "yang2008"}), tmp_path)
    assert first.schemes.soil_thermal == OwnScheme(CONDUCTIVITY, {"seed": 2}, tmp_path / "weights.pt")
    plain = first.model_dump(mode="json")
    assert read_configuration(plain, "/elsewhere").schemes == first.schemes
    (tmp_path / "again.yaml").write_text(render(plain))
    assert load_configuration(tmp_path / "again.yaml").schemes == first.schemes


# --- parameters as maps -----------------------------------------------------------------------------------------------


def test_learned_parameters_in_a_map_reach_the_run(tmp_path):
    columns, layers = 3, len(example_configuration("noah-permafrost")["soil"]["thickness"])
    porosity = torch.linspace(0.5, 0.6, columns).double().expand(layers, -1)
    resistance = torch.tensor([50.0, 100.0, 150.0]).double()
    values = {"soil.porosity": porosity, "vegetation.minimum_stomatal_resistance": resistance}
    write_parameter_map(
        tmp_path / "maps" / "learned.nc", values, latitude=[60.0, 61.0, 62.0], longitude=[130.0, 130.0, 131.0]
    )
    plain = mapping(tmp_path, {}) | {"domain": {"file": "maps/learned.nc"}}
    run = prepare(read_configuration(plain, tmp_path))
    assert torch.equal(run.parameters.soil.porosity, porosity)
    assert torch.equal(run.parameters.vegetation.minimum_stomatal_resistance, resistance)
    assert run.initial_state.skin_temperature.shape == (columns,)


def test_a_map_that_does_not_fit_is_refused(tmp_path):
    one = torch.ones(2, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"soil\.porositi is no parameter"):
        write_parameter_map(tmp_path / "a.nc", {"soil.porositi": one}, latitude=[1.0, 2.0], longitude=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"soil\.porosity has 2 columns, the coordinates have 3"):
        write_parameter_map(tmp_path / "a.nc", {"soil.porosity": one}, latitude=np.ones(3), longitude=np.ones(3))
    assert not (tmp_path / "a.nc").exists()
