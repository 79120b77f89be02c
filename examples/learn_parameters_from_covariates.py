"""A network learns parameters of a whole region from what maps say of each place, through the model.

The region is invented: elevation, texture, organic matter and greenness vary smoothly over it, and porosity, hydraulic
conductivity, quartz content and stomatal resistance follow from them, with a remainder that no map explains. Soil
temperature, soil water and latent heat flux are "observed" for a season in two of three columns. Four ways to
find the parameters are compared on the other third, which no training has seen:

- the tables of the model, by soil and vegetation class of the column;
- the same tables with their values fitted to the observations, one value for each class;
- one network from the covariates, the same for all columns;
- calibration of each column by its own observations: on held-out columns nobody has these, so it is the best that
  could be had there.

    python examples/learn_parameters_from_covariates.py             # two minutes on one core, compiled
    python examples/learn_parameters_from_covariates.py --short     # few columns, days and epochs

The learned parameters of all columns are in `parameters.nc`, a domain file that `region.yaml` beside it names:
``noahpy run region.yaml``.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import yaml
from learning_site import Site, noisy, open_site, print_table, root_mean_square
from matplotlib import pyplot
from torch import Tensor, nn

from bmi_noahpy import train, write_parameter_map
from bmi_noahpy.example import write_example
from noahpy_core import tables
from noahpy_core.learning import ColumnParameters, LearnedParameter, ParameterNetwork, with_values

TARGETS = (
    LearnedParameter("soil.porosity", 0.3, 0.75),
    LearnedParameter("soil.saturated_hydraulic_conductivity", 2.0e-7, 1.0e-4, logarithmic=True),
    LearnedParameter("soil.quartz_fraction", 0.02, 0.98),
    LearnedParameter("vegetation.minimum_stomatal_resistance", 20.0, 400.0),
)
COVARIATES = {"elevation": (0.0, 1500.0), "sand": (0.0, 1.0), "organic": (0.0, 1.0), "greenness": (0.0, 1.0)}
SOILS = {8: "silt loam", 7: "loam", 9: "sandy loam", 11: "loamy sand"}
PLANTS = {20: "herbaceous tundra", 9: "mixed shrubland", 7: "grassland"}
LAYERS = 6
OUTPUTS = ("soil.temperature", "soil.liquid_water", "latent_heat_flux")
OBSERVED_LAYERS = (0, 2, 4)
ERRORS = (0.2, 0.01, 10.0)
"""Standard deviation of the observations. [K, m3 m-3, W m-2]"""


class Region(NamedTuple):
    """Columns with what is known of them, and the truth."""

    site: Site
    covariates: Tensor
    soil_class: Tensor
    plant_class: Tensor
    truth: dict[str, Tensor]
    latitude: Tensor
    longitude: Tensor

    def select(self, columns: Tensor) -> Region:
        """Some of the columns."""
        kept = [x[..., columns] for x in (self.covariates, self.soil_class, self.plant_class)]
        truth = {path: value[columns] for path, value in self.truth.items()}
        return Region(self.site.select(columns), *kept, truth, self.latitude[columns], self.longitude[columns])


# --- the invented region ----------------------------------------------------------------------------------------------


def invent_region(columns: int, days: int, seed: int = 4) -> Region:
    """Columns at random places of a region, their weather colder with elevation."""
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.rand(2, columns, generator=generator, dtype=torch.float64)

    def landscape() -> Tensor:
        waves = torch.zeros(columns, dtype=torch.float64)
        for wave in range(1, 4):
            a, b, phase = torch.randn(3, generator=generator, dtype=torch.float64)
            waves = waves + torch.sin(3.0 * wave * (a * x + b * y) + 6.0 * phase) / wave
        return torch.sigmoid(1.6 * waves)

    elevation, sand, organic, green = 1500.0 * landscape(), landscape(), landscape() ** 2, landscape()
    covariates = torch.stack([elevation, sand, organic, green])
    site = _climate(open_site(None, "2020-06-10", days, 1, layers=LAYERS), elevation, green)
    return Region(
        site=site,
        covariates=covariates,
        soil_class=torch.tensor(list(SOILS))[torch.bucketize(sand, torch.tensor([0.3, 0.55, 0.75]).double())],
        plant_class=torch.tensor(list(PLANTS))[torch.bucketize(green, torch.tensor([0.35, 0.65]).double())],
        truth=_truth(covariates, torch.randn(len(TARGETS), columns, generator=generator, dtype=torch.float64)),
        latitude=60.0 + 4.0 * y,
        longitude=125.0 + 8.0 * x,
    )


def _truth(covariates: Tensor, remainder: Tensor) -> dict[str, Tensor]:
    """Parameters of each column from its covariates, and a remainder that these do not explain."""
    elevation, sand, organic, green = covariates
    porosity = 0.40 + 0.22 * organic - 0.06 * sand * (1.0 - organic) + 0.008 * remainder[0]
    conductivity = -6.2 + 1.3 * sand**2 + 0.6 * organic + 0.08 * remainder[1]
    quartz = 0.12 + 0.75 * sand * (1.0 - 0.7 * organic) + 0.02 * remainder[2]
    resistance = 50.0 + 220.0 * (1.0 - green) ** 2 + 0.05 * elevation + 6.0 * remainder[3]
    values = (porosity, 10.0**conductivity, quartz, resistance)
    return {t.path: v.clamp(1.02 * t.low, 0.98 * t.high) for t, v in zip(TARGETS, values, strict=True)}


def _climate(site: Site, elevation: Tensor, green: Tensor) -> Site:
    """One column's season in every column: 6.5 K colder per km, thinner air, its own plants."""
    state, parameters, forcing = (
        torch.utils._pytree.tree_map(lambda x: x.expand(*x.shape[:-1], len(elevation)).clone(), tree)
        for tree in (site.state, site.parameters, site.forcing)
    )
    warmer = 4.0 - 0.0065 * elevation
    forcing = dataclasses.replace(
        forcing,
        air_temperature=forcing.air_temperature + warmer,
        longwave_down=forcing.longwave_down + 4.5 * warmer,
        air_pressure=forcing.air_pressure * torch.exp(-elevation / 8000.0),
        vegetation_fraction=(0.1 + 0.8 * green).expand_as(forcing.vegetation_fraction),
    )
    thawed = state.soil.temperature.clamp(min=274.5)
    soil = dataclasses.replace(
        state.soil, temperature=thawed, liquid_water=torch.full_like(thawed, 0.24), ice=torch.zeros_like(thawed)
    )
    # Field capacity, wilting point and diffusivity follow from what is learned.
    derived = dict.fromkeys(("field_capacity", "wilting_point", "dry_limit", "saturated_diffusivity"))
    mineral = dict.fromkeys(("clapp_hornberger_b", "saturated_suction"))
    loam = tables.soil_parameters(torch.full((LAYERS, len(elevation)), 7), hydraulics="derived")
    kept = {name: getattr(loam, name) for name in (*mineral, "material", "two_pass_saturation")}
    soils = dataclasses.replace(parameters.soil, **derived, **kept)
    parameters = dataclasses.replace(parameters, soil=soils)
    return Site(site.column, dataclasses.replace(state, soil=soil), parameters, forcing)


