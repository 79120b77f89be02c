"""A river model that knows BMI only joins the sweep back: differences of its own steps stand for its derivatives.

`DifferencedComponent` wraps any component whose state can be read and set under BMI names: it repeats a step from
changed states, inputs and parameters, and so has the gradient extension. The price is two steps for each of these
numbers and each step of the window, which is right for a few reaches. The others of the chain keep exact derivatives.

    python examples/river_by_differences.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from muskingum_cunge import DISCHARGE, ROUGHNESS, RUNOFF, random_network
from small_component import STATE, Floats, SmallComponent
from train_river_basin import STEP, TRUTH, Basin, choose_gauges, compare, rain_of, write_land

from bmi_noahpy import BmiNoahPy

STORAGE = "channel_water__volume"


class StorageRiver:
    """Wide channels whose outflow follows Manning's equation with their storage, in plain numpy: BMI and no more.

    Parameters
    ----------
    downstream : Reach below each reach, with a smaller number; -1 below the outlet.
    area, length, width, slope : Of the cells [m2] and of the reaches [m, m, 1].
    """

    SUBSTEPS = 12

    def __init__(self, downstream: Any, area: float, length: float, width: float, slope: float) -> None:
        count = len(downstream)
        self.downstream, self.area, self.length, self.width, self.slope = downstream, area, length, width, slope
        self.values = {
            RUNOFF: np.zeros(count),
            STORAGE: np.full(count, 2.0e4),
            ROUGHNESS: np.full(count, 0.04),
            DISCHARGE: np.zeros(count),
        }

    def get_value(self, name: str, dest: Floats) -> Floats:
        """Copy the values into the caller's array, which is returned."""
        dest[...] = self.values[name]
        return dest

    def set_value(self, name: str, src: Floats) -> None:
        """Replace the values."""
        self.values[name] = np.array(src, dtype=np.float64)

    def update(self) -> None:
        """Take one step; the discharge is the mean over it."""
        part, left = STEP / self.SUBSTEPS, np.zeros(len(self.downstream))
        storage = self.values[STORAGE]
        for _ in range(self.SUBSTEPS):
            depth = storage / (self.length * self.width)
            out = self.width * depth ** (5.0 / 3.0) * self.slope**0.5 / self.values[ROUGHNESS]
            out = np.minimum(out, storage / part)
            storage = storage + part * (self.values[RUNOFF] * self.area / 1000.0 - out)
            inner = self.downstream >= 0
            np.add.at(storage, self.downstream[inner], part * out[inner])
            left = left + out / self.SUBSTEPS
        self.values[STORAGE], self.values[DISCHARGE] = storage, left


