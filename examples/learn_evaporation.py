"""A network learns which share of the potential evaporation soil and plants use, through the model.

The truth is the same model with a bare-soil evaporation that the network does not know, the cosine of Lee and Pielke
1992 [1]_, and roots that give up earlier than Noah's. Latent heat flux and the water of the top layer are "observed"
every day of one summer, with errors of 10 W m-2 and 0.01, in columns from dry and bare to wet and green. The network
stands in the slot `evaporation`, from four dimensionless inputs to the shares of bare soil, wet and dry leaves. It may
propose what it likes: evaporation is at most the potential rate and takes no water that is not there. It is judged on
the next summer.

    python examples/learn_evaporation.py             # a few minutes on one core
    python examples/learn_evaporation.py --short     # half a minute, to see that it works

Training can be interrupted: started again it goes on from `training.pt` in its folder. The learned weights are in
`weights.pt`, and `permafrost.yaml` beside it uses them (`noahpy run permafrost.yaml`).

.. [1] Lee and Pielke 1992, Journal of Applied Meteorology 31, 480-484.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from learning_site import Site, noisy, open_site, print_table, root_mean_square, write_run
from matplotlib import pyplot
from torch import Tensor, nn

from bmi_noahpy import train, write_weights
from noahpy_core import Parameters, SoilState
from noahpy_core.learning import LearnedEvaporation
from noahpy_core.schemes import Demand, Ground, NoahEvaporation

SLOT = "evaporation"
SUMMERS = ("2020-06-10", "2021-06-10")
OUTPUTS = ("latent_heat_flux", "soil.liquid_water")
ERRORS = (10.0, 0.01)
"""Standard deviation of the observations of latent heat [W m-2] and of the water of the top layer [m3 m-3]."""
LAYERS = 6
ARGUMENTS: dict[str, Any] = {"hidden": [12, 12]}


class HiddenEvaporation(NoahEvaporation):
    """The truth of the experiment."""

    def forward(
        self, soil: SoilState, canopy_water: Tensor, ground: Ground, potential: Tensor, plant_coefficient: Tensor,
        parameters: Parameters,
    ) -> Demand:  # fmt: skip
        demand = super().forward(soil, canopy_water, ground, potential, plant_coefficient, parameters)
        return demand._replace(roots=demand.roots * plant_coefficient)

    def _bare_soil_fraction(self, soil: SoilState, parameters: Parameters) -> Tensor:
        return lee_pielke(soil.liquid_water[0], parameters.soil.field_capacity[0])


def lee_pielke(moisture: Tensor, field_capacity: Tensor) -> Tensor:
    """Share of the potential rate that bare soil evaporates. [1]"""
    wetness = (moisture / field_capacity).clamp(0.0, 1.0)
    return 0.25 * (1.0 - torch.cos(math.pi * wetness)) ** 2


def simulate(site: Site, scheme: nn.Module | None) -> list[Tensor]:
    """Latent heat flux [W m-2] and liquid water of the top layer [m3 m-3], ``[time, column]``."""
    found = site.run(site.model(None if scheme is None else {SLOT: scheme}), OUTPUTS)
    return [found[OUTPUTS[0]], found[OUTPUTS[1]][:, 0]]


def misfit(simulated: Sequence[Tensor], observed: Sequence[Tensor]) -> Tensor:
    """Mean square error in units of the observation errors."""
    terms = [((a - b) / e).square().mean() for a, b, e in zip(simulated, observed, ERRORS, strict=True)]
    return torch.stack(terms).mean()


def learn(summers: Sequence[Site], epochs: int, folder: Path) -> dict[str, Any]:
    """Train on the first summer, and score on both against the truth without noise."""
    network = LearnedEvaporation(summers[0].column, **ARGUMENTS)
    with torch.no_grad():
        truth = [simulate(summer, HiddenEvaporation(summer.column)) for summer in summers]
        observed = [
            noisy(values, error, seed) for seed, (values, error) in enumerate(zip(truth[0], ERRORS, strict=True))
        ]
        results = {
            "built-in scheme": [simulate(summer, None) for summer in summers],
            "untrained network": [simulate(summer, network) for summer in summers],
        }
        before = bare_soil_share(network)
    begin = time.perf_counter()
    losses = train(
        network, lambda epoch: misfit(simulate(summers[0], network), observed), epochs=epochs, learning_rate=0.05,
        checkpoint=folder / "training.pt",
        report=lambda epoch, value: print(f"  epoch {epoch + 1:3}: {value**0.5:.4f} observation errors"),
    )  # fmt: skip
    seconds = time.perf_counter() - begin
    with torch.no_grad():
        results["trained network"] = [simulate(summer, network) for summer in summers]
    scores = {
        name: tuple(
            root_mean_square(values[summer][which] - truth[summer][which]) for which in (0, 1) for summer in (0, 1)
        )
        for name, values in results.items()
    }
    write_weights(network, folder / "weights.pt")
    return {"network": network, "scores": scores, "losses": losses, "seconds": seconds, "before": before}


def bare_soil_share(network: LearnedEvaporation) -> Tensor:
    """What the network makes of the saturation of the top layer, other inputs in their middle."""
    saturation = torch.linspace(0.0, 1.0, 101, dtype=torch.float64)
    middle = torch.full_like(saturation, 0.5)
    with torch.no_grad():
        return network.shares(saturation, middle, torch.zeros_like(saturation), middle)[0]


def draw(result: dict[str, Any], site: Site, path: Path) -> None:
    """The learned share of bare soil against the true one, and the loss."""
    saturation = torch.linspace(0.0, 1.0, 101, dtype=torch.float64)
    soil = map_first(site.parameters)
    truth = lee_pielke(saturation * soil["porosity"], soil["field_capacity"])
    wetness = (saturation * soil["porosity"] - soil["dry_limit"]) / (soil["porosity"] - soil["dry_limit"])
    built_in = wetness.clamp(min=0.0) ** site.parameters.general.soil_evaporation_exponent[0]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.plot(saturation, truth, "k", linewidth=3, alpha=0.5, label="truth")
    left.plot(saturation, built_in, "tab:gray", linestyle=":", label="built in")
    left.plot(saturation, result["before"], "tab:orange", linestyle="--", label="untrained")
    left.plot(saturation, bare_soil_share(result["network"]), "tab:blue", label="learned")
    left.set(xlabel="saturation of the top layer", ylabel="share of potential evaporation used by bare soil")
    left.legend()
    right.semilogy([loss**0.5 for loss in result["losses"]])
    right.axhline(1.0, color="black", linestyle=":", label="error of the observations")
    right.set(xlabel="epoch", ylabel="misfit in units of the observation error")
    right.legend()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def map_first(parameters: Parameters) -> dict[str, Tensor]:
    """Properties of the top layer, as means over the columns."""
    soil = parameters.soil.resolved()
    given = {field.name: getattr(soil, field.name) for field in dataclasses.fields(soil)}
    return {name: value[0].mean() for name, value in given.items() if value is not None}


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--columns", type=int, default=48)
    parser.add_argument("--days", type=int, default=60, help="of each summer")
    parser.add_argument("--short", action="store_true", help="few days and epochs")
    parser.add_argument("--folder", type=Path, default=Path("learned_evaporation"))
    chosen = parser.parse_args(arguments)
    if chosen.short:
        chosen.epochs, chosen.columns, chosen.days = 8, 12, 6
    chosen.folder.mkdir(parents=True, exist_ok=True)
    summers = [open_site(None, start, chosen.days, chosen.columns, layers=LAYERS) for start in SUMMERS]
    result = learn(summers, chosen.epochs, chosen.folder)
    heads = ("latent, trained", "held out [W m-2]", "water, trained", "held out [1]")
    print_table(f"Error in {chosen.columns} columns over {chosen.days} days", heads, result["scores"])
    print(f"Training took {result['seconds']:.0f} s for {len(result['losses'])} epochs.")
    draw(result, summers[0], chosen.folder / "relation.png")
    scheme = {"class": "noahpy_core.learning:LearnedEvaporation", "arguments": ARGUMENTS, "weights": "weights.pt"}
    result["configuration"] = write_run(chosen.folder, SLOT, scheme, 3 if chosen.short else 365)
    print(f"Figure: {chosen.folder / 'relation.png'}. Run with it: noahpy run {result['configuration']}")
    return result


if __name__ == "__main__":
    main()
