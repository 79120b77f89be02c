"""NoahPy as a model of eWaterCycle: ``from ewatercycle.models import NoahPy``.

eWaterCycle is not a dependency: it loads this module through the entry point ``ewatercycle.models``.
"""

from __future__ import annotations

import tempfile
from collections.abc import ItemsView, Iterable
from pathlib import Path
from typing import Any

import bmipy
import numpy as np
import xarray as xr
import yaml
from ewatercycle.base.model import LocalModel
from numpy.typing import NDArray

from bmi_noahpy.component.dated import DatedBmiNoahPy
from bmi_noahpy.config import Configuration
from bmi_noahpy.config.named_files import with_absolute_files
from noahpy_core import __version__

LAYERS = 1
CONFIGURATION = "noahpy.yaml"
SECTIONS = tuple(Configuration.model_fields)


class NoahPy(LocalModel):  # type: ignore[misc]
    """Noah land surface model with permafrost physics, run in this Python process.

    ``setup(configuration=path)`` takes a configuration of NoahPy; without one, the invented site that comes with the
    package. Other arguments replace single keys by their dotted path, as in
    ``setup(**{"period.end": "2020-06-30T00:00", "general.deep_temperature": 269.0})``; sections that the configuration
    does not have are added. The weather comes from the file of the configuration (``"forcing.file"``): a ``forcing``
    object of eWaterCycle is refused, because none of its kinds holds all that a land surface needs.
    """

    bmi_class: type[bmipy.Bmi] = DatedBmiNoahPy

    @property
    def version(self) -> str:
        """Version of NoahPy."""
        return __version__

    def _make_cfg_file(self, configuration: str | Path | None = None, **changes: Any) -> Path:
        """Write the configuration into the folder of the run; its files are referred to where they lie.

        Raises
        ------
        KeyError : for a change of a section that no configuration has.
        ValueError : for a forcing object of eWaterCycle.
        """
        if getattr(self, "forcing", None) is not None:
            raise ValueError(
                "setup: forcing= is not possible. NoahPy takes radiation, humidity, pressure and wind too, from the "
                "file of its configuration: leave forcing out and set 'forcing.file'."
            )
        source = Path(configuration).absolute() if configuration else _write_example(self._cfg_dir / "example")
        sections = with_absolute_files(yaml.safe_load(source.read_text(encoding="utf-8")), source.parent)
        for path, value in changes.items():
            section, _, key = path.partition(".")
            if not key or section not in SECTIONS:
                raise KeyError(f"setup: unknown key {path!r}. Give configuration=, or a key like 'period.end'.")
            sections[section] = {**(sections.get(section) or {}), key: value}
        file: Path = self._cfg_dir / CONFIGURATION
        file.write_text(yaml.safe_dump(sections, sort_keys=False), encoding="utf-8")
        return file

    @property
    def parameters(self) -> ItemsView[str, Any]:
        """What `setup` can change, by dotted path, with the values that the configuration of the run gives.

        Before `setup`, those of the configuration that comes with the package.
        """
        if getattr(self, "_cfg_file", None) is not None:
            text = Path(self._cfg_file).read_text(encoding="utf-8")
        else:
            with tempfile.TemporaryDirectory() as folder:
                text = _write_example(Path(folder)).read_text(encoding="utf-8")
        sections = yaml.safe_load(text)
        named = {name: section for name, section in sections.items() if isinstance(section, dict)}
        return {f"{name}.{key}": value for name, section in named.items() for key, value in section.items()}.items()

    def get_value_at_coords(self, name: str, lat: Iterable[float], lon: Iterable[float]) -> NDArray[Any]:
        """Values of the cells nearest to some points, ``[point]``; of a soil variable ``[layer, point]``, top first."""
        cells = np.asarray(list(self._coords_to_indices(name, lat, lon)), dtype=np.int64)
        values = np.reshape(self.get_value(name), (-1, int(np.prod(self.get_latlon_grid(name)[2]))))[:, cells]
        found: NDArray[Any] = values if self._bmi.get_var_grid(name) == LAYERS else values[0]
        return found

    def get_latlon_grid(self, name: str) -> tuple[NDArray[Any], NDArray[Any], tuple[int, int]]:
        """Latitudes, longitudes and shape of the cells, also of a single column."""
        del name  # every variable is on the same cells
        bmi = self._bmi.origin
        latitude, longitude = (np.atleast_1d(np.asarray(side, dtype=float)) for side in _cells(bmi))
        return latitude, longitude, (len(latitude), len(longitude))

    def _coords_to_indices(self, name: str, lat: Iterable[float], lon: Iterable[float]) -> Iterable[int]:
        """The cell nearest to each point; a single column is the nearest to all."""
        points = list(lat)
        if self.get_latlon_grid(name)[2] == (1, 1):
            return [0] * len(points)
        indices: Iterable[int] = super()._coords_to_indices(name, points, lon)
        return indices

    def get_value_as_xarray(self, name: str) -> xr.DataArray:
        """Values with time, coordinates and units; soil variables have the dimension ``layer`` too."""
        latitude, longitude, shape = self.get_latlon_grid(name)
        layered = self._bmi.get_var_grid(name) == LAYERS
        names = ["time", *(["layer"] if layered else []), "latitude", "longitude"]
        return xr.DataArray(
            np.reshape(self.get_value(name), (1, *([-1] if layered else []), *shape)),
            coords={"time": [self.time_as_datetime], "latitude": latitude, "longitude": longitude},
            dims=names,
            name=name,
            attrs={"units": self._bmi.get_var_units(name)},
        )


def _cells(bmi: DatedBmiNoahPy) -> tuple[Iterable[float], Iterable[float]]:
    run = bmi._run
    if run is None:
        raise RuntimeError("the model is not initialized. Call initialize(config_file) first.")
    return run.run.domain.latitude, run.run.domain.longitude


def _write_example(folder: Path) -> Path:
    from bmi_noahpy.example import write_example

    return write_example(folder)
