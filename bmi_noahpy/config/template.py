"""Writing configurations: a commented template, or the equivalent of a Noah ASCII forcing file."""

from __future__ import annotations

import copy
import os
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import yaml
from pydantic import BaseModel

from bmi_noahpy.config import Configuration, ConfigurationWarning, read_configuration
from bmi_noahpy.config.namelist import namelist_to_mapping
from bmi_noahpy.config.organic_profiles import MARK, default_profile
from bmi_noahpy.config.schemes import PRESET
from bmi_noahpy.config.sections import Soil
from noahpy_core.class_values import checked_land_cover, class_number, vegetation_class_names
from noahpy_core.errors import ClassError
from noahpy_core.options import BUILT_IN, Options
from noahpy_core.presets import PRESETS, preset

ORGANIC_MATERIAL, SILT_LOAM = 17, 8
"""Classes of the table noah."""

COMMENT_COLUMN = 36
WIDTH = 120
NEEDED = "(needed)"
"""Stands for a value that has no default, in a section that is not used."""

HEADING = """\
# Configuration of a run of NoahPy. Numbers are in the units in brackets; a text with other units is converted, as in
# "15 degC" or {values: [1, 2], units: degC}. Paths start from the folder of this file. For a grid, give lists of
# latitudes and longitudes, and values of single columns as [y][x], [layer][y][x] or [month][y][x].
"""

TEMPLATE: Mapping[str, Any] = {
    "name": "My site",
    "domain": {"latitude": 68.6, "longitude": -149.6},
    "period": {"start": "2020-09-01T00:00", "end": "2021-08-31T21:00", "step": 10800},
    "soil": {
        "thickness": [0.05, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0, 2.0, 3.0],
        "classes": [17, 17, 8, 8, 8, 8, 9, 9, 13, 13],
    },
    "vegetation": {
        "class": 20,
        "fraction": [0.05, 0.05, 0.05, 0.08, 0.2, 0.4, 0.55, 0.5, 0.3, 0.12, 0.05, 0.05],
        "minimum_fraction": 0.05,
        "maximum_fraction": 0.55,
    },
    "schemes": {"preset": "conservative"},
    "general": {"deep_temperature": 269.0, "air_temperature_height": 2.0, "wind_height": 10.0},
    "initial": {
        "soil_temperature": [276.0, 275.5, 275.0, 274.5, 273.8, 273.0, 272.0, 271.0, 270.0, 269.5],
        "soil_moisture": [0.35, 0.35, 0.35, 0.35, 0.35, 0.35, 0.3, 0.3, 0.2, 0.2],
        "soil_liquid": "equilibrium",
        "skin_temperature": 276.0,
        "albedo": 0.16,
        "roughness_length": 0.05,
    },
    "forcing": {"file": "forcing.csv", "format": "csv"},
    "output": {"file": "output.nc"},
}
"""What stands in the template; every other key has its default there."""


def write_template(path: str | Path, *, overwrite: bool = False, vegetation: str | None = None) -> Path:
    """Write a commented YAML file with every key, to be adapted to a site.

    Parameters
    ----------
    path : The file.
    overwrite : Whether an existing one is replaced.
    vegetation : Land cover, by name or number of the table usgs; None: herbaceous tundra.

    Raises
    ------
    FileExistsError : the file exists and may not be replaced.
    ValueError : there is no such land cover.
    """
    return _write(path, template_of(vegetation), overwrite)


def template_of(vegetation: str | None = None) -> dict[str, Any]:
    """What stands in the template for a land cover; for tundra and taiga with the default profile of organic matter.

    Parameters
    ----------
    vegetation : By name or number of the table usgs; None: herbaceous tundra.

    Raises
    ------
    ValueError : there is no such land cover.
    """
    mapping: dict[str, Any] = copy.deepcopy(dict(TEMPLATE))
    soil = mapping["soil"]
    if vegetation is not None:
        mapping["vegetation"]["class"] = _class_of(vegetation)
    organic = [number == ORGANIC_MATERIAL for number in soil["classes"]]
    profile = default_profile(mapping["vegetation"]["class"], soil["thickness"], organic=organic)
    if profile is None:
        soil["classes"] = [SILT_LOAM if peat else number for number, peat in zip(soil["classes"], organic, strict=True)]
    else:
        soil["parameters"] = {"organic_matter": profile}
    return mapping


def _class_of(vegetation: str) -> int:
    names = vegetation_class_names("usgs")
    try:
        number = int(vegetation) if vegetation.strip().isdigit() else class_number(vegetation, names)
        checked_land_cover(np.array([number]), "usgs")
    except ClassError as error:
        raise ValueError(f"--vegetation: {vegetation}: {error.reason}") from None
    except ValueError as error:
        raise ValueError(f"--vegetation: {error}") from None
    return number


