"""When the sun is highest: in the records, and at a longitude."""

from __future__ import annotations

import numpy as np

from bmi_noahpy.forcing.table import Array, Times

LIGHT = 20.0
"""Mean radiation that it takes to see a daily course. [W m-2]"""
POLAR = 75.0
"""Latitude beyond which the daily course is not judged. [degrees]"""


def hour_of_maximum(times: Times, shortwave: Array, interval: np.timedelta64, latitude: float) -> float | None:
    """Hour (UTC) about which the mean daily course of shortwave radiation is centred; None where there is no course.

    Parameters
    ----------
    times : Beginning of the interval of each record.
    interval : Its length.
    """
    hours = (times - times.astype("datetime64[D]")) / np.timedelta64(1, "h") + 0.5 * float(
        interval / np.timedelta64(1, "h")
    )
    present = np.isfinite(shortwave)
    weights = np.where(present, shortwave, 0.0)
    whole_day = times[-1] - times[0] + interval >= np.timedelta64(1, "D")
    if abs(latitude) > POLAR or not whole_day or weights.mean() < LIGHT:
        return None
    angle = 2.0 * np.pi * hours / 24.0
    east, north = float((weights * np.sin(angle)).sum()), float((weights * np.cos(angle)).sum())
    if np.hypot(east, north) < 0.2 * weights.sum():
        return None
    return float(np.arctan2(east, north) / (2.0 * np.pi) * 24.0 % 24.0)


def expected_hour(times: Times, longitude: float) -> float:
    """Hour (UTC) of the highest sun at a longitude, on the middle day of the times."""
    middle = times[len(times) // 2].astype("datetime64[D]")
    day = int((middle - middle.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)) + 1
    return float((12.0 - longitude / 15.0 - equation_of_time(day) / 60.0) % 24.0)


def equation_of_time(day: int) -> float:
    """Apparent less mean solar time on a day of the year. [min]

    References
    ----------
    Spencer, J. W., 1971, Search 2, 172.
    """
    angle = 2.0 * np.pi * (day - 1) / 365.0
    return float(
        229.18
        * (
            0.000075
            + 0.001868 * np.cos(angle)
            - 0.032077 * np.sin(angle)
            - 0.014615 * np.cos(2.0 * angle)
            - 0.040849 * np.sin(2.0 * angle)
        )
    )
