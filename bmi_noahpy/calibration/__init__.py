"""Calibration of parameters, initial values and biases of the forcing against observations, and sensitivities.

A public namespace: `bmi_noahpy.calibrate` does all of a calibration, the names here are its parts.
"""

from __future__ import annotations

from bmi_noahpy.calibration.file.calibration import Calibration
from bmi_noahpy.calibration.file.configuration import load_calibration, read_calibration
from bmi_noahpy.calibration.problem.fit import Fit
from bmi_noahpy.calibration.problem.matching import within
from bmi_noahpy.calibration.results.calibrated import write_calibrated
from bmi_noahpy.calibration.results.judgement import judge, together
from bmi_noahpy.calibration.results.outcome import Outcome
from bmi_noahpy.calibration.results.report import print_outcome, print_split_scores
from bmi_noahpy.calibration.results.scoring import PERIODS, mean_score
from bmi_noahpy.calibration.results.split_scores import split_scores
from bmi_noahpy.calibration.search import Search
from bmi_noahpy.calibration.sensitivity.analysis import analyse, load_analysis
from bmi_noahpy.calibration.session import calibrate
from bmi_noahpy.calibration.splits import calibrate_splits

__all__ = [
    "PERIODS",
    "Calibration",
    "Fit",
    "Outcome",
    "Search",
    "analyse",
    "calibrate",
    "calibrate_splits",
    "judge",
    "load_analysis",
    "load_calibration",
    "mean_score",
    "print_outcome",
    "print_split_scores",
    "read_calibration",
    "split_scores",
    "together",
    "within",
    "write_calibrated",
]
