"""Checks between keys of a configuration. Each sees what could be read, so that all problems are reported together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.config.errors import Problem
from bmi_noahpy.config.extent import NO_PHYSICS, Read, column_count, grid_shape, of_columns, region_of, wrong_classes
from bmi_noahpy.config.limit_checks import EXTENT, check_limits
from bmi_noahpy.config.maps import check_numbering
from bmi_noahpy.config.run_checks import check_restart, check_spin_up
from bmi_noahpy.config.sections import EQUILIBRIUM
from bmi_noahpy.config.values import column_values
from bmi_noahpy.forcing.spec import find_files
from bmi_noahpy.output.sampling import make_sampler
from bmi_noahpy.output.variables import choose_variables
from bmi_noahpy.region.cell_map import CellMap
from noahpy_core.class_values import (
    checked_slopes,
    slope_class_count,
    soil_class_names,
    vegetation_class_names,
)
from noahpy_core.errors import ClassError, KeyedError
from noahpy_core.organic_soil import ORGANIC_SOIL, mixture
from noahpy_core.parameter_values import soil_property, vegetation_property

ICE_DENSITY = 917.0
"""Snow cannot be denser. [kg m-3]"""

GIVEN_ELSEWHERE = {
    "vegetation": ("minimum_fraction", "maximum_fraction"),
    "snow": ("deep_snow_albedo",),
    "general": ("deep_temperature", "air_temperature_height", "wind_height"),
}
COLUMN_VALUES = (
    "domain.elevation",
    "vegetation.class_",
    "vegetation.minimum_fraction",
    "vegetation.maximum_fraction",
    "snow.deep_snow_albedo",
    "general.slope_class",
    "general.deep_temperature",
    "general.air_temperature_height",
    "general.wind_height",
    "initial.skin_temperature",
    "initial.snow_depth",
    "initial.snow_water_equivalent",
    "initial.canopy_water",
)
LAYER_VALUES = ("soil.classes", "initial.soil_temperature", "initial.soil_moisture", "initial.soil_liquid")
MONTH_VALUES = (
    "vegetation.fraction",
    "vegetation.leaf_area_index",
    "vegetation.albedo",
    "initial.albedo",
    "initial.roughness_length",
)


def check(read: Read) -> list[Problem]:
    """Everything wrong between keys; values of the wrong shape are not compared with others."""
    beyond = list(check_limits(read))
    if any(problem.key in EXTENT for problem in beyond):
        return beyond  # Others spread values over all columns and layers.
    problems = beyond + [problem for find in _INDEPENDENT for problem in find(read)]
    misshapen = list(_shapes(read))
    sound = dict(read)
    if "domain.latitude" not in read or "domain.longitude" not in read:
        # A side of the grid was refused: nobody knows how many columns a map should have.
        sound = _without_maps(read)
    for problem in misshapen:
        section, name = problem.key.split(".")[:2]
        sound.pop(f"{section}.{name}" if name != "class" else "vegetation.class_", None)
    return problems + misshapen + [problem for find in _CONTENTS for problem in find(sound)]


def _shapes(read: Read) -> Iterator[Problem]:
    """Lengths of lists against the number of layers and the sides of the grid."""
    thickness = read.get("soil.thickness")
    if thickness is not None and (not isinstance(thickness, tuple) or np.ndim(thickness) != 1 or len(thickness) < 2):
        yield Problem("soil.thickness", f"{thickness!r} is not a list of layers. Give at least two thicknesses.")
        return
    layers = len(thickness) if thickness is not None else None
    for key, value in _values(read, LAYER_VALUES, "soil"):
        if layers is not None and isinstance(value, CellMap) and value.values.shape[0] not in (1, layers):
            yield Problem(key, f"{value!r} has {value.values.shape[0]} layers, but soil.thickness has {layers}.")
        if layers is not None and isinstance(value, tuple) and len(value) != layers:
            yield Problem(key, f"has {len(value)} layers, but soil.thickness has {layers}. Give one value for each.")
    if "domain.latitude" not in read or "domain.longitude" not in read or "domain.file" not in read:
        return
    region, sides = region_of(read), grid_shape(read)
    for key, value in _all_values(read):
        shape = np.shape(value) if isinstance(value, tuple) else ()
        if len(shape) >= 2 and region is not None:
            yield Problem(key, "has rows and columns beside domain.file. Put it into that file, as a map.")
            continue
        if len(shape) >= 2 and shape[-2:] != sides:
            yield Problem(
                key,
                f"has {shape[-2]} rows of {shape[-1]}, but the domain has {sides[0]} latitudes and {sides[1]} "
                "longitudes. Give one value for each as [y][x], or a single one for all.",
            )


def _without_maps(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values, and parameters among them, that do not have rows and columns of a grid."""
    kept = {key: _without_maps(value) if isinstance(value, Mapping) else value for key, value in values.items()}
    return {key: value for key, value in kept.items() if not isinstance(value, tuple) or np.ndim(value) < 2}


