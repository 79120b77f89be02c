"""The calibrated run as a configuration that ``noahpy run`` takes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from bmi_noahpy.atomic import replaced
from bmi_noahpy.calibration.file.checks import given_elsewhere
from bmi_noahpy.calibration.problem.fit import Fit
from bmi_noahpy.calibration.problem.inputs import Inputs
from noahpy_core.quantities import get_quantity

HEADING = "# Calibrated run of NoahPy. Run it with: noahpy run {name}\n"
INITIAL = ("soil_temperature", "soil_moisture", "soil_liquid", "skin_temperature", "canopy_water")


def calibrated_mapping(fit: Fit, unknowns: Tensor, folder: Path) -> dict[str, Any]:
    """The run's configuration with the values of one start, as plain data.

    Parameters
    ----------
    unknowns : ``[unknown, 1]``.
    folder : Where the configuration will be; its paths start there.
    """
    inputs = fit.maker.make(unknowns)
    mapping = fit.run.configuration.model_dump(mode="json")
    mapping["name"] = f"{mapping['name']}, calibrated"
    shape = fit.run.domain.shape if fit.run.domain.columns > 1 else None
    for control in fit.controls.controls:
        section, _, name = control.wanted.path.partition(".")
        if section not in ("forcing", "initial"):
            place = mapping[section] if given_elsewhere(control.wanted) else mapping[section]["parameters"]
            place[name] = plain(get_quantity(inputs.parameters, control.wanted.path), shape)
    if fit.maker.touches_state:
        _set_initial(mapping, inputs, shape)
    for name, correction in inputs.corrections.items():
        parts = {"factor": correction.factor, "offset": correction.offset}
        found = {key: plain(value, shape) for key, value in parts.items() if isinstance(value, Tensor)}
        mapping["forcing"].setdefault("corrections", {})[name] = found
    _set_spin_up(fit, mapping)
    _set_paths(mapping, folder)
    return mapping


def plain(value: Tensor, shape: tuple[int, ...] | None) -> Any:
    """A number or nested lists: ``[layer]``, or ``[layer][y][x]`` for a grid of some shape."""
    if shape is None:
        found = value[..., 0].tolist()
    else:
        found = value.reshape(*value.shape[:-1], *shape).tolist()
    return found


def write_calibrated(fit: Fit, unknowns: Tensor, path: Path) -> Path:
    """Write the configuration, whole or not at all.

    Parameters
    ----------
    fit : Of the calibration.
    unknowns : The best of all, ``[unknown, 1]``.
    path : Of the file.
    """
    mapping = calibrated_mapping(fit, unknowns, path.absolute().parent)
    text = yaml.safe_dump(mapping, sort_keys=False, default_flow_style=None, width=110)
    with replaced(path) as partial:
        partial.write_text(HEADING.format(name=path.name) + text, encoding="utf-8")
    return path


def _set_initial(mapping: dict[str, Any], inputs: Inputs, shape: tuple[int, ...] | None) -> None:
    state = inputs.state
    # Liquid and ice add up to full pores but for round-off, and a run refuses more than full.
    moisture = torch.minimum(state.soil.moisture, inputs.parameters.soil.resolved().porosity)
    liquid = torch.minimum(state.soil.liquid_water, moisture)
    found = (state.soil.temperature, moisture, liquid, state.skin_temperature)
    for name, value in zip(INITIAL, (*found, state.canopy_water), strict=True):
        mapping["initial"][name] = plain(value, shape)
    mapping["initial"]["snow_water_equivalent"] = plain(state.snow.water_equivalent, shape)
    mapping["initial"]["snow_depth"] = plain(state.snow.depth, shape)


def _set_spin_up(fit: Fit, mapping: dict[str, Any]) -> None:
    spin_up = fit.calibration.spin_up
    if spin_up is not None:
        # Nothing is ever settled to the last bit, so that exactly these repetitions are done.
        settled = {"deep_temperature": 0.0, "total_water": 0.0}
        mapping["spin_up"] = {"cycles": spin_up.cycles, "period": spin_up.period, **settled}


def _set_paths(mapping: dict[str, Any], folder: Path) -> None:
    """Paths from the folder, and the output beside the configuration."""
    file = mapping["forcing"]["file"]
    files = [Path(os.path.relpath(one, folder)).as_posix() for one in (file if isinstance(file, list) else [file])]
    mapping["forcing"]["file"] = files if isinstance(file, list) else files[0]
    output = mapping.get("output") or {}
    mapping["output"] = {
        "every": 1,
        **{key: value for key, value in output.items() if key in ("variables", "compression")},
    }
    mapping["output"] |= {"file": "trajectory.nc", "overwrite": True}
    mapping["restart"] = None