def convert_namelist(source: str | Path, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write the commented YAML file whose run equals running a Noah ASCII forcing file directly.

    The table of that file stays where it is and is referred to.

    Raises
    ------
    ConfigurationError : the file is not a Noah ASCII forcing file, or asks for what cannot be computed.
    FileExistsError : `path` exists and may not be replaced.
    """
    source = Path(source).absolute()
    mapping, remarks = namelist_to_mapping(source.read_text(encoding="utf-8"), source)
    for remark in remarks:
        warnings.warn(f"{source}: {remark}", ConfigurationWarning, stacklevel=2)
    plain = read_configuration(mapping, source.parent, source=str(source)).model_dump(mode="json")
    folder = Path(path).absolute().parent
    for section in ("forcing", "output"):
        plain[section]["file"] = Path(os.path.relpath(plain[section]["file"], folder)).as_posix()
    return _write(path, plain, overwrite)


def render(mapping: Mapping[str, Any]) -> str:
    """A configuration as YAML text with a comment beside every key; keys that `mapping` lacks get their defaults."""
    lines = [HEADING]
    for name, field in Configuration.model_fields.items():
        default = field.get_default(call_default_factory=True)
        value = mapping.get(name, default)
        kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        section = next((kind for kind in kinds if issubclass(kind, BaseModel)), None)
        if name == "schemes":
            lines += ["", *_schemes(mapping.get(name) or {})]
        elif section is None:
            lines += ["", *_entry(name, value, field.description or "", "")]
        elif value is None:
            lines += ["", *_unused(name, section)]
        else:
            lines += ["", f"{name}:", *_section(section, mapping.get(name) or {})]
    return "\n".join(lines) + "\n"


def _write(path: str | Path, mapping: Mapping[str, Any], overwrite: bool) -> Path:
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists. Choose another name, or allow to overwrite it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(mapping), encoding="utf-8")
    return path


def _section(section: type[BaseModel], values: Mapping[str, Any]) -> Iterator[str]:
    for name, field in section.model_fields.items():
        key = field.alias or name
        default = field.get_default(call_default_factory=True)
        value = values.get(key, default.model_dump() if isinstance(default, BaseModel) else default)
        yield from _entry(key, value, field.description or "", "  ")
        if section is Soil and key == "parameters" and "organic_matter" in value:
            yield from (f"  # {line}" for line in textwrap.wrap(f"organic_matter: {MARK}", WIDTH - 4))


def _unused(name: str, section: type[BaseModel]) -> Iterator[str]:
    """A section that does something by being there, as a comment."""
    yield f"# {(section.__doc__ or '').strip()}"
    needed = {field.alias or key: NEEDED for key, field in section.model_fields.items() if field.is_required()}
    yield from (f"# {line}" for line in (f"{name}:", *_section(section, needed)))


def _schemes(chosen: Mapping[str, Any]) -> Iterator[str]:
    yield "schemes:"
    name = chosen.get(PRESET)
    if name is not None:
        about = f"all schemes at once: {', '.join(PRESETS)}; single ones beside it, as below, change it"
        yield from _entry(PRESET, name, about, "  ")
    yield "  # one's own: package.module:Class, or {class: package.module:Class, arguments: {...}, weights: file.pt}"
    below = vars(Options() if name is None else preset(name))
    for slot in Options.__dataclass_fields__:
        lines = _entry(slot, chosen.get(slot, below[slot]), BUILT_IN[slot].choices.replace("'", ""), "  ")
        yield from lines if name is None or slot in chosen else _commented(lines)


def _commented(lines: Iterable[str]) -> Iterator[str]:
    """Entries of a section that need only be uncommented."""
    for line in lines:
        text = line.removeprefix("  ")
        yield line if text.startswith("#") else f"  # {text}"


def _entry(key: str, value: Any, comment: str, indent: str) -> list[str]:
    """One key as a line with its comment, or the comment on a line of its own where that would be too long."""
    text = f"{indent}{key}: {_flow(value)}"
    if len(text) + 2 <= COMMENT_COLUMN:
        line = f"{text:<{COMMENT_COLUMN}}# {comment}"
        if len(line) <= WIDTH:
            return [line]
    wrapped = textwrap.wrap(comment, WIDTH - len(indent) - 2)
    return [*(f"{indent}# {line}" for line in wrapped), *_folded(text)]


def _flow(value: Any) -> str:
    if isinstance(value, tuple):
        value = list(value)
    return yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False).removesuffix("...\n").strip()


def _folded(text: str) -> Sequence[str]:
    """A long list over several lines, the following ones indented."""
    lines: list[str] = []
    indent = " " * (len(text) - len(text.lstrip()) + 4)
    while len(text) > WIDTH and ", " in text[:WIDTH]:
        cut = text.rindex(", ", 0, WIDTH) + 1
        lines.append(text[:cut])
        text = indent + text[cut + 1 :]
    return [*lines, text]
