"""Take a first step and a first gradient, and print what each took beyond the second time: run in a process of its own.

``python first_use.py`` prints a JSON object with seconds of the wall clock.
"""

from __future__ import annotations

import json
import sys
import time

import torch
from columns import STEP, make_site
from timing import Action, seconds

from noahpy_core import run
from noahpy_core.compiled import CompiledStep
from noahpy_core.trees import map_tensors


def beyond_the_second_time(action: Action) -> float:
    """Seconds of a first call without those of the work itself."""
    first, second = (seconds(action, time.perf_counter) for _ in range(2))
    return first - second


def main() -> None:
    torch.set_num_threads(1)
    site = make_site(1, 10)
    parameters = map_tensors(lambda value: value.clone().requires_grad_(), site.parameters)

    def step() -> None:
        with torch.no_grad():
            CompiledStep(site.model)(site.state, site.record(0), site.parameters, STEP)

    def gradient() -> None:
        outputs = ["soil.temperature"]
        path = run(site.model, site.state, site.forcing, parameters, STEP, outputs=outputs, execution="compiled")
        path.outputs["soil.temperature"].sum().backward()

    sys.stdout.write(json.dumps({"step": beyond_the_second_time(step), "gradient": beyond_the_second_time(gradient)}))


if __name__ == "__main__":
    main()
