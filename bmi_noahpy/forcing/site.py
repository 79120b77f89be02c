"""Where the records of a single place are, as their file says, against where they are used."""

from __future__ import annotations

from typing import Any

import numpy as np

from bmi_noahpy.forcing.placement import LATITUDES, LONGITUDES, distance
from bmi_noahpy.region.domain import Domain

FAR = 50.0
"""Distance from which on records are told to be of another place; cells of reanalyses may be so wide. [km]"""
Site = tuple[float, float]
"""Latitude and longitude. [degrees]"""


def site_of(data: Any) -> Site | None:
    """The place of a dataset that has one only."""
    found = []
    for names in (LATITUDES, LONGITUDES):
        sides = [data[name] for name in data.variables if str(name).lower() in names]
        if not sides or sides[0].size != 1:
            return None
        found.append(float(sides[0].values.reshape(-1)[0]))
    return found[0], found[1]


def middle_of(data: Any) -> tuple[Site, int] | None:
    """The place of the cell in the middle, and how many there are; None where a dataset has no such coordinates."""
    # A dataset is at hand, so that the library is loaded.
    from xarray import broadcast

    sides = []
    for names in (LONGITUDES, LATITUDES):
        found = next((data[name] for name in data.variables if str(name).lower() in names), None)
        if found is None:
            return None
        sides.append(found.isel({key: 0 for key in found.dims if str(key).lower() == "time"}))
    longitude, latitude = (side.values.reshape(-1) for side in broadcast(*sides))
    known = np.isfinite(latitude) & np.isfinite(longitude)
    if not known.any():
        return None
    away = distance(latitude, longitude, float(np.median(latitude[known])), float(np.median(longitude[known])))
    middle = int(np.nanargmin(away))
    return (float(latitude[middle]), (float(longitude[middle]) + 180.0) % 360.0 - 180.0), int(known.sum())


def far_note(site: Site | None, domain: Domain | None, source: str) -> tuple[str, ...]:
    """A sentence when records of a place are used far from it; none otherwise."""
    if site is None or domain is None or not np.isfinite(site).all():
        return ()
    every = distance(*domain.coordinates, *site)
    nearest = int(np.argmin(every))
    away, latitude, longitude = float(every[nearest]), *(float(side[nearest]) for side in domain.coordinates)
    if away < FAR:
        return ()
    return (
        f"{source}: its records are of {site[0]:g}, {site[1]:g}, {away:.0f} km from the domain at {latitude:g}, "
        f"{longitude:g}: check domain.latitude and domain.longitude",
    )
