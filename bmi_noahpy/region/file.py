"""Domain files: netCDF with the mask and the maps of a region."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.files.netcdf import NotNetcdf, open_netcdf_file
from bmi_noahpy.files.sizes import MOST_CELLS, TooLarge, check_shape
from bmi_noahpy.region.cell_map import CellMap
from bmi_noahpy.region.domain import Axis, Domain, Floats, Kind
from bmi_noahpy.region.hrldas import in_own_names, is_hrldas
from bmi_noahpy.region.map_target import MapTarget, likely_slips
from bmi_noahpy.region.projection import Projection, ProjectionError, find_projection, geographic, sides_of

READING_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""The libraries that read netCDF raise these for a damaged file, and for attributes of the wrong kind."""
MASKS = ("land_mask", "landmask", "mask", "land_binary_mask")
COORDINATES = {"latitude": ("lat", "latitude"), "longitude": ("lon", "longitude")}
LIMITS = {"latitude": (-90.0, 90.0), "longitude": (-180.0, 360.0)}
LARGEST_LAND_SHARE = 0.5
"""A mask is land above it, so that a land fraction serves as well."""


class DomainFileError(ValueError):
    """A domain file that cannot be used; the message names file, variable and remedy."""


@dataclasses.dataclass(frozen=True, eq=False)
class Region:
    """What a domain file holds.

    Parameters
    ----------
    path : The file.
    domain : Its land cells.
    maps : Dotted key of a configuration -> map over the land cells.
    says : Dotted key -> what the file says of it beside its maps, where the configuration says nothing.
    """

    path: Path
    domain: Domain
    maps: Mapping[str, CellMap]
    says: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        return str(self.path)

    def without(self, columns: NDArray[np.int64]) -> Region:
        """The region with some of its columns left out and noted as invalid.

        Raises
        ------
        DomainFileError : when none is left.
        """
        left = np.setdiff1d(np.arange(self.domain.columns), columns)
        if not len(left):
            raise DomainFileError(
                f"{self.path}: no cell is left after leaving out the invalid ones. Set domain.invalid_cells to 'error' "
                "to see what is wrong with them."
            )
        domain = self.domain.without(columns)
        maps = {
            key: dataclasses.replace(given, values=given.values[..., left], domain=domain)
            for key, given in self.maps.items()
        }
        return Region(self.path, domain, maps, self.says)


def read_region(path: Path, targets: Mapping[str, MapTarget]) -> Region:
    """Read a domain file.

    The horizontal dimensions are those of the latitude and the longitude: one dimension each (a grid), two for both (a
    curvilinear grid) or one for both (points). Maps have them last or in any other place, and before them at most one
    dimension of layers or months. `targets` says by the name of a variable what it sets; units come from the attribute
    ``units``, else they are those of the model; other variables are ignored. A variable ``land_mask``,
    ``landmask``, ``mask`` or of standard name ``land_binary_mask`` is 1 (or above one half) where the model is run.

    A projected grid may have coordinates ``y`` and ``x`` only: latitudes and longitudes follow from its projection.
    Files of HRLDAS and WRF are read by their own names (`bmi_noahpy.region.hrldas`).

    Raises
    ------
    DomainFileError : for a file, coordinates or dimensions that do not fit, and a mask without land.
    """
    if not path.is_file():
        raise DomainFileError(f"'{path}' is not a file. Correct the path.")
    try:
        with open_netcdf_file(path, of_text="Give one with maps.", decode_times=False) as data:
            return _region(data, path, targets)
    except DomainFileError:
        raise
    except NotNetcdf as error:
        raise DomainFileError(str(error)) from error
    except READING_ERRORS as error:
        what = " ".join(str(error).split())
        raise DomainFileError(f"'{path}' cannot be read as netCDF: {what or type(error).__name__}") from None


def _region(data: Any, path: Path, targets: Mapping[str, MapTarget]) -> Region:
    says: dict[str, Any] = {}
    if is_hrldas(data):
        data, says = in_own_names(data)
    domain, dims = _geometry(data, path)
    domain = _on_land(data, domain, dims, path)
    maps: dict[str, CellMap] = {}
    for name in map(str, data.variables):
        target = targets.get(name)
        if target is None or name in dims:
            continue
        if target.path in maps:
            raise DomainFileError(f"{path}: {maps[target.path].source!r} and {name!r} both set {target.path}.")
        values = _columns(data[name], domain, dims, f"{path}: {name}", target)
        maps[target.path] = CellMap(values, domain, name, _units(data[name], target))
    for name, meant in likely_slips(map(str, data.variables), targets).items():
        warnings.warn(f"{path}: variable {name!r} is ignored. Did you mean {meant!r}?", stacklevel=5)
    return Region(path, domain, maps, says)


