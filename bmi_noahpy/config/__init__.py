"""Configurations: a YAML file, or the header of a Noah ASCII forcing file, validated before anything runs.

The sections and keys are those of `bmi_noahpy.config.sections`; `noahpy init` writes them with comments. Numbers are in
the units of the model, or carry their own (``"15 degC"``, ``{values: [...], units: degC}``). Values of several columns
are nested lists ``[y][x]``, ``[layer][y][x]`` or ``[month][y][x]``. A domain file (``domain.file``) holds maps instead:
what is in it goes before what the sections say.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, PrivateAttr, ValidationError, model_validator

from bmi_noahpy.config.checks import check
from bmi_noahpy.config.data_files import looks_like_records, shortened
from bmi_noahpy.config.errors import EMPTY, ConfigurationError, ConfigurationWarning, Problem, Problems, explain
from bmi_noahpy.config.extent import Read
from bmi_noahpy.config.forcing_section import ForcingFile
from bmi_noahpy.config.map_names import targets
from bmi_noahpy.config.maps import REMEDY, map_paths, with_maps
from bmi_noahpy.config.merging import with_base, with_settings
from bmi_noahpy.config.namelist import entry_of, namelist_to_mapping
from bmi_noahpy.config.namelist_text import has_namelist
from bmi_noahpy.config.run_sections import Device, Execution, RestartFile, SpinUp
from bmi_noahpy.config.sections import (
    Domain,
    General,
    Initial,
    Output,
    Period,
    Schemes,
    Section,
    Snow,
    Soil,
    Vegetation,
)
from bmi_noahpy.config.yaml_text import YamlError, parse_yaml
from bmi_noahpy.files.reading import UnreadableFile, expanded, read_text
from bmi_noahpy.region.file import DomainFileError, Region, read_region
from noahpy_core.options import Options

__all__ = [
    "Configuration",
    "ConfigurationError",
    "ConfigurationWarning",
    "Problem",
    "load_configuration",
    "load_mapping",
    "read_configuration",
]


class Configuration(Section):
    """Everything that defines a run. Build it with `load_configuration` or `read_configuration`."""

    key: ClassVar[str] = ""
    name: str = Field(default="noahpy", description="title of the run")
    domain: Domain
    period: Period
    soil: Soil
    vegetation: Vegetation
    snow: Snow = Field(default_factory=lambda: Snow())
    general: General
    schemes: Schemes = Field(default_factory=Options)
    initial: Initial
    forcing: ForcingFile | None = None
    output: Output | None = None
    execution: Execution = Field(
        default="auto", description="auto: the quickest way; eager: step by step in Python; compiled: or not at all"
    )
    device: Device = Field(default="cpu", description="cpu, or a graphics processor: cuda, cuda:1")
    framework_inputs: Literal["hold", "call"] = Field(
        default="hold",
        description="inputs that a framework sets: hold until they are set again, or for the next call of update only",
    )
    restart: RestartFile | None = None
    spin_up: SpinUp | None = None
    _source: Path | None = PrivateAttr(default=None)

    @property
    def source(self) -> Path | None:
        """The file it was read from."""
        return self._source

    @model_validator(mode="after")
    def _check(self) -> Configuration:
        problems = check(_flat(self))
        if problems:
            raise Problems(problems)
        return self

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """The configuration as plain data, which `read_configuration` reads back; maps stay in the domain file."""
        sections = {name: getattr(self, name) for name in type(self).model_fields}
        held = {name: dict(section) for name, section in sections.items() if isinstance(section, Section)}
        return super().model_dump(**{"by_alias": True, "exclude": map_paths(held), **options})


def load_configuration(path: str | Path, settings: Sequence[str] = ()) -> Configuration:
    """Read and validate a file: YAML, or a Noah ASCII forcing file, recognised by its namelist.

    Relative paths in it start from its folder. Its key ``base`` names another file that it is laid over.

    Parameters
    ----------
    settings : Single keys on top of the file, each as ``"period.end=2020-01-01"``.

    Raises
    ------
    ConfigurationError : with every problem of the file, each naming key, value and remedy.
    """
    path = Path(path).absolute()
    text = _text(path)
    if has_namelist(text):
        return _from_namelist(text, path, settings)
    content = _parse_yaml(text, str(path))
    if isinstance(content, dict):
        content = with_settings(with_base(content, path, _plain), settings)
    return read_configuration(content, path.parent, source=str(path), name=path.stem)


def load_mapping(path: str | Path, settings: Sequence[str] = ()) -> dict[str, Any]:
    """A file as plain data, not validated: YAML over its base, or the configuration that a Noah ASCII file is equal to.

    Parameters
    ----------
    settings : Single keys on top of the file.

    Raises
    ------
    ConfigurationError : the file cannot be read, or does not hold keys with values.
    """
    path = Path(path).absolute()
    return with_settings(with_base(_plain(path), path, _plain), settings)


def _plain(path: Path) -> dict[str, Any]:
    """A file as plain data, without its base."""
    text = _text(path)
    content = namelist_to_mapping(text, path)[0] if has_namelist(text) else _parse_yaml(text, str(path))
    if not isinstance(content, dict):
        problem = Problem("", f"holds {shortened(content)} instead of keys with values.")
        raise ConfigurationError([problem], str(path))
    return content


def _text(path: Path) -> str:
    """The text of a configuration.

    Raises
    ------
    ConfigurationError : no such file, no text, or a file of records.
    """
    if path.is_file() and looks_like_records(path):
        command = f"noahpy init {path.stem}.yaml --from {path.name}"
        text = f"holds data, it is not a configuration. Write one that names it in forcing.file with: {command}"
        raise ConfigurationError([Problem("", text)], str(path))
    try:
        return read_text(path)
    except UnreadableFile as error:
        raise ConfigurationError([Problem("", str(error))], str(path)) from None


def read_configuration(
    mapping: Mapping[str, Any], folder: str | Path = ".", *, source: str = "", name: str | None = None
) -> Configuration:
    """Validate a configuration given as plain data.

    Parameters
    ----------
    mapping : Sections as in a YAML file.
    folder : Where relative paths start.
    source : Where the data come from, for messages.
    name : Title of the run when `mapping` has none.

    Raises
    ------
    ConfigurationError : with every problem, each naming key, value and remedy.
    """
    if not isinstance(mapping, Mapping):
        raise ConfigurationError([Problem("", f"holds {shortened(mapping)} instead of sections like 'soil:'.")], source)
    titled = {"name": name, **mapping} if name else mapping
    region = _region(titled, Path(folder), source)
    if region is None:
        return _validated(titled, folder, source)
    while True:
        try:
            return _validated(with_maps(titled, region), folder, source)
        except ConfigurationError as error:
            region = _without_invalid(region, titled, error)


def _region(mapping: Mapping[str, Any], folder: Path, source: str) -> Region | None:
    domain = mapping.get("domain")
    file = domain.get("file") if isinstance(domain, Mapping) else None
    if not isinstance(file, (str, Path)) or not str(file).strip():
        return None
    try:
        return read_region(expanded(folder, file), targets())
    except ValueError as error:
        raise ConfigurationError([Problem("domain.file", str(error))], source) from None


def _without_invalid(region: Region, mapping: Mapping[str, Any], error: ConfigurationError) -> Region:
    """The region without the cells of the problems; the error itself when it is about more than some cells."""
    policy = mapping["domain"].get("invalid_cells")
    if policy != "mask" or not all(problem.columns for problem in error.problems):
        raise error
    columns = np.unique([column for problem in error.problems for column in problem.columns])
    try:
        left = region.without(columns)
    except DomainFileError as nothing_left:
        raise ConfigurationError([*error.problems, Problem("domain.file", str(nothing_left))], error.source) from None
    for key, text, _ in error.problems:
        warnings.warn(f"{key}: {text.removesuffix(REMEDY)}They are left out.", ConfigurationWarning, stacklevel=4)
    return left


def _validated(titled: Mapping[str, Any], folder: str | Path, source: str) -> Configuration:
    read: dict[str, Any] = {}
    try:
        found = Configuration.model_validate(titled, context={"folder": Path(folder), "read": read})
        found._source = Path(source) if source else None
        return found
    except ValidationError as error:
        problems = explain(error, Configuration)
        checked = any(details["loc"] == () for details in error.errors())
        raise ConfigurationError(problems if checked else problems + check(read), source) from None


def _from_namelist(text: str, path: Path, settings: Sequence[str]) -> Configuration:
    mapping, remarks = namelist_to_mapping(text, path)
    mapping = with_settings(mapping, settings)
    for remark in remarks:
        warnings.warn(f"{path}: {remark}", ConfigurationWarning, stacklevel=3)
    try:
        return read_configuration(mapping, path.parent, source=str(path))
    except ConfigurationError as error:
        named = [Problem(f"{entry_of(p.key)} ({p.key})" if entry_of(p.key) else p.key, p.text) for p in error.problems]
        raise ConfigurationError(named, error.source) from None


def _flat(configuration: Configuration) -> Read:
    sections = {name: getattr(configuration, name) for name in Configuration.model_fields}
    return {
        f"{key}.{name}": getattr(section, name)
        for key, section in sections.items()
        if isinstance(section, Section)
        for name in type(section).model_fields
    }


def _parse_yaml(text: str, source: str) -> Any:
    try:
        content = parse_yaml(text)
    except YamlError as error:
        raise ConfigurationError([Problem("", str(error))], source) from None
    if content is None or content is EMPTY:
        raise ConfigurationError([Problem("", "the file is empty. `noahpy init` writes a template.")], source)
    return content
