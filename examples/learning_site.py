"""Columns of the learning examples: a site in many variants, "observed" with noise from a model with a hidden truth."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
import yaml
from torch import Tensor, nn

from bmi_noahpy import load_configuration, prepare, read_configuration
from bmi_noahpy.example import example_configuration, write_example
from noahpy_core import Forcing, NoahModel, Options, Parameters, SoilColumn, State, equilibrium_liquid, map_tensors, run

matplotlib.use("Agg")

DAY = 86400.0
SITE_LAYERS = 10


@dataclasses.dataclass(frozen=True)
class Site:
    """Everything that stays the same while a scheme is learned."""

    column: SoilColumn
    state: State
    parameters: Parameters
    forcing: Forcing
    """Daily, ``[time, column]``."""

    @property
    def columns(self) -> int:
        """Number of columns."""
        return self.state.skin_temperature.shape[0]

    def model(self, scheme: Mapping[str, nn.Module] | None = None) -> NoahModel:
        """The model with the freeze-thaw scheme that has useful gradients, and with a scheme of one's own."""
        return NoahModel(self.column, Options(phase_change="enthalpy"), scheme)

    def run(self, model: NoahModel, outputs: Sequence[str], days: int | None = None) -> dict[str, Tensor]:
        """Outputs of every day, ``[time, ...]``; differentiable."""
        forcing = map_tensors(lambda series: series[:days], self.forcing)
        return run(model, self.state, forcing, self.parameters, DAY, outputs=outputs).outputs

    def select(self, columns: Any) -> Site:
        """The same site with some of the columns."""
        parts = {
            name: map_tensors(lambda x: x[..., columns], getattr(self, name))
            for name in ("state", "parameters", "forcing")
        }
        return dataclasses.replace(self, **parts)


def open_site(
    source: Path | None, start: str | None, days: int, columns: int, *, layers: int = SITE_LAYERS, seed: int = 0
) -> Site:
    """A site repeated in columns that differ in wetness, soil and weather.

    Parameters
    ----------
    source : Configuration or Noah ASCII file; None for the built-in example.
    start : First day; None for that of the configuration.
    days : Number of daily steps.
    columns : Number of variants.
    layers : How many of the site's layers are used, from the top.
    """
    with tempfile.TemporaryDirectory() as folder:
        if source is None:
            write_example(folder, "noah-permafrost")
            plain: dict[str, Any] = example_configuration("noah-permafrost")
            base = Path(folder)
        else:
            plain = load_configuration(source).model_dump(mode="json")
            base = source.absolute().parent
        first = np.datetime64(start or str(plain["period"]["start"])[:16], "D")
        end = first + np.timedelta64(days - 1, "D")
        plain["period"] = {"start": f"{first}T00:00", "end": f"{end}T00:00", "step": "1 day"}
        plain["output"] = None
        site = prepare(read_configuration(plain, base))
        assert site.forcing is not None
        records = [site.forcing.at(day) for day in range(days)]
    forcing = torch.utils._pytree.tree_map(lambda *series: torch.stack(series), *records)
    one = Site(site.model.column, site.initial_state, site.parameters, forcing)
    return _vary(_shorten(one, layers), columns, torch.Generator().manual_seed(seed))


def _shorten(site: Site, layers: int) -> Site:
    """The uppermost layers only."""

    def cut(x: Tensor) -> Tensor:
        return x[:layers] if x.ndim == 2 else x

    vegetation = site.parameters.vegetation
    roots = vegetation.root_layers.clamp(max=float(layers))
    parameters = dataclasses.replace(
        map_tensors(cut, site.parameters), vegetation=dataclasses.replace(vegetation, root_layers=roots)
    )
    column = SoilColumn(site.column.thickness[:layers])
    return Site(column, map_tensors(cut, site.state), parameters, site.forcing)


def _vary(site: Site, columns: int, generator: torch.Generator) -> Site:
    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(columns, generator=generator, dtype=torch.float64)

    state, parameters, forcing = (
        map_tensors(lambda x: x.expand(*x.shape[:-1], columns).clone(), tree)
        for tree in (site.state, site.parameters, site.forcing)
    )
    soil = dataclasses.replace(
        parameters.soil,
        quartz_fraction=(parameters.soil.quartz_fraction * draw(0.6, 1.4)).clamp(0.0, 1.0),
        porosity=parameters.soil.porosity * draw(0.9, 1.1),
    )
    parameters = dataclasses.replace(parameters, soil=soil)
    warmer, wetness = draw(-2.0, 3.0), draw(0.15, 0.95)
    forcing = dataclasses.replace(
        forcing,
        air_temperature=forcing.air_temperature + warmer,
        longwave_down=forcing.longwave_down + 4.5 * warmer,
        precipitation=forcing.precipitation * draw(0.4, 1.8),
        vegetation_fraction=(forcing.vegetation_fraction * draw(0.2, 1.6)).clamp(0.0, 0.95),
    )
    moisture = (soil.porosity * wetness).clamp(min=0.03)
    temperature = state.soil.temperature + 0.3 * warmer
    liquid = equilibrium_liquid(temperature, moisture, parameters)
    water = dataclasses.replace(state.soil, temperature=temperature, liquid_water=liquid, ice=moisture - liquid)
    return Site(site.column, dataclasses.replace(state, soil=water), parameters, forcing)


def noisy(values: Tensor, error: float, seed: int) -> Tensor:
    """Observations: the truth with independent errors of a standard deviation."""
    noise = torch.randn(values.shape, generator=torch.Generator().manual_seed(seed), dtype=values.dtype)
    return values.detach() + error * noise


def root_mean_square(difference: Tensor) -> float:
    """Of everything."""
    return float(difference.detach().square().mean().sqrt())


def print_table(title: str, heads: Sequence[str], rows: Mapping[str, Sequence[float]]) -> None:
    """Rows of numbers under heads."""
    width = max(len(name) for name in rows) + 2
    print(title)
    print(" " * width + "".join(f"{head:>18}" for head in heads))
    for name, numbers in rows.items():
        print(f"{name:<{width}}" + "".join(f"{number:18.4f}" for number in numbers))


def write_run(folder: Path, slot: str, scheme: Mapping[str, Any], days: int) -> Path:
    """The built-in example as a configuration that uses a learned scheme: ``noahpy run`` takes it."""
    path = write_example(folder, "noah-permafrost")
    sections = yaml.safe_load(path.read_text())
    first = np.datetime64(sections["period"]["start"], "D")
    sections["period"]["end"] = f"{first + np.timedelta64(days - 1, 'D')}T21:00"
    sections["schemes"] = {"phase_change": "enthalpy", slot: dict(scheme)}
    sections["output"]["overwrite"] = True
    path.write_text(yaml.safe_dump(sections, sort_keys=False))
    return path
