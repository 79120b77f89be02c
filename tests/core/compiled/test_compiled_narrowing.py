"""Layers that nobody reads: which values are computed without them, and that the rest keeps its bits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from compiled_cases import EVERYTHING, Setup, series, shape_of
from random_columns import Case
from torch import Tensor

from noahpy_core import NoahModel, Options, run
from noahpy_core.compiled.graph.evaluate import evaluate
from noahpy_core.compiled.graph.graph import reached
from noahpy_core.compiled.graph.narrowing import narrowed
from noahpy_core.compiled.record.own_step import record_own_step
from noahpy_core.compiled.record.recorder import StepRecorder
from noahpy_core.learning import LearnedThermalConductivity
from noahpy_core.numerics import solve_tridiagonal
from noahpy_core.physics.soil_thermal import CoteKonrad2005
from noahpy_core.recording import iterate_until, recorded_by

LAYERS, COLUMNS = 6, 7
SETUP = Setup(Options(soil_thermal="cote_konrad2005"), 4)


def root(x: Tensor, y: Tensor) -> Tensor:
    """A profile of square roots by iteration."""

    def halve(guess: Tensor, done: Tensor) -> tuple[Tensor, Tensor]:
        new = torch.where(done, guess, 0.5 * (guess + x / guess))
        return new, done | ((new - guess).abs().amax(0) < 1e-12)

    return iterate_until(halve, (x, torch.zeros_like(y, dtype=torch.bool)), 50)[0]


FUNCTIONS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], list[int]]] = {
    "one layer": (lambda x, y: (x * y).sqrt()[0], [0]),
    "one layer of a part": (lambda x, y: (x * y)[1:4].sqrt()[2] * y, [0]),
    "a few layers": (lambda x, y: (x * y).sqrt()[2:4].sum(0), [2]),
    "most layers": (lambda x, y: (x * y).sqrt()[1:].sum(0), [LAYERS]),
    "layers far apart": (lambda x, y: (lambda r: r[1] * r[4])((x * y).sqrt()), [2]),
    "all layers and one": (lambda x, y: (lambda r: r[2] - r.sum(0))((x * y).sqrt()), [LAYERS]),
    "parts put together": (lambda x, y: torch.cat([x[:2].sqrt(), x[2:].abs()])[1] * y, [0]),
    "parts put together in another order": (lambda x, y: torch.cat([x[4:], x[:4]])[:3].sqrt().amax(0), [3]),
    "one layer as layers": (lambda x, y: x.sqrt()[3:4].sum(0) + y, [0]),
    "a choice": (lambda x, y: torch.where(x > 1.0, x.sqrt(), y)[0], [0]),
    "a solution of all layers": (lambda x, y: solve_tridiagonal(-0.3 * x, 3.0 + x, -0.2 * x, x.sqrt())[0], [LAYERS]),
    "an iteration": (lambda x, y: root(x * y, y).sqrt()[0], [0]),
    "all layers as result": (lambda x, y: (x * y).sqrt(), [LAYERS]),
}
"""With how many layers each takes square roots, 0 for none."""


@pytest.mark.parametrize("what", FUNCTIONS)
def test_layers_that_nobody_reads_are_left_out_and_the_result_keeps_its_bits(what):
    function, lengths = FUNCTIONS[what]
    generator = torch.Generator().manual_seed(7)
    x = 0.5 + torch.rand(LAYERS, COLUMNS, generator=generator, dtype=torch.float64)
    y = 0.5 + torch.rand(COLUMNS, generator=generator, dtype=torch.float64)
    recorder = StepRecorder()
    recorder.supply(x, "x")
    recorder.supply(y, "y")
    with torch.no_grad(), recorded_by(recorder), recorder:
        (old,) = recorder.nodes(function(x, y))
    _, (new,) = narrowed([old])
    assert [node.length for node in reached([new]) if node.op == "sqrt"] == lengths
    given = {("x", None): x, ("y", 0): y}
    found, before = (evaluate([node], given, [], COLUMNS)[node.number] for node in (new, old))
    assert new.length == old.length
    assert torch.equal(found, before)
    torch.testing.assert_close(found, function(x, y), rtol=1e-12, atol=0.0)


def test_a_network_for_the_topmost_layer_is_not_computed_for_the_others():
    """A step asks for the conductivity before its heat as well, then of the top."""
    case = SETUP.case(2)
    model = NoahModel(case.column, SETUP.options, {"soil_thermal": LearnedThermalConductivity((5, 3))})
    step = record_own_step(model, shape_of(SETUP)).step
    nodes = reached(step.results.values())
    layers = [node.attribute for node in nodes if node.op == "dense"]
    for inputs, outputs in ((2, 5), (5, 3), (3, 1)):
        rows = [rows for size, width, rows, _ in layers if (size, width) == (outputs, inputs)]
        assert sorted(rows) == [0, SETUP.layers]


class Conductivity(CoteKonrad2005):
    """A built-in scheme under another name, which is recorded as one of one's own."""


@pytest.mark.slow
@pytest.mark.parametrize("columns", [1, 19])
def test_a_scheme_of_ones_own_has_the_bits_of_the_same_one_built_in(columns):
    case: Case = SETUP.case(columns)
    results = []
    for schemes in ({}, {"soil_thermal": Conductivity()}):
        model = NoahModel(case.column, SETUP.options, schemes)
        with torch.no_grad():
            path = run(
                model, case.state, series(case, 3), case.parameters, case.dt, outputs=EVERYTHING, execution="compiled"
            )
        results.append(path.outputs)
    for name, expected in results[0].items():
        assert torch.equal(results[1][name], expected), name
