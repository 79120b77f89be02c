"""Soil and river trained together, in a small basin; the router as a component of its own."""

from __future__ import annotations

import numpy as np
import pytest

from bmi_noahpy import check_gradient_extension


def test_the_router_passes_the_conformance_test(example):
    routing = example("muskingum_cunge")
    river = routing.MuskingumCunge(routing.random_network(12), 2.5e7, 5000.0, 2e-3, 3600.0)
    river.set_value(routing.RUNOFF, np.linspace(1e-5, 1e-4, 12))
    for _ in range(3):
        river.update()
    assert check_gradient_extension(river).passed


def test_the_network_solve_is_that_of_the_whole_system_and_steady_flow_is_what_comes_in(example):
    routing = example("muskingum_cunge")
    downstream = routing.random_network(30)
    river = routing.MuskingumCunge(downstream, 2.5e7, 5000.0, 2e-3, 3600.0)
    river.set_value(routing.RUNOFF, np.full(30, 2e-5))
    for _ in range(200):
        river.update()
    discharge = river.get_value(routing.DISCHARGE, np.empty(30))
    assert discharge == pytest.approx(routing.upstream_cells(downstream) * 2e-5 * 2.5e7 / 1000.0, rel=1e-9)


@pytest.mark.slow
def test_the_gradient_by_every_factor_equals_differences_of_the_coupled_run(example, tmp_path):
    basins = example("train_river_basin")
    basin = basins.open_basin(tmp_path, cells=30, steps=36)
    basin.set_factors(basins.TRUTH)
    found = basins.compare(basin, basin.forward())
    assert set(found) == set(basins.TRUTH)
    for zone, (adjoint, difference) in found.items():
        assert adjoint == pytest.approx(difference, rel=1e-6), zone


@pytest.mark.slow
def test_training_finds_the_truth_and_a_gauge_that_was_held_out(example, tmp_path):
    basins = example("train_river_basin")
    basin = basins.open_basin(tmp_path, cells=30, steps=60)
    basin.set_factors(basins.TRUTH)
    observed = basin.forward()
    factors, history = basins.train(basin, observed)
    assert history[-1] < 0.01 * history[0]
    basin.set_factors(factors)
    assert basins.efficiency(basin.forward(), observed)[-1] > 0.99
    assert factors["conductivity, lower"] == pytest.approx(basins.TRUTH["conductivity, lower"], rel=0.05)


def test_the_basin_as_a_graph_of_dcoupler_has_the_same_gradient(example, tmp_path):
    pytest.importorskip("dcoupler", reason="needs dcoupler (pip install dcoupler)")
    adapter = example("dcoupler_adapter")
    found = adapter.compare(tmp_path, cells=20, steps=24)
    assert len(found) == 2
    for name, (graph, direct) in found.items():
        assert np.abs(direct).max() > 0
        assert np.allclose(graph, direct, rtol=1e-9, atol=1e-12 * np.abs(direct).max()), name


def test_a_river_with_nothing_but_bmi_joins_by_differences_of_its_own(example, tmp_path):
    rivers, basins = example("river_by_differences"), example("train_river_basin")
    basin = rivers.open_basin(tmp_path, cells=6, steps=10)
    assert not hasattr(basin.river.model, "get_extension")
    basin.set_factors(basins.TRUTH)
    for zone, (adjoint, difference) in basins.compare(basin, basin.forward()).items():
        assert adjoint == pytest.approx(difference, rel=1e-6), zone
        assert difference != 0.0
