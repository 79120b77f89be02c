"""Domain files of HRLDAS and WRF (geo_em, wrfinput, HRLDAS_setup), in the names of this program."""

from __future__ import annotations

from typing import Any

import numpy as np

LATITUDES, LONGITUDES = ("XLAT", "XLAT_M"), ("XLONG", "XLONG_M")
MAPS = {
    "ISLTYP": "soil_class",
    "SCT_DOM": "soil_class",
    "IVGTYP": "vegetation_class",
    "LU_INDEX": "vegetation_class",
    "TSLB": "soil_temperature",
    "SMOIS": "soil_moisture",
    "SH2O": "soil_liquid",
    "TMN": "deep_temperature",
    "SOILTEMP": "deep_temperature",
    "TSK": "skin_temperature",
    "CANWAT": "canopy_water",
    "SNOW": "snow_water_equivalent",
    "SNOWH": "snow_depth",
    "GREENFRAC": "vegetation_fraction",
    "SHDMIN": "vegetation_minimum_fraction",
    "SHDMAX": "vegetation_maximum_fraction",
    "HGT": "elevation",
    "HGT_M": "elevation",
}
"""Variable -> what it is called here; of several for one, the first counts."""
UNITS = {"SHDMIN": "percent", "SHDMAX": "percent"}
"""Units that the files of these models state in a way of their own."""
LAND_COVER = {"USGS": "usgs", "MODIFIED_IGBP_MODIS_NOAH": "modis"}
"""Value of the attribute MMINLU -> table."""
WATER = 2.0
"""Value of XLAND where there is no land."""


def is_hrldas(data: Any) -> bool:
    """Whether a dataset is such a file."""
    return any(name in data.variables for name in LATITUDES) and any(name in data.variables for name in MAPS)


def in_own_names(data: Any) -> tuple[Any, dict[str, Any]]:
    """The dataset in the names of this program, without the dimension of time, and what it says beside its maps.

    Returns
    -------
    The dataset; and dotted keys of a configuration with the values that hold where it has none: the numbering of soil
    (``stas``, as of public SOILPARM files) and of land cover (by MMINLU), and the thickness of the layers (DZS).
    """
    import xarray

    found: dict[str, Any] = {}
    for names, own in ((LATITUDES, "lat"), (LONGITUDES, "lon")):
        found[own] = _flat(data[next(name for name in names if name in data.variables)])
    for name, own in MAPS.items():
        if name in data.variables and own not in found:
            variable = _flat(data[name])
            units = UNITS.get(name) or ("" if own in ("soil_class", "vegetation_class") else _plain(variable))
            found[own] = variable.assign_attrs(units=units) if units else variable.drop_attrs()
    if "LANDMASK" in data.variables:
        found["land_mask"] = _flat(data["LANDMASK"])
    elif "XLAND" in data.variables:
        found["land_mask"] = (_flat(data["XLAND"]) != WATER).astype(np.float64)
    own_maps = xarray.Dataset(found, attrs=data.attrs)
    return own_maps, dict(_defaults(data))


def _defaults(data: Any) -> Any:
    if any(name in data.variables for name, own in MAPS.items() if own == "soil_class"):
        yield "soil.table", "stas"
    cover = str(data.attrs.get("MMINLU", "")).strip()
    if cover in LAND_COVER:
        yield "vegetation.table", LAND_COVER[cover]
    if "DZS" in data.variables:
        yield "soil.thickness", [round(float(value), 9) for value in _flat(data["DZS"]).values]


def _flat(variable: Any) -> Any:
    """Without the time, of which the first is taken, and without its coordinates."""
    times = [name for name in variable.dims if str(name) in ("Time", "time")]
    return variable.isel(dict.fromkeys(times, 0)).reset_coords(drop=True)


def _plain(variable: Any) -> str:
    """Units without the marks of WRF: ``m{3} m{-3}`` and ``fraction``."""
    text = str(variable.attrs.get("units", "")).replace("{", "").replace("}", "").strip()
    return {"fraction": "1", "meters MSL": "m", "meters": "m", "-": ""}.get(text, text)
