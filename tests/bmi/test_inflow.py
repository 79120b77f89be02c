"""Water that rises under frozen ground, which no column can have, is found, told and left out."""

import warnings

import numpy as np
import pytest

from bmi_noahpy.calibration.file.observed import read_file
from bmi_noahpy.calibration.file.sections import ObservationFile
from bmi_noahpy.observations.inflow import attainable, inflows
from bmi_noahpy.observations.notes import ObservationWarning
from bmi_noahpy.observations.observed import Observed
from bmi_noahpy.observations.reading import read_observations

DAYS = 60
DEEP = "theta_liq_1.2m"


def series(quantity, depth, values, hours=24):
    name = f"{'Tsoil' if quantity == 'soil_temperature' else 'theta_liq'}_{depth}m"
    times = np.datetime64("2016-05-01", "ns") + np.arange(len(values)) * np.timedelta64(hours, "h")
    return Observed(name, quantity, depth, times, np.asarray(values, float), spacing=3600.0 * hours)


def flooded(rise=0.36, rest=0.01, days=6):
    """Liquid water at 1.2 m that comes on day 40, and is gone after some days."""
    water = np.full(DAYS, 0.04)
    water[40 : 40 + days], water[40 + days :] = 0.04 + rise, 0.04 + rest
    return water


def site(deep=None, lid_temperature=272.0, lid_water=0.1, deep_temperature=271.0):
    """Probes for water and temperature at 0.4 and 1.2 m."""
    full = 1.0 + 1e-4 * np.sin(np.arange(DAYS))
    return [
        series("soil_temperature", 0.4, lid_temperature * full),
        series("soil_liquid_water", 0.4, lid_water * full),
        series("soil_temperature", 1.2, deep_temperature * full),
        series("soil_liquid_water", 1.2, flooded() if deep is None else deep),
    ]


def test_water_that_comes_and_goes_under_frozen_ground_is_found_with_its_days():
    (found,) = inflows(site())
    assert (found.column, found.first, found.days) == (DEEP, np.datetime64("2016-06-10"), 6)
    assert (found.before, found.highest, found.above) == pytest.approx((0.04, 0.40, 0.4))


def test_hourly_values_are_judged_by_their_days():
    hourly = [series(one.quantity, one.depth, np.repeat(one.values, 24), hours=1) for one in site()]
    (found,) = inflows(hourly)
    assert (found.first, found.days) == (np.datetime64("2016-06-10"), 6)


@pytest.mark.parametrize(
    "given",
    [
        site(lid_temperature=273.3),
        site(lid_water=np.r_[np.full(38, 0.1), np.full(22, 0.3)]),
        site(deep=0.04 + np.linspace(0.0, 0.3, DAYS)),
        site(deep=flooded(rise=0.05)),
        site()[2:],
        [*site()[:1], *site()[2:]],
    ],
    ids=["thawed above", "wetter above", "slow", "little", "no probe above", "no water above"],
)
def test_what_may_have_come_from_above_is_not_found(given):
    assert inflows(given) == []


def test_it_lasts_until_the_ground_there_has_thawed_for_a_week():
    thawing = np.where(np.arange(DAYS) < 45, 271.0, 274.0)
    (found,) = inflows(site(deep=flooded(days=20), deep_temperature=thawing))
    assert found.days == 45 + 7 - 40
    (longer,) = inflows(site(deep=flooded(days=20)))
    assert longer.days == 20


def test_what_a_column_can_reach_is_the_efficiency_of_the_series_without_that_water():
    season = 0.04 + 0.2 * np.sin(np.arange(DAYS) / 9.0) ** 2
    observed = series("soil_liquid_water", 1.2, season + flooded(rise=0.2, rest=0.0) - 0.04)
    found = inflows(site(deep=flooded()))
    lacking = np.where(found[0].covers(observed.times), np.interp(np.arange(DAYS), [39, 46], season[[39, 46]]), season)
    misfit = ((observed.values - lacking) ** 2).sum()
    expected = 1.0 - misfit / ((observed.values - observed.values.mean()) ** 2).sum()
    assert attainable(observed, found) == pytest.approx(expected)
    assert attainable(site()[1], found) == 1.0, "water of another series does not count"


def written(tmp_path, deep=None, **section):
    columns = site(deep)
    lines = ["time," + ",".join(f"{one.column}_{'K' if 'T' in one.column else 'm3_m3'}" for one in columns)]
    lines += [
        f"{columns[0].times[day].astype('datetime64[D]')},{','.join(str(one.values[day]) for one in columns)}"
        for day in range(DAYS)
    ]
    path = tmp_path / "observed.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ObservationFile.model_validate({"file": str(path), **section}, context={"folder": tmp_path, "read": {}})


def test_a_calibration_tells_of_it_and_leaves_out_what_is_mostly_such_water(tmp_path):
    with pytest.warns(
        ObservationWarning, match=r"from 0\.04 to 0\.40 m3 m-3 from 2016-06-10 on, .* Say inflow"
    ) as told:
        kept = read_file(written(tmp_path))
    assert len(told) == 1
    with pytest.warns(ObservationWarning, match=r"efficiency of -0\.09 there at best\. It does not count"):
        left = read_file(written(tmp_path, inflow="leave_out"))
    assert {one.column for one in kept} - {one.column for one in left} == {f"{DEEP}_m3_m3"}


def test_a_series_with_little_of_it_counts(tmp_path):
    deep = np.where(np.arange(DAYS) < 20, 0.3, flooded(rise=0.11, rest=0.0))
    with pytest.warns(ObservationWarning, match=r"efficiency of 0\.9\d there at best\.$"):
        found = read_file(written(tmp_path, deep, inflow="leave_out"))
    assert len(found) == 4


def test_nothing_is_told_of_a_series_that_does_not_count(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ObservationWarning)
        read_file(written(tmp_path, exclude=["theta_liq_1.2*"]))


def test_one_probe_of_a_measured_site_is_mostly_such_water_and_two_have_some(shared):
    found = read_observations(shared / "data" / "yakou" / "observations.csv")
    events = inflows(found)
    reached = {one.depth: attainable(one, events) for one in found if one.column in {event.column for event in events}}
    assert {depth: round(value, 2) for depth, value in reached.items()} == {0.8: 0.94, 1.2: 0.33, 1.6: 0.93}
    assert [str(event.first)[:4] for event in events if event.depth == 1.2] == ["2016", "2017", "2018", "2019"]
