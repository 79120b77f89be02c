"""Latent and sensible heat over a field of crops (Bondville, Illinois, 1998), beside regressions that know no physics.

Half-hourly fluxes of the standard schemes, of the preset `conservative`, and of this preset with a stomatal resistance
of crops that goes with its formula, none of it tuned, are compared with the measured ones, and with two
regressions on the weather: on sunlight alone, and on sunlight, air temperature and relative humidity. A regression
predicts each week from the weeks of the other half of the year (even and odd weeks): benchmarks in the manner of Best
et al. 2015, doi:10.1175/JHM-D-14-0158.1.

What of the errors is the observations' own is told as well: whether net radiation, skin temperature and longwave
radiation, each measured, agree at night; whether the fluxes add up; and on which days the radiation saw snow that no
gauge had caught. Scores are given with and without those days, and against fluxes that add up as those of a model do.

    python fluxes_bondville.py [--days 365] [--folder bondville] [--data folder of the sites]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml
from calibration_sites import DATA, missing
from rich.console import Console
from rich.table import Table

from bmi_noahpy import load_configuration, open_forcing, simulate

FLUXES = {"LEflux_W_m2": "latent_heat_flux", "Hflux_W_m2": "sensible_heat_flux"}
CONSERVATIVE = {"preset": "conservative", "turbulence": "louis1979"}
"""The site's header names a turbulence scheme of Noah, which the preset replaces."""
MODELS: dict[str, dict[str, Any]] = {
    "Noah": {},
    "conservative, as Noah": {
        "schemes": {**CONSERVATIVE, "canopy_resistance": "jarvis1976", "soil_resistance": "none"},
    },
    "conservative": {"schemes": CONSERVATIVE},
    "conservative, crops": {
        "schemes": CONSERVATIVE,
        "vegetation": {"parameters": {"minimum_stomatal_resistance": 86.0}},
    },
}
"""Changes of the site's configuration.

Crops: a conductance of 11.6 mm s-1 in full light. Crop models that refer to the survey of Kelliher et al. 1995,
doi:10.1016/0168-1923(94)02178-M, have 10 to 11 mm s-1; with 10 latent heat is a little better, sensible heat worse.
"""
REGRESSIONS = {
    "regression on sunlight": ["shortwave_down"],
    "regression on three": ["shortwave_down", "air_temperature", "relative_humidity"],
}
SUMMER = (6, 7, 8)
RADIATION = {"Rnet_W_m2": "net_radiation", "Tskin_IRT_K": "skin_temperature", "Gflux_W_m2": "ground_heat_flux"}
STEFAN_BOLTZMANN = 5.670374e-8
EMISSIVITY = 0.97
"""Of soil and leaves. The night's misfit below is 20 W m-2 with 0.93 and 1 as well (18 to 22). [1]"""
BRIGHT, SNOWY = 150.0, 0.4
"""Sunlight in which an albedo can be told [W m-2], and the least albedo of a day on which snow lies [1]."""


class Consistency(NamedTuple):
    """What the observations say of themselves."""

    night_measured: float
    """Net radiation at night, as measured. [W m-2]"""
    night_by_parts: float
    """At the same times: longwave radiation less what the measured skin emits. [W m-2]"""
    closure: float
    """Sensible and latent heat over net radiation less ground heat. [1]"""
    snowy_days: list[str]
    """On which the sunlight says that snow lay."""


def observed(folder: Path, days: int, columns: dict[str, str] = FLUXES) -> pd.DataFrame:
    """Measured fluxes, or other columns, by the beginning of their half-hour."""
    table = pd.read_csv(folder / "observations.csv", index_col=0, parse_dates=True)[list(columns)]
    return table.set_axis(table.index.tz_localize(None)).rename(columns=columns).iloc[: 48 * days]


def consistency(seen: pd.DataFrame, known: pd.DataFrame, measured: pd.DataFrame) -> Consistency:
    """Compare what was measured with what was measured.

    Parameters
    ----------
    seen : Sensible and latent heat.
    known : The weather.
    measured : Net radiation, skin temperature and ground heat.
    """
    net = measured.net_radiation
    longwave = EMISSIVITY * (known.longwave_down - STEFAN_BOLTZMANN * measured.skin_temperature**4)
    night = (known.shortwave_down < 1.0) & net.notna() & longwave.notna()

    turbulent, available = seen.sum(axis=1, skipna=False), net - measured.ground_heat_flux
    whole = turbulent.notna() & available.notna()

    bright = known.shortwave_down > BRIGHT
    albedo = (1.0 - (net - longwave) / known.shortwave_down)[bright].resample("D").median()
    return Consistency(
        float(net[night].mean()),
        float(longwave[night].mean()),
        float(turbulent[whole].sum() / available[whole].sum()),
        [f"{day:%Y-%m-%d}" for day in albedo[albedo > SNOWY].index],
    )


