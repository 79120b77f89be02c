"""A whole step of the preset `conservative` solves columns that were hard, and metres of rain leave no soil hot."""

from __future__ import annotations

import pytest
import torch
from test_coupled_solver import Columns, Systems, systems
from whole_columns import some_of, whole_columns

from noahpy_core import NoahModel, preset, run
from noahpy_core.constants import LATENT_HEAT_FUSION
from noahpy_core.physics.coupled_solver import solve
from noahpy_core.physics.coupled_system import snow_flow
from noahpy_core.trees import map_tensors

COLUMNS = 20_000
DELUGE = 1.0e3
"""Rain in a step. [kg m-2]"""


def stepped(columns: Columns) -> dict[str, torch.Tensor]:
    """The residuals of a step, which raises where a column is not solved."""
    column, state, forcing, parameters, dt = columns
    series = map_tensors(lambda value: value[None], forcing)
    names = ("water_residual", "enthalpy_residual")
    model = NoahModel(column, preset("conservative"))
    with torch.no_grad():
        # Some have more rain than any weather.
        return run(model, state, series, parameters, dt, outputs=names, check=False).outputs


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "place"), [(1032, 6104), (1042, 16920), (1009, 17808)])
def test_a_column_that_was_not_solved_takes_a_whole_step(seed, place):
    outputs = stepped(some_of(whole_columns(COLUMNS, seed), [place]))
    # Of metres of rain.
    assert outputs["water_residual"].abs().max() < 1.0e-9
    assert outputs["enthalpy_residual"].abs().max() < 1.0e-6


@pytest.fixture(scope="module")
def deluges() -> Systems:
    """The heat of columns with a metre of rain or more on their snow."""
    columns = whole_columns(COLUMNS, seed=1032)
    _, state, forcing, _, dt = columns
    falls = (forcing.precipitation * dt > DELUGE) & (forcing.air_temperature > 275.0) & (state.snow.depth > 0.0)
    return systems(*some_of(columns, falls.nonzero().flatten().tolist()[:200]))


def test_metres_of_rain_on_few_kilograms_of_snow_make_no_soil_hotter_than_rain_and_sun_do(deluges):
    curve, system, guess = deluges
    with torch.no_grad():
        at, solved = solve(curve, system, guess)
    assert solved.all()
    assert at.warmth.max() < 45.0


def test_water_that_runs_down_leaves_no_snow_layer_with_more_than_it_can_hold_or_pass_on(deluges):
    _, system, _ = deluges
    snow = system.snow
    arriving, room = snow.largest_flow[:-1], (snow.all_water() - snow.start).clamp(min=0.0)[1:]
    assert (arriving <= snow.largest_flow[1:] + room).all()
    # Where the layer below takes it, a layer lets as much run as ever: a share of what it has.
    assert (snow.largest_flow <= 0.5 * LATENT_HEAT_FUSION * snow.mass).all()
    most, _ = snow_flow(snow, 2.0 * snow.all_water())
    assert (most <= snow.largest_flow).all()
