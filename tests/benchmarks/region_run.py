"""Make the region of an example, or run it and print what that took, in a process of its own.

``python region_run.py FOLDER DAYS`` writes its files; with a third argument, the number of workers (0: one process),
it runs the region there and prints a JSON object: seconds of the wall clock, seconds of the processors.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))

import regional_permafrost

from bmi_noahpy import Launch, launch, launch_tiles, read_configuration

ROWS, LINES = 60, 60


def make(folder: Path, days: int) -> int:
    """Write domain and weather; the number of columns."""
    region = regional_permafrost.terrain(ROWS, LINES)
    region.to_netcdf(folder / "domain.nc")
    regional_permafrost.write_weather(folder, region, days)
    return int(region["land_mask"].sum())


def run(folder: Path, days: int, workers: int) -> tuple[float, float]:
    """Run the region; seconds of the wall clock, and of all processors."""
    warnings.simplefilter("ignore")
    configuration, how = read_configuration(regional_permafrost.settings(days), folder), Launch(overwrite=True)
    before, begin = processor(), time.perf_counter()
    if workers:
        launch_tiles(configuration, how, workers=workers)
    else:
        launch(configuration, how)
    return time.perf_counter() - begin, processor() - before


def processor() -> float:
    """Seconds of this process and of those that it started and that have ended. [s]"""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    where, length = Path(sys.argv[1]), int(sys.argv[2])
    print(json.dumps(run(where, length, int(sys.argv[3])) if len(sys.argv) > 3 else make(where, length)))
