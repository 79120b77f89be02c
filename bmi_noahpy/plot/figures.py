"""What all figures share: size, dates, depth axes, saving."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

MELTING_POINT = 273.15
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's colours, told apart by colour-blind readers too."""

DEEP = 3.0
"""Soil depth from which a linear axis would hide the layers near the surface. [m]"""


def new_figure(title: str, width: float, height: float) -> Figure:
    """A figure whose panels do not overlap."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, fontsize=12)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Write a PNG file and return its path; its folder is made when absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    return path


def date_axis(axes: Axes, limits: tuple[np.datetime64, np.datetime64] | None = None) -> None:
    """Readable dates along x."""
    locator = AutoDateLocator(minticks=4, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    if limits is not None and limits[0] < limits[1]:
        axes.set_xlim(limits)  # type: ignore[arg-type]


def depth_axis(axes: Axes, faces: NDArray[np.float64]) -> None:
    """Depth downward; deep columns on a square-root scale, which keeps the layers near the surface visible."""
    bottom = float(faces[-1])
    if bottom > DEEP:
        axes.set_yscale("function", functions=(_root, np.square))
        ticks = [tick for tick in (0.0, 0.1, 0.5, 1, 2, 3, 5, 10, 15, 20, 30, 50, 100) if tick <= bottom]
        axes.yaxis.set_major_locator(FixedLocator(_spread(ticks, bottom)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylim(bottom, 0.0)
    axes.set_ylabel("depth [m]")


def _root(depth: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.maximum(depth, 0.0))


def _spread(ticks: Sequence[float], bottom: float) -> list[float]:
    """Ticks whose labels do not touch on the square-root axis."""
    kept: list[float] = []
    for tick in ticks:
        if not kept or np.sqrt(tick) - np.sqrt(kept[-1]) > 0.055 * np.sqrt(bottom):
            kept.append(tick)
    return kept
