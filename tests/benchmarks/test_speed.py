"""What a step costs, one column or many, against a scalar program and against torch without compilation.

``pytest tests/benchmarks/test_speed.py`` prints a table at the end. Times are of the processor, those of two threads of
the clock on the wall; ratios are of things done side by side in one process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from columns import STEP, Site, make_site
from reference import SoilReference
from report import MICROSECOND, Report, Row
from timing import Action, seconds, side_by_side

from bmi_noahpy import BmiNoahPy
from bmi_noahpy.example import write_example
from noahpy_core import run
from noahpy_core.compiled import CompiledStep
from noahpy_core.trees import map_tensors

ROUNDS = 5
NUMBER_TYPES = {"float64": torch.float64, "float32": torch.float32}
STEPS = {1: 1000, 10_000: 4, 100_000: 2}
"""Number of columns -> steps of a timed run."""
TARGETS = {
    ("float64", 1): "15 us", ("float64", 10_000): "4 us, aim 2", ("float64", 100_000): "4 us, aim 2",
    ("float32", 10_000): "half of float64", ("float32", 100_000): "half of float64",
}  # fmt: skip

INPUTS = {
    "land_surface_air__temperature": 280.0,
    "land_surface_air__pressure": 9.0e4,
    "atmosphere_air_water~vapor__relative_saturation": 0.005,
    "land_surface_wind__x_component_of_velocity": 3.0,
    "land_surface_wind__y_component_of_velocity": 0.0,
    "land_surface_radiation~incoming~shortwave__energy_flux": 200.0,
    "land_surface_radiation~incoming~longwave__energy_flux": 300.0,
    "atmosphere_water__liquid_equivalent_precipitation_rate": 0.0,
}

Yardstick = tuple[Action, int] | None


@pytest.fixture
def measure(benchmark, report: Report, yardstick: Yardstick) -> Callable[..., float]:
    """Times work beside the reference, enters a row, and returns the seconds of a column-step."""

    def measured(
        what: str, work: Action, size: int, target: str = "", eager: tuple[Action, int] | None = None
    ) -> float:
        reference: list[float] = []

        def before_each_round() -> None:
            if yardstick is not None:
                reference.append(seconds(yardstick[0]) / yardstick[1])

        benchmark.pedantic(work, setup=before_each_round, rounds=ROUNDS, warmup_rounds=1)
        cost = benchmark.stats.stats.min / size
        without = None if eager is None else side_by_side(eager[0], rounds=1)[0] / eager[1]
        report.add(
            Row(
                what, cost / MICROSECOND, "us", target,
                cost / min(reference) if reference else None,
                cost / without if without else None,
            )
        )  # fmt: skip
        return cost

    return measured


def steps_of(site: Site, execution: str, steps: int | None = None) -> Action:
    """A run without derivatives."""
    forcing = map_tensors(lambda series: series[:steps], site.forcing)

    def work() -> None:
        with torch.no_grad():
            run(
                site.model, site.state, forcing, site.parameters, STEP,
                outputs=["skin_temperature"], execution=execution,
            )  # fmt: skip

    return work


def test_the_reference_keeps_its_water(soil_reference: SoilReference | None, report: Report) -> None:
    if soil_reference is None:
        pytest.skip("needs a C compiler; ratios with the scalar reference are left out")
    gain, temperature, liquid = soil_reference.run(3, 500)
    assert abs(gain) < 1e-10
    assert np.isfinite(temperature).all()
    assert 0.0 < liquid.min() <= liquid.max() <= 0.44
    cost = side_by_side(lambda: soil_reference.run(1, 2000))[0] / 2000
    report.add(Row("reference: soil half of a step, scalar C, 20 layers", cost / MICROSECOND, "us", reference=1.0))


@pytest.mark.benchmark(timer=time.process_time)
def test_one_column_takes_steps_through_the_model_interface(measure, tmp_path: Path) -> None:
    component = BmiNoahPy()
    component.initialize(str(write_example(tmp_path, "noah-permafrost")))
    component.update()

    def work() -> None:
        for _ in range(500):
            component.update()

    measure("BMI update(), 1 column, with a file", work, 500, "15 us")
    component.finalize()


@pytest.fixture
def fed_component(tmp_path: Path) -> Iterator[BmiNoahPy]:
    """A component without a file, all of whose inputs were set."""
    path = write_example(tmp_path, "noah-permafrost")
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    # Half-hourly, as frameworks step: vegetation changes from day to day.
    settings["forcing"], settings["period"]["step"] = None, 1800
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    component = BmiNoahPy()
    component.initialize(str(path))
    for _ in range(2):
        for name, value in INPUTS.items():
            component.set_value(name, np.array([value]))
        component.update()
    yield component
    component.finalize()


@pytest.mark.benchmark(timer=time.process_time)
def test_one_column_takes_steps_with_inputs_as_they_were(measure, fed_component: BmiNoahPy) -> None:
    def work() -> None:
        for _ in range(500):
            fed_component.update()

    measure("BMI update(), 1 column, inputs as they were", work, 500, "15 us")


@pytest.mark.benchmark(timer=time.process_time)
def test_an_input_of_one_column_is_set(measure, fed_component: BmiNoahPy) -> None:
    temperature = np.array([280.0])

    def work() -> None:
        for _ in range(500):
            fed_component.set_value("land_surface_air__temperature", temperature)

    measure("BMI set_value, 1 column", work, 500, "4 us")


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("valid_for", [None, 4], ids=["kept", "overwritten"])
def test_one_column_takes_steps_for_a_coupler(measure, valid_for: int | None) -> None:
    site = make_site(1, 48)
    step = CompiledStep(site.model, valid_for)
    records = [site.record(k) for k in range(48)]

    def work(stepper: Callable = step) -> None:
        state = site.state
        with torch.no_grad():
            for record in records:
                state, _ = stepper(state, record, site.parameters, STEP)

    results = "results kept" if valid_for is None else "results overwritten later"
    measure(f"CompiledStep, 1 column, {results}", work, 48, eager=(lambda: work(site.model), 48))


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("columns", STEPS)
@pytest.mark.parametrize("number_type", NUMBER_TYPES)
def test_columns_run_on_one_core(measure, columns: int, number_type: str) -> None:
    steps = STEPS[columns]
    site = make_site(columns, steps, dtype=NUMBER_TYPES[number_type])
    eager_steps = 5 if columns == 1 else 1
    measure(
        f"run(), {columns:,} columns, {number_type}",
        steps_of(site, "compiled"),
        steps * columns,
        TARGETS.get((number_type, columns), ""),
        (steps_of(site, "eager", eager_steps), eager_steps * columns),
    )


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("columns", [1, 1000, 10_000])
def test_columns_freeze_and_thaw_by_the_enthalpy_scheme(measure, columns: int) -> None:
    steps = {1: 1000, 1000: 48}.get(columns, 4)
    site = make_site(columns, steps, schemes={"phase_change": "enthalpy"})
    target = "" if columns == 1 else "3 us"
    measure(f"run(), {columns:,} columns, enthalpy", steps_of(site, "compiled"), steps * columns, target)


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two processors")
@pytest.mark.parametrize("columns", [10_000, 100_000])
def test_columns_run_on_two_cores(report: Report, columns: int) -> None:
    steps = 2 * STEPS[columns]
    work = steps_of(make_site(columns, steps), "compiled")

    def on(threads: int) -> None:
        torch.set_num_threads(threads)
        work()

    one, two = side_by_side(lambda: on(1), lambda: on(2), rounds=ROUNDS, clock=time.perf_counter)
    what = f"run(), {columns:,} columns, float64, two threads"
    report.add(Row(what, two / (steps * columns) / MICROSECOND, "us"))
    report.add(Row("    as fast as one thread", one / two, "times", "1.7 times"))