def _geometry(data: Any, path: Path) -> tuple[Domain, tuple[str, ...]]:
    """All cells of the file, and the names of its horizontal dimensions."""
    projection = find_projection(data)
    if projection is not None and not any(_coordinate_names(data, name) for name in COORDINATES):
        return _projected(data, projection, path)
    latitude, longitude = (_coordinate(data, name, path) for name in COORDINATES)
    if latitude.dims == longitude.dims:
        if latitude.ndim not in (1, 2):
            raise DomainFileError(f"{path}: {latitude.name} has the dimensions {latitude.dims}. It needs one or two.")
        kind: Kind = "points" if latitude.ndim == 1 else "curvilinear"
        dims = tuple(map(str, latitude.dims))
    elif latitude.ndim == longitude.ndim == 1:
        kind, dims = "grid", (str(latitude.dims[0]), str(longitude.dims[0]))
        for side in (latitude, longitude):
            steps = np.diff(side.values)
            if not (np.all(steps > 0) or np.all(steps < 0)):
                raise DomainFileError(f"{path}: {side.name} does not rise, or fall, all along. Sort the grid by it.")
    else:
        raise DomainFileError(
            f"{path}: {latitude.name} has the dimensions {latitude.dims}, {longitude.name} {longitude.dims}. Give one "
            "dimension each for a grid, the same two for a curvilinear grid, or the same one for points."
        )
    if kind == "grid":
        try:
            check_shape((latitude.size, longitude.size), MOST_CELLS)
        except TooLarge as error:
            raise DomainFileError(f"{path}: the grid of {latitude.name} and {longitude.name} {error}") from None
    axes = {
        side: Axis(data[name].values.astype(np.float64), dict(data[name].attrs))
        for side, name in zip("yx", dims, strict=False)
        if kind == "curvilinear" and name in data.variables and data[name].dims == (name,)
    }
    places = (latitude.values.astype(np.float64), longitude.values.astype(np.float64))
    return Domain(kind, *places, axes=axes, projection=projection), dims


def _projected(data: Any, projection: Projection, path: Path) -> tuple[Domain, tuple[str, ...]]:
    """A grid that has coordinates of its projection only."""
    sides = sides_of(data)
    if set(sides) != {"y", "x"}:
        raise DomainFileError(f"{path}: no latitudes and longitudes, and no coordinates y and x. Add either.")
    values = {side: one.values.astype(np.float64) for side, one in sides.items()}
    try:
        check_shape((values["y"].size, values["x"].size), MOST_CELLS)
        latitude, longitude = geographic(projection, values["y"], values["x"])
    except (TooLarge, ProjectionError) as error:
        raise DomainFileError(f"{path}: {error}") from None
    outside = ~(np.isfinite(latitude) & np.isfinite(longitude) & (np.abs(latitude) <= 90.0))
    if outside.any():
        raise DomainFileError(
            f"{path}: {int(outside.sum())} cells have no place on Earth. Correct y, x or the projection."
        )
    axes = {side: Axis(values[side], dict(one.attrs)) for side, one in sides.items()}
    dims = (str(sides["y"].dims[0]), str(sides["x"].dims[0]))
    return Domain("curvilinear", latitude, longitude, axes=axes, projection=projection), dims


def _coordinate_names(data: Any, wanted: str) -> list[str]:
    names = [str(n) for n, v in data.variables.items() if v.attrs.get("standard_name") == wanted]
    return names + [str(n) for n in data.variables if str(n).lower() in COORDINATES[wanted]]


def _coordinate(data: Any, wanted: str, path: Path) -> Any:
    names = _coordinate_names(data, wanted)
    if not names:
        raise DomainFileError(
            f"{path}: no {wanted} among {', '.join(map(str, data.variables))}. Call it {COORDINATES[wanted][0]!r}, or "
            f"give a variable the standard_name {wanted!r}."
        )
    _check_size(data[names[0]], f"{path}: {names[0]}")
    values = data[names[0]].values
    low, high = LIMITS[wanted]
    outside = ~((values >= low) & (values <= high))
    if outside.any():
        raise DomainFileError(
            f"{path}: {names[0]} holds {values[outside][0]:g}, outside {low:g} to {high:g} ({outside.sum()} values). "
            "Give degrees north and east everywhere, over masked cells too."
        )
    return data[names[0]]


def _on_land(data: Any, domain: Domain, dims: tuple[str, ...], path: Path) -> Domain:
    standard = [str(n) for n, v in data.variables.items() if v.attrs.get("standard_name") == "land_binary_mask"]
    names = standard + [name for name in MASKS if name in data.variables]
    if not names:
        return domain
    land = _columns(data[names[0]], domain, dims, f"{path}: {names[0]}", None) > LARGEST_LAND_SHARE
    if not land.any():
        raise DomainFileError(f"{path}: {names[0]} is 0 everywhere. Set it to 1 where the model shall run.")
    return domain if land.all() else domain.choose(np.flatnonzero(land))


def _columns(variable: Any, domain: Domain, dims: tuple[str, ...], where: str, target: MapTarget | None) -> Floats:
    """Values over the columns, ``[column]``, or ``[layer or month, column]`` for a target that may have these."""
    missing = [name for name in dims if name not in variable.dims]
    leading = [str(name) for name in variable.dims if name not in dims]
    if missing:
        raise DomainFileError(f"{where}: has the dimensions {variable.dims}, but the coordinates {dims}. Give all.")
    allowed = 1 if target is not None and target.leading else 0
    if len(leading) > allowed:
        what = f"at most one dimension of {target.leading}s" if target is not None and allowed else "no dimension"
        raise DomainFileError(f"{where}: has the dimensions {variable.dims}. Give {what} beside {dims}.")
    _check_size(variable, where)
    values = np.asarray(variable.transpose(*leading, *dims).values, dtype=np.float64)
    chosen = values.reshape(*values.shape[: len(leading)], -1)[..., domain.places]
    return chosen.reshape(-1, domain.columns) if allowed else chosen


def _check_size(variable: Any, where: str) -> None:
    try:
        check_shape(variable.shape)
    except TooLarge as error:
        raise DomainFileError(f"{where} {error}") from None


def _units(variable: Any, target: MapTarget) -> str | None:
    units = str(variable.attrs.get("units", "")).strip()
    return None if target.key in ("class", "classes", "slope_class") or not units else units