# --- four ways to find the parameters ---------------------------------------------------------------------------------


def table_values(region: Region) -> dict[str, Tensor]:
    """What the model's own tables say of the classes."""
    soil = tables.soil_parameters(region.soil_class[None])
    plants = tables.vegetation_parameters(region.plant_class, minimum_fraction=0.05, maximum_fraction=0.95)
    values = {}
    for target in TARGETS:
        section, name = target.path.split(".")
        values[target.path] = soil.__dict__[name][0] if section == "soil" else plants.__dict__[name]
    return values


def indicators(region: Region) -> Tensor:
    """1 for the soil class and for the vegetation class of each column, ``[class, column]``."""
    rows = [region.soil_class == number for number in SOILS] + [region.plant_class == number for number in PLANTS]
    return torch.stack(rows).double()


def simulate(region: Region, values: Mapping[str, Tensor]) -> list[Tensor]:
    """What is observed, ``[time, ..., column]``."""
    site = dataclasses.replace(region.site, parameters=with_values(region.site.parameters, values))
    found = site.run(site.model(), OUTPUTS)
    chosen = list(OBSERVED_LAYERS)
    return [found[OUTPUTS[0]][:, chosen], found[OUTPUTS[1]][:, chosen], found[OUTPUTS[2]]]


def misfit(simulated: Sequence[Tensor], observed: Sequence[Tensor]) -> Tensor:
    """Mean square difference in units of the observation errors."""
    terms = [((a - b) / e).square().mean() for a, b, e in zip(simulated, observed, ERRORS, strict=True)]
    return torch.stack(terms).mean()


def fit(
    region: Region, observed: Sequence[Tensor], module: nn.Module, values: Callable[[], Mapping[str, Tensor]],
    epochs: int, checkpoint: Path,
) -> list[float]:  # fmt: skip
    """Train a module whose values enter the model as parameters."""
    return train(
        module, lambda epoch: misfit(simulate(region, values()), observed), epochs=epochs, learning_rate=0.05,
        checkpoint=checkpoint,
    )  # fmt: skip


def learn(region: Region, epochs: int, folder: Path) -> dict[str, Any]:
    """All four ways, trained on two columns of three and scored on all."""
    everywhere = torch.arange(len(region.latitude))
    held_out = everywhere % 3 == 2
    known = region.select(~held_out)
    with torch.no_grad():
        exact = simulate(region, region.truth)
    observed = [noisy(values, error, seed) for seed, (values, error) in enumerate(zip(exact, ERRORS, strict=True))]
    observed_known = [values[..., ~held_out] for values in observed]
    names = [*map(str, SOILS.values()), *map(str, PLANTS.values())]
    network = ParameterNetwork(COVARIATES, TARGETS)
    by_class = ParameterNetwork(dict.fromkeys(names, (0.0, 1.0)), TARGETS, hidden=())
    by_column = ColumnParameters(len(everywhere), TARGETS)
    begin = time.perf_counter()
    losses = {
        "network": fit(
            known, observed_known, network, lambda: network(known.covariates), epochs, folder / "network.pt"
        ),
        "fitted tables": fit(
            known, observed_known, by_class, lambda: by_class(indicators(known)), epochs, folder / "classes.pt"
        ),
        "column by column": fit(region, observed, by_column, by_column, epochs, folder / "columns.pt"),
    }
    seconds = time.perf_counter() - begin
    with torch.no_grad():
        found = {
            "model's tables": table_values(region),
            "fitted tables": by_class(indicators(region)),
            "network": network(region.covariates),
            "column by column": by_column(),
        }
        scores = {name: score(region, values, exact, held_out) for name, values in found.items()}
    return {"found": found, "scores": scores, "losses": losses, "seconds": seconds, "held_out": held_out}


