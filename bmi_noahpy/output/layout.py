"""Dimensions, coordinates, attributes and parameters of a CF-1.11 output file."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import netCDF4
import numpy as np
import yaml
from numpy.typing import NDArray

from bmi_noahpy.output.chunks import records_of_chunk, storage
from bmi_noahpy.output.sampling import Column
from bmi_noahpy.region.domain import Domain
from noahpy_core.leaves import array_of
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import get_quantity, quantities

if TYPE_CHECKING:
    from bmi_noahpy.runs.any_run import AnyRun


CONVENTIONS = "CF-1.11"
SOIL_NUMBERINGS = {
    "noah": "1 clay to 12 sand",
    "noahpy": "1 clay to 12 sand",
    "stas": "1 sand to 12 clay, as public SOILPARM.TBL, WRF and HRLDAS",
    "stas-2010": "1 sand to 12 clay, with the values that later SOILPARM.TBL correct",
}


class Layout:
    """How the columns of a run lie in a file.

    A single column has scalar coordinates ``lat`` and ``lon``; a grid has dimensions ``lat`` and ``lon``; a curvilinear
    grid the dimensions ``y`` and ``x``, and points the dimension ``point``, with coordinates ``lat`` and ``lon`` along
    them. Cells of a grid that are no columns are missing. The dimension ``layer`` holds depths when all columns share
    them, else numbers, with depths in the coordinate ``layer_depth``.
    """

    def __init__(self, run: AnyRun) -> None:
        self.run = run
        self.domain: Domain = run.domain
        self.cells = self.domain.shape if self.domain.dimensions else ()
        self.columns = self.domain.columns
        self.horizontal = self.domain.dimensions
        self.thickness = array_of(run.thickness).astype(np.float64)
        self.layers = self.thickness.shape[0]
        self.snow_layers = run.initial_state.snow.layers
        self.layers_vary = bool(np.any(self.thickness != self.thickness[:, :1]))

    @property
    def coordinates(self) -> str:
        """Value of the CF attribute ``coordinates`` of a variable without layers."""
        return "" if self.domain.kind == "grid" else "lat lon"

    @property
    def mapping(self) -> dict[str, str]:
        """The attribute that names the coordinate reference system, where there is one."""
        return {} if self.domain.projection is None else {"grid_mapping": self.domain.projection.name}

    def array(self, numbers: Any) -> NDArray[np.float64]:
        """A copy of ``[..., column]`` values in the shape they have in the file."""
        values = array_of(numbers).astype(np.float64, copy=False)
        if values.shape[-1] != self.columns:
            values = np.broadcast_to(values, (*values.shape[:-1], self.columns))
        return np.array(self.domain.scatter(values))

    def lengths(self, dims: tuple[str, ...]) -> list[int]:
        """Lengths of the dimensions of a quantity before the horizontal ones."""
        return [{"layer": self.layers, "snow_layer": self.snow_layers}[name] for name in dims]

    def shape(self, dims: tuple[str, ...]) -> tuple[int, ...]:
        """Of a quantity in the file, time excluded."""
        return (*self.lengths(dims), *self.cells)

    def dimensions(self, dims: tuple[str, ...]) -> tuple[str, ...]:
        """Names of the file's dimensions of a quantity, time excluded."""
        found: tuple[str, ...] = dims + self.horizontal
        return found


def create_file(path: Path, run: AnyRun, columns: Sequence[Column], compression: int) -> netCDF4.Dataset:
    """A new netCDF-4 file with everything but records; the caller closes it."""
    dataset = netCDF4.Dataset(path, "w", format="NETCDF4")
    try:
        layout = Layout(run)
        _global_attributes(dataset, run)
        _time(dataset, run)
        _horizontal(dataset, layout)
        _layers(dataset, layout)
        _snow_layers(dataset, layout)
        for column in columns:
            _variable(dataset, layout, column, compression)
        _parameters(dataset.createGroup("parameters"), layout, run.parameters)
        dataset.sync()
    except BaseException:
        dataset.close()
        raise
    return dataset


def _global_attributes(dataset: netCDF4.Dataset, run: AnyRun) -> None:
    created = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    source = f"NoahPy {_version()}"
    dataset.setncatts(
        {
            "Conventions": CONVENTIONS,
            "title": f"{run.configuration.name}: simulation of the Noah land surface model",
            "source": source,
            "history": f"{created} {source}: created",
            "references": "Chen and Dudhia 2001, doi:10.1175/1520-0493(2001)129<0569:CAALSH>2.0.CO;2; "
            "Wu et al. 2018, doi:10.1002/ppp.1971",
            "configuration": yaml.safe_dump(run.configuration.model_dump(mode="json"), sort_keys=False),
            "soil_classes": numbering(run.configuration.soil.table),
            "options": json.dumps(vars(run.schemes), default=str),
            "step_seconds": float(run.step),
        }
    )


def numbering(table: Any) -> str:
    """Whose numbers the classes of soil are."""
    return f"numbers of the table {table}: {SOIL_NUMBERINGS.get(str(table), 'as in its file')}"


def _version() -> str:
    try:
        return version("noahpy")
    except PackageNotFoundError:
        return "(not installed)"


def _time(dataset: netCDF4.Dataset, run: AnyRun) -> None:
    dataset.createDimension("time", None)
    dataset.createDimension("bnds", 2)
    start = str(run.start.astype("datetime64[s]")).replace("T", " ")
    time = dataset.createVariable("time", "f8", ("time",), chunksizes=(1024,))
    time.setncatts(
        {
            "standard_name": "time",
            "long_name": "end of the interval; states are valid then, fluxes are means over the interval",
            "units": f"seconds since {start}",
            "calendar": "standard",
            "axis": "T",
            "bounds": "time_bnds",
        }
    )
    dataset.createVariable("time_bnds", "f8", ("time", "bnds"), chunksizes=(1024, 2))


