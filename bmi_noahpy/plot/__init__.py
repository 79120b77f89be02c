"""Figures of an output file as PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bmi_noahpy.observations.observed import Observed
from bmi_noahpy.observations.reading import read_observations
from bmi_noahpy.observations.simulated import PlotError, read_column
from bmi_noahpy.plot.comparison import compare, comparison_figures, score_table
from bmi_noahpy.plot.figures import save
from bmi_noahpy.plot.simulation import energy_figure, snow_figure, soil_figure


def plot_output(
    path: str | Path,
    *,
    observations: str | Path | Sequence[Observed] | None = None,
    folder: str | Path | None = None,
    cell: tuple[int, int] | None = None,
    window: str = "auto",
) -> list[Path]:
    """Draw what an output file holds, and compare it with observations if they are given.

    Parameters
    ----------
    path : Output file of a run.
    observations : File to compare with, or what `read_observations` has read of one; the scores go into a CSV file
        beside the figures.
    folder : Where the figures go; beside the output file by default. They are named after it.
    cell : Row and column of a grid, or 0 and the number of a point; None: the first one that was computed.
    window : What the observations' time stamps mean: "auto", "start", "centre" or "instant".

    Returns
    -------
    The files written.

    Raises
    ------
    FileNotFoundError, PlotError : a file is missing or holds nothing that can be drawn.
    """
    path = Path(path)
    output = read_column(path, cell)
    drawn = {"soil": soil_figure(output), "snow": snow_figure(output), "energy": energy_figure(output)}
    figures = {name: figure for name, figure in drawn.items() if figure is not None}
    if isinstance(observations, (str, Path)):
        observations = read_observations(observations)
    compared = [] if observations is None else compare(output, observations, window)
    figures |= {f"observed_{name}": figure for name, figure in comparison_figures(output, compared).items()}
    if not figures:
        raise PlotError(
            f"{path}: none of its variables can be drawn. "
            "Write soil.temperature, snow.depth, net_radiation or sensible_heat_flux (output.variables)."
        )
    target = path.parent if folder is None else Path(folder)
    written = [save(figure, target / f"{path.stem}_{name}.png") for name, figure in figures.items()]
    if compared:
        written.append(target / f"{path.stem}_scores.csv")
        score_table(compared).to_csv(written[-1], index=False, float_format="%.6g")
    return written
