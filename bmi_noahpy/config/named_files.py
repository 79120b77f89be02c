"""The files that a configuration names and a run reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bmi_noahpy.forcing.spec import find_files
from noahpy_core.options import OwnScheme

if TYPE_CHECKING:
    from bmi_noahpy.config import Configuration


def files_read(configuration: Configuration) -> dict[str, list[Path]]:
    """Key -> the files it stands for; the configuration's own file is called ``configuration``."""
    found: dict[str, list[Path]] = {}
    if configuration.source is not None:
        found["configuration"] = [configuration.source]
    if configuration.domain.file is not None:
        found["domain.file"] = [configuration.domain.file.path]
    if configuration.forcing is not None:
        found["forcing.file"] = find_files(configuration.forcing.file)
    if configuration.restart is not None and configuration.restart.from_ is not None:
        found["restart.from"] = [configuration.restart.from_]
    for slot, choice in vars(configuration.schemes).items():
        if isinstance(choice, OwnScheme) and choice.weights is not None:
            found[f"schemes.{slot}.weights"] = [Path(choice.weights)]
    return found
