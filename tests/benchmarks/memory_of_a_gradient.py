"""Differentiate a short run, then a long one, and print how memory grew: run in a process of its own, on Linux.

``python memory_of_a_gradient.py COLUMNS STEPS SPACING`` prints a JSON object: bytes, and whether all is finite.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from columns import STEP, Site, make_site
from torch import Tensor

from noahpy_core import run
from noahpy_core.trees import map_tensors


def differentiate(site: Site, steps: int, spacing: int) -> Tensor:
    """Gradient of the soil temperature at the end of a run."""
    porosity = site.parameters.soil.porosity
    porosity.grad = None
    porosity.requires_grad_()
    forcing = map_tensors(lambda series: series[:steps], site.forcing)
    path = run(
        site.model, site.state, forcing, site.parameters, STEP,
        outputs=["skin_temperature"], checkpoint_every=spacing, execution="compiled",
    )  # fmt: skip
    (path.final_state.soil.temperature.sum() + path.outputs["skin_temperature"].mean()).backward()
    gradient = porosity.grad
    assert gradient is not None
    return gradient


def memory(what: str) -> int:
    """Resident memory of this program: "VmRSS" now, "VmHWM" the largest since it was forgotten. [byte]"""
    return 1024 * int(Path("/proc/self/status").read_text().split(f"{what}:")[1].split()[0])


def main(columns: int, steps: int, spacing: int) -> None:
    torch.set_num_threads(1)
    # Over years derivatives of the heat-limited scheme grow without bound.
    site = make_site(columns, steps, schemes={"phase_change": "enthalpy"})
    differentiate(site, 2, 1)
    # Forget the peak of what came before.
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    finite = bool(torch.isfinite(differentiate(site, steps, spacing)).all())
    sys.stdout.write(json.dumps({"grown": memory("VmHWM") - before, "finite": finite}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
