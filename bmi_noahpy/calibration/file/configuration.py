"""Calibration files: YAML, validated before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bmi_noahpy.calibration.file.calibration import Calibration
from bmi_noahpy.calibration.file.checks import check
from bmi_noahpy.config import ConfigurationError, Problem, load_mapping
from bmi_noahpy.config.errors import explain


def load_calibration(path: str | Path, settings: Sequence[str] = ()) -> Calibration:
    """Read and validate a calibration file. Relative paths in it start from its folder.

    Parameters
    ----------
    settings : Single keys on top of the file, each as ``"starts.count=4"``; ``"run.period.end=2020-01-01"`` for those
        of the run.

    Raises
    ------
    ConfigurationError : with every problem of the file, each naming key, value and remedy.
    """
    path = Path(path).absolute()
    mapping = {"results": f"{path.stem}_results", **load_mapping(path, settings)}
    return read_calibration(mapping, path.parent, source=str(path))


def read_calibration(mapping: Any, folder: str | Path = ".", *, source: str = "") -> Calibration:
    """Validate a calibration given as plain data.

    Parameters
    ----------
    mapping : Keys as in a YAML file.
    folder : Where relative paths start.
    source : Where the data come from, for messages.

    Raises
    ------
    ConfigurationError : with every problem, each naming key, value and remedy.
    """
    if not isinstance(mapping, Mapping):
        raise ConfigurationError([Problem("", f"holds {mapping!r} instead of keys like 'run:'.")], source)
    try:
        calibration = Calibration.model_validate(mapping, context={"folder": Path(folder), "read": {}})
    except ValidationError as error:
        raise ConfigurationError(explain(error, Calibration), source) from None
    calibration._source = Path(source) if source else None

    problems = check(calibration)
    if problems:
        raise ConfigurationError(problems, source)
    return calibration
