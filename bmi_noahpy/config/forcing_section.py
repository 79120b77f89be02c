"""The section `forcing` of a configuration: a file of records and how to read it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from bmi_noahpy.config.corrections import read_corrections
from bmi_noahpy.config.sections import Files, Section
from bmi_noahpy.config.values import Reader, read_optional_path

Label = Literal["start", "end", "middle", "instant"]


def _read_names(value: Any) -> Any:
    """One name, or several whose sum is meant."""
    return tuple(value) if isinstance(value, list) else value


class VariableSource(Section):
    """Where one quantity is in the forcing file."""

    bare: ClassVar[str] = "name"
    name: Annotated[str | tuple[str, ...], BeforeValidator(_read_names)]
    units: str | None = None
    label: Label | None = None
    accumulated: Annotated[
        Literal["since_midnight", "since_start", "no"] | None,
        BeforeValidator(lambda value: "no" if value is False else value),
    ] = None


class TimeSource(Section):
    """How the forcing file tells the time."""

    name: Annotated[str | tuple[str, ...] | None, BeforeValidator(_read_names)] = None
    format: str | None = None
    utc_offset: float | None = None
    zone: str | None = None
    label: Label | None = None


class TextSource(Section):
    """How a text table is written."""

    separator: str | None = None
    decimal: Literal[".", ","] | None = None
    encoding: str | None = None
    skip_rows: Annotated[int, Field(ge=0)] = 0
    columns: tuple[str, ...] | None = None


class Gaps(Section):
    """Which gaps are filled."""

    longest: Annotated[float, BeforeValidator(Reader("s", (1.0, 86400.0 * 366)))]
    method: Literal["linear", "diurnal"] = "linear"


class Lapse(Section):
    """How the air changes between the terrain of the records and that of the columns."""

    rate: Annotated[float, BeforeValidator(Reader("K m-1", (-0.02, 0.02)))]
    elevation: str
    file: Annotated[Path | None, BeforeValidator(read_optional_path)] = None


def read_codes(value: Any) -> Any:
    """One number that stands for missing values, or several."""
    return (value,) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


class ForcingFile(Section):
    """Meteorological records."""

    key: ClassVar[str] = "forcing"
    file: Files = Field(
        description="path, from the folder of this file; of netCDF also a pattern like tair_*.nc, or a list"
    )
    format: Literal["noah_ascii", "csv", "netcdf"] | None = Field(
        default=None, description="noah_ascii, csv (any text table) or netcdf; null: recognised"
    )
    preset: str | None = Field(
        default=None, description="convention of a community (`noahpy info presets` lists them); null: names decide"
    )
    interval: Annotated[float | None, BeforeValidator(Reader("s", (1.0, 86400.0 * 366), optional=True))] = Field(
        default=None, description="time between records [s], checked against the file; null: that of the file"
    )
    variables: dict[str, VariableSource] = Field(
        default={},
        description="where names or units are not recognised: air_temperature: {name: T, units: degC, label: end}; "
        "several names are summed; accumulated: since_midnight, since_start or no",
    )
    time: TimeSource = Field(
        default_factory=TimeSource,
        description="{name: column or columns, format: strptime, day-first or month-first, utc_offset: local minus UTC "
        "[h] or zone: Europe/Zurich, label: start, middle or end of the interval}",
    )
    missing: Annotated[tuple[float, ...], BeforeValidator(read_codes)] = Field(
        default=(),
        description="numbers that stand for missing values, beside -9999 and its like in a text table and those that "
        "netCDF declares",
    )
    text: TextSource | None = Field(
        default=None, description="{separator, decimal, encoding, skip_rows, columns: names if there is no header}"
    )
    gaps: Gaps | None = Field(
        default=None, description="gaps that are filled: {longest: 6 hours, method: linear or diurnal}; null: refused"
    )
    derive: dict[str, float | str] = Field(
        default={},
        description="what the file lacks: {air_pressure: elevation [m], longwave_down: brutsaert or prata (clear sky)}",
    )
    regrid: Literal["nearest", "bilinear", "conservative"] | None = Field(
        default=None,
        description="how netCDF records come to cells that are not theirs: nearest, bilinear or conservative; null: "
        "they must be those of the domain, of one column the nearest",
    )
    lapse: Lapse | None = Field(
        default=None,
        description="change of the air with elevation: {rate: 6.5 K/km, elevation: terrain in the file, as HGT, file: "
        "another one that holds it}; domain.elevation is that of the columns; null: none",
    )
    corrections: Annotated[dict[str, Any], BeforeValidator(read_corrections)] = Field(
        default={},
        description="known biases or a scenario, as {precipitation: {factor: 1.1}, air_temperature: {offset: 3, keep: "
        "relative_humidity}}; keep: specific_humidity (else), relative_humidity, longwave_down (else), emissivity",
    )
