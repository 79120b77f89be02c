"""Records to the steps of a model run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bmi_noahpy.forcing.corrections import Correction
from bmi_noahpy.forcing.humidity import below_saturation, specific_humidity
from bmi_noahpy.forcing.monthly import monthly_value
from bmi_noahpy.forcing.streamed import StreamedTable
from bmi_noahpy.forcing.table import VEGETATION, Array, ForcingError, ForcingTable, Times
from bmi_noahpy.forcing.within_records import means_of_steps
from noahpy_core.state import Forcing
from noahpy_core.weather_rows import WeatherRow, WeatherRows

if TYPE_CHECKING:
    import torch

Index = NDArray[np.int64]

CACHED_STEPS = 4096
"""As many at most: a caller may want the first only."""
CACHED_NUMBERS = 200_000
CARRIED = ("precipitation", "snowfall")
REQUIRED = ("air_temperature", "air_pressure", "wind_speed", "shortwave_down", "longwave_down", "precipitation")


@dataclasses.dataclass(frozen=True)
class PrescribedVegetation:
    """Vegetation that a run gives: a number, twelve monthly values ``[12]`` or ``[12, column]``.

    Parameters
    ----------
    fraction : Green vegetation fraction. [1]
    leaf_area_index : None to let the model derive it. [1]
    snow_free_albedo : None to let the model derive it. [1]
    """

    fraction: ArrayLike | None = None
    leaf_area_index: ArrayLike | None = None
    snow_free_albedo: ArrayLike | None = None

    def value(self, quantity: str) -> ArrayLike | None:
        """What is prescribed for a field of `Forcing`."""
        return self.fraction if quantity == "vegetation_fraction" else getattr(self, quantity)


@dataclasses.dataclass(eq=False, repr=False)
class ForcingSeries:
    """The forcing of each step of a run.

    Parameters
    ----------
    table : Records.
    start : Time of the first step.
    step : Length of a step. [s]
    steps : Number of steps.
    vegetation : What it gives is used whatever the records contain.
    columns : Number of columns of the run; 0 for as many as the records have. Records of one column serve all.
    dtype : Number type of the tensors; None: torch.float64.
    corrections : Factors and offsets by quantity, applied to each step.

    Raises
    ------
    ForcingError : when the records do not cover the run, have another number of columns, do not fit the step, or no
        vegetation fraction is given anywhere.

    Notes
    -----
    A record describes the interval that begins at its time. Steps shorter than it take from the records:

    - precipitation: the rate of the record; a step reaching into the next one takes both rates by their share of time;
    - what is a mean over the interval (radiation, unless the file says otherwise): the mean over the step of a line
      through the record that keeps its mean, so that sum and time of day are kept (`within_records`);
    - everything else: the value at the beginning of the step, linear in time. Within the last record it is constant.

    Relative humidity is interpolated as such and converted with the interpolated temperature and pressure.

    A step longer than the interval must be a multiple of it and takes the mean of its records (specific humidity: of
    the converted values, kept below saturation at the mean temperature). Records of Noah's text format are sampled at
    the start of each step instead, whatever its length, because the original does so.
    """

    table: ForcingTable | StreamedTable
    start: np.datetime64
    step: float
    steps: int
    vegetation: PrescribedVegetation = PrescribedVegetation()
    _: dataclasses.KW_ONLY
    columns: int = 0
    dtype: torch.dtype | None = None
    corrections: Mapping[str, Correction] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.start = np.datetime64(self.start).astype("datetime64[s]")
        self.columns = self.columns or self.table.columns
        self._cached: tuple[int, WeatherRows] | None = None
        self._interval = self.step if self.table.interval is None else _seconds(self.table.interval)
        self._check()
        self._cached_length = min(max(CACHED_NUMBERS // (len(REQUIRED) * self.columns), 1), CACHED_STEPS)
        self._records_per_step = 1 if self.table.sampled else max(round(self.step / self._interval), 1)

    def __len__(self) -> int:
        return self.steps

    def at(self, step: int) -> Forcing:
        """The forcing of one step, tensors ``[column]``."""
        return self.row(step).forcing()

    def row(self, step: int) -> WeatherRow:
        """The forcing of one step as a row among those of its neighbours."""
        if not 0 <= step < self.steps:
            raise IndexError(f"step {step} is outside the run of {self.steps} steps.")
        chunk, row = divmod(step, self._cached_length)
        if self._cached is None or self._cached[0] != chunk:
            first = chunk * self._cached_length
            self._cached = (chunk, WeatherRows(self.block(first, min(first + self._cached_length, self.steps))))
        return WeatherRow(self._cached[1], row)

    def arrays(self, first: int, last: int) -> dict[str, Array]:
        """The forcing of the steps from `first` up to, not including, `last`: arrays ``[time, column]`` by quantity."""
        if self.corrections:
            block = self.block(first, last)
            return {name: value.numpy() for name, value in vars(block).items() if value is not None}
        return {name: self._full(array, last - first) for name, array in self._values(first, last).items()}

    def block(self, first: int, last: int) -> Forcing:
        """The forcing of the steps from `first` up to, not including, `last`: tensors ``[time, column]``."""
        import torch

        dtype, values = self.dtype or torch.float64, self._values(first, last)
        forcing = Forcing(
            **{name: torch.tensor(self._full(array, last - first), dtype=dtype) for name, array in values.items()}
        )
        if not self.corrections:
            return forcing
        # Only tensors need torch: a run is looked at without it.
        from bmi_noahpy.forcing.corrected import corrected

        return corrected(forcing, self.corrections)

    def _values(self, first: int, last: int) -> dict[str, Array]:
        if not 0 <= first < last <= self.steps:
            raise IndexError(f"steps {first} to {last} are not within the run of {self.steps} steps.")
        seconds = np.arange(first, last, dtype=np.float64) * self.step
        values = self._air(seconds + _seconds(self.start - self.table.times[0]))
        days = self.start + seconds.astype("timedelta64[s]")
        for quantity in VEGETATION:
            prescribed = self.vegetation.value(quantity)
            if prescribed is not None:
                values[quantity] = _prescribed(prescribed, days)
        return values

    def times(self) -> Times:
        """Time at which each step begins."""
        return self.start + (np.arange(self.steps) * self.step).astype("timedelta64[s]")

    def _air(self, seconds: Array) -> dict[str, Array]:
        """Air at moments counted from the first record, with specific humidity."""
        if self._records_per_step > 1:
            return self._averaged(np.rint(seconds / self._interval).astype(np.int64))
        record = np.floor_divide(seconds, self._interval).astype(np.int64)
        elapsed = seconds - record * self._interval
        weight = elapsed / self._interval
        # In seconds, so that a step ending with its record takes exactly nothing of the next.
        share = np.maximum(self.step - (self._interval - elapsed), 0.0) / self.step
        values = {}
        means = (
            self.table.means - set(CARRIED) if self.step < self._interval and not self.table.sampled else frozenset()
        )
        begin, end = max(int(record[0]) - bool(means), 0), min(int(record[-1]) + 2 + bool(means), self.table.records)
        for quantity, records in self.table.window(begin, end).items():
            if quantity in means:
                values[quantity] = means_of_steps(records, record, elapsed, self.step, self._interval, begin)
                continue
            following = records[np.minimum(record + 1, end - 1) - begin]
            later = weight if quantity not in CARRIED else 0.0 * share if self.table.sampled else share
            values[quantity] = _between(records[record - begin], following, later[:, None])
        return _humid(values)

    def _averaged(self, first: Index) -> dict[str, Array]:
        """Means over the records of each step."""
        records = first[:, None] + np.arange(self._records_per_step)
        window = self.table.window(int(records[0, 0]), int(records[-1, -1]) + 1)
        selected = {quantity: values[records - records[0, 0]] for quantity, values in window.items()}
        relative = "relative_humidity" in selected
        means = {quantity: values.mean(axis=1) for quantity, values in _humid(selected).items()}
        if relative:
            means["specific_humidity"] = below_saturation(
                means["specific_humidity"], means["air_temperature"], means["air_pressure"]
            )
        return means

    def _full(self, values: Array, rows: int) -> Array:
        return np.ascontiguousarray(np.broadcast_to(values, (rows, self.columns)))

    def _check(self) -> None:
        """Refuse a run the records cannot drive."""
        table, source = self.table, self.table.source
        if table.columns not in (1, self.columns):
            raise ForcingError(
                f"{source}: has {table.columns} columns, the domain {self.columns}. They must agree: give a domain of "
                "its cells (domain.file), or coordinates by which the nearest cell is found."
            )
        if "vegetation_fraction" not in table.quantities and self.vegetation.fraction is None:
            raise ForcingError(f"{source}: no vegetation_fraction. Set vegetation.fraction, or add it to the records.")
        end = self.start + np.timedelta64(round(self.step * (self.steps - 1)), "s")
        covered = table.times[-1] + np.timedelta64(round(self._interval), "s")
        if self.start < table.times[0] or end >= covered:
            raise ForcingError(
                f"{source}: records run from {_text(table.times[0])} to {_text(table.times[-1])}, but the steps of the "
                f"run begin from {_text(self.start)} to {_text(end)}. Change period, or extend the records."
            )
        if self.step > self._interval and not table.sampled:
            self._check_multiple(end)

    def _check_multiple(self, last_step: np.datetime64) -> None:
        """Steps longer than the records must begin and end with records."""
        interval, source = self._interval, self.table.source
        if self.step % interval or _seconds(self.start - self.table.times[0]) % interval:
            raise ForcingError(
                f"{source}: a step of {self.step:g} s beginning at {_text(self.start)} does not consist of whole "
                f"records of {interval:g} s. Choose period.step as a multiple or a part of it, beginning at a record."
            )
        needed = last_step + np.timedelta64(round(self.step - interval), "s")
        if needed > self.table.times[-1]:
            raise ForcingError(
                f"{source}: records end at {_text(self.table.times[-1])}, but the mean over the last step needs them "
                f"to {_text(needed)}. Shorten period, or extend the records."
            )


def _between(earlier: Array, later: Array, weight: Array) -> Array:
    """Linear interpolation, exact at weight 0 and between equal values."""
    return earlier + weight * (later - earlier)


def _humid(values: dict[str, Array]) -> dict[str, Array]:
    """Relative humidity replaced by specific humidity."""
    if "relative_humidity" not in values:
        return values
    relative = values.pop("relative_humidity")
    values["specific_humidity"] = specific_humidity(relative, values["air_temperature"], values["air_pressure"])
    return values


def _prescribed(prescribed: ArrayLike, times: Times) -> Array:
    """``[time or 1, column or 1]`` from a number or monthly values."""
    values = np.asarray(prescribed, dtype=np.float64)
    if values.ndim == 0:
        return values.reshape(1, 1)
    monthly = np.asarray(monthly_value(values, times))
    return monthly if monthly.ndim == 2 else monthly[:, None]


def _seconds(duration: np.timedelta64) -> float:
    return float(duration / np.timedelta64(1, "s"))


def _text(moment: np.datetime64) -> str:
    return str(moment)[:16]