def score(region: Region, values: Mapping[str, Tensor], exact: Sequence[Tensor], held_out: Tensor) -> tuple[float, ...]:
    """Misfit to the exact observations in training and held-out columns, and errors of held-out parameters."""
    simulated = simulate(region, values)
    misfits = [
        misfit([x[..., part] for x in simulated], [x[..., part] for x in exact]).sqrt().item()
        for part in (~held_out, held_out)
    ]
    errors = []
    for target in TARGETS:
        found, true = values[target.path][held_out], region.truth[target.path][held_out]
        errors.append(root_mean_square((found / true).log10() if target.logarithmic else found - true))
    return (*misfits, *errors)


# --- results ----------------------------------------------------------------------------------------------------------


def draw(region: Region, result: dict[str, Any], path: Path) -> None:
    """Learned against true parameters of the held-out columns."""
    figure, axes = pyplot.subplots(1, len(TARGETS), figsize=(15, 4), layout="constrained")
    held_out = result["held_out"]
    for axis, target in zip(axes, TARGETS, strict=True):
        true = region.truth[target.path][held_out]
        for name, marker in (("model's tables", "x"), ("fitted tables", "+"), ("network", ".")):
            axis.plot(true, result["found"][name][target.path][held_out], marker, label=name, alpha=0.8)
        both = (true.min().item(), true.max().item())
        axis.plot(both, both, "k", linewidth=0.8)
        if target.logarithmic:
            axis.set(xscale="log", yscale="log")
        axis.set(xlabel=f"true {target.path.split('.')[1].replace('_', ' ')}", ylabel="found")
    axes[0].legend()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def write_region(region: Region, values: Mapping[str, Tensor], folder: Path, days: int) -> Path:
    """The learned parameters as a domain file, and a configuration that uses them under the built-in weather."""
    layered = {path: value.expand(LAYERS, -1) if path.startswith("soil.") else value for path, value in values.items()}
    write_parameter_map(folder / "parameters.nc", layered, latitude=region.latitude, longitude=region.longitude)
    path = write_example(folder, "noah-permafrost")
    sections = yaml.safe_load(path.read_text())
    first = np.datetime64("2020-06-10")
    sections["domain"] = {"file": "parameters.nc"}
    sections["period"] = {"start": str(first), "end": str(first + np.timedelta64(days - 1, "D")), "step": "1 day"}
    sections["soil"] = {
        "thickness": sections["soil"]["thickness"][:LAYERS], "classes": 7, "hydraulics": "derived",
    }  # fmt: skip
    start = region.site.state.soil
    sections["initial"] |= {
        "soil_temperature": start.temperature[:, 0].tolist(), "soil_moisture": 0.24, "soil_liquid": 0.24,
    }  # fmt: skip
    sections["vegetation"]["parameters"] = {"root_layers": 3}
    sections["schemes"] = {"phase_change": "enthalpy"}
    sections["output"] = {"file": "region.nc", "overwrite": True}
    configuration = folder / "region.yaml"
    configuration.write_text(yaml.safe_dump(sections, sort_keys=False))
    return configuration


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--columns", type=int, default=144)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--short", action="store_true", help="few columns, days and epochs")
    parser.add_argument("--folder", type=Path, default=Path("learned_parameters"))
    chosen = parser.parse_args(arguments)
    if chosen.short:
        chosen.columns, chosen.days, chosen.epochs = 48, 6, 8
    chosen.folder.mkdir(parents=True, exist_ok=True)
    region = invent_region(chosen.columns, chosen.days)
    result = learn(region, chosen.epochs, chosen.folder)
    heads = ("trained columns", "held-out columns", "porosity", "log10 K_sat", "quartz", "stomatal resist.")
    print("Misfit in units of the observation errors, and errors of the parameters of held-out columns")
    print_table("", heads, result["scores"])
    print(f"Three trainings of {chosen.epochs} epochs over {chosen.days} days took {result['seconds']:.0f} s.")
    draw(region, result, chosen.folder / "parameters.png")
    result["configuration"] = write_region(region, result["found"]["network"], chosen.folder, chosen.days)
    print(f"Figure: {chosen.folder / 'parameters.png'}. Run with them: noahpy run {result['configuration']}")
    return result


if __name__ == "__main__":
    main()
