"""Weather of the next step: from the file, from the framework, or from both."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from bmi_noahpy.component.framework_inputs import FrameworkInputs, MissingInput
from bmi_noahpy.component.step_errors import MissingForcing
from bmi_noahpy.component.variables import INPUTS, OUTPUTS
from bmi_noahpy.component.weather import Weather
from bmi_noahpy.runs.run import Run

SECONDS_OF_A_DAY = 86400
DAYS_AT_ONCE = 16
"""Of prescribed vegetation, which take as long to compute as one."""
NUMBERS_AT_ONCE = 100_000
"""Of one quantity at most."""


class StepWeather:
    """Puts together what drives each step.

    Parameters
    ----------
    run : With its file, if it has one, and its prescribed vegetation.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        # Whole days since 1970, since the hour does not matter.
        self._vegetation_of: tuple[int | None, dict[str, Tensor | None]] = None, {}
        self._days: tuple[int, dict[str, Tensor | None]] = 0, {}
        """First of some days, and the vegetation of each."""
        self._stretch = max(1, min(DAYS_AT_ONCE, NUMBERS_AT_ONCE // run.domain.columns))
        self._begins = int(run.start.astype("datetime64[s]").astype(np.int64))
        self._last: Weather | None = None

    def first(self) -> Weather | None:
        """That of the first step, when a file gives it."""
        return self._of_file(0)

    def of(self, step: int, inputs: FrameworkInputs) -> Weather:
        """That of a step.

        Parameters
        ----------
        step : Its number, from 0.
        inputs : What a framework has set.

        Raises
        ------
        MissingForcing : The file has ended, or inputs are missing.
        """
        base = self._of_file(step)
        if base is not None and inputs.empty:
            return base
        file = None if base is None else base.forcing
        try:
            forcing = inputs.combine(file, self._vegetation(step) if file is None else {})
        except MissingInput as missing:
            raise self._missing(step, missing.fields) from None
        # What has not changed is the same object.
        if self._last is None or self._last.forcing is not forcing:
            x, y = (inputs.value(component, file) for component in ("wind.x", "wind.y"))
            assert x is not None
            assert y is not None
            self._last = Weather(forcing, (x, y))
        return self._last

    def _of_file(self, step: int) -> Weather | None:
        series = self._run.forcing
        return Weather(series.row(step)) if series is not None and step < self._run.steps else None

    def _missing(self, step: int, fields: tuple[str, ...]) -> MissingForcing:
        names = _input_names(fields)
        if self._run.forcing is None:
            reason = f"no value for {', '.join(names)}. Set them with set_value, or configure a forcing file."
        else:
            reason = (
                f"the forcing ends after {self._run.steps} steps; no value for {', '.join(names)}. "
                "Stop at get_end_time(), or set them with set_value."
            )
        return MissingForcing(step + 1, tuple(names), reason)

    def _vegetation(self, step: int) -> dict[str, Tensor | None]:
        """Vegetation of the configuration, for a step without a file."""
        day = (self._begins + round(step * self._run.step)) // SECONDS_OF_A_DAY
        if self._vegetation_of[0] == day:
            return self._vegetation_of[1]
        first, days = self._days
        if not (days and 0 <= day - first < self._stretch):
            moments = np.datetime64(day, "D") + np.arange(self._stretch)
            first, days = self._days = day, self._run.vegetation(moments)
        found = {name: None if values is None else values[day - first] for name, values in days.items()}
        self._vegetation_of = day, found
        return found


def _input_names(fields: tuple[str, ...]) -> list[str]:
    """BMI names of fields of `Forcing`."""
    sources = {f"forcing.{field}" for field in fields} | ({"wind.x", "wind.y"} if "wind_speed" in fields else set())
    return [row[0] for row in (*INPUTS, *OUTPUTS) if row[1] in sources]
