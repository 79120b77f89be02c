"""One backward sweep through three coupled components: canopy interception of snow, NoahPy, and river routing.

Each component knows nothing but BMI and its own gradient extension. This program passes values downstream on the way
forward, and derivatives upstream on the way back. The gradient of the catchment's discharge is compared with finite
differences of the coupled run.

    python examples/coupled_adjoint.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))

from small_component import STATE, Floats, SmallComponent

from bmi_noahpy import BmiNoahPy

STEP = 10800.0
COLUMNS = 4
CELL_AREA = 2.5e6
"""Area of a column of the catchment. [m2]"""

SNOWFALL = "atmosphere_water__precipitation_above_canopy_rate"
THROUGHFALL = "atmosphere_water__precipitation_below_canopy_rate"
CAPACITY = "land_vegetation_canopy_snow_interception__capacity"
PRECIPITATION = "atmosphere_water__liquid_equivalent_precipitation_rate"
SURFACE_RUNOFF = "land_surface_water__runoff_volume_flux"
BASEFLOW = "land_surface_water__baseflow_volume_flux"
QUICK, SLOW = "river_basin_water__quick_runoff_flux", "river_basin_water__slow_runoff_flux"
DISCHARGE = "channel_exit_water_x-section__volume_flow_rate"
QUICK_TIME, SLOW_TIME = "river_basin__quick_residence_time", "river_basin__slow_residence_time"
SOIL_PARAMETERS = ("soil~saturated_water__hydraulic_conductivity", "soil_water__brooks-corey_b_parameter",
                   "soil__porosity", "land_surface__reference_infiltration_decay")  # fmt: skip


class Interception(SmallComponent):
    """A canopy that holds back precipitation and lets it go slowly (the form of Hedstrom and Pomeroy 1998).

    The load L [kg m-2] gains ``(C - L) (1 - exp(-P dt / C))`` and loses the share ``dt / (dt + T)`` in a step.
    """

    release_time = 5.0 * 86400.0

    def __init__(self, columns: int, step: float) -> None:
        super().__init__(
            inputs={SNOWFALL: (columns, "mm s-1", 0.0)},
            outputs={THROUGHFALL: (columns, "mm s-1", 0.0)},
            parameters={CAPACITY: (columns, "kg m-2", 4.0)},
            bounds={CAPACITY: (0.1, 50.0)},
            state=np.full(columns, 0.5),
            step=step,
        )

    def compute(self, state: Floats, given: dict[str, Floats]) -> tuple[Floats, dict[str, Floats]]:
        """The load, and what falls through."""
        fallen = given[SNOWFALL] * self.step
        kept = (given[CAPACITY] - state) * -np.expm1(-fallen / given[CAPACITY])
        lost = (state + kept) * self.step / (self.step + self.release_time)
        return state + kept - lost, {THROUGHFALL: (fallen - kept + lost) / self.step}

    def jacobian(self, state: Floats, given: dict[str, Floats]) -> dict[tuple[str, str], Floats]:
        """Columns do not affect one another."""
        capacity, dt = given[CAPACITY], self.step
        exponent = given[SNOWFALL] * dt / capacity
        passed, room, share = np.exp(-exponent), capacity - state, dt / (dt + self.release_time)
        by_state, by_rain = passed - 1.0, room * passed * dt / capacity
        by_capacity = 1.0 - passed - room * passed * exponent / capacity
        kept = {STATE: by_state, SNOWFALL: by_rain, CAPACITY: by_capacity}
        load, rain = {STATE: 1.0}, {SNOWFALL: dt}
        found = {}
        for name, change in kept.items():
            lost = share * (change + load.get(name, 0.0))
            found[STATE, name] = np.diag(change + load.get(name, 0.0) - lost)
            found[THROUGHFALL, name] = np.diag((rain.get(name, 0.0) - change + lost) / dt)
        return found


class NashCascade(SmallComponent):
    """A quick and a slow cascade of three equal linear reservoirs each (Nash 1957), stepped implicitly.

    A reservoir of storage S [m3] and residence time k [s] with inflow I: ``S' = (S + I dt) / (1 + dt / k)``, outflow
    ``S' / k``.
    """

    reservoirs = 3

    def __init__(self, columns: int, step: float, area: float) -> None:
        super().__init__(
            inputs=dict.fromkeys((QUICK, SLOW), (columns, "m s-1", 0.0)),
            outputs={DISCHARGE: (1, "m3 s-1", 0.0)},
            parameters={QUICK_TIME: (1, "s", 6.0 * 3600.0), SLOW_TIME: (1, "s", 4.0 * 86400.0)},
            bounds={QUICK_TIME: (600.0, 1.0e6), SLOW_TIME: (3600.0, 1.0e8)},
            state=np.full(2 * self.reservoirs, 500.0),
            step=step,
        )
        self.area = area

    def compute(self, state: Floats, given: dict[str, Floats]) -> tuple[Floats, dict[str, Floats]]:
        """Storages, and the outflow of both last reservoirs."""
        new, total = np.empty_like(state), 0.0
        for branch, (source, time) in enumerate(((QUICK, QUICK_TIME), (SLOW, SLOW_TIME))):
            flow, residence = self.area * given[source].sum(), given[time][0]
            for k in range(branch * self.reservoirs, (branch + 1) * self.reservoirs):
                new[k] = (state[k] + flow * self.step) / (1.0 + self.step / residence)
                flow = new[k] / residence
            total += flow
        return new, {DISCHARGE: np.array([total])}

    def jacobian(self, state: Floats, given: dict[str, Floats]) -> dict[tuple[str, str], Floats]:
        """Derivatives carried down each cascade."""
        new, dt, count = self.compute(state, given)[0], self.step, state.size
        columns = given[QUICK].size
        found: dict[tuple[str, str], Floats] = {}
        matrix, outflow = np.zeros((count, count)), np.zeros((1, count))
        for branch, (source, time) in enumerate(((QUICK, QUICK_TIME), (SLOW, SLOW_TIME))):
            residence = given[time][0]
            damping = 1.0 + dt / residence
            flow = {STATE: np.zeros(count), source: np.full(columns, self.area), time: np.zeros(1)}
            by_source, by_time = np.zeros((count, columns)), np.zeros((count, 1))
            for k in range(branch * self.reservoirs, (branch + 1) * self.reservoirs):
                matrix[k] = (np.eye(count)[k] + dt * flow[STATE]) / damping
                by_source[k] = dt * flow[source] / damping
                by_time[k] = (dt * flow[time] + new[k] * dt / residence**2) / damping
                flow = {STATE: matrix[k] / residence, source: by_source[k] / residence,
                        time: by_time[k] / residence - new[k] / residence**2}  # fmt: skip
            outflow += flow[STATE]
            found |= {(STATE, source): by_source, (STATE, time): by_time}
            found |= {(DISCHARGE, source): flow[source][None], (DISCHARGE, time): flow[time][None]}
        return found | {(STATE, STATE): matrix, (DISCHARGE, STATE): outflow}


class Catchment:
    """Three components, the weather, and an objective: the mean square of the discharge."""

    def __init__(self, configuration: Path, precipitation: Floats) -> None:
        self.land = BmiNoahPy()
        self.land.initialize(str(configuration))
        self.canopy = Interception(COLUMNS, STEP)
        self.river = NashCascade(COLUMNS, STEP, CELL_AREA)
        self.components: tuple[Any, ...] = (self.canopy, self.land, self.river)
        self.extensions = [component.get_extension("gradient") for component in self.components]
        self.precipitation = precipitation
        self.start = [extension.get_state(np.empty(extension.get_state_size())) for extension in self.extensions]

    def forward(self, *, record: bool = False) -> tuple[float, Floats]:
        """Objective and discharge of a run from the start."""
        for extension, state in zip(self.extensions, self.start, strict=True):
            extension.set_state(state)
        self.extensions[1].set_time(0.0)
        if record:
            for extension in self.extensions:
                extension.start_recording()
        flow = np.array([self._step(rain) for rain in self.precipitation])
        if record:
            for extension in self.extensions:
                extension.stop_recording()
        return float(np.mean(flow**2)), flow

    def _step(self, rain: Floats) -> float:
        self.canopy.set_value(SNOWFALL, rain)
        self.canopy.update()
        self.land.set_value(PRECIPITATION, self.canopy.get_value(THROUGHFALL, np.empty(COLUMNS)))
        self.land.update()
        for source, target in ((SURFACE_RUNOFF, QUICK), (BASEFLOW, SLOW)):
            self.river.set_value(target, self.land.get_value(source, np.empty(COLUMNS)))
        self.river.update()
        return float(self.river.get_value(DISCHARGE, np.empty(1))[0])

    def gradient(self) -> dict[str, Floats]:
        """Of the objective, by all parameters of interest and the amounts of precipitation, in one sweep back."""
        _, flow = self.forward(record=True)
        canopy, land, river = self.extensions
        by_rain = np.empty_like(self.precipitation)
        for step in reversed(range(len(flow))):
            river.add_adjoint_seed(DISCHARGE, np.array([2.0 * flow[step] / len(flow)]))
            river.update_adjoint()
            for source, target in ((SURFACE_RUNOFF, QUICK), (BASEFLOW, SLOW)):
                land.add_adjoint_seed(source, river.get_adjoint(target, np.empty(COLUMNS)))
            land.update_adjoint()
            canopy.add_adjoint_seed(THROUGHFALL, land.get_adjoint(PRECIPITATION, np.empty(COLUMNS)))
            canopy.update_adjoint()
            by_rain[step] = canopy.get_adjoint(SNOWFALL, np.empty(COLUMNS))
        found = {}
        for extension, name in self.parameters():
            found[name] = extension.get_adjoint(name, np.empty(extension.get_parameter_size(name)))
        return {**found, SNOWFALL: by_rain}

    def parameters(self) -> list[tuple[Any, str]]:
        """Extension and name of the parameters of interest."""
        canopy, land, river = self.extensions
        return [
            (canopy, CAPACITY),
            *((land, name) for name in SOIL_PARAMETERS),
            (river, QUICK_TIME),
            (river, SLOW_TIME),
        ]

    def difference(self, extension: Any, name: str, relative: float = 1.0e-5) -> float:
        """Derivative of the objective by the logarithm of a parameter, by central differences of the coupled run."""
        values = extension.get_parameter(name, np.empty(extension.get_parameter_size(name)))
        ends = []
        for sign in (1.0, -1.0):
            extension.set_parameter(name, values * (1.0 + sign * relative))
            ends.append(self.forward()[0])
        extension.set_parameter(name, values)
        return (ends[0] - ends[1]) / (2.0 * relative)


def weather(steps: int) -> dict[str, Floats]:
    """Three-hourly records of a thaw in spring, the same for all columns."""
    hours = np.arange(steps) * STEP / 3600.0
    day = 2.0 * np.pi * hours / 24.0
    return {
        "air_temperature_K": 272.0 + 6.0 * hours / 240.0 - 5.0 * np.cos(day),
        "air_pressure_Pa": np.full(steps, 60000.0),
        "specific_humidity_kg_kg": 0.0032 + 0.0003 * np.sin(hours),
        "wind_speed_m_s": 3.0 + np.cos(0.7 * hours),
        "shortwave_down_W_m2": 600.0 * np.maximum(0.0, -np.cos(day)),
        "longwave_down_W_m2": 270.0 + 15.0 * np.sin(0.3 * hours),
        "precipitation_kg_m2_s": np.where(np.sin(0.11 * hours) > 0.2, 3.0e-4, 0.0),
    }


def write_case(folder: Path, steps: int) -> Path:
    """Configuration and weather of the land; the path of the configuration."""
    records, start = weather(steps), np.datetime64("2007-05-01T00:00")
    rows = [",".join(["time_utc", *records])]
    for k in range(steps):
        moment = start + k * np.timedelta64(int(STEP), "s")
        rows.append(",".join([str(moment), *(repr(float(series[k])) for series in records.values())]))
    (folder / "weather.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    end = start + (steps - 1) * np.timedelta64(int(STEP), "s")
    sections = {
        "name": "Catchment",
        "domain": {"latitude": [33.0], "longitude": [91.0 + 0.1 * k for k in range(COLUMNS)]},
        "period": {"start": str(start), "end": str(end), "step": int(STEP)},
        "soil": {"thickness": [0.1, 0.3, 0.6, 1.0], "classes": [7, 7, 6, 6]},
        "vegetation": {"class": 7, "fraction": 0.4},
        "general": {"deep_temperature": 273.0, "air_temperature_height": 2.0, "wind_height": 10.0},
        "schemes": {"phase_change": "enthalpy", "transitions": "smooth"},
        "initial": {
            "soil_temperature": [273.6, 273.0, 272.6, 272.8],
            "soil_moisture": [0.34, 0.36, 0.38, 0.38],
            "soil_liquid": [0.34, 0.2, 0.15, 0.15],
            "skin_temperature": 272.0,
            "snow_depth": [[0.02, 0.05, 0.1, 0.2]],
            "snow_water_equivalent": [[4.0, 10.0, 20.0, 40.0]],
            "albedo": 0.2,
            "roughness_length": 0.05,
        },
        "forcing": {"file": "weather.csv", "format": "csv"},
    }
    path = folder / "catchment.yaml"
    path.write_text(yaml.safe_dump(sections, sort_keys=False), encoding="utf-8")
    return path


def open_catchment(folder: Path, steps: int) -> Catchment:
    """The coupled components, each column with its own share of the precipitation."""
    rain = weather(steps)["precipitation_kg_m2_s"]
    return Catchment(write_case(folder, steps), rain[:, None] * np.linspace(0.8, 1.2, COLUMNS))


def compare(catchment: Catchment) -> dict[str, tuple[float, float]]:
    """Derivative of the objective by the logarithm of each parameter: one sweep back, and differences."""
    gradient = catchment.gradient()
    found = {}
    for extension, name in catchment.parameters():
        values = extension.get_parameter(name, np.empty(extension.get_parameter_size(name)))
        found[name] = float(gradient[name] @ values), catchment.difference(extension, name)
    return found


def main(steps: int = 80) -> None:
    """Print the agreement."""
    with tempfile.TemporaryDirectory() as folder:
        catchment = open_catchment(Path(folder), steps)
        objective, flow = catchment.forward()
        print(f"{steps} steps, discharge {flow.min():.3f} to {flow.max():.3f} m3 s-1, mean square {objective:.6g}\n")
        print(f"{'derivative by the logarithm of':<58}{'one sweep back':>16}{'differences':>16}{'relative':>10}")
        for name, (adjoint, difference) in compare(catchment).items():
            print(f"{name:<58}{adjoint:>16.8g}{difference:>16.8g}{abs(adjoint / difference - 1.0):>10.1e}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
