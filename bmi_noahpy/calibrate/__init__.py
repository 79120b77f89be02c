"""Calibration of parameters, initial values and biases of the forcing against observations, and sensitivities."""

from __future__ import annotations

from bmi_noahpy.calibrate.file.configuration import Calibration, load_calibration, read_calibration
from bmi_noahpy.calibrate.session import Outcome, calibrate

__all__ = ["Calibration", "Outcome", "calibrate", "load_calibration", "read_calibration"]
