from __future__ import annotations

import pytest
from calibration_cases import write_calibration, write_observations, write_site

from bmi_noahpy.calibration import load_calibration
from bmi_noahpy.calibration.problem.fit import Fit
from bmi_noahpy.config import ConfigurationError, ConfigurationWarning


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    write_site(folder)
    write_observations(folder)
    return folder


def problems(folder, changes):
    with pytest.raises(ConfigurationError) as caught:
        load_calibration(write_calibration(folder, changes))
    return {problem.key: problem.text for problem in caught.value.problems}


def test_an_unknown_parameter_is_named_with_the_nearest_valid_one(site):
    found = problems(site, {"parameters": {"soil.porosty": {}, "vegetation.porosity": {}}})
    assert "Did you mean 'soil.porosity'?" in found["parameters.soil.porosty"]
    assert "Did you mean 'soil.porosity'?" in found["parameters.vegetation.porosity"]


def test_everything_wrong_with_parameters_is_reported_at_once(site):
    found = problems(
        site,
        {
            "parameters": {
                "soil.material": {},
                "soil.porosity": {"bounds": [0.6, 0.4]},
                "soil.quartz_fraction": {"bounds": [0.0, 0.5], "scale": "log"},
                "soil.saturated_suction": {"bounds": [0.01, 50.0]},
                "soil.clapp_hornberger_b": {"spread": 0.1},
                "general.mineral_heat_capacity": {"by": "layer"},
                "snow.snow_cover_shape": {"by": "class"},
                "forcing.longwave_down": {},
                "forcing.precipitation": {"as": "value"},
                "forcing.humidity": {},
                "soil.saturated_hydraulic_conductivity": {"start": 2.0, "bouns": [1e-7, 1e-5]},
            }
        },
    )
    assert set(found) == {
        "parameters.soil.material",
        "parameters.soil.porosity.bounds",
        "parameters.soil.quartz_fraction.scale",
        "parameters.soil.saturated_suction.bounds",
        "parameters.soil.clapp_hornberger_b.spread",
        "parameters.general.mineral_heat_capacity.by",
        "parameters.snow.snow_cover_shape.by",
        "parameters.forcing.longwave_down.bounds",
        "parameters.forcing.precipitation.as",
        "parameters.forcing.humidity",
        "parameters.soil.saturated_hydraulic_conductivity.bouns",
    }
    assert "0.001 to 5 m" in found["parameters.soil.saturated_suction.bounds"]
    assert "Did you mean 'bounds'?" in found["parameters.soil.saturated_hydraulic_conductivity.bouns"]


def test_units_of_bounds_are_converted(site):
    changes = {"parameters": {"soil.saturated_suction": {"bounds": ["2 cm", "60 cm"]}}}
    interval = load_calibration(write_calibration(site, changes)).parameters["soil.saturated_suction"].interval
    assert (interval.low, interval.high) == pytest.approx((0.02, 0.6))


def test_bounds_that_span_orders_of_magnitude_are_scaled_by_their_logarithm(site):
    changes = {
        "parameters": {
            "soil.saturated_hydraulic_conductivity": {"bounds": [1e-7, 6e-3]},
            "soil.porosity": {"bounds": [0.3, 0.65]},
            "soil.saturated_suction": {"bounds": [0.1, 0.5], "scale": "log"},
        }
    }
    parameters = load_calibration(write_calibration(site, changes)).parameters
    assert [wanted.interval.log for wanted in parameters.values()] == [True, False, True]


def test_layers_beyond_the_soil_are_refused(site):
    found = problems(site, {"parameters": {"soil.porosity": {"by": "layer", "layers": "2-9"}}})
    assert "4 layers" in found["parameters.soil.porosity.layers"]


def test_a_parameter_that_follows_from_others_is_refused(site):
    found = problems(site, {"parameters": {"soil.wilting_point": {}}})
    assert "table" in found["parameters.soil.wilting_point"]


def test_problems_of_the_run_are_reported_below_its_key(site):
    found = problems(site, {"run": {"base": "site.yaml", "soil": {"classes": [8, 8, 99, 4]}, "perod": {}}})
    assert "Did you mean 'period'?" in found["run.perod"]
    assert "99" in found["run.soil.classes"]


