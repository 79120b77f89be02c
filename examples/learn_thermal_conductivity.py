"""A network learns how thermal conductivity grows with saturation, through the model, from soil temperature.

The truth is the same model with a relation the network does not know: Lu et al. 2007 [1]_ in unfrozen soil, a power of
the saturation in frozen soil. Temperature is "observed" every day at a few depths in columns of different wetness, with
an error of 0.1 K. The network stands in the slot `soil_thermal`; dry and saturated conductivity stay as they are. It
is trained on the first months, which include the freeze-up, and judged on the following ones with spring and thaw.

    python examples/learn_thermal_conductivity.py                     # ten minutes or so on one core
    python examples/learn_thermal_conductivity.py --short             # half a minute, to see that it works
    python examples/learn_thermal_conductivity.py --source forcing.txt  # a site in Noah's text format, as Tanggula

Training can be interrupted: started again it goes on from `training.pt` in its folder. The learned weights are in
`weights.pt`, and `permafrost.yaml` beside it uses them (`noahpy run permafrost.yaml`).

.. [1] Lu, Ren, Gong and Horton 2007, Soil Science Society of America Journal 71, 8-14.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from learning_site import Site, noisy, open_site, print_table, root_mean_square, write_run
from matplotlib import pyplot
from torch import Tensor, nn

from bmi_noahpy import train, write_weights
from noahpy_core import SoilParameters
from noahpy_core.learning import LearnedThermalConductivity
from noahpy_core.schemes import MINERAL, CoteKonrad2005, unfrozen_kersten_number

SLOT = "soil_thermal"
OBSERVED_LAYERS = (1, 3, 4, 5, 6)
ERROR = 0.1
"""Standard deviation of the observations. [K]"""
ARGUMENTS: dict[str, Any] = {"hidden": [12, 12]}


class HiddenRelation(CoteKonrad2005):
    """The truth of the experiment."""

    COARSE = 0.96
    FROZEN_POWER = 1.6

    def kersten_number(self, saturation: Tensor, frozen: Tensor) -> Tensor:
        """Weight of the saturated conductivity."""
        wet = saturation.clamp(min=0.01)
        unfrozen = torch.exp(self.COARSE * (1.0 - wet ** (self.COARSE - 1.33)))
        return torch.where(frozen > 0, wet**self.FROZEN_POWER, unfrozen)

    def _kersten(self, saturation: Tensor, frozen: Tensor, soil: SoilParameters) -> Tensor:
        built_in = super()._kersten(saturation, frozen, soil)
        return torch.where(soil.material == MINERAL, self.kersten_number(saturation, frozen), built_in)


def simulate(site: Site, scheme: nn.Module | None, days: int | None = None) -> Tensor:
    """Temperature at the sensors, ``[time, sensor, column]``. [K]"""
    model = site.model(None if scheme is None else {SLOT: scheme})
    return site.run(model, ["soil.temperature"], days)["soil.temperature"][:, list(OBSERVED_LAYERS)]


def learn(site: Site, training_days: int, epochs: int, folder: Path) -> dict[str, Any]:
    """Train, and score on both periods against the truth without noise."""
    with torch.no_grad():
        truth = simulate(site, HiddenRelation())
        observed = noisy(truth, ERROR, seed=1)[:training_days]
        built_in = simulate(site, None)
        network = LearnedThermalConductivity(**ARGUMENTS)
        before = simulate(site, network)
        relation_before = curves(network)

    def loss(epoch: int) -> Tensor:
        return (simulate(site, network, training_days) - observed).square().mean()

    begin = time.perf_counter()
    losses = train(
        network, loss, epochs=epochs, learning_rate=0.03, checkpoint=folder / "training.pt",
        report=lambda epoch, value: print(f"  epoch {epoch + 1:3}: {value**0.5:.4f} K"),
    )  # fmt: skip
    seconds = time.perf_counter() - begin
    with torch.no_grad():
        after = simulate(site, network)
    scores = {
        name: tuple(root_mean_square(part) for part in (result - truth).tensor_split([training_days]))
        for name, result in (
            ("built-in relation", built_in),
            ("untrained network", before),
            ("trained network", after),
        )
    }
    write_weights(network, folder / "weights.pt")
    return {"network": network, "scores": scores, "losses": losses, "seconds": seconds, "before": relation_before}


def curves(scheme: Any) -> dict[str, Tensor]:
    """Kersten number against saturation, unfrozen and frozen."""
    saturation = torch.linspace(0.0, 1.0, 101, dtype=torch.float64)
    with torch.no_grad():
        return {
            name: scheme.kersten_number(saturation, torch.full_like(saturation, frozen))
            for name, frozen in (("unfrozen", 0.0), ("frozen", 1.0))
        }


def draw(result: dict[str, Any], path: Path) -> None:
    """The learned relation against the true one, and the loss."""
    saturation = torch.linspace(0.0, 1.0, 101, dtype=torch.float64)
    built_in = {"unfrozen": unfrozen_kersten_number(saturation), "frozen": saturation}
    true, learned = curves(HiddenRelation()), curves(result["network"])
    figure, axes = pyplot.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    for axis, name in zip(axes[:2], true, strict=True):
        axis.plot(saturation, true[name], "k", linewidth=3, alpha=0.5, label="truth")
        axis.plot(saturation, built_in[name], "tab:gray", linestyle=":", label="built in")
        axis.plot(saturation, result["before"][name], "tab:orange", linestyle="--", label="untrained")
        axis.plot(saturation, learned[name], "tab:blue", label="learned")
        axis.set(xlabel="saturation", ylabel="Kersten number", title=f"{name} soil")
    axes[0].legend()
    axes[2].semilogy([loss**0.5 for loss in result["losses"]])
    axes[2].axhline(ERROR, color="black", linestyle=":", label="error of the observations")
    axes[2].set(xlabel="epoch", ylabel="misfit to the observations [K]")
    axes[2].legend()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, help="configuration or Noah ASCII file of another site")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--columns", type=int, default=24)
    parser.add_argument("--training-days", type=int, default=100)
    parser.add_argument("--days", type=int, default=280, help="of both periods together")
    parser.add_argument("--short", action="store_true", help="few days and epochs")
    parser.add_argument("--folder", type=Path, default=Path("learned_conductivity"))
    chosen = parser.parse_args(arguments)
    if chosen.short:
        chosen.epochs, chosen.columns, chosen.training_days, chosen.days = 6, 8, 12, 24
    if not 0 < chosen.training_days < chosen.days:
        parser.error("--training-days must be less than --days")
    chosen.folder.mkdir(parents=True, exist_ok=True)
    site = open_site(chosen.source, None, chosen.days, chosen.columns)
    result = learn(site, chosen.training_days, chosen.epochs, chosen.folder)
    print_table(
        f"Error of soil temperature at {len(OBSERVED_LAYERS)} depths in {site.columns} columns [K]",
        (f"days 1-{chosen.training_days}", "held-out days"),
        result["scores"],
    )
    print(f"Training took {result['seconds']:.0f} s for {len(result['losses'])} epochs.")
    draw(result, chosen.folder / "relation.png")
    scheme = {
        "class": "noahpy_core.learning:LearnedThermalConductivity", "arguments": ARGUMENTS, "weights": "weights.pt",
    }  # fmt: skip
    result["configuration"] = write_run(chosen.folder, SLOT, scheme, 3 if chosen.short else 365)
    print(f"Figure: {chosen.folder / 'relation.png'}. Run with it: noahpy run {result['configuration']}")
    return result


if __name__ == "__main__":
    main()
