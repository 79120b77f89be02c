"""How a file of observations is read: the keys of the forcing, for a calibration and for single figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, field_validator

from bmi_noahpy.config.errors import ConfigurationError, Problem, explain
from bmi_noahpy.config.forcing_section import Label, TextSource, TimeSource, read_codes
from bmi_noahpy.config.merging import with_settings
from bmi_noahpy.config.sections import Section
from bmi_noahpy.config.values import Reader
from bmi_noahpy.files.brief import suggest
from bmi_noahpy.observations.quantities import QUANTITIES
from bmi_noahpy.observations.spec import ColumnSpec, ReadingSpec
from bmi_noahpy.tabular import TextOptions, TimeSpec

OPTION = "--read"


def _one_or_several(value: Any) -> Any:
    return (value,) if isinstance(value, (str, int, float)) else value


class ObservedColumn(Section):
    """What a column of observations is, as far as its name does not say it."""

    quantity: str | None = None
    depth: Annotated[float | None, BeforeValidator(Reader("m", (0.0, 1000.0), optional=True))] = None
    units: str | None = None
    label: Label | None = None
    flag: str | None = None
    good: Annotated[tuple[float | str, ...], BeforeValidator(_one_or_several)] = (0,)

    @field_validator("quantity")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in QUANTITIES:
            raise ValueError(f"unknown quantity {value!r}. {suggest(value, QUANTITIES)}")
        return value


class ObservationReading(Section):
    """How a file of observations is read, where that is not recognised."""

    variables: dict[str, ObservedColumn] = Field(
        default={},
        description="columns whose names do not say it: T_3: {quantity: soil_temperature, depth: 5 cm, units: degC, "
        "label: end, flag: T_3_qc, good: [0, 1]}",
    )
    time: TimeSource = Field(
        default_factory=TimeSource, description="how the file tells the time, as in forcing.time: utc_offset or zone"
    )
    missing: Annotated[tuple[float, ...], BeforeValidator(read_codes)] = Field(
        default=(), description="numbers that stand for missing values, beside -9999 and its like"
    )
    text: TextSource | None = Field(default=None, description="how a table is written, as in forcing.text")

    def spec(self) -> ReadingSpec:
        """The same for the reader of observations."""
        text = {} if self.text is None else self.text.model_dump()
        return ReadingSpec(
            TimeSpec(**self.time.model_dump()),
            TextOptions(**text, missing=self.missing),
            {name: ColumnSpec(**column.model_dump()) for name, column in self.variables.items()},
        )


def read_reading(settings: Sequence[str]) -> ReadingSpec:
    """How observations are read, from single keys as ``time.utc_offset=1``.

    Raises
    ------
    ConfigurationError : a key that is none, or a value that it cannot have.
    """
    mapping = with_settings({}, settings, option=OPTION)
    try:
        return ObservationReading.model_validate(mapping, context={"read": {}}).spec()
    except ValidationError as error:
        raise ConfigurationError(explain(error, ObservationReading), OPTION) from None


def refuse_without_file(settings: Sequence[str] | None, file: Path | None) -> None:
    """Raise ConfigurationError where it is said how observations are read, and there are none."""
    if settings and file is None:
        text = "says how observations are read, and there are none. Add --observations."
        raise ConfigurationError([Problem(OPTION, text)])
