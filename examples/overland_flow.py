"""NoahPy feeds its runoff to Landlab's overland flow, both driven through BMI alone.

A storm falls on a hillside of NoahPy columns. After each step of NoahPy (one hour) the runoff of its columns is mapped
to the nodes of Landlab's finer grid, converted from metres per step to metres of water on the surface, and routed to
the open edge in Landlab's own shorter steps. The water balance of both models and of the pair is printed.

    python overland_flow.py [--hours 12] [--rain 40] [--folder overland-flow]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import yaml
from landlab.bmi import wrap_as_bmi
from landlab.components import OverlandFlow

from bmi_noahpy import BmiNoahPy
from bmi_noahpy.example import write_example

ROWS, COLUMNS = 3, 4  # NoahPy's columns
NODES_ACROSS = 6  # Landlab nodes along one side of a NoahPy cell
SPACING = 50.0  # of Landlab's nodes [m]
# Short enough for thin sheets of water on a slope to be stable, and for Landlab to take it in one go, so that its
# discharge is that of the whole step. [s]
ROUTING_STEP = 10.0
STORM_HOURS = 3
CLOSED, OPEN = 4, 1  # Landlab's flags of boundary nodes

DEPTH, RUNOFF = "surface_water__depth", "land_surface_water__runoff_depth"
RAIN = "atmosphere_water__liquid_equivalent_precipitation_rate"


def read(model: Any, name: str) -> np.ndarray:
    """A copy of a variable through BMI."""
    destination = np.empty(model.get_var_nbytes(name) // model.get_var_itemsize(name), model.get_var_type(name))
    return model.get_value(name, destination)


def start_noahpy(folder: Path, hours: int) -> BmiNoahPy:
    """Columns of the built-in example, one grid cell each; the soil gets wetter from west to east."""
    path = write_example(folder, "noah-permafrost")
    sections = yaml.safe_load(path.read_text())
    size = NODES_ACROSS * SPACING / 111_000.0  # of a cell [degrees]
    sections["domain"] = {
        "latitude": (68.0 + size * np.arange(ROWS)).tolist(),
        "longitude": (-150.0 + size * np.arange(COLUMNS)).tolist(),
    }
    last = np.datetime64("2019-09-01T00:00") + np.timedelta64(hours - 1, "h")
    sections["period"] = {"start": "2019-09-01T00:00", "end": str(last), "step": 3600}
    wetness = np.linspace(0.8, 1.7, COLUMNS)
    moisture = np.asarray(sections["initial"]["soil_moisture"])
    moisture = np.where(np.arange(len(moisture))[:, None] < 8, moisture[:, None] * wetness, moisture[:, None])
    on_grid = np.broadcast_to(moisture[:, None, :], (len(moisture), ROWS, COLUMNS))
    sections["initial"].update(soil_moisture=on_grid.tolist(), soil_liquid="equilibrium")
    path.write_text(yaml.safe_dump(sections))
    model = BmiNoahPy()
    model.initialize(str(path))
    return model


def start_landlab(folder: Path, noahpy: BmiNoahPy) -> Any:
    """Overland flow on the same hillside: closed edges, open at the bottom (south) where the water leaves."""
    shape = noahpy.get_grid_shape(noahpy.get_var_grid(RUNOFF), np.empty(2, dtype=int))
    rows, columns = (int(number) * NODES_ACROSS + 2 for number in shape)  # a ring of boundary nodes around the cells
    constant = {"constant": [{"value": 0.0}]}
    config = {
        "overland_flow": {"mannings_n": 0.05},
        "clock": {"start": 0.0, "stop": 1.0e9, "step": ROUTING_STEP},
        "grid": {
            "RasterModelGrid": [
                [rows, columns],
                {"xy_spacing": SPACING},
                {"fields": {"node": {DEPTH: constant, "topographic__elevation": constant}}},
            ]
        },
    }
    path = folder / "overland_flow.yaml"
    path.write_text(yaml.safe_dump(config))
    model = wrap_as_bmi(OverlandFlow)()
    model.initialize(str(path))
    y, x = np.meshgrid(np.arange(rows) * SPACING, np.arange(columns) * SPACING, indexing="ij")
    valley = np.abs(x - x.mean()) * 0.01
    model.set_value("topographic__elevation", 0.01 * y + valley)
    edges = np.full((rows, columns), CLOSED, dtype=np.uint8)
    edges[1:-1, 1:-1] = 0
    edges[0, 1:-1] = OPEN
    model.set_value("boundary_condition_flag", edges.ravel())
    return model


class Mapping:
    """Which NoahPy column each Landlab node lies in, for two grids over the same hillside."""

    def __init__(self, landlab: Any) -> None:
        self.shape = tuple(landlab.get_grid_shape(0, np.empty(2, dtype=int)))
        row, column = np.indices((ROWS * NODES_ACROSS, COLUMNS * NODES_ACROSS)) // NODES_ACROSS
        self.column_of_node = row * COLUMNS + column

    def to_nodes(self, values: np.ndarray) -> np.ndarray:
        """Values of the columns at all nodes; zero in the boundary ring. Areas match, so means are kept."""
        nodes = np.zeros(self.shape)
        nodes[1:-1, 1:-1] = values[self.column_of_node]
        return nodes

    def inside(self, values: np.ndarray) -> np.ndarray:
        """The nodes within the hillside."""
        return values.reshape(self.shape)[1:-1, 1:-1]


def outlet_links(landlab: Any, mapping: Mapping) -> np.ndarray:
    """Indices of the links that cross the open edge: each joins a node of the first row to the one above it."""
    nodes = np.empty((landlab.get_grid_edge_count(0), 2), dtype=int)
    nodes[:] = landlab.get_grid_edge_nodes(0, nodes.ravel()).reshape(-1, 2)
    columns = mapping.shape[1]
    return np.flatnonzero((nodes[:, 0] < columns) & (nodes[:, 1] >= columns))


def route(landlab: Any, seconds: float, crossing: np.ndarray) -> float:
    """Route for some time; the volume that left through the open edge. [m3]"""
    left = 0.0
    for _ in range(round(seconds / ROUTING_STEP)):
        landlab.update()
        # Landlab calls it m3/s, but it is the discharge per metre of width.
        left -= read(landlab, "surface_water__discharge")[crossing].sum() * SPACING * ROUTING_STEP
    return left


def couple(folder: Path, hours: int, rain: float) -> dict[str, Any]:
    """Run the pair; totals in metres of water over the hillside, and series for the figure."""
    noahpy = start_noahpy(folder, hours)
    landlab = start_landlab(folder, noahpy)
    mapping, area = Mapping(landlab), ROWS * COLUMNS * (NODES_ACROSS * SPACING) ** 2
    crossing = outlet_links(landlab, mapping)
    stored_in_soil = read(noahpy, "ngen::mass_stored")[0]
    on_surface = mapping.inside(read(landlab, DEPTH)).mean()
    given = left = 0.0
    series = []
    while noahpy.get_current_time() < noahpy.get_end_time():
        hour = int(noahpy.get_current_time() // 3600)
        noahpy.set_value(RAIN, np.full(ROWS * COLUMNS, rain / 3600.0 if hour < STORM_HOURS else 0.0))
        noahpy.update()
        runoff = read(noahpy, "land_surface_water__runoff_volume_flux") * noahpy.get_time_step()  # surface part [m]
        landlab.set_value(DEPTH, read(landlab, DEPTH) + mapping.to_nodes(runoff).ravel())
        out = route(landlab, noahpy.get_time_step(), crossing)
        given, left = given + runoff.mean(), left + out / area
        series.append((runoff.mean(), out / area))
    depth = mapping.inside(read(landlab, DEPTH))
    balance = {term: read(noahpy, f"ngen::mass_{term}")[0] for term in ("in", "out", "stored", "leaked")}
    return {
        "series": np.array(series), "depth": depth, "given": given, "left": left,
        "on_surface": depth.mean() - on_surface,
        "noahpy": {"before": stored_in_soil, **balance},
    }  # fmt: skip


def report(result: dict[str, Any]) -> tuple[float, float]:
    """Print the balances; the residuals of NoahPy and of the pair. [mm]"""
    total = {term: 1000 * value for term, value in result["noahpy"].items()}
    rain, gain = total["in"] - total["before"], total["stored"] - total["before"]
    alone = rain - total["out"] - gain - total["leaked"]
    given, left, kept = (1000 * result[name] for name in ("given", "left", "on_surface"))
    other = total["out"] - given
    pair = rain - other - gain - total["leaked"] - left - kept
    print("Water balance [mm over the hillside]")
    print(f"  NoahPy : rain {rain:.4f} = surface runoff {given:.4f} + evapotranspiration and drainage {other:.4f} "
          f"+ stored {gain:.4f}, residual {alone:.1e}")  # fmt: skip
    print(f"  Landlab: runoff {given:.4f} = through the outlet {left:.4f} + on the surface {kept:.4f}, "
          f"residual {given - left - kept:.1e}")  # fmt: skip
    print(f"  pair   : rain {rain:.4f} = outlet {left:.4f} + on the surface {kept:.4f} "
          f"+ evapotranspiration and drainage {other:.4f} + stored {gain:.4f}, residual {pair:.1e}")  # fmt: skip
    return alone, pair


def draw(result: dict[str, Any], path: Path) -> None:
    """Water on the hillside, and runoff made and routed."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    extent = (0, COLUMNS * NODES_ACROSS * SPACING, 0, ROWS * NODES_ACROSS * SPACING)
    image = left.imshow(1000 * result["depth"], origin="lower", extent=extent, cmap="Blues", vmin=0)
    figure.colorbar(image, ax=left, label="water on the surface [mm]", shrink=0.8)
    left.set(xlabel="east [m]", ylabel="north [m]", title="at the end (outlet at the bottom)")
    hours = np.arange(1, len(result["series"]) + 1)
    right.step(hours, 1000 * result["series"][:, 0], where="mid", label="runoff of NoahPy")
    right.step(hours, 1000 * result["series"][:, 1], where="mid", label="leaves through the outlet")
    right.set(xlabel="hour", ylabel="mm per hour", title="hillside mean")
    right.legend()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=int, default=12, help="length of the run")
    parser.add_argument("--rain", type=float, default=40.0, help="rain in each of the first three hours [mm]")
    parser.add_argument("--folder", type=Path, default=Path("overland-flow"), help="where files are written")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    result = couple(options.folder, options.hours, options.rain)
    result["residuals"] = report(result)
    draw(result, options.folder / "overland_flow.png")
    print(f"Figure: {options.folder / 'overland_flow.png'}")
    return result


if __name__ == "__main__":
    main()
