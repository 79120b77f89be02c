"""The header of a Noah ASCII forcing file as a configuration.

Water stores are in metres there and in kg m-2 here. Two options of the permafrost version of Noah are not in the
header: they are set to ice-impeded hydraulics and the thermal conductivity for coarse soil (``schemes`` of a YAML file
can change them).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bmi_noahpy.config.errors import ConfigurationError, Problem
from bmi_noahpy.config.namelist_text import parse_namelist
from bmi_noahpy.files.brief import suggest

KEYS = {
    "startdate": "period.start",
    "enddate": "period.end",
    "loop_for_a_while": None,
    "output_dir": "output.file",
    "latitude": "domain.latitude",
    "longitude": "domain.longitude",
    "forcing_timestep": "forcing.interval",
    "noahlsm_timestep": "period.step",
    "sea_ice_point": None,
    "soil_layer_thickness": "soil.thickness",
    "soil_temperature": "initial.soil_temperature",
    "soil_moisture": "initial.soil_moisture",
    "soil_liquid": "initial.soil_liquid",
    "soil_htype": "soil.classes",
    "skin_temperature": "initial.skin_temperature",
    "canopy_water": "initial.canopy_water",
    "snow_depth": "initial.snow_depth",
    "snow_equivalent": "initial.snow_water_equivalent",
    "deep_soil_temperature": "general.deep_temperature",
    "dynamic_vegetation": None,
    "landuse_dataset": "vegetation.table",
    "soil_type_index": None,
    "vegetation_type_index": "vegetation.class",
    "urban_veg_category": None,
    "glacial_veg_category": None,
    "slope_type_index": "general.slope_class",
    "max_snow_albedo": "snow.deep_snow_albedo",
    "air_temperature_level": "general.air_temperature_height",
    "wind_level": "general.wind_height",
    "albedo_monthly": "initial.albedo",
    "shdfac_monthly": "vegetation.fraction",
    "z0brd_monthly": "initial.roughness_length",
    "lai_monthly": "vegetation.leaf_area_index",
    "use_urban_module": None,
    "green_vegetation_min": "vegetation.minimum_fraction",
    "green_vegetation_max": "vegetation.maximum_fraction",
    "usemonalb": None,
    "rdlai2d": None,
    "sfcdif_option": "schemes.turbulence",
    "iz0tlnd": "schemes.thermal_roughness",
}
"""Every entry of the header and the key it becomes; None for those that only switch or check something."""

DEFAULTS: Mapping[str, Any] = {
    "loop_for_a_while": 0,
    "output_dir": ".",
    "forcing_timestep": None,
    "sea_ice_point": False,
    "dynamic_vegetation": 2,
    "landuse_dataset": "USGS",
    "soil_type_index": None,
    "lai_monthly": None,
    "use_urban_module": False,
    "usemonalb": False,
    "rdlai2d": False,
    "sfcdif_option": 0,
    "iz0tlnd": 0,
}
"""What entries that may be absent are then; the others must be given."""

LAND_COVER_TABLES = {"": "usgs", "USGS": "usgs", "MODIFIED_IGBP_MODIS_NOAH": "modis"}
TURBULENCE = {0: "paulson1970", 1: "chen1997", 2: "yang2008"}
THERMAL_ROUGHNESS = {0: "zilitinkevich1995", 1: "chen_zhang2009"}
FROZEN_HYDRAULICS = {"infiltration": "schaake1996", "soil_hydraulics": "zhang2007"}
THERMAL_CONDUCTIVITY = {"soil_thermal": "cote_konrad2005"}

KILOGRAMS_PER_METRE = 1000.0
"""Mass of water per area and depth. [kg m-3]"""


def entry_of(key: str) -> str | None:
    """Entry of the header that became a key of a configuration."""
    plain = key.partition("[")[0]
    return next((entry for entry, target in KEYS.items() if target == plain), None)


def namelist_to_mapping(text: str, path: Path) -> tuple[dict[str, Any], list[str]]:
    """Sections of a configuration out of a Noah ASCII forcing file, and remarks about what is computed otherwise.

    Parameters
    ----------
    text : The file, or its header.
    path : Where it is; becomes the forcing file.

    Raises
    ------
    ConfigurationError : for entries that are unknown, missing or ask for something this model does not compute.
    """
    try:
        given = parse_namelist(text)
    except ValueError as error:
        raise ConfigurationError([Problem("", str(error))], str(path)) from None
    entries = {**DEFAULTS, **given}
    problems = [Problem(entry, f"unknown entry. {suggest(entry, KEYS)}") for entry in given if entry not in KEYS]
    problems += [Problem(entry, "missing. Add it to the namelist.") for entry in KEYS if entry not in entries]
    if not problems:
        problems = list(_refused(entries))
    if problems:
        raise ConfigurationError(problems, str(path))
    return _sections(entries, path), list(_remarks(entries))


def _refused(entries: Mapping[str, Any]) -> Iterator[Problem]:
    """What the header asks for and this model does not compute."""
    vegetation = entries["vegetation_type_index"]
    if entries["sea_ice_point"]:
        yield Problem("sea_ice_point", "True, but this model computes land only. Set it to .FALSE.")
    if entries["use_urban_module"]:
        yield Problem("use_urban_module", "True, but there is no urban canopy model. Set it to .FALSE.")
    if vegetation == entries["urban_veg_category"]:
        yield Problem("vegetation_type_index", f"{vegetation} is urban_veg_category. Choose a class without buildings.")
    if vegetation == entries["glacial_veg_category"]:
        yield Problem("vegetation_type_index", f"{vegetation} is glacial_veg_category. Choose a class without glacier.")
    if entries["loop_for_a_while"] != 0:
        yield Problem(
            "loop_for_a_while",
            f"{entries['loop_for_a_while']}, but a run goes through its period once. Set it to 0; to spin up, "
            "start the next run from the last state in the output of this one.",
        )
    for entry, names in (("sfcdif_option", TURBULENCE), ("iz0tlnd", THERMAL_ROUGHNESS)):
        if entries[entry] not in names:
            yield Problem(entry, f"unknown option {entries[entry]!r}. Use one of {', '.join(map(str, names))}.")
    if str(entries["landuse_dataset"]).strip() not in LAND_COVER_TABLES:
        known = ", ".join(filter(None, LAND_COVER_TABLES))
        yield Problem("landuse_dataset", f"unknown data set {entries['landuse_dataset']!r}. Use {known}.")
    if entries["rdlai2d"] and entries["lai_monthly"] is None:
        yield Problem("lai_monthly", "missing, but rdlai2d asks for it. Add it, or set rdlai2d to .FALSE.")
    for entry in ("startdate", "enddate"):
        if len(str(entries[entry])) != 12 or not str(entries[entry]).isdigit():
            yield Problem(entry, f'{entries[entry]!r} is not a date. Write it as "YYYYMMDDHHmm".')


def _remarks(entries: Mapping[str, Any]) -> Iterator[str]:
    """What may surprise somebody who knows the original."""
    first = _listed(entries["soil_htype"])[0]
    if entries["soil_type_index"] not in (None, first):
        yield (
            f"soil_type_index is {entries['soil_type_index']}, but the first soil_htype is {first}. Layer 1 is the "
            f"surface soil here, so {first} is used; set both to the same class."
        )
    if LAND_COVER_TABLES[str(entries["landuse_dataset"]).strip()] != "usgs":
        yield "landuse_dataset is used as given; the original driver reads the USGS table whatever it says."
    if entries["dynamic_vegetation"] != 2:
        yield f"dynamic_vegetation = {entries['dynamic_vegetation']} has no effect, as in the original."


def _sections(entries: Mapping[str, Any], path: Path) -> dict[str, Any]:
    general = {"slope_type_index", "deep_soil_temperature", "air_temperature_level", "wind_level"}
    return {
        "name": path.stem,
        "domain": {"latitude": entries["latitude"], "longitude": entries["longitude"]},
        "period": {
            "start": _instant(entries["startdate"]),
            "end": _instant(entries["enddate"]),
            "step": entries["noahlsm_timestep"],
        },
        "soil": {
            "thickness": _listed(entries["soil_layer_thickness"]),
            "classes": _listed(entries["soil_htype"]),
        },
        "vegetation": _vegetation(entries),
        "snow": {"deep_snow_albedo": entries["max_snow_albedo"]},
        "general": {str(KEYS[entry]).partition(".")[2]: entries[entry] for entry in sorted(general)},
        "schemes": {
            "turbulence": TURBULENCE[entries["sfcdif_option"]],
            "thermal_roughness": THERMAL_ROUGHNESS[entries["iz0tlnd"]],
            **FROZEN_HYDRAULICS,
            **THERMAL_CONDUCTIVITY,
        },
        "initial": _initial(entries),
        "forcing": {"file": path.name, "format": "noah_ascii", "interval": entries["forcing_timestep"]},
        "output": {"file": str(Path(entries["output_dir"]) / f"{path.stem}.nc")},
    }


def _vegetation(entries: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "table": LAND_COVER_TABLES[str(entries["landuse_dataset"]).strip()],
        "class": entries["vegetation_type_index"],
        "fraction": entries["shdfac_monthly"],
        "minimum_fraction": entries["green_vegetation_min"],
        "maximum_fraction": entries["green_vegetation_max"],
        "leaf_area_index": entries["lai_monthly"] if entries["rdlai2d"] else None,
        "albedo": entries["albedo_monthly"] if entries["usemonalb"] else None,
    }


def _initial(entries: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "soil_temperature": _listed(entries["soil_temperature"]),
        "soil_moisture": _listed(entries["soil_moisture"]),
        "soil_liquid": _listed(entries["soil_liquid"]),
        "skin_temperature": entries["skin_temperature"],
        "snow_depth": entries["snow_depth"],
        "snow_water_equivalent": _metres(entries["snow_equivalent"]),
        "canopy_water": _metres(entries["canopy_water"]),
        "albedo": entries["albedo_monthly"],
        "roughness_length": entries["z0brd_monthly"],
    }


def _metres(depth: Any) -> Any:
    return depth * KILOGRAMS_PER_METRE if isinstance(depth, (int, float)) else depth


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _instant(date: str) -> str:
    return f"{date[:4]}-{date[4:6]}-{date[6:8]}T{date[8:10]}:{date[10:12]}"