def _horizontal(dataset: netCDF4.Dataset, layout: Layout) -> None:
    domain = layout.domain
    for name, size in zip(domain.dimensions, layout.cells, strict=True):
        dataset.createDimension(name, size)
    for name, values, axis, long_name, units in (
        ("lat", domain.latitude, "Y", "latitude", "degrees_north"),
        ("lon", domain.longitude, "X", "longitude", "degrees_east"),
    ):
        attributes = {"standard_name": long_name, "long_name": long_name, "units": units}
        if domain.kind == "grid":
            attributes["axis"] = axis
        dims = (name,) if domain.kind == "grid" else domain.dimensions
        variable = dataset.createVariable(name, "f8", dims)
        variable.setncatts(attributes)
        variable[...] = values if dims else values[0]
    for name, side in domain.axes.items():
        variable = dataset.createVariable(name, "f8", (name,))
        variable.setncatts({**side.attributes, "axis": name.upper()})
        variable[:] = side.values
    if domain.projection is not None:
        mapping = dataset.createVariable(domain.projection.name, "i4", ())
        mapping.setncatts(dict(domain.projection.attributes))
    if not domain.complete:
        _status(dataset, layout)


def _status(dataset: netCDF4.Dataset, layout: Layout) -> None:
    """Which cells are computed, and which were left out because something about them was invalid."""
    variable = dataset.createVariable("cell_status", "i1", layout.dimensions(()))
    attributes: dict[str, Any] = {
        "standard_name": "status_flag",
        "long_name": "what became of the cell",
        "flag_values": np.array([0, 1, 2], dtype=np.int8),
        "flag_meanings": "outside_the_domain computed left_out_as_invalid",
    }
    if layout.coordinates:
        attributes["coordinates"] = layout.coordinates
    variable.setncatts(attributes | layout.mapping)
    variable[...] = layout.domain.status


def _layers(dataset: netCDF4.Dataset, layout: Layout) -> None:
    dataset.createDimension("layer", layout.layers)
    depth_attributes = {
        "standard_name": "depth",
        "long_name": "depth of the middle of the soil layer",
        "units": "m",
        "positive": "down",
    }
    bottom = np.cumsum(layout.thickness, axis=0)
    faces = np.stack([bottom - layout.thickness, bottom], axis=-1)
    layer = dataset.createVariable("layer", "f8", ("layer",))
    if not layout.layers_vary:
        layer.setncatts(depth_attributes | {"axis": "Z", "bounds": "layer_bnds"})
        layer[:] = faces[:, 0].mean(axis=-1)
        dataset.createVariable("layer_bnds", "f8", ("layer", "bnds"))[:] = faces[:, 0]
        return
    layer.setncatts({"long_name": "number of the layer from the top", "units": "1", "axis": "Z", "positive": "down"})
    layer[:] = np.arange(1, layout.layers + 1)
    dims = layout.dimensions(("layer",))
    depth = dataset.createVariable("layer_depth", "f8", dims)
    depth.setncatts(depth_attributes | {"bounds": "layer_depth_bnds"})
    depth[:] = layout.array(faces.mean(axis=-1))
    bounds = dataset.createVariable("layer_depth_bnds", "f8", (*dims, "bnds"))
    bounds[:] = np.stack([layout.array(faces[..., 0]), layout.array(faces[..., 1])], axis=-1)


def _snow_layers(dataset: netCDF4.Dataset, layout: Layout) -> None:
    if not layout.snow_layers:
        return
    dataset.createDimension("snow_layer", layout.snow_layers)
    layer = dataset.createVariable("snow_layer", "f8", ("snow_layer",))
    layer.setncatts({"long_name": "number of the snow layer from the top", "units": "1"})
    layer[:] = np.arange(1, layout.snow_layers + 1)


def _variable(dataset: netCDF4.Dataset, layout: Layout, column: Column, compression: int) -> None:
    source = column.variable
    dims = ("time", *layout.dimensions(source.dims))
    shape = [dataset.dimensions[name].size for name in dims[1:]]
    chunk = (records_of_chunk(shape), *shape)
    variable = dataset.createVariable(
        column.name, "f8", dims, chunksizes=chunk, fill_value=np.nan, **storage(compression)
    )
    variable.setncatts(_attributes(source, layout, source.dims) | {"cell_methods": column.cell_methods})


def _attributes(source: Any, layout: Layout, dims: tuple[str, ...]) -> dict[str, str]:
    attributes = {"units": source.units, "long_name": source.long_name}
    if source.standard_name:
        attributes["standard_name"] = source.standard_name
    coordinates = layout.coordinates.split()
    if "layer" in dims and layout.layers_vary:
        coordinates.append("layer_depth")
    if coordinates:
        attributes["coordinates"] = " ".join(coordinates)
    return attributes | layout.mapping


def _parameters(group: netCDF4.Group, layout: Layout, parameters: Parameters) -> None:
    group.setncattr("comment", "parameters the run used; dimensions and coordinates are those of the enclosing file")
    for path, metadata in quantities(Parameters):
        value = get_quantity(parameters, path)
        if value is None:
            continue
        variable = group.createVariable(path.replace(".", "_"), "f8", layout.dimensions(metadata["dims"]))
        attributes = {key: metadata[key] for key in ("units", "long_name", "standard_name") if metadata[key]}
        variable.setncatts(attributes | layout.mapping)
        variable[...] = layout.array(value)
