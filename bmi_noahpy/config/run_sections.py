"""The sections of a configuration that say how a run goes: what it begins from, and what it leaves to go on from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from bmi_noahpy.config.sections import Section
from bmi_noahpy.config.values import Reader, SpanReader, read_device, read_optional_path

OptionalFile = Annotated[Path | None, BeforeValidator(read_optional_path)]
DURATION = (1.0, 1.0e11)
"""Lengths of time that can be asked for. [s]"""

Execution = Literal["auto", "eager", "compiled"]
Device = Annotated[str, BeforeValidator(read_device)]


class RestartFile(Section):
    """Files to go on from after the run ended, was interrupted or killed."""

    key: ClassVar[str] = "restart"
    every: Annotated[float | None, BeforeValidator(Reader("s", DURATION, optional=True))] = Field(
        default=None, description='time between two files [s], as "30 days"; null: one at the end only'
    )
    folder: OptionalFile = Field(default=None, description="where they go; null: <output>_restart beside the output")
    keep: Annotated[int, Field(ge=1)] = Field(default=2, description="how many stay, the newest ones")
    from_: OptionalFile = Field(
        default=None, alias="from", description="file to begin from, at its time; null: the initial section"
    )
    only_state: bool = Field(
        default=False, description="begin at period.start whatever the time of that file, its schemes and parameters"
    )


class SpinUp(Section):
    """The beginning of the forcing again and again, until the soil no longer changes, before the run."""

    key: ClassVar[str] = "spin_up"
    period: Annotated[str | float, BeforeValidator(SpanReader(DURATION))] = Field(
        default="1 year", description='what is repeated, from period.start on: "1 year", or a time [s]'
    )
    cycles: Annotated[int, Field(ge=1)] = Field(default=50, description="at most so many repetitions")
    deep_temperature: Annotated[float, BeforeValidator(Reader("K", (0.0, 100.0)))] = Field(
        default=0.01, description="largest change of the lowest layer over a repetition, in any column [K]"
    )
    total_water: Annotated[float, BeforeValidator(Reader("kg m-2", (0.0, 1.0e6)))] = Field(
        default=0.1, description="largest change of the water in soil, snow and canopy [kg m-2]"
    )
    file: OptionalFile = Field(default=None, description="restart file for the state reached; null: none")
