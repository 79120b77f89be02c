"""NoahPy as a program and as a component of modelling frameworks: configuration, files, runs, calibration, BMI.

What stands in ``__all__`` here, in `noahpy_core`, and in the namespaces that the two list, is public; every other
path is private and may change. Names are imported when they are first asked for, so that ``import bmi_noahpy`` costs
little and does not import torch. `BmiNoahPy` alone is there at once: bmi-tester looks it up in the dictionary of the
module.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bmi_noahpy.component.bmi import BmiNoahPy

if TYPE_CHECKING:
    from bmi_noahpy import calibration, cli, example, verification
    from bmi_noahpy.calibration.file.calibration import Calibration
    from bmi_noahpy.calibration.file.configuration import load_calibration, read_calibration
    from bmi_noahpy.calibration.results.outcome import Outcome
    from bmi_noahpy.calibration.session import calibrate
    from bmi_noahpy.component.dated import DatedBmiNoahPy
    from bmi_noahpy.config import Configuration, load_configuration, read_configuration
    from bmi_noahpy.config.errors import ConfigurationError, ConfigurationWarning
    from bmi_noahpy.distributed.tiles import launch_tiles
    from bmi_noahpy.forcing import ForcingError, open_forcing
    from bmi_noahpy.gradient.conformance.report import check_gradient_extension
    from bmi_noahpy.gradient.protocol import SupportsGradient, SupportsTime
    from bmi_noahpy.gradient.torch_module import ComponentModule
    from bmi_noahpy.learn.files import write_parameter_map, write_weights
    from bmi_noahpy.learn.training import TrainingError, TrainingWarning, train
    from bmi_noahpy.observations.reading import read_observations
    from bmi_noahpy.observations.scores import scores
    from bmi_noahpy.observations.yearly import permafrost_table
    from bmi_noahpy.output.permafrost import active_layer_thickness, mean_ground_temperature, snow_days
    from bmi_noahpy.plot import plot_output
    from bmi_noahpy.plot.panels import plot_section, plot_series
    from bmi_noahpy.plot.runs import compare_runs
    from bmi_noahpy.runs.execute import RunSummary
    from bmi_noahpy.runs.in_memory import simulate
    from bmi_noahpy.runs.launch import Launch, launch
    from bmi_noahpy.runs.prepare import prepare
    from bmi_noahpy.runs.restart.state_file import RestartError, read_restart
    from bmi_noahpy.runs.run import Run
    from bmi_noahpy.runs.scheme_warnings import SchemeWarning
    from bmi_noahpy.runs.spin_up import SpinUpResult, spin_up
    from bmi_noahpy.runs.sweep import Sweep, sweep
    from bmi_noahpy.verification import verify
    from bmi_noahpy.verification.sensitivities import verify_sensitivities
    from bmi_noahpy.verification.step_lengths import compare_step_lengths
    from noahpy_core import __version__

_HOMES = {
    "bmi_noahpy.calibration.file.calibration": ("Calibration",),
    "bmi_noahpy.calibration.file.configuration": ("load_calibration", "read_calibration"),
    "bmi_noahpy.calibration.results.outcome": ("Outcome",),
    "bmi_noahpy.calibration.session": ("calibrate",),
    "bmi_noahpy.component.bmi": ("BmiNoahPy",),
    "bmi_noahpy.component.dated": ("DatedBmiNoahPy",),
    "bmi_noahpy.config": ("Configuration", "load_configuration", "read_configuration"),
    "bmi_noahpy.config.errors": ("ConfigurationError", "ConfigurationWarning"),
    "bmi_noahpy.distributed.tiles": ("launch_tiles",),
    "bmi_noahpy.forcing": ("ForcingError", "open_forcing"),
    "bmi_noahpy.gradient.conformance.report": ("check_gradient_extension",),
    "bmi_noahpy.gradient.protocol": ("SupportsGradient", "SupportsTime"),
    "bmi_noahpy.gradient.torch_module": ("ComponentModule",),
    "bmi_noahpy.learn.files": ("write_parameter_map", "write_weights"),
    "bmi_noahpy.learn.training": ("TrainingError", "TrainingWarning", "train"),
    "bmi_noahpy.observations.reading": ("read_observations",),
    "bmi_noahpy.observations.scores": ("scores",),
    "bmi_noahpy.observations.yearly": ("permafrost_table",),
    "bmi_noahpy.output.permafrost": ("active_layer_thickness", "mean_ground_temperature", "snow_days"),
    "bmi_noahpy.plot": ("plot_output",),
    "bmi_noahpy.plot.panels": ("plot_section", "plot_series"),
    "bmi_noahpy.plot.runs": ("compare_runs",),
    "bmi_noahpy.runs.execute": ("RunSummary",),
    "bmi_noahpy.runs.in_memory": ("simulate",),
    "bmi_noahpy.runs.launch": ("Launch", "launch"),
    "bmi_noahpy.runs.prepare": ("prepare",),
    "bmi_noahpy.runs.run": ("Run",),
    "bmi_noahpy.runs.restart.state_file": ("RestartError", "read_restart"),
    "bmi_noahpy.runs.scheme_warnings": ("SchemeWarning",),
    "bmi_noahpy.runs.spin_up": ("SpinUpResult", "spin_up"),
    "bmi_noahpy.runs.sweep": ("Sweep", "sweep"),
    "bmi_noahpy.verification": ("verify",),
    "bmi_noahpy.verification.sensitivities": ("verify_sensitivities",),
    "bmi_noahpy.verification.step_lengths": ("compare_step_lengths",),
    "noahpy_core": ("__version__",),
}
_NAMESPACES = ("calibration", "cli", "example", "verification")
_OPTIONAL = {"NoahPy": "bmi_noahpy.component.ewatercycle"}
"""Public as well, but only where the package they are made for is installed: not in ``__all__``."""

_HOME = {name: module for module, names in _HOMES.items() for name in names} | _OPTIONAL

__all__ = [
    "BmiNoahPy",
    "Calibration",
    "ComponentModule",
    "Configuration",
    "ConfigurationError",
    "ConfigurationWarning",
    "DatedBmiNoahPy",
    "ForcingError",
    "Launch",
    "Outcome",
    "RestartError",
    "Run",
    "RunSummary",
    "SchemeWarning",
    "SpinUpResult",
    "SupportsGradient",
    "SupportsTime",
    "Sweep",
    "TrainingError",
    "TrainingWarning",
    "__version__",
    "active_layer_thickness",
    "calibrate",
    "calibration",
    "check_gradient_extension",
    "cli",
    "compare_runs",
    "compare_step_lengths",
    "example",
    "launch",
    "launch_tiles",
    "load_calibration",
    "load_configuration",
    "mean_ground_temperature",
    "open_forcing",
    "permafrost_table",
    "plot_output",
    "plot_section",
    "plot_series",
    "prepare",
    "read_calibration",
    "read_configuration",
    "read_observations",
    "read_restart",
    "scores",
    "simulate",
    "snow_days",
    "spin_up",
    "sweep",
    "train",
    "verification",
    "verify",
    "verify_sensitivities",
    "write_parameter_map",
    "write_weights",
]


def __getattr__(name: str) -> Any:
    """The public name, imported now and kept."""
    if name in _NAMESPACES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
