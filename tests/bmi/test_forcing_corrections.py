from __future__ import annotations

import dataclasses

import pytest
import torch
import yaml
from calibration_cases import write_site

from bmi_noahpy.config import ConfigurationError, load_configuration
from bmi_noahpy.forcing.corrected import corrected
from bmi_noahpy.forcing.corrections import Correction
from bmi_noahpy.runs.prepare import prepare
from noahpy_core.physics.atmosphere import saturation_specific_humidity


def run_with(folder, corrections):
    path = write_site(folder)
    site = yaml.safe_load(path.read_text())
    site["forcing"]["corrections"] = corrections
    path.write_text(yaml.safe_dump(site))
    return prepare(load_configuration(path))


def test_a_factor_and_an_offset_change_every_step(tmp_path):
    plain = prepare(load_configuration(write_site(tmp_path))).forcing.block(0, 16)
    biased = run_with(
        tmp_path, {"precipitation": {"factor": 1.5}, "longwave_down": {"factor": 1.01, "offset": "5 W m-2"}}
    ).forcing
    torch.testing.assert_close(biased.block(0, 16).precipitation, 1.5 * plain.precipitation)
    torch.testing.assert_close(biased.at(3).longwave_down, 1.01 * plain.longwave_down[3] + 5.0)
    assert torch.equal(biased.block(0, 16).air_temperature, plain.air_temperature)


def test_cooled_air_is_not_supersaturated_and_radiation_not_negative(tmp_path):
    plain = prepare(load_configuration(write_site(tmp_path))).forcing.block(0, 16)
    biases = {"air_temperature": Correction(offset=-20.0), "shortwave_down": Correction(offset=-1e4)}
    cold = corrected(plain, biases)
    limit = saturation_specific_humidity(cold.air_temperature, cold.air_pressure)
    torch.testing.assert_close(cold.specific_humidity, 0.99 * limit)
    assert float(cold.shortwave_down.max()) == 0.0


def test_a_factor_of_snowfall_leaves_rain_alone(tmp_path):
    plain = prepare(load_configuration(write_site(tmp_path))).forcing.block(0, 16)
    plain = dataclasses.replace(plain, precipitation=torch.full_like(plain.precipitation, 1e-5))
    more = corrected(plain, {"snowfall": Correction(factor=1.4), "precipitation": Correction(factor=2.0)})
    frost = plain.air_temperature < 273.15
    assert 0 < int(frost.sum()) < 16
    torch.testing.assert_close(more.precipitation[frost], torch.full((int(frost.sum()),), 2.8e-5, dtype=torch.float64))
    torch.testing.assert_close(
        more.precipitation[~frost], torch.full((int((~frost).sum()),), 2e-5, dtype=torch.float64)
    )


def test_warmer_air_keeps_what_the_scenario_says(tmp_path):
    plain = prepare(load_configuration(write_site(tmp_path))).forcing.block(0, 16)
    usual = run_with(tmp_path, {"air_temperature": {"offset": 3}}).forcing.block(0, 16)
    assert torch.equal(usual.specific_humidity, plain.specific_humidity)
    assert torch.equal(usual.longwave_down, plain.longwave_down)
    kept = {"air_temperature": {"offset": 3, "keep": ["relative_humidity", "emissivity"]}}
    moist = run_with(tmp_path, kept).forcing.block(0, 16)

    def relative(air):
        return air.specific_humidity / saturation_specific_humidity(air.air_temperature, air.air_pressure)

    torch.testing.assert_close(relative(moist), relative(plain).clamp(max=0.99), rtol=1e-12, atol=0)
    torch.testing.assert_close(
        moist.longwave_down / moist.air_temperature**4,
        plain.longwave_down / plain.air_temperature**4,
        rtol=1e-12,
        atol=0,
    )


@pytest.mark.parametrize(
    ("corrections", "words"),
    [
        ({"air_temperature": {"offset": 3, "keep": "relative_humidty"}}, "Did you mean 'relative_humidity'?"),
        ({"air_temperature": {"offset": 3, "keep": ["specific_humidity", "relative_humidity"]}}, "cannot both stay"),
        ({"air_temperature": {"offset": 3, "keep": "emissivity"}, "longwave_down": {"offset": 5}}, "Keep one"),
        ({"precipitation": {"factor": 2, "keep": "emissivity"}}, "unknown key"),
    ],
)
def test_a_scenario_that_contradicts_itself_is_refused(tmp_path, corrections, words):
    with pytest.raises(ConfigurationError, match=words.replace("?", r"\?")):
        run_with(tmp_path, corrections)


def test_every_problem_of_corrections_is_named(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        run_with(
            tmp_path,
            {
                "vegetation_fraction": {"factor": 2},
                "precipitation": {"factr": 1.1},
                "longwave_down": {"offset": "many"},
                "wind_speed": 2.0,
                "air_temperature": {"offset": [[1.0, 2.0]]},
            },
        )
    found = {problem.key: problem.text for problem in caught.value.problems}
    assert "cannot be corrected" in found["forcing.corrections.vegetation_fraction"]
    assert "Did you mean 'factor'?" in found["forcing.corrections.precipitation.factr"]
    assert "'many' is not a number" in found["forcing.corrections.longwave_down.offset"]
    assert "factor or an offset" in found["forcing.corrections.wind_speed"]
    with pytest.raises(ConfigurationError, match="1 latitudes and 1 longitudes"):
        run_with(tmp_path, {"air_temperature": {"offset": [[1.0, 2.0]]}})
