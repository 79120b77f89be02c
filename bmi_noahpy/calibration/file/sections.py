"""The sections of a calibration file, apart from the parameters."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from bmi_noahpy.config.observation_section import ObservationReading
from bmi_noahpy.config.run_sections import DURATION
from bmi_noahpy.config.sections import File, Instant, Section
from bmi_noahpy.config.values import SpanReader
from bmi_noahpy.files.brief import suggest
from bmi_noahpy.observations.quantities import LABELS, QUANTITIES

DEFAULT_ERRORS = {
    "soil_temperature": 0.5,
    "soil_liquid_water": 0.03,
    "soil_moisture": 0.03,
    "snow_depth": 0.05,
    "snow_water_equivalent": 20.0,
    "skin_temperature": 1.0,
    "albedo": 0.05,
    "net_radiation": 10.0,
    "sensible_heat_flux": 20.0,
    "latent_heat_flux": 20.0,
    "ground_heat_flux": 10.0,
}
"""Error that an observation is taken to have when none is given, in its unit."""
assert set(DEFAULT_ERRORS) == set(LABELS)


class Interval(Section):
    """From a moment to another, the second not included."""

    start: Instant = Field(description="UTC time from which observations count")
    end: Instant = Field(description="UTC time up to which observations count")

    @model_validator(mode="after")
    def _ordered(self) -> Interval:
        if self.end <= self.start:
            raise ValueError(
                f"ends {self.end.isoformat()}, not after its start {self.start.isoformat()}. Exchange them."
            )
        return self

    def mask(self, times: NDArray[np.datetime64]) -> NDArray[np.bool_]:
        """Which times are in it."""
        return (times >= np.datetime64(self.start, "ns")) & (times < np.datetime64(self.end, "ns"))


class Span(Interval):
    """An interval, without a part of it if that is given."""

    without: Interval | None = Field(default=None, description="{start, end} of a part that does not count")

    def mask(self, times: NDArray[np.datetime64]) -> NDArray[np.bool_]:
        """Which times count."""
        inside = super().mask(times)
        return inside if self.without is None else inside & ~self.without.mask(times)

    def overlaps(self, other: Span) -> bool:
        """Whether both have moments in common; one that lies in the part left out of the other does not."""
        if self.start >= other.end or other.start >= self.end:
            return False
        return not (_holds(self.without, other) or _holds(other.without, self))


def _holds(left_out: Interval | None, span: Interval) -> bool:
    return left_out is not None and left_out.start <= span.start and span.end <= left_out.end


Splits = Literal["swap", "leave_one_year_out"]


class Validation(Section):
    """The period that is only scored, or how the observations are split again and again into both periods."""

    start: Instant | None = Field(default=None, description="UTC time from which observations are only scored")
    end: Instant | None = Field(default=None, description="UTC time up to which observations are only scored")
    splits: Splits | None = Field(
        default=None,
        description="swap: both periods change places in a second calibration; leave_one_year_out: as many "
        "calibrations as years, each scored on the year it does not know; null: one calibration",
    )

    @model_validator(mode="after")
    def _complete(self) -> Validation:
        years = self.splits == "leave_one_year_out"
        if years and (self.start is not None or self.end is not None):
            raise ValueError("'leave_one_year_out' takes every year in turn. Remove start and end.")
        if not years and (self.start is None or self.end is None):
            raise ValueError("needs start and end. Give both, or splits: leave_one_year_out.")
        if self.start is not None and self.end is not None:
            Span(start=self.start, end=self.end)
        return self

    @property
    def span(self) -> Span | None:
        """The period; None where every year is taken in turn."""
        if self.start is None or self.end is None:
            return None
        return Span(start=self.start, end=self.end)


class Use(Section):
    """How observations of one quantity count."""

    weight: Annotated[float, Field(gt=0.0)] = Field(default=1.0, description="relative to other quantities")
    error: Annotated[float | None, Field(gt=0.0)] = Field(
        default=None, description="standard deviation of an observation in its unit, for gaussian and huber"
    )
    depths: tuple[float, float] | None = Field(default=None, description="[shallowest, deepest] that count [m]")


def _read_use(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        value = {name: {} for name in value}
    if isinstance(value, dict):
        for name in value:
            if name not in QUANTITIES:
                raise ValueError(f"unknown quantity {name!r}. {suggest(str(name), QUANTITIES)}")
        return {name: {} if use is None else use for name, use in value.items()}
    raise ValueError(f"must name quantities, got {value!r}. Use some of {', '.join(QUANTITIES)}.")


class _Named(Section):
    """Stands before how a file is read, in the reference too."""

    bare: ClassVar[str] = "file"
    file: File = Field(description="text table or netCDF file, from the folder of this file")


class ObservationFile(ObservationReading, _Named):
    """Observations of one column."""

    quantities: Annotated[dict[str, Use] | None, BeforeValidator(_read_use)] = Field(
        default=None,
        description="what counts and how, as {soil_temperature: {weight: 2}}; null: all that is in the file",
    )
    columns: list[str] | None = Field(default=None, description="names or patterns (Tsoil_0.*) that count; null: all")
    exclude: list[str] = Field(default=[], description="names or patterns that do not count")
    window: Literal["auto", "start", "centre", "instant"] = Field(
        default="auto", description="what a time stamp is: start or centre of an interval, or an instant"
    )
    inflow: Literal["tell", "leave_out"] = Field(
        default="tell",
        description="series with water that rises fast under frozen ground, which no column can have: tell of it, or "
        "leave out those of which it is more than half of what varies",
    )
    cell: tuple[int, int] = Field(default=(0, 0), description="[row, column] of a grid, from 0")

    def use(self, quantity: str) -> Use | None:
        """How a quantity counts; None when it does not."""
        return Use() if self.quantities is None else self.quantities.get(quantity)


class Objective(Section):
    """What is made small."""

    bare: ClassVar[str] = "name"
    name: Literal["nse", "kge", "huber", "gaussian"] = Field(
        default="nse",
        description="nse: 1 - Nash-Sutcliffe efficiency; kge: distance from perfect Kling-Gupta efficiency; huber and "
        "gaussian: of the misfit in units of the observations' error",
    )
    delta: Annotated[float, Field(gt=0.0)] = Field(
        default=1.345, description="misfit in errors from which huber grows linearly"
    )
    prior: Annotated[float, Field(ge=0.0)] = Field(
        default=0.0,
        description="weight of the mean squared distance of the unbounded parameters from the run's own; about 1e-3 "
        "keeps what the observations do not determine off its bounds",
    )
    forcing_prior: Annotated[float, Field(ge=0.0)] = Field(
        default=0.01,
        description="weight of the squared distance of each factor of the forcing from 1, in steps of 20 %; keeps "
        "weather from making up for what is wrong with the model",
    )


class Optimiser(Section):
    """How the smallest value is looked for. What is left out depends on the method."""

    bare: ClassVar[str] = "name"
    name: Literal["adam", "lbfgs", "levenberg_marquardt"] = Field(default="adam", description="method")
    iterations: Annotated[int, Field(ge=1)] = Field(default=300, description="at most")
    learning_rate: Annotated[float, Field(gt=0.0)] = Field(
        default=0.1, description="adam: first step in units of the unbounded parameters"
    )
    patience: Annotated[int, Field(ge=1)] = Field(
        default=10, description="adam: iterations without improvement after which the rate is reduced"
    )
    factor: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(default=0.5, description="adam: that reduction")
    history: Annotated[int, Field(ge=1)] = Field(default=10, description="lbfgs: steps remembered")
    damping: Annotated[float, Field(gt=0.0)] = Field(default=1e-2, description="levenberg_marquardt: first damping")
    jacobian: Literal["auto", "forward", "difference"] = Field(
        default="auto",
        description="levenberg_marquardt and uncertainty: forward mode, exact, or central differences in more columns; "
        "auto: forward mode, but differences where phase_change is heat_limited and the run compiled",
    )


STOP_PATIENCE = {"adam": 40, "lbfgs": 5, "levenberg_marquardt": 3}


class Stop(Section):
    """When a start is finished before the last iteration."""

    tolerance: Annotated[float, Field(ge=0.0)] = Field(
        default=1e-3, description="relative improvement of the objective that counts as one"
    )
    patience: Annotated[int | None, Field(ge=1)] = Field(
        default=None, description="iterations without improvement; null: 40 for adam, 5 for lbfgs, 3 for the third"
    )
    target: float | None = Field(default=None, description="value of the objective that is good enough")


class Starts(Section):
    """Where optimisations begin. Each is a column of the same batch and goes its own way."""

    count: Annotated[int, Field(ge=1)] = Field(default=1, description="number of starts")
    first: Literal["configured", "random"] = Field(
        default="configured", description="the first start: the run's own values, or random like the others"
    )
    seed: int = Field(default=0, description="of the random starts, which are uniform within the bounds")

    @model_validator(mode="before")
    @classmethod
    def _accept_bare_count(cls, value: Any) -> Any:
        return {"count": value} if isinstance(value, int) and not isinstance(value, bool) else value


class Sensitivity(Section):
    """What `noahpy sensitivity` asks."""

    quantities: list[Literal["soil_temperature", "soil_liquid_water", "soil_moisture"]] = Field(
        default=["soil_temperature", "soil_liquid_water"], description="of which the mean is differentiated"
    )
    depths: Annotated[list[Annotated[float, Field(ge=0.0)]] | None, Field(min_length=1)] = Field(
        default=None, description="[m]; null: 0.05, 0.2, 0.5, 1, 2 and 5 as far as there is soil"
    )
    scale: Literal["range", "relative"] = Field(
        default="range",
        description="range: change if the parameter went through its whole interval; relative: by one per cent of it",
    )


class SpinUp(Section):
    """The first part of the run, repeated before the run begins, with the same parameters."""

    cycles: Annotated[int, Field(ge=1)] = Field(description="number of repetitions")
    period: Annotated[str | float, BeforeValidator(SpanReader(DURATION))] = Field(
        default="1 year", description='what is repeated, from run.period.start on: "1 year", or a time [s]'
    )


class Results(Section):
    """Where the results go."""

    bare: ClassVar[str] = "folder"
    key: ClassVar[str] = ""
    folder: File = Field(description="path, from the folder of this file")


def as_list(value: Any) -> Any:
    """One mapping or text, or a list of them, as a list."""
    return [value] if isinstance(value, (str, dict)) else value


def hours(moment: datetime.datetime) -> str:
    """A moment for messages."""
    return moment.isoformat(timespec="minutes")


ObservationFiles = Annotated[list[ObservationFile], BeforeValidator(as_list)]