class DifferencedComponent(SmallComponent):
    """The gradient extension around a component that has BMI only.

    Parameters
    ----------
    model : Initialised. Its state, inputs and parameters determine the next step, and can all be set.
    inputs, outputs, parameters, states : Size, units and typical size of the values by name.
    bounds : Of the parameters.
    step : Length of a step. [s]
    relative : Change of a value, relative to the larger of itself and its typical size.
    """

    def __init__(
        self,
        model: Any,
        *,
        inputs: dict[str, tuple[int, str, float]],
        outputs: dict[str, tuple[int, str, float]],
        parameters: dict[str, tuple[int, str, float]],
        states: dict[str, tuple[int, str, float]],
        bounds: dict[str, tuple[float, float]],
        step: float,
        relative: float = 1.0e-5,
    ) -> None:
        self.model, self.states, self.relative = model, states, relative
        self.typical = {name: size for name, (_, _, size) in {**inputs, **parameters, **states}.items()}
        super().__init__(
            inputs=inputs,
            outputs=outputs,
            parameters=parameters,
            bounds=bounds,
            state=np.concatenate([model.get_value(name, np.empty(states[name][0])) for name in states]),
            step=step,
        )
        for name, (size, _, _) in {**inputs, **parameters}.items():
            self.values[name] = model.get_value(name, np.empty(size))

    def compute(self, state: Floats, given: dict[str, Floats]) -> tuple[Floats, dict[str, Floats]]:
        """See `SmallComponent`: a step of the component, from what is set before it."""
        for name, values in {**self._by_name(state), **given}.items():
            self.model.set_value(name, values)
        self.model.update()
        after = [self.model.get_value(name, np.empty(size)) for name, (size, _, _) in self.states.items()]
        results = {name: self.model.get_value(name, np.empty(self.tables[name][0])) for name in self.outputs}
        return np.concatenate(after), results

    def jacobian(self, state: Floats, given: dict[str, Floats]) -> dict[tuple[str, str], Floats]:
        """See `SmallComponent`: central differences of the step."""
        found: dict[tuple[str, str], Floats] = {}
        typical = np.concatenate([np.full(size, large) for size, _, large in self.states.values()])
        for wrt, values, least in (
            (STATE, state, typical),
            *((name, given[name], np.full(given[name].size, self.typical[name])) for name in given),
        ):
            change = self.relative * np.maximum(np.abs(values), least)
            columns = [self._quotient(wrt, element, change[element], state, given) for element in range(values.size)]
            for of in (STATE, *self.outputs):
                found[of, wrt] = np.stack([column[of] for column in columns], axis=1)
        return found

    def _quotient(
        self, wrt: str, element: int, size: float, state: Floats, given: dict[str, Floats]
    ) -> dict[str, Floats]:
        ends = []
        for sign in (1.0, -1.0):
            changed = {STATE: state.copy(), **{name: values.copy() for name, values in given.items()}}
            changed[wrt][element] += sign * size
            after, results = self.compute(changed.pop(STATE), changed)
            ends.append({STATE: after, **results})
        return {name: (ends[0][name] - ends[1][name]) / (2.0 * size) for name in ends[0]}

    def _by_name(self, state: Floats) -> dict[str, Floats]:
        sizes = [size for size, _, _ in self.states.values()]
        return dict(zip(self.states, np.split(state, np.cumsum(sizes)[:-1]), strict=True))


def differenced(river: StorageRiver) -> DifferencedComponent:
    """The river with derivatives."""
    count = len(river.downstream)
    return DifferencedComponent(
        river,
        inputs={RUNOFF: (count, "kg m-2 s-1", 1.0e-5)},
        outputs={DISCHARGE: (count, "m3 s-1", 0.0)},
        parameters={ROUGHNESS: (count, "s m-1/3", 0.04)},
        states={STORAGE: (count, "m3", 1.0e4)},
        bounds={ROUGHNESS: (0.005, 0.2)},
        step=STEP,
    )


def open_basin(folder: Path, cells: int = 12, steps: int = 36) -> Basin:
    """NoahPy in every cell, and the river below."""
    land = BmiNoahPy()
    land.initialize(str(write_land(folder, cells, steps)))
    downstream = random_network(cells)
    river = differenced(StorageRiver(downstream, area=2.5e7, length=5000.0, width=15.0, slope=2.0e-3))
    return Basin(land, river, rain_of(steps, cells), choose_gauges(downstream))


def main(cells: int = 12, steps: int = 36) -> dict[str, tuple[float, float]]:
    """Print the gradient of the coupled basin beside that of differences of the coupled run."""
    with tempfile.TemporaryDirectory() as folder:
        basin = open_basin(Path(folder), cells, steps)
        basin.set_factors(TRUTH)
        found = compare(basin, basin.forward())
    print(f"{'derivative by the logarithm of':<32}{'one sweep back':>16}{'differences':>16}{'relative':>10}")
    for zone, (adjoint, difference) in found.items():
        print(f"{zone:<32}{adjoint:>16.8g}{difference:>16.8g}{abs(adjoint / difference - 1.0):>10.1e}")
    return found


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
