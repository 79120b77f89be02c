"""Invented weather of a permafrost site: two years at three-hour intervals from a few published relations.

The site is a dry upland of the continental subarctic. The weather is not that of any real place; it has the
features a land surface model with permafrost must cope with: a long cold season under a thin dry snowpack, a melt
within weeks, thaw in a short summer with rain, and changes of temperature, cloud and radiation that belong together.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from bmi_noahpy.forcing.humidity import saturation_vapour_pressure, specific_humidity
from bmi_noahpy.forcing.table import Array, ForcingTable, Times

INTERVAL = np.timedelta64(3, "h")
RECORDS_PER_DAY = 8
DAYS_PER_YEAR = 365.25
FREEZING_POINT = 273.15
STEFAN_BOLTZMANN = 5.67e-8
GAS_CONSTANT = 287.0
GRAVITY = 9.81
SEED = 3
SKY_TO_CLOUD = 1.8
STRONG_SUN = 800.0
RAIN_CLOUD = 0.75
WET_SHARE = 0.5

# Decimals kept, so that a table written as text and read again is the same.
DECIMALS = {
    "air_temperature": 2,
    "air_pressure": 0,
    "specific_humidity": 7,
    "wind_speed": 2,
    "shortwave_down": 1,
    "longwave_down": 1,
    "precipitation": 9,
}


@dataclasses.dataclass(frozen=True)
class Site:
    """Climate of the invented site. All numbers are choices, none are measurements.

    Parameters
    ----------
    latitude, longitude : degrees north, degrees east.
    elevation : It sets the mean pressure. [m]
    mean_temperature : Of the year. [K]
    seasonal_amplitude : Half the range of the mean year; continental. [K]
    coldest_day : Day of the year, a month after the solstice. [d]
    diurnal_amplitude : Half the range of a clear day in high summer. [K]
    anomaly_winter, anomaly_summer : Standard deviation of daily weather; winters are more variable. [K]
    persistence : e-folding time of weather anomalies. [d]
    cloud_winter, cloud_summer : Mean cloud cover; summers are cloudier. [1]
    precipitation : In a year of average luck, about seventy percent of it from May to September. [kg m-2]
    wet_amount_shape : Shape of the gamma distribution of three-hour amounts; below 1, many small ones. [1]
    mean_wind : [m s-1]
    """

    latitude: float = 62.0
    longitude: float = 130.0
    elevation: float = 700.0
    mean_temperature: float = 267.65
    seasonal_amplitude: float = 17.0
    coldest_day: float = 20.0
    diurnal_amplitude: float = 5.0
    anomaly_winter: float = 5.0
    anomaly_summer: float = 2.5
    persistence: float = 3.0
    cloud_winter: float = 0.45
    cloud_summer: float = 0.6
    precipitation: float = 330.0
    wet_amount_shape: float = 0.7
    mean_wind: float = 3.0


def weather(start: np.datetime64, end: np.datetime64, seed: int = SEED, site: Site | None = None) -> ForcingTable:
    """Records from `start` up to, not including, `end`.

    Parameters
    ----------
    start, end : UTC.
    seed : The same seed gives the same weather.
    site : Climate; None for the built-in one.

    Returns
    -------
    One column; each record is the mean of the three hours that begin at its time.
    """
    site = site or Site()
    count = int((end - start) / INTERVAL)
    times = start.astype("datetime64[s]") + np.arange(count) * INTERVAL.astype("timedelta64[s]")
    # One stream for each quantity: a longer series then begins with the shorter one.
    streams = np.random.default_rng(seed).spawn(6)
    warmth = _warmth(_day_of_year(times), site)
    cloud = _cloud_cover(red_noise(streams[0], len(times), site.persistence / 2.0), warmth, site)
    sun = _clear_sky(times, site)
    temperature = _temperature(streams[1], times, warmth, cloud, site)
    pressure = _pressure(streams[2], len(times), site)
    humidity = _relative_humidity(streams[3], cloud, sun, temperature)
    values = {
        "air_temperature": temperature,
        "air_pressure": pressure,
        "specific_humidity": specific_humidity(humidity, temperature, pressure),
        "wind_speed": _wind(streams[4], sun, site),
        "shortwave_down": sun * cloud_transmissivity(cloud),
        "longwave_down": longwave(temperature, humidity * saturation_vapour_pressure(temperature), cloud),
        "precipitation": _precipitation(streams[5], cloud, warmth, site),
    }
    rounded = {name: np.round(array, DECIMALS[name])[:, None] for name, array in values.items()}
    return ForcingTable(times, rounded, "the built-in example")


def red_noise(random: np.random.Generator, length: int, persistence: float) -> Array:
    """Autocorrelated noise of mean 0 and standard deviation 1: a first-order autoregression.

    Parameters
    ----------
    random : Source of randomness.
    length : Number of records.
    persistence : e-folding time of the autocorrelation. [d]
    """
    memory = float(np.exp(-1.0 / (RECORDS_PER_DAY * persistence)))
    shocks = np.sqrt(1.0 - memory**2) * random.standard_normal(length)
    shocks[0] /= np.sqrt(1.0 - memory**2)
    series = np.empty(length)
    value = 0.0
    for record, shock in enumerate(shocks):
        value = memory * value + shock
        series[record] = value
    return series


def solar_elevation(moments: Times, latitude: float, longitude: float) -> Array:
    """Sine of the height of the sun, negative at night.

    Notes
    -----
    Declination of Cooper (1969), ``23.45 deg sin(2 pi (284 + n) / 365)``. Solar time is UTC plus longitude: the
    equation of time, up to a quarter of an hour, is left out.
    """
    day = _day_of_year(moments)
    declination = np.deg2rad(23.45) * np.sin(2.0 * np.pi * (284.0 + day) / 365.0)
    hour_angle = 2.0 * np.pi * (day % 1.0 + longitude / 360.0) - np.pi
    phi = np.deg2rad(latitude)
    found: Array = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour_angle)
    return found


def clear_sky_shortwave(sine: Array) -> Array:
    """Global radiation under a clear sky after Haurwitz (1945), ``1098 s exp(-0.059 / s)``. [W m-2]"""
    above = np.maximum(sine, 1.0e-3)
    return np.where(sine > 1.0e-3, 1098.0 * above * np.exp(-0.059 / above), 0.0)


def cloud_transmissivity(cloud: Array) -> Array:
    """Share of clear-sky radiation under clouds after Kasten and Czeplak (1980), ``1 - 0.75 c^3.4``. [1]"""
    return 1.0 - 0.75 * cloud**3.4


def longwave(temperature: Array, vapour_pressure: Array, cloud: Array) -> Array:
    """Downwelling longwave radiation of air at `temperature` [K] with `vapour_pressure` [Pa]. [W m-2]

    Notes
    -----
    Emissivity of the clear sky after Brutsaert (1975), ``1.24 (e / T)^(1/7)`` with e in hPa, raised to 1 in
    proportion to cloud cover (Crawford and Duchon 1999).
    """
    clear = np.minimum(1.24 * (0.01 * vapour_pressure / temperature) ** (1.0 / 7.0), 1.0)
    return (cloud + (1.0 - cloud) * clear) * STEFAN_BOLTZMANN * temperature**4


def _day_of_year(times: Times) -> Array:
    """Days since the start of the year, with fraction, 1.0 at the start of 1 January."""
    year = times.astype("datetime64[Y]").astype("datetime64[s]")
    found: Array = (times - year) / np.timedelta64(1, "D") + 1.0
    return found


def _warmth(day_of_year: Array, site: Site) -> Array:
    """The mean year between -1 on the coldest and 1 on the warmest day."""
    return -np.cos(2.0 * np.pi * (day_of_year - site.coldest_day) / DAYS_PER_YEAR)


def _clear_sky(times: Times, site: Site) -> Array:
    """Three-hour means of clear-sky radiation. [W m-2]"""
    offsets = np.arange(7.5, 180.0, 15.0) * 60.0
    moments = times[:, None] + offsets.astype("timedelta64[s]")
    found: Array = clear_sky_shortwave(solar_elevation(moments, site.latitude, site.longitude)).mean(axis=1)
    return found


def _cloud_cover(sky: Array, warmth: Array, site: Site) -> Array:
    """Cloud cover from the state of the sky; the logistic form makes clear and overcast more usual than half cloud."""
    return 1.0 / (1.0 + np.exp(-SKY_TO_CLOUD * sky - _log_odds(_mean_cloud(warmth, site))))


def _mean_cloud(warmth: Array, site: Site) -> Array:
    return site.cloud_winter + (site.cloud_summer - site.cloud_winter) * 0.5 * (1.0 + warmth)


def _log_odds(share: Array | float) -> Array:
    return np.log(share / (1.0 - np.asarray(share)))


def _temperature(random: np.random.Generator, times: Times, warmth: Array, cloud: Array, site: Site) -> Array:
    """Season, hour of the day, weather.

    Clear skies widen the daily range and cool the winter, when the surface loses more radiation than it gets; the day
    is warmest at 15 h local time.
    """
    summer = 0.5 * (1.0 + warmth)
    local_hour = (_day_of_year(times) % 1.0) * 24.0 + site.longitude / 15.0 + 1.5
    daily = np.cos(2.0 * np.pi * (local_hour - 15.0) / 24.0) * (0.2 + 0.8 * summer) * (1.0 - 0.6 * cloud)
    spread = site.anomaly_winter + (site.anomaly_summer - site.anomaly_winter) * summer
    clouds = 6.0 * (cloud - 0.5) * (0.5 - summer)
    anomaly = spread * red_noise(random, len(times), site.persistence)
    return site.mean_temperature + site.seasonal_amplitude * warmth + site.diurnal_amplitude * daily + clouds + anomaly


def _pressure(random: np.random.Generator, length: int, site: Site) -> Array:
    """Hydrostatic pressure at the elevation of the site, with weather of 6 hPa standard deviation."""
    scale_height = GAS_CONSTANT * site.mean_temperature / GRAVITY
    mean = 101_325.0 * np.exp(-site.elevation / scale_height)
    found: Array = mean + 600.0 * red_noise(random, length, site.persistence)
    return found


def _relative_humidity(random: np.random.Generator, cloud: Array, sun: Array, temperature: Array) -> Array:
    """Relative humidity over water: moist under clouds, dry in the sun, and never above saturation over ice."""
    drying = 0.25 * sun / STRONG_SUN
    humidity = 0.62 + 0.3 * cloud - drying + 0.05 * red_noise(random, len(cloud), 1.0)
    # Ice saturates at a vapour pressure lower by the ratio exp(L_f / R_v (1/T0 - 1/T)).
    ice = np.exp(np.minimum(3.34e5 / 461.5 * (1.0 / FREEZING_POINT - 1.0 / temperature), 0.0))
    return np.clip(humidity, 0.2, 0.98 * ice)


def _wind(random: np.random.Generator, sun: Array, site: Site) -> Array:
    """Wind speed of log-normal weather, stronger in the sun, never calm (Noah's exchange coefficients need wind)."""
    weather_factor = np.exp(0.5 * red_noise(random, len(sun), 1.0) - 0.125)
    return np.maximum(site.mean_wind * weather_factor * (0.85 + 0.45 * sun / STRONG_SUN), 0.3)


def _precipitation(random: np.random.Generator, cloud: Array, warmth: Array, site: Site) -> Array:
    """Rates of three-hour amounts that follow a gamma distribution, from half of the hours that are nearly overcast.

    The season changes how much falls, not how often: cold air holds little water.
    """
    chance, size = random.spawn(2)
    wet = (cloud > RAIN_CLOUD) & (chance.random(len(cloud)) < WET_SHARE)
    amounts = size.gamma(site.wet_amount_shape, 1.0 / site.wet_amount_shape, len(cloud))
    mean_rate = site.precipitation / (DAYS_PER_YEAR * 86400.0)
    return np.where(wet, amounts * _season_of_amounts(warmth) * mean_rate / _expected_amount(site), 0.0)


def _season_of_amounts(warmth: Array) -> Array:
    return np.exp(0.85 * warmth)


def _expected_amount(site: Site) -> float:
    """Mean over the year of the seasonal factor times the probability of a wet record."""
    warmth = _warmth(np.arange(1.0, 366.0), site)
    threshold = (_log_odds(RAIN_CLOUD) - _log_odds(_mean_cloud(warmth, site))) / SKY_TO_CLOUD
    overcast = [0.5 * math.erfc(value / math.sqrt(2.0)) for value in threshold]
    return float(np.mean(WET_SHARE * np.asarray(overcast) * _season_of_amounts(warmth)))