def closed(seen: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Fluxes that add up: what lacks to the available energy in a half-hour goes to both, by their shares of the day.

    Parameters
    ----------
    seen : Sensible and latent heat.
    measured : Net radiation and ground heat.
    """
    lacking = measured.net_radiation - measured.ground_heat_flux - seen.sum(axis=1, skipna=False)
    whole = seen[lacking.notna()]
    days = whole.index.normalize()
    of_day = whole.groupby(days).transform("sum")
    shares = of_day.div(of_day.sum(axis=1), axis=0).clip(0.0, 1.0)
    return whole.add(shares.mul(lacking[lacking.notna()], axis=0)).reindex(seen.index)


def weather(folder: Path, times: pd.DatetimeIndex) -> pd.DataFrame:
    """What regressions may know, and longwave radiation."""
    records = open_forcing({"file": folder / "forcing.txt"})
    names = ["shortwave_down", "air_temperature", "relative_humidity", "longwave_down"]
    values = {name: records.values[name][:, 0] for name in names if name in records.values}
    return pd.DataFrame(values, index=pd.DatetimeIndex(records.times)).reindex(times)


def modelled(folder: Path, written: Path, changes: dict[str, Any], times: pd.DatetimeIndex) -> pd.DataFrame:
    """Fluxes of a run of the site's header with changes, by the beginning of their half-hour."""
    step = times[1] - times[0]
    changed = {
        "base": str((folder / "forcing.txt").resolve()),
        "period": {"end": str(times[-1])},
        "output": {"file": "fluxes.nc", "every": 1},
        **changes,
    }
    file = written / "bondville.yaml"
    file.write_text(yaml.safe_dump(changed))
    result = simulate(load_configuration(file), variables=list(FLUXES.values()))
    table = pd.DataFrame({name: result[name].values for name in FLUXES.values()}, index=result.time.values)
    # A mean over a step has the time of its end.
    return table.set_axis(pd.DatetimeIndex(table.index).round("min") - step).reindex(times)


def regressed(seen: pd.Series, known: pd.DataFrame) -> pd.Series:
    """Each week by least squares over the weeks of the other parity."""
    design = np.column_stack([np.ones(len(known)), known.to_numpy()])
    usable = seen.notna().to_numpy() & np.isfinite(design).all(1)
    odd = (known.index.day_of_year.to_numpy() // 7) % 2 == 1
    found = np.full(len(seen), np.nan)
    for here in (odd, ~odd):
        rest = usable & ~here
        weights, *_ = np.linalg.lstsq(design[rest], seen.to_numpy()[rest], rcond=None)
        found[here] = design[here] @ weights
    return pd.Series(found, index=seen.index)


def scores(found: pd.Series, seen: pd.Series) -> dict[str, float]:
    """Efficiency, error and bias, over all and of the summer. [1, W m-2]"""
    pairs = pd.DataFrame({"found": found, "seen": seen}).dropna()
    error = pairs.found - pairs.seen
    summer = error[error.index.month.isin(SUMMER)]
    return {
        "nse": float(1.0 - (error**2).sum() / ((pairs.seen - pairs.seen.mean()) ** 2).sum()),
        "rmse": float(np.sqrt((error**2).mean())),
        "bias": float(error.mean()),
        "summer bias": float(summer.mean()) if len(summer) else float("nan"),
    }


def judged(
    runs: dict[str, pd.DataFrame], known: pd.DataFrame, seen: pd.DataFrame, adding_up: pd.DataFrame, caught: np.ndarray
) -> dict[tuple[str, str], dict[str, float]]:
    """Scores of runs, and of regressions on what they are judged by: measured fluxes, and those that add up."""

    def predicted(fluxes: pd.DataFrame) -> dict[str, pd.DataFrame]:
        return runs | {
            name: pd.DataFrame({flux: regressed(fluxes[flux], known[chosen]) for flux in fluxes})
            for name, chosen in REGRESSIONS.items()
        }

    other = predicted(adding_up)
    return {
        (name, flux): scores(found[flux], seen[flux])
        | {"nse without snow": scores(found[flux][caught], seen[flux][caught])["nse"]}
        | {"nse closed": scores(other[name][flux][caught], adding_up[flux][caught])["nse"]}
        for name, found in predicted(seen).items()
        for flux in seen
    }


def main(arguments: Sequence[str] | None = None) -> dict[tuple[str, str], dict[str, float]]:
    """Run from the command line; (prediction, flux) -> scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=365, help="from the first of January")
    parser.add_argument("--folder", type=Path, default=Path("bondville"), help="where files are written")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with the folders of the sites")
    options = parser.parse_args(arguments)
    folder = options.data / "bondville"
    if problem := missing(folder, ("forcing.txt", "observations.csv")):
        sys.exit(problem)
    options.folder.mkdir(parents=True, exist_ok=True)

    seen = observed(folder, options.days)
    known = weather(folder, seen.index)
    runs = {name: modelled(folder, options.folder, changes, seen.index) for name, changes in MODELS.items()}
    measured = observed(folder, options.days, RADIATION)
    said = consistency(seen, known, measured)
    caught = ~seen.index.normalize().isin(pd.DatetimeIndex(said.snowy_days))
    results = judged(runs, known, seen, closed(seen, measured), caught)
    report(results, said, f"Bondville 1998, {options.days} days, half-hourly")
    return results


def report(results: dict[tuple[str, str], dict[str, float]], said: Consistency, title: str) -> None:
    """Print the scores, and what the observations say of themselves."""
    table = Table(title=title)
    heads = (
        "prediction",
        "flux",
        "NSE",
        "without snow",
        "and closed",
        "RMSE [W m-2]",
        "bias [W m-2]",
        "bias of June to August",
    )
    for head in heads:
        table.add_column(head)
    for (name, flux), of in results.items():
        efficiencies = (f"{of[kind]:.3f}" for kind in ("nse", "nse without snow", "nse closed"))
        table.add_row(name, flux, *efficiencies, f"{of['rmse']:.1f}", f"{of['bias']:+.1f}", f"{of['summer bias']:+.1f}")
    console = Console(width=120)
    console.print(table)
    console.print(
        f"Observations: net radiation at night {said.night_measured:.1f} W m-2, by measured longwave and skin "
        f"{said.night_by_parts:.1f}; fluxes {100 * said.closure:.0f} % of net radiation less ground heat; "
        f"snow in the sunlight on {', '.join(said.snowy_days) or 'no day'}."
    )


if __name__ == "__main__":
    main()