def _all_values(read: Read) -> Iterator[tuple[str, Any]]:
    yield from _values(read, LAYER_VALUES, "soil")
    yield from _values(read, MONTH_VALUES)
    for section in GIVEN_ELSEWHERE:
        yield from _values(read, (), section)
    yield from _values(read, COLUMN_VALUES)
    for name, parts in (read.get("forcing.corrections") or {}).items():
        yield from ((f"forcing.corrections.{name}.{key}", value) for key, value in parts.items() if key != "keep")


def _values(read: Read, keys: tuple[str, ...], overrides: str | None = None) -> Iterator[tuple[str, Any]]:
    for key in keys:
        if read.get(key) is not None and read[key] != EQUILIBRIUM:
            yield key.rstrip("_"), read[key]
    if overrides:
        for name, value in (read.get(f"{overrides}.parameters") or {}).items():
            yield f"{overrides}.parameters.{name}", value


def _period(read: Read) -> Iterator[Problem]:
    start, end, step = (read.get(f"period.{name}") for name in ("start", "end", "step"))
    if start is None or end is None:
        return
    length = (end - start).total_seconds()
    if length < 0:
        yield Problem("period.end", f"{end.isoformat()} is before period.start, {start.isoformat()}. Exchange them.")
    elif step is not None and step != int(step):
        yield Problem("period.step", f"{step!r} s is not a whole number of seconds. Round it.")
    elif step is not None and length % step:
        whole = np.datetime64(start, "s") + np.timedelta64(int(length // step * step), "s")
        yield Problem(
            "period.end",
            f"{end.isoformat()} is not a whole number of steps of {step:g} s after period.start. "
            f"It is the time of the last step: use {whole}, for instance.",
        )


def _given_twice(read: Read) -> Iterator[Problem]:
    for section, names in GIVEN_ELSEWHERE.items():
        for name in names:
            if name in (read.get(f"{section}.parameters") or {}):
                yield Problem(f"{section}.parameters.{name}", f"has a key of its own. Set {section}.{name} instead.")


def _files(read: Read) -> Iterator[Problem]:
    forcing, output = read.get("forcing.file"), read.get("output.file")
    try:
        files = [] if forcing is None else find_files(forcing)
    except KeyedError as error:
        yield Problem(error.key, error.reason)
        return
    if output is not None and output in files:
        yield Problem("output.file", f"'{output}' is the forcing file. Choose another name.")


def _output(read: Read) -> Iterator[Problem]:
    names, every, daily = (read.get(f"output.{name}") for name in ("variables", "every", "daily"))
    if daily and every not in (None, 1):
        yield Problem("output.every", f"{every} is given beside output.daily. Keep only one of them.")
    start, step = read.get("period.start"), read.get("period.step")
    try:
        if names:
            choose_variables(names)
        if daily and start is not None and step is not None:
            make_sampler((), every=1, daily=daily, step=step, start=np.datetime64(start, "s"))
    except KeyedError as error:
        yield Problem(error.key, error.reason)


def _vegetation(read: Read) -> Iterator[Problem]:
    columns = column_count(read)
    low, high = read.get("vegetation.minimum_fraction"), read.get("vegetation.maximum_fraction")
    if low is not None and high is not None:
        crossed = column_values(low, columns) > column_values(high, columns)
        text = f"{low!r} is above maximum_fraction, {high!r}"
        yield from of_columns("vegetation.minimum_fraction", text, "Exchange them.", crossed, read)
    if read.get("vegetation.fraction", 0.0) is None and read.get("forcing.file") is None:
        yield Problem("vegetation.fraction", "missing, and there is no forcing file that could hold it. Add this key.")
    slope, table = read.get("general.slope_class"), read.get("general.table")
    if isinstance(slope, CellMap):
        valid = range(1, slope_class_count(table) + 1)
        yield from wrong_classes("general.slope_class", slope, valid, f"holds classes beyond 1 to {len(valid)}")
    elif slope is not None:
        try:
            checked_slopes(column_values(slope, columns), table)
        except ClassError as error:
            yield Problem("general.slope_class", f"{error.place}: {error.reason}")
    yield from _land_cover(read, columns)


def _land_cover(read: Read, columns: int) -> Iterator[Problem]:
    classes, table = read.get("vegetation.class_"), read.get("vegetation.table")
    if classes is None or table is None:
        return
    numbers = column_values(classes, columns)
    if isinstance(classes, CellMap):
        wrong = list(wrong_classes("vegetation.class", classes, vegetation_class_names(table), NO_PHYSICS))
        if wrong:
            yield wrong[0]
            return
    try:
        rooted = vegetation_property(numbers, "root_layers", table)
    except ClassError as error:
        yield Problem("vegetation.class", f"{error.place}: {error.reason}")
        return
    thickness = read.get("soil.thickness")
    given = (read.get("vegetation.parameters") or {}).get("root_layers")
    roots = column_values(given, columns) if given is not None else rooted
    if thickness is not None:
        key = "vegetation.class" if given is None else "vegetation.parameters.root_layers"
        text = f"roots reach through {np.max(roots):g} layers, but soil.thickness has {len(thickness)}"
        remedy = "Use more layers, or set vegetation.parameters.root_layers."
        yield from of_columns(key, text, remedy, roots > len(thickness), read)


def _soil_water(read: Read) -> Iterator[Problem]:
    porosity = None
    classes, table = read.get("soil.classes"), read.get("soil.table")
    if isinstance(classes, CellMap) and table is not None:
        wrong = list(wrong_classes("soil.classes", classes, soil_class_names(table), NO_PHYSICS))
        if wrong:
            yield wrong[0]
            return
    try:
        porosity = _porosity(read)
    except ClassError as error:
        yield Problem("soil.classes", f"{error.place}: {error.reason}")
    thickness = read.get("soil.thickness")
    moisture, liquid = read.get("initial.soil_moisture"), read.get("initial.soil_liquid")
    if thickness is None or moisture is None:
        return
    columns = column_count(read)
    total = column_values(moisture, columns, len(thickness))
    if porosity is not None:
        yield from _above("initial.soil_moisture", total, "the porosity", porosity, read)
    if liquid is not None and liquid != EQUILIBRIUM:
        yield from _above(
            "initial.soil_liquid", column_values(liquid, columns, len(thickness)), "soil_moisture", total, read
        )


def _porosity(read: Read) -> NDArray[np.float64] | None:
    """What water fits into, organic matter mixed in; None when that cannot be known yet."""
    classes, table, thickness = (read.get(f"soil.{name}") for name in ("classes", "table", "thickness"))
    if classes is None or table is None or thickness is None:
        return None
    columns = column_count(read)
    porosity = soil_property(column_values(classes, columns, len(thickness)), "porosity", table)
    given = read.get("soil.parameters") or {}
    if given.get("porosity") is not None:
        porosity = column_values(given["porosity"], columns, len(thickness))
    if given.get("organic_matter") is None:
        return porosity
    share = column_values(given["organic_matter"], columns, len(thickness))
    return mixture(porosity, ORGANIC_SOIL["porosity"], share)


def _above(key: str, values: NDArray[Any], name: str, limit: NDArray[Any], read: Read) -> Iterator[Problem]:
    too_much = values > limit
    if too_much.any() and region_of(read) is not None:
        layer, column = np.argwhere(too_much)[0]
        text = f"{values[layer, column]:g} in layer {layer + 1} is above {name}, {limit[layer, column]:g},"
        yield from of_columns(key, text, "", too_much, read)
    elif too_much.any():
        layer, column = np.argwhere(too_much)[0]
        where = f"layer {layer + 1}" + (f", column {column + 1}" if values.shape[1] > 1 else "")
        yield Problem(
            key,
            f"{values[layer, column]:g} in {where} is above {name}, {limit[layer, column]:g}. "
            f"Lower it{_others(int(too_much.sum()))}.",
        )


def _others(count: int) -> str:
    return f" ({count} values in all)" if count > 1 else ""


def _snow(read: Read) -> Iterator[Problem]:
    depth, water = read.get("initial.snow_depth"), read.get("initial.snow_water_equivalent")
    if depth is None or water is None:
        return
    columns = column_count(read)
    depths, waters = column_values(depth, columns), column_values(water, columns)
    one_only, too_dense = (depths > 0) != (waters > 0), waters > ICE_DENSITY * depths
    if one_only.any():
        text = f"{depth!r} with snow_water_equivalent {water!r}"
        yield from of_columns("initial.snow_depth", text, "Give both, or neither.", one_only, read)
    else:
        text = f"{water!r} kg m-2 in a snow depth of {depth!r} m is denser than ice"
        yield from of_columns("initial.snow_water_equivalent", text, "Check the units of both.", too_dense, read)


Check = Callable[[Read], Iterator[Problem]]
_INDEPENDENT: tuple[Check, ...] = (
    _period, _given_twice, _files, _output, check_restart, check_spin_up, check_numbering,
)  # fmt: skip
_CONTENTS: tuple[Check, ...] = (_vegetation, _soil_water, _snow)
