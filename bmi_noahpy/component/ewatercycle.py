"""NoahPy as a model of eWaterCycle: ``from ewatercycle.models import NoahPy``.

eWaterCycle is not a dependency: it loads this module through the entry point ``ewatercycle.models``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import bmipy
import numpy as np
import xarray as xr
import yaml
from ewatercycle.base.model import LocalModel
from numpy.typing import NDArray

from bmi_noahpy.component.dated import DatedBmiNoahPy
from noahpy_core import __version__

LAYERS = 1
CONFIGURATION = "noahpy.yaml"


class NoahPy(LocalModel):
    """Noah land surface model with permafrost physics, run in this Python process.

    ``setup(configuration=path)`` takes a configuration of NoahPy; without one, the invented site that comes with the
    package. Other arguments replace single keys by their dotted path, as in
    ``setup(**{"period.end": "2020-06-30T00:00", "general.deep_temperature": 269.0})``.
    """

    bmi_class: type[bmipy.Bmi] = DatedBmiNoahPy

    @property
    def version(self) -> str:
        """Version of NoahPy."""
        return __version__

    def _make_cfg_file(self, configuration: str | Path | None = None, **changes: Any) -> Path:
        """Write the configuration into the folder of the run; its forcing file is referred to where it lies.

        Raises
        ------
        KeyError : for a change of a section that does not exist.
        """
        source = Path(configuration).absolute() if configuration else _write_example(self._cfg_dir / "example")
        sections = yaml.safe_load(source.read_text(encoding="utf-8"))
        forcing = sections.get("forcing")
        if forcing:
            forcing["file"] = str(source.parent / forcing["file"])
        for path, value in changes.items():
            section, _, key = path.partition(".")
            if not key or section not in sections:
                raise KeyError(f"setup: unknown key {path!r}. Give configuration=, or a key like 'period.end'.")
            sections[section][key] = value
        file = self._cfg_dir / CONFIGURATION
        file.write_text(yaml.safe_dump(sections, sort_keys=False), encoding="utf-8")
        return file

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
        return super()._coords_to_indices(name, points, lon)

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
