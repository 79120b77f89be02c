"""Calibration on real permafrost: Yakou (Qilian Mountains) and Toolik (Alaska), years swapped, several seeds.

Two years are fitted and two others tested, and the other way round, from other random starts for every seed: what is
printed at the end is the spread of all tests, beside predictions that know no physics. No single run is the result.

Soil hydraulics and quartz by horizon, albedo and other surface parameters, and the biases that the sites' notes name:
longwave radiation is derived at one and a reanalysis at the other, and gauges that are not heated miss snow. The state
at the start is the measured one: fitting later years would say nothing of it. The starts, the run's own values and
random ones, are columns of one batch; those of all seeds together are the ensemble whose prediction is to be used.

What was chosen about the sites - layers, probes that count, weights, bounds - was chosen with an eye on these tests. So
Toolik is also tested on years that no choice has looked at, 2005 and 2008 to 2011 (in 2006 and 2007 a third of the
weather was filled in), by a run on to their end.

    python calibrate_sites.py [yakou] [toolik] [--seeds 6] [--starts 2] [--iterations 12] [--folder sites] [--resume]
        [--data folder of both]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from calibration_sites import DATA, missing, toolik, yakou_at_sensors
from rich.console import Console

from bmi_noahpy import Outcome, read_calibration
from bmi_noahpy.calibration import calibrate_splits, judge, print_outcome, print_split_scores, together


class Site(NamedTuple):
    """What is fitted and tested where.

    Parameters
    ----------
    exclude : Series that are left out.
    weights : Of each quantity.
    doubtful : Series that are scored, and hardly count in the fit.
    """

    run: Callable[..., dict[str, Any]]
    exclude: list[str]
    weights: dict[str, float]
    doubtful: list[str]
    calibration: tuple[str, str]
    validation: tuple[str, str]
    porosity: list[float]
    suction: list[float]
    deep_temperature: list[float]
    forcing_prior: float
    untouched: tuple[tuple[str, str], ...] = ()
    """Years that no choice has looked at."""


SITES = {
    # The surface probe is in the sun.
    "yakou": Site(
        run=yakou_at_sensors,
        exclude=["Tsoil_0.00m_K"],
        weights={"soil_temperature": 1.0, "soil_liquid_water": 1.0},
        doubtful=[],
        calibration=("2016-01-15", "2018-01-01"),
        validation=("2018-01-01", "2019-12-10"),
        porosity=[0.1, 0.7],
        suction=[0.01, 0.65],
        deep_temperature=[268.0, 275.0],
        # The gauge is not heated and misses snow: a factor may go further than by default.
        forcing_prior=1e-3,
    ),
    # The rod heaved with the frost, and the temperature of the water probes ends at -12 degC. Three thermistors count
    # as much as the water probes together; the lowest of these was wet in 1999 and never again. Soil parameters by
    # layer fit the first years better and the others worse.
    "toolik": Site(
        run=toolik,
        exclude=["Tsoil_rod*", "Tsoil_hydra*"],
        weights={"soil_temperature": 3.0, "soil_liquid_water": 1.0},
        doubtful=["theta_liq_0.68*"],
        calibration=("1998-09-20", "2000-11-01"),
        validation=("2002-01-01", "2003-12-31"),
        porosity=[0.25, 0.85],
        suction=[0.005, 0.9],
        deep_temperature=[264.5, 268.5],
        forcing_prior=1e-2,
        untouched=(("2005-01-01", "2006-01-01"), ("2008-01-01", "2011-12-30")),
    ),
}


def parameters(site: Site) -> dict[str, Any]:
    """What is calibrated."""
    return {
        "soil.porosity": {"by": "class", "bounds": site.porosity},
        "soil.saturated_hydraulic_conductivity": {"by": "class", "bounds": [1e-7, 6e-3]},
        "soil.saturated_suction": {"by": "class", "bounds": site.suction},
        "soil.clapp_hornberger_b": {"by": "class", "bounds": [2.5, 12.0]},
        "soil.quartz_fraction": {"by": "class", "bounds": [0.02, 0.9]},
        "vegetation.minimum_albedo": {"bounds": [0.08, 0.3]},
        "vegetation.maximum_albedo": {"bounds": [0.1, 0.4]},
        "snow.full_cover_snow": {"bounds": [10.0, 50.0]},
        "snow.deep_snow_albedo": {"bounds": [0.72, 0.88]},
        "general.zilitinkevich_coefficient": {"bounds": [0.01, 1.0]},
        "general.canopy_shading_coefficient": {"bounds": [-4.0, -0.1]},
        "general.deep_temperature": {"bounds": site.deep_temperature},
        "forcing.longwave_down": {"bounds": [-15.0, 15.0]},
        "forcing.precipitation": {"bounds": [0.7, 1.6]},
        "forcing.snowfall": {"bounds": [0.7, 3.0]},
    }


def observations(site: Site, file: Path) -> list[dict[str, Any]]:
    """What counts, and how much; no series that is mostly water from the side, or along the probes."""
    every = {"file": str(file), "inflow": "leave_out"}
    sure = {name: {"weight": weight} for name, weight in site.weights.items()}
    entries = [{**every, "quantities": sure, "exclude": site.exclude + site.doubtful}]
    if site.doubtful:
        little = {name: {"weight": 0.1 * weight} for name, weight in site.weights.items()}
        entries.append({**every, "quantities": little, "columns": site.doubtful})
    return entries


def calibration_of(name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """The calibration file of a site, from the starts of a seed."""
    site, data = SITES[name], options.data.resolve() / name
    mapping = {
        "run": site.run(data),
        "parameters": parameters(site),
        "observations": observations(site, data / "observations.csv"),
        "calibration": dict(zip(("start", "end"), site.calibration, strict=True)),
        "validation": {**dict(zip(("start", "end"), site.validation, strict=True)), "splits": "swap"},
        "objective": {"name": "nse", "prior": 1e-3, "forcing_prior": site.forcing_prior},
        "optimiser": {"name": "levenberg_marquardt", "iterations": options.iterations},
        "starts": {"count": options.starts, "seed": seed},
        "stop": {"tolerance": 5e-3},
        "results": f"{name}_seed_{seed}",
    }
    return shortened(mapping, options.days) if options.days else mapping


def calibrate_site(name: str, seed: int, options: argparse.Namespace, console: Console) -> dict[str, Outcome]:
    """Calibrate one site from the starts of a seed, on both pairs of years."""
    calibration = read_calibration(calibration_of(name, seed, options), options.folder)
    return calibrate_splits(calibration, resume=options.resume, overwrite=not options.resume, progress=console)


def spans_of(mapping: dict[str, Any], split: str, judged: tuple[str, str] | None = None) -> dict[str, Any]:
    """Calibration and validation period of a split, the latter other years if they are given."""
    spans = [{key: mapping[period][key] for key in ("start", "end")} for period in ("calibration", "validation")]
    fitted, tested = spans if split == "as_given" else reversed(spans)
    return {"calibration": fitted, "validation": dict(zip(("start", "end"), judged, strict=True)) if judged else tested}


def judged_together(
    name: str,
    outcomes: dict[str, list[Outcome]],
    options: argparse.Namespace,
    years: tuple[str, str] | None = None,
) -> list[Outcome]:
    """The starts of all seeds as one ensemble, by split; on other years, if they are given, by a run to their end."""
    mapping = calibration_of(name, 0, options)
    if years is not None:
        mapping["run"] = SITES[name].run(options.data.resolve() / name, end=f"{years[1]}T09:00")
    return [
        judge(read_calibration({**mapping, **spans_of(mapping, split, years)}, options.folder), together(found))
        for split, found in outcomes.items()
    ]


def shortened(mapping: dict[str, Any], days: int) -> dict[str, Any]:
    """The same over a few days: half of them fitted, half of them tested."""
    start = np.datetime64(mapping["run"]["period"]["start"])
    moments = [str(start + np.timedelta64(24 * day, "h")) for day in (0, days // 2, days, days - 1)]
    period = {**mapping["run"]["period"], "end": moments[3]}
    spans = {
        "calibration": {"start": moments[0], "end": moments[1]},
        "validation": {"start": moments[1], "end": moments[2], "splits": "swap"},
    }
    return {**mapping, **spans, "run": {**mapping["run"], "period": period}}


def report_together(
    name: str, outcomes: dict[str, list[Outcome]], options: argparse.Namespace, console: Console
) -> None:
    """Print what all seeds together predict, and what on years that no choice has looked at."""
    judged = {"all seeds together": judged_together(name, outcomes, options)}
    for years in () if options.days else SITES[name].untouched:
        text = f"years that no choice has looked at: {' to '.join(years)}"
        judged[text] = judged_together(name, outcomes, options, years)
    for text, found in judged.items():
        console.rule(f"{name}, {text}")
        print_split_scores(found, console)
        covered = [100.0 * outcome.coverage["validation"] for outcome in found]
        console.print(f"Within the band of 90 %: {min(covered):.0f} to {max(covered):.0f} %.")


def main(arguments: Sequence[str] | None = None) -> dict[str, list[Outcome]]:
    """Run from the command line; site -> what every seed and split gave."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sites", nargs="*", default=list(SITES), help="yakou, toolik; default: both")
    parser.add_argument("--starts", type=int, default=2, help="the first is the run's own values")
    parser.add_argument("--seeds", type=int, default=6, help="repetitions with other random starts")
    parser.add_argument("--iterations", type=int, default=12, help="at most")
    parser.add_argument("--days", type=int, help="only so many days, to try it out")
    parser.add_argument("--resume", action="store_true", help="go on where an earlier run was stopped")
    parser.add_argument("--folder", type=Path, default=Path("sites"), help="where files are written")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with the folders of the sites")
    options = parser.parse_args(arguments)
    problems = [missing(options.data / name) if name in SITES else f"no site {name}" for name in options.sites]
    if any(problems):
        sys.exit("\n".join(filter(None, problems)))
    console = Console(width=140)
    outcomes: dict[str, list[Outcome]] = {name: [] for name in options.sites}
    for name in options.sites:
        begin = time.perf_counter()
        by_split: dict[str, list[Outcome]] = {}
        for seed in range(options.seeds):
            for split, outcome in calibrate_site(name, seed, options, console).items():
                console.rule(f"{name}, seed {seed}, {split}")
                print_outcome(outcome, console)
                outcomes[name].append(outcome)
                by_split.setdefault(split, []).append(outcome)
        console.rule(f"{name}: {options.seeds} seeds, years swapped, {time.perf_counter() - begin:.0f} s")
        print_split_scores(outcomes[name], console)
        report_together(name, by_split, options, console)
    return outcomes


if __name__ == "__main__":
    main()
