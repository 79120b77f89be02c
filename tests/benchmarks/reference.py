"""The yardstick: half of a step in scalar C, compiled with optimisation when a benchmark begins."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

SOURCE = Path(__file__).with_name("soil_reference.c")
LAYERS, STEP, RAIN = 20, 1800.0, 2.0e-8
"""Number of layers, seconds, and m s-1."""


def compiler() -> str | None:
    """A C compiler of this machine."""
    return shutil.which("gcc") or shutil.which("cc")


class SoilReference:
    """Heat and water of the soil, twenty layers.

    Parameters
    ----------
    folder : For the library.
    with_compiler : Path of the compiler.
    """

    def __init__(self, folder: Path, with_compiler: str) -> None:
        library = folder / "soil_reference.so"
        command = [with_compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-lm"]
        subprocess.run(command, check=True, capture_output=True, text=True)
        self._function = ctypes.CDLL(str(library)).soil_steps
        self._function.restype = ctypes.c_double
        whole, real, pointer = ctypes.c_long, ctypes.c_double, ctypes.c_void_p
        self._function.argtypes = [whole, whole, whole, real, real, *[pointer] * 4]
        self.thickness = np.geomspace(0.05, 2.0, LAYERS)
        self._soil = np.stack([self.thickness, *(np.full(LAYERS, value) for value in (0.44, 0.4, 3.4e-6, 0.355, 5.25))])

    def run(self, columns: int, steps: int) -> tuple[float, np.ndarray, np.ndarray]:
        """Take steps from a moist, half-frozen state.

        Returns
        -------
        Water gained beyond what came in and went out [m]; temperature and liquid water, ``[column, layer]``.
        """
        temperature = np.tile(np.linspace(276.0, 271.5, LAYERS), (columns, 1))
        ice = np.where(temperature < 273.15, 0.1, 0.0)
        liquid = 0.3 - ice
        before = self._stored(liquid)
        left = self._call(columns, steps, temperature, liquid, ice)
        gain = self._stored(liquid) - before - (columns * steps * STEP * RAIN - left)
        return gain, temperature, liquid

    def _call(self, columns: int, steps: int, *state: np.ndarray) -> float:
        arrays: list[Any] = [array.ctypes.data for array in (self._soil, *state)]
        return float(self._function(columns, steps, LAYERS, STEP, RAIN, *arrays))

    def _stored(self, liquid: np.ndarray) -> float:
        return float((liquid * self.thickness).sum())
