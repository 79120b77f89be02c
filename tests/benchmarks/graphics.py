"""Time of runs and gradients on a graphics processor, beside the same on the processor.

NOAHPY_TRY_GRAPHICS=1 python tests/benchmarks/graphics.py 10000 100000 1000000
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median

import torch
from columns import STEP, Site, make_site

from noahpy_core import NoahModel, run
from noahpy_core.trees import map_tensors

STEPS, STEPS_OF_GRADIENT, STEPS_OF_EAGER = 48, 16, 4


def placed(site: Site, device: str) -> Site:
    """A site's columns on a device."""
    model = NoahModel(site.model.column, site.model.options).to(device)
    trees = (map_tensors(lambda x: x.to(device), tree) for tree in site.trees)
    return Site(model, *trees)


def taken(site: Site, steps: int, execution: str) -> object:
    """A run without gradient."""
    forcing = map_tensors(lambda x: x[:steps], site.forcing)
    with torch.no_grad():
        return run(
            site.model, site.state, forcing, site.parameters, STEP, outputs=["skin_temperature"], execution=execution
        )  # fmt: skip


def differentiated(site: Site, steps: int) -> object:
    """A run and the gradient of its soil temperature by all parameters of the soil and the first state."""
    trees = [map_tensors(lambda x: x.detach().clone().requires_grad_(), tree) for tree in (site.state, site.parameters)]
    forcing = map_tensors(lambda x: x[:steps], site.forcing)
    path = run(site.model, trees[0], forcing, trees[1], STEP, outputs=["soil.temperature"], execution="compiled")
    path.outputs["soil.temperature"].sum().backward()
    return trees


def seconds(action: Callable[[], object], rounds: int = 3) -> float:
    """Median time of an action, after one that makes its kernels."""
    found = []
    for _ in range(rounds + 1):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        begin = time.perf_counter()
        action()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        found.append(time.perf_counter() - begin)
    return median(found[1:])


def main() -> None:
    """Nanoseconds for each column and step."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "no graphics processor"
    print(f"{name}; processor with {torch.get_num_threads()} threads; ns for a column-step, 20 layers")
    for dtype in (torch.float64, torch.float32):
        for columns in map(int, sys.argv[1:]):
            site = make_site(columns, STEPS, dtype=dtype)
            for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
                there = placed(site, device)
                forward = seconds(lambda s=there: taken(s, STEPS, "compiled")) / STEPS / columns
                back = seconds(lambda s=there: differentiated(s, STEPS_OF_GRADIENT), 2) / STEPS_OF_GRADIENT / columns
                eager = seconds(lambda s=there: taken(s, STEPS_OF_EAGER, "eager"), 1) / STEPS_OF_EAGER / columns
                print(
                    f"{dtype!s:14} {columns:8} columns {device:5} run {forward * 1e9:9.2f}   run and gradient "
                    f"{back * 1e9:9.2f}   eager run {eager * 1e9:9.2f}", flush=True,
                )  # fmt: skip


if __name__ == "__main__":
    main()
