from __future__ import annotations

import pytest
import torch
from calibration_cases import write_calibration, write_observations, write_site

from bmi_noahpy.calibration import load_calibration
from bmi_noahpy.calibration.intervals import Interval, position_of, unknown_of
from bmi_noahpy.calibration.problem.controls import base_values
from bmi_noahpy.calibration.problem.fit import Fit
from bmi_noahpy.calibration.search import first_unknowns
from noahpy_core.trees import map_tensors


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    write_site(folder)
    write_observations(folder)
    return folder


def fit_of(folder, parameters, **changes):
    return Fit(load_calibration(write_calibration(folder, {"parameters": parameters, **changes})))


@pytest.mark.parametrize("interval", [Interval(0.3, 0.65), Interval(1e-7, 6e-3, log=True), Interval(-15.0, 15.0)])
def test_every_unknown_gives_a_value_within_the_bounds_and_back(interval):
    unknowns = torch.linspace(-4.0, 4.0, 33, dtype=torch.float64)
    values = interval.value(position_of(unknowns))
    assert bool(((values >= interval.low) & (values <= interval.high)).all())
    torch.testing.assert_close(unknown_of(interval.position(values)), unknowns)


def test_the_middle_of_a_logarithmic_interval_is_the_geometric_mean():
    value = Interval(1e-6, 1e-2, log=True).value(torch.tensor(0.5, dtype=torch.float64))
    assert float(value) == pytest.approx(1e-4)


def test_layers_of_a_class_stay_near_the_value_they_share_and_within_the_bounds(site):
    fit = fit_of(site, {"soil.porosity": {"by": "layer", "bounds": [0.3, 0.65], "spread": 0.1}})
    unknowns = 50.0 * torch.randn(fit.controls.count, 200, dtype=torch.float64, generator=torch.manual_seed(1))
    values = fit.controls.values(unknowns)["soil.porosity"]
    assert values.shape == (4, 200)
    assert bool(((values >= 0.3 - 1e-12) & (values <= 0.65 + 1e-12)).all())
    for pair in (values[:2], values[2:]):  # classes 8 and 4
        assert float((pair.max(0).values / pair.min(0).values).max()) <= 1.1 / 0.9 + 1e-12
    assert float((values[0] / values[2] - 1.0).abs().max()) > 0.5


def test_groups_are_named_and_keep_the_layers_that_are_not_asked_for(site):
    fit = fit_of(
        site,
        {
            "soil.porosity": {"by": "class", "layers": "1-3", "bounds": [0.3, 0.65]},
            "soil.quartz_fraction": {"by": "layer", "layers": 2},
            "general.deep_temperature": {"as": "offset", "bounds": [-1, 1]},
        },
    )
    assert fit.controls.names == [
        "soil.porosity, class 4",
        "soil.porosity, class 8",
        "soil.quartz_fraction, layer 2",
        "general.deep_temperature",
    ]
    inputs = fit.maker.make(torch.zeros(4, 3, dtype=torch.float64))
    base = fit.run.parameters
    assert inputs.parameters.soil.porosity.shape == (4, 3)
    torch.testing.assert_close(inputs.parameters.soil.porosity[:3], torch.full((3, 3), 0.475, dtype=torch.float64))
    assert bool((inputs.parameters.soil.porosity[3] == base.soil.porosity[3]).all())
    assert bool((inputs.parameters.soil.quartz_fraction[[0, 2, 3]] == base.soil.quartz_fraction[[0, 2, 3]]).all())
    assert inputs.parameters.general.deep_temperature.tolist() == [274.0] * 3


def test_columns_of_a_grid_have_values_of_their_own_in_every_start(site):
    run = {"base": "site.yaml", "domain": {"latitude": 60.0, "longitude": [10.0, 11.0]}}
    fit = fit_of(
        site,
        {"vegetation.maximum_albedo": {"by": "column"}, "soil.porosity": {"by": "each", "layers": 1}},
        run=run,
    )
    assert fit.controls.names[-1] == "soil.porosity, layer 1, column 2"
    unknowns = torch.arange(8.0, dtype=torch.float64).reshape(4, 2) / 4.0
    inputs = fit.maker.make(unknowns)
    albedo = fit.controls.values(unknowns)["vegetation.maximum_albedo"]
    assert inputs.parameters.vegetation.maximum_albedo.tolist() == [*albedo[:, 0].tolist(), *albedo[:, 1].tolist()]


def test_the_first_start_is_the_run_as_configured(site):
    parameters = {
        "soil.porosity": {"by": "layer", "bounds": [0.3, 0.65], "spread": 0.2},
        "soil.saturated_hydraulic_conductivity": {},
        "forcing.longwave_down": {"bounds": [-10, 10]},
        "forcing.precipitation": {"bounds": [0.5, 1.5]},
        "initial.soil_temperature": {"bounds": [-1, 1]},
        "initial.soil_moisture": {"bounds": [0.5, 1.5]},
    }
    fit = fit_of(site, parameters, starts=3)
    unknowns = first_unknowns(fit)
    assert unknowns.shape == (fit.controls.count, 3)
    inputs, plain = fit.maker.make(unknowns[:, :1]), fit.maker.unchanged()
    map_tensors(lambda value: value, plain.parameters)
    for name in ("porosity", "saturated_hydraulic_conductivity"):
        torch.testing.assert_close(getattr(inputs.parameters.soil, name), getattr(plain.parameters.soil, name))
    torch.testing.assert_close(inputs.state.soil.temperature, plain.state.soil.temperature)
    torch.testing.assert_close(inputs.state.soil.liquid_water, plain.state.soil.liquid_water)
    series = fit.run.forcing.block(0, 5)
    torch.testing.assert_close(inputs.forcing(series, 1).longwave_down, series.longwave_down)
    assert float((unknowns[:, 1] - unknowns[:, 2]).abs().max()) > 0.1


def test_soil_water_never_exceeds_a_calibrated_porosity(site):
    fit = fit_of(site, {"soil.porosity": {"by": "one", "bounds": [0.2, 0.6]}})
    inputs = fit.maker.make(torch.full((1, 1), -3.0, dtype=torch.float64))
    porosity = inputs.parameters.soil.porosity
    assert float(porosity.max()) < 0.25
    assert bool((inputs.state.soil.moisture <= porosity + 1e-15).all())
    assert bool((inputs.state.soil.ice >= 0.0).all())


def test_what_is_not_given_is_calibrated_from_what_the_model_takes_for_it(tmp_path):
    write_site(tmp_path, {"schemes": {"preset": "conservative"}})
    write_observations(tmp_path)
    paths = ("vegetation.litter_area_index", "vegetation.moss_resistance", "snow.fresh_albedo")
    fit = fit_of(tmp_path, {path: {} for path in paths})
    own = base_values(fit.run, [control.wanted for control in fit.controls.controls])
    assert [float(own[path].squeeze()) for path in paths] == [0.0, 0.0, 0.85]
    given = fit.maker.make(first_unknowns(fit)[:, :1]).parameters
    assert given.vegetation.litter_area_index is not None
    assert given.snow.fresh_albedo.shape == given.snow.full_cover_snow.shape