def test_changes_of_the_base_replace_single_keys(site):
    changes = {"run": {"base": "site.yaml", "general": {"wind_height": 5.0}}}
    run = load_calibration(write_calibration(site, changes)).run
    assert (run.general.wind_height, run.general.deep_temperature) == (5.0, 274.0)
    assert run.soil.thickness == (0.08, 0.15, 0.3, 0.6)


def test_kge_cannot_be_made_small_by_a_method_for_sums_of_squares(site):
    found = problems(site, {"objective": "kge", "optimiser": "levenberg_marquardt"})
    assert "adam or lbfgs" in found["optimiser.name"]


@pytest.mark.parametrize(
    ("changes", "key", "part"),
    [
        ({"observations": "nothing.csv"}, "observations[0].file", "does not exist"),
        (
            {"observations": {"file": "observed.csv", "quantities": ["soil_temprature"]}},
            "observations[0].quantities",
            "so",
        ),
        ({"observations": {"file": "observed.csv", "columns": ["rod*"]}}, "observations[0].file", "none of"),
        ({"observations": {"file": "observed.csv", "cell": [0, 1]}}, "observations[0].cell", "1 rows and 1 columns"),
        ({"calibration": {"start": "2020-04-02", "end": "2021-04-02"}}, "calibration", "not within the run"),
        ({"calibration": {"start": "2020-04-09", "end": "2020-04-02"}}, "calibration", "Exchange"),
        ({"validation": {"start": "2020-04-02", "end": "2020-04-09"}}, "calibration", "missing"),
        ({"spin_up": {"cycles": 2, "period": "1 year"}}, "spin_up.period", "longer than the run"),
        ({"starts": 0}, "starts.count", "greater than or equal to 1"),
        ({"objectve": "nse"}, "objectve", "Did you mean 'objective'?"),
        ({"parameters": {}}, "parameters", "must name parameters"),
        ({"parameters": ...}, "parameters", "missing"),
    ],
)
def test_a_bad_key_is_named_with_its_remedy(site, changes, key, part):
    assert part in problems(site, changes)[key]


def test_fitted_and_validated_periods_may_not_overlap(site):
    spans = {
        "calibration": {"start": "2020-04-02", "end": "2020-04-10"},
        "validation": {"start": "2020-04-09", "end": "2020-04-12"},
    }
    assert "overlaps" in problems(site, spans)["validation"]


def test_an_observation_below_the_soil_is_refused(site, tmp_path):
    (tmp_path / "deep.csv").write_text("time_utc,Tsoil_3m_K\n2020-04-02T00:00Z,273\n2020-04-03T00:00Z,274\n")
    found = problems(site, {"observations": str(tmp_path / "deep.csv")})
    assert "below the soil of 1.13 m" in found["observations[0].exclude"]


def test_a_series_that_does_not_vary_has_no_efficiency(site, tmp_path):
    (tmp_path / "flat.csv").write_text("time_utc,Tsoil_0.1m_K\n2020-04-02T00:00Z,273\n2020-04-03T00:00Z,273\n")
    calibration = load_calibration(write_calibration(site, {"observations": str(tmp_path / "flat.csv")}))
    with pytest.raises(ConfigurationError, match="does not vary"):
        Fit(calibration)


def test_a_calibration_without_observations_is_refused(site):
    calibration = load_calibration(write_calibration(site, {"observations": ...}))
    with pytest.raises(ConfigurationError, match="observations: missing"):
        Fit(calibration)


def test_hydraulics_that_stay_behind_their_primaries_are_warned_of(site):
    with pytest.warns(ConfigurationWarning, match="hydraulics: table keeps"):
        load_calibration(write_calibration(site, {"run": {"base": "site.yaml", "soil": {"hydraulics": "table"}}}))


def test_a_bias_that_the_run_corrects_already_is_refused(site):
    changes = {
        "run": {"base": "site.yaml", "forcing": {"corrections": {"longwave_down": {"offset": 5.0}}}},
        "parameters": {"forcing.longwave_down": {"bounds": [-10, 10]}},
    }
    assert "corrected in run.forcing.corrections" in problems(site, changes)["parameters.forcing.longwave_down"]
