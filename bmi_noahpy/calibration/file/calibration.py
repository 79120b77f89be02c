"""What a calibration file holds: its keys, and the configuration of the run it names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationInfo

from bmi_noahpy.calibration.file.sections import (
    Objective,
    ObservationFiles,
    Optimiser,
    Results,
    Sensitivity,
    Span,
    SpinUp,
    Starts,
    Stop,
    Validation,
)
from bmi_noahpy.calibration.file.specs import WantedParameters
from bmi_noahpy.config import Configuration, ConfigurationError, load_mapping, read_configuration
from bmi_noahpy.config.errors import Problem, Problems
from bmi_noahpy.config.merging import BASE, merged
from bmi_noahpy.config.named_files import files_read
from bmi_noahpy.config.sections import Section
from bmi_noahpy.files.reading import expanded


def _read_run(value: Any, info: ValidationInfo) -> Configuration:
    """The configuration of a run: a file, a mapping, or a mapping that changes a file."""
    folder = Path((info.context or {}).get("folder", "."))
    path: Path | None = None
    try:
        if isinstance(value, (str, Path)):
            value = {BASE: value}
        if not isinstance(value, Mapping):
            raise ValueError(f"must be a file or a configuration, got {value!r}. Give the path of a YAML file.")
        changes = dict(value)
        base = changes.pop(BASE, None)
        if base is None:
            return read_configuration(changes, folder)
        path = expanded(folder, base)
        found = read_configuration(merged(load_mapping(path), changes), path.parent, name=path.stem)
        found._source = path
        return found
    except ConfigurationError as error:
        # What is about no key is about the file.
        named = [
            Problem("", f"'{path}': {found.text}") if path and not found.key else found for found in error.problems
        ]
        raise Problems(named) from None


class Calibration(Section):
    """Everything that defines a calibration. Build it with `load_calibration` or `read_calibration`."""

    model_config = ConfigDict(extra="forbid", validate_default=True, arbitrary_types_allowed=True)
    run: Annotated[Configuration, BeforeValidator(_read_run)] = Field(
        description="configuration of the run: a file, {base: file, ...changes}, or all of it"
    )
    parameters: WantedParameters = Field(description="path -> {by, layers, as, bounds, scale, spread, start}")
    observations: ObservationFiles = Field(
        default=[], description="file, or a list of files with what counts in them; `noahpy sensitivity` needs none"
    )
    calibration: Span | None = Field(default=None, description="period that is fitted; null: all of the run")
    validation: Validation | None = Field(
        default=None,
        description="{start, end} of the period that is only scored, and splits: null, swap or leave_one_year_out",
    )
    spin_up: SpinUp | None = Field(default=None, description="first part of the run, repeated before it")
    objective: Objective = Field(default_factory=lambda: Objective(), description="what is made small")
    optimiser: Optimiser = Field(default_factory=lambda: Optimiser(), description="how")
    stop: Stop = Field(default_factory=lambda: Stop(), description="when")
    starts: Starts = Field(default_factory=lambda: Starts(), description="from where")
    sensitivity: Sensitivity = Field(default_factory=lambda: Sensitivity(), description="of `noahpy sensitivity`")
    results: Results = Field(default_factory=lambda: Results.model_construct(folder=Path("calibration")))

    _source: Path | None = PrivateAttr(default=None)

    def files_read(self) -> dict[str, list[Path]]:
        """Key -> the files it stands for, those of the run among them."""
        found = {f"run.{key}": files for key, files in files_read(self.run).items()}
        found["observations"] = [entry.file for entry in self.observations]
        if self._source is not None:
            found["the calibration"] = [self._source]
        return found

    def with_results(self, folder: Path | None) -> Calibration:
        """The same with another results folder (None: its own)."""
        return self if folder is None else self.model_copy(update={"results": Results(folder=folder.absolute())})
