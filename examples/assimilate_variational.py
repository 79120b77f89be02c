"""Four-dimensional variational assimilation beside the ensemble Kalman filter, on the same made-up truth.

The truth and the temperature sensors are those of `assimilate_soil_temperature.py`. Here one run of the whole window is
fitted: the soil temperature of every layer at the start, a bias of the air temperature, and a factor of the
precipitation are changed until the run agrees with daily soil temperature, soil water and snow depth. The gradient
comes through the gradient extension of BMI (one sweep back), the search is L-BFGS in variables in which the prior has
unit variance. The spread is that of a linear posterior, whose Jacobian is one run with a column for each variable. The
filter starts from an ensemble of the same prior, sees the same observations and corrects the same quantities after each
day: the temperature of layers without ice, the bias and the factor. It knows the days before only, the fit all days at
once: so much is the difference between a filter and a smoother.

    python assimilate_variational.py [--days 30] [--members 16] [--folder assimilation]
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent))

import assimilate_soil_temperature as filtering
from assimilate_soil_temperature import AIR, SOIL, SPREAD, STEPS_A_DAY, TRUE_BIAS, TRUE_OFFSET, read

from bmi_noahpy import BmiNoahPy
from bmi_noahpy.example import example_table

Floats = NDArray[np.float64]
STATE = "@state"
RAIN = "atmosphere_water__liquid_equivalent_precipitation_rate"
WATER, SNOW = "soil_water__volume_fraction", "snowpack__depth"
SENSORS = {SOIL: (filtering.OBSERVED_LAYERS, 0.2), WATER: ((1, 3), 0.02), SNOW: ((0,), 0.02)}
"""Elements that are observed every day, and the standard deviation of their errors in K, 1 and m."""
TRUE_FACTOR, FACTOR_SPREAD = 1.2, 0.2
"""Of the precipitation."""
CORRELATION_DEPTH = 0.7
"""Errors of the first guess are alike over this depth. [m]"""


@dataclasses.dataclass
class Window:
    """Runs of one window from changed beginnings, in columns that do not know of each other.

    Parameters
    ----------
    model : Columns of the first guess.
    days : Length.
    middle : Depth of the middle of each layer. [m]
    root : Square root of the covariance of the first guess's soil temperature, ``[layer, variable]``. [K]
    """

    model: BmiNoahPy
    days: int
    middle: Floats
    root: Floats

    def __post_init__(self) -> None:
        self.extension = self.model.get_extension("gradient")
        self.start = self.extension.get_state(np.empty(self.extension.get_state_size()))
        self.columns = read(self.model, SNOW).size
        values = example_table().values
        self.air, self.rain = values["air_temperature"][:, 0], values["precipitation"][:, 0]
        self.layers, self.variables = len(self.root), self.root.shape[1] + 2
        self.runs = 0

    def forward(self, controls: Floats, *, record: bool = False) -> dict[str, Floats]:
        """Observed quantities at the end of each day, ``[day, element, column]``.

        Parameters
        ----------
        controls : In units of the prior's spread, ``[variable, column]``: soil temperature, air temperature, rain.
        """
        state = self.start.reshape(-1, self.columns).copy()
        state[: self.layers] += self.root @ controls[:-2]
        self.extension.set_state(state)
        self.extension.set_time(0.0)
        if record:
            self.extension.start_recording()
        days = [self._day(day, controls) for day in range(self.days)]
        if record:
            self.extension.stop_recording()
        self.runs += self.columns
        return {name: np.stack([day[name] for day in days]) for name in (*SENSORS, "profile")}

    def gradient(self, by_values: dict[str, Floats], controls: Floats) -> Floats:
        """Derivative by the controls of one column after a recorded run.

        Parameters
        ----------
        by_values : Derivative of the objective by what `forward` gave, ``[day, element]``.
        """
        by_air, by_factor = 0.0, 0.0
        for step in reversed(range(self.days * STEPS_A_DAY)):
            if step % STEPS_A_DAY == STEPS_A_DAY - 1:
                self._seed(step // STEPS_A_DAY, by_values)
            self.extension.update_adjoint()
            by_air += float(self.extension.get_adjoint(AIR, np.empty(1))[0])
            by_factor += float(self.extension.get_adjoint(RAIN, np.empty(1))[0]) * self.rain[step]
        by_state = self.extension.get_adjoint(STATE, np.empty(self.start.size))
        # A run back costs about as much as two forward.
        self.runs += 2
        return np.concatenate([self.root.T @ by_state[: self.layers], [SPREAD * by_air, FACTOR_SPREAD * by_factor]])

    def _seed(self, day: int, by_values: dict[str, Floats]) -> None:
        for name, (elements, _) in SENSORS.items():
            seed = np.zeros(self.layers if name != SNOW else 1)
            seed[list(elements)] = by_values[name][day]
            self.extension.add_adjoint_seed(name, seed)

    def _day(self, day: int, controls: Floats) -> dict[str, Floats]:
        for step in range(day * STEPS_A_DAY, (day + 1) * STEPS_A_DAY):
            self.model.set_value(AIR, self.air[step] + SPREAD * controls[-2])
            self.model.set_value(RAIN, self.rain[step] * (1.0 + FACTOR_SPREAD * controls[-1]))
            self.model.update()
        values = {name: read(self.model, name).reshape(-1, self.columns) for name in SENSORS}
        return {name: values[name][list(SENSORS[name][0])] for name in SENSORS} | {"profile": values[SOIL]}


def covariance_root(middle: Floats) -> Floats:
    """Square root of the covariance of the first guess: deep soil is known, errors are alike nearby. [K]"""
    spread = SPREAD * np.exp(-np.linspace(0.0, 4.0, len(middle)))
    alike = np.exp(-np.abs(middle[:, None] - middle) / CORRELATION_DEPTH)
    return np.linalg.cholesky(spread[:, None] * spread * alike)


def observe(window: Window, offset: Floats, random: np.random.Generator) -> tuple[dict[str, Floats], Floats]:
    """What the sensors say of the truth, and its temperature at the end of each day."""
    controls = np.zeros((window.variables, 1))
    controls[:-2, 0] = np.linalg.solve(window.root, offset)
    controls[-2:, 0] = TRUE_BIAS / SPREAD, (TRUE_FACTOR - 1.0) / FACTOR_SPREAD
    exact = window.forward(controls)
    observed = {
        name: exact[name][..., 0] + random.normal(0.0, error, exact[name].shape[:2])
        for name, (_, error) in SENSORS.items()
    }
    return observed, exact["profile"][..., 0]


def fit(window: Window, observed: dict[str, Floats], iterations: int) -> Floats:
    """The controls of the least misfit to observations and first guess, by L-BFGS."""
    controls = torch.zeros(window.variables, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([controls], max_iter=iterations, line_search_fn="strong_wolfe")

    def closure() -> float:
        values = controls.detach().numpy().copy()
        found = window.forward(values[:, None], record=True)
        misfit = {name: (found[name][..., 0] - observed[name]) / error for name, (_, error) in SENSORS.items()}
        by_values = {name: misfit[name] / error for name, (_, error) in SENSORS.items()}
        controls.grad = torch.from_numpy(values + window.gradient(by_values, values))
        return 0.5 * float(values @ values + sum((part**2).sum() for part in misfit.values()))

    search.step(closure)
    return controls.detach().numpy()


def filtered(window: Window, observed: dict[str, Floats], random: np.random.Generator) -> Floats:
    """Temperature of an ensemble that the Kalman filter with perturbed observations corrects, ``[day, layer, member]``.

    Parameters
    ----------
    window : With a column for each member.
    observed : As `observe` gives it.
    random : For the prior and the observations' errors.
    """
    members = window.columns
    controls = random.normal(size=(window.variables, members))
    state = window.start.reshape(-1, members).copy()
    state[: window.layers] += window.root @ controls[:-2]
    window.extension.set_state(state)
    window.extension.set_time(0.0)
    errors = np.concatenate([np.full(len(elements), error) for elements, error in SENSORS.values()])
    depths = np.concatenate([window.middle[list(e)] if n != SNOW else [0.0] for n, (e, _) in SENSORS.items()])
    fading = np.ones((window.layers + 2, len(errors)))
    fading[:-2] = np.exp(-np.abs(window.middle[:, None] - depths) / CORRELATION_DEPTH)
    analyses = []
    for day in range(window.days):
        found = window._day(day, controls)
        predicted = np.concatenate([found[name] for name in SENSORS])
        target = np.concatenate([observed[name][day] for name in SENSORS])[:, None]
        forecast = np.concatenate([found["profile"], controls[-2:]])
        anomaly, apart = (values - values.mean(1, keepdims=True) for values in (forecast, predicted))
        covariance = apart @ apart.T / (members - 1) + np.diag(errors**2)
        gain = np.linalg.solve(covariance, (fading * (anomaly @ apart.T / (members - 1))).T).T
        noise = errors[:, None] * random.normal(size=predicted.shape)
        analysis = forecast + gain @ (target + noise - predicted)
        frozen = (read(window.model, filtering.ICE).reshape(-1, members) > 0.0).any(1)
        analysis[:-2][frozen] = forecast[:-2][frozen]
        window.model.set_value(SOIL, analysis[:-2])
        controls[-2:] = analysis[-2:]
        analyses.append(analysis[:-2])
    return np.stack(analyses)


def posterior_spread(window: Window, controls: Floats) -> Floats:
    """Standard deviation of the temperature at the end of each day, ``[day, layer]``, of a linear posterior. [K]

    Parameters
    ----------
    window : With a column for each control, and one more.
    """
    size, count = 0.02, len(controls)
    changed = np.tile(controls[:, None], (1, count + 1))
    changed[:, :count] += size * np.eye(count)
    found = window.forward(changed)
    jacobian = {name: (values[..., :count] - values[..., count:]) / size for name, values in found.items()}
    hessian = np.eye(count)
    for name, (_, error) in SENSORS.items():
        rows = jacobian[name].reshape(-1, count) / error
        hessian += rows.T @ rows
    return np.sqrt(np.einsum("dlc,ce,dle->dl", jacobian["profile"], np.linalg.inv(hessian), jacobian["profile"]))


def open_window(folder: Path, days: int, columns: int) -> Window:
    """Equal columns of the first guess."""
    model = filtering.start(folder, days, np.zeros((1, columns)), {"phase_change": "enthalpy", "transitions": "smooth"})
    thickness = read(model, "soil_layer__thickness").reshape(-1, columns)[:, 0]
    middle = thickness.cumsum() - 0.5 * thickness
    return Window(model, days, middle, covariance_root(middle))


def experiment(folder: Path, days: int, members: int, iterations: int = 15) -> dict[str, dict[str, float]]:
    """Error and spread in the upper metre after five days, and cost in runs of one column over the window."""
    window = open_window(folder / "one", days, 1)
    offset = TRUE_OFFSET * np.exp(-np.linspace(0.0, 4.0, window.layers))
    observed, truth = observe(window, offset, np.random.default_rng(20190901))
    window.runs = 0
    guess = window.forward(np.zeros((window.variables, 1)))["profile"][..., 0]
    controls = fit(window, observed, iterations)
    analysis = window.forward(controls[:, None])["profile"][..., 0]
    many = open_window(folder / "many", days, window.variables + 1)
    spread = posterior_spread(many, controls)
    ensemble = filtered(open_window(folder / "filter", days, members), observed, np.random.default_rng(20190902))
    upper = window.middle < 1.0

    def rms(values: Floats) -> float:
        return float(np.sqrt(np.mean(values[5:, upper] ** 2)))

    return {
        "first guess": {"error": rms(guess - truth), "spread": float("nan"), "runs": 1},
        "4D-Var": {"error": rms(analysis - truth), "spread": rms(spread), "runs": window.runs + many.runs},
        "filter": {
            "error": rms(ensemble.mean(-1) - truth),
            "spread": rms(ensemble.std(-1, ddof=1)),
            "runs": members,
        },
        "found": {
            "bias of the air": SPREAD * controls[-2],
            "factor of the rain": 1.0 + FACTOR_SPREAD * controls[-1],
        },
    }


def main(arguments: Sequence[str] | None = None) -> dict[str, dict[str, float]]:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=30, help="length of the window, more than five")
    parser.add_argument("--members", type=int, default=16, help="size of the ensemble of the filter")
    parser.add_argument("--folder", type=Path, default=Path("assimilation"), help="where files are written")
    options = parser.parse_args(arguments)
    if options.days <= 5 or options.members < 3:
        parser.error("--days must be more than 5 and --members at least 3")
    result = experiment(options.folder, options.days, options.members)
    found = result.pop("found")
    print(f"{'':<14}{'error [K]':>10}{'spread [K]':>12}{'runs':>7}")
    for name, row in result.items():
        print(f"{name:<14}{row['error']:>10.3f}{row['spread']:>12.3f}{row['runs']:>7.0f}")
    print(f"bias of the air {found['bias of the air']:.2f} K, true {TRUE_BIAS}")
    print(f"factor of the precipitation {found['factor of the rain']:.2f}, true {TRUE_FACTOR}")
    return result | {"found": found}


if __name__ == "__main__":
    main()
