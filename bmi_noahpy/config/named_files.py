"""The files that a configuration names and a run reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmi_noahpy.config.own_tables import table_file
from bmi_noahpy.files.reading import expanded
from bmi_noahpy.forcing.spec import find_files
from noahpy_core.class_values import SOIL_TABLES, VEGETATION_TABLES
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
    for section in ("soil", "vegetation", "general"):
        file = table_file(getattr(configuration, section).table)
        if file is not None:
            found[f"{section}.table"] = [file]
    if configuration.forcing is not None:
        found["forcing.file"] = find_files(configuration.forcing.file)
        if configuration.forcing.lapse is not None and configuration.forcing.lapse.file is not None:
            found["forcing.lapse.file"] = [configuration.forcing.lapse.file]
    if configuration.restart is not None and configuration.restart.from_ is not None:
        found["restart.from"] = [configuration.restart.from_]
    for slot, choice in vars(configuration.schemes).items():
        if isinstance(choice, OwnScheme) and choice.weights is not None:
            found[f"schemes.{slot}.weights"] = [Path(choice.weights)]
    return found


PATHS = ("domain.file", "forcing.file", "output.file", "restart.folder", "restart.from", "spin_up.file")
"""Keys of plain data that hold paths from the folder of the configuration; tables and weights of schemes besides."""
FILES = ("file", "folder", "base")
"""Keys of what a calibration says of its run, its observations and its results, and of records, that hold paths."""
OF_CALIBRATIONS = ("run", "observations", "results")
TABLES: Mapping[str, tuple[str, ...]] = {"soil": SOIL_TABLES, "vegetation": VEGETATION_TABLES, "general": ()}
"""Sections with a key ``table``, and what is a name in it, not a path."""


def with_absolute_files(sections: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Plain data of a configuration or a calibration that can be read from any folder: files are named where they lie.

    Parameters
    ----------
    sections : As in the file.
    folder : Of the file.
    """

    def absolute(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [absolute(entry) for entry in value]
        if isinstance(value, Mapping):
            return {key: absolute(entry) if key in FILES else entry for key, entry in value.items()}
        return str(expanded(folder, value)) if isinstance(value, str) and value else value

    found = {key: dict(section) if isinstance(section, Mapping) else section for key, section in sections.items()}
    for path in PATHS:
        name, _, key = path.partition(".")
        if isinstance(found.get(name), dict) and key in found[name]:
            found[name][key] = absolute(found[name][key])
    for key, names in TABLES.items():
        section = found.get(key)
        if isinstance(section, dict) and "table" in section and section["table"] not in names:
            section["table"] = absolute(section["table"])
    forcing = found.get("forcing")
    if isinstance(forcing, dict) and isinstance(forcing.get("lapse"), Mapping):
        forcing["lapse"] = absolute(forcing["lapse"])
    schemes = found.get("schemes")
    if isinstance(schemes, dict):
        for slot, choice in schemes.items():
            if isinstance(choice, Mapping) and "weights" in choice:
                schemes[slot] = {**choice, "weights": absolute(choice["weights"])}
    if isinstance(found.get("run"), dict) and "base" not in found["run"]:
        found["run"] = with_absolute_files(found["run"], folder)
    return found | {key: absolute(found[key]) for key in OF_CALIBRATIONS if key in found}
