"""What nobody asks for is left out, and what is left out changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from unittest import mock

import pytest
import torch
from compiled_cases import COVER, Values, gradients, series, taken

from noahpy_core.compiled.emit import code, kernels
from noahpy_core.compiled.emit.instructions import CodeTarget
from noahpy_core.compiled.execute import programs
from noahpy_core.compiled.graph.graph import Graph, Node
from noahpy_core.compiled.record.step_graph import Wanted, record_step
from noahpy_core.compiled.schedule.laziness import Laziness, find_laziness, segments
from noahpy_core.compiled.schedule.nested import find_nested_laziness
from noahpy_core.compiled.schedule.recomputation import Recomputation
from noahpy_core.compiled.schedule.schedule import Action
from noahpy_core.compiled.shape import Shape
from noahpy_core.options import Options
from noahpy_core.physics.freezing import Koren1999
from noahpy_core.quantities import quantities
from noahpy_core.state import State

LAYERS = 5
ABSENT = frozenset(("state", path) for path, metadata in quantities(State) if metadata["optional"]) | {
    ("parameters", f"vegetation.{name}") for name in ("litter_area_index", "moss_resistance")
}
SHAPE = Shape(Options(), 4, "float64", ABSENT)


def laziness_of(graph: Graph, *kept: Node, find: Callable[..., Laziness] = find_laziness) -> Laziness:
    users: dict[int, list[Node]] = {node.number: [] for node in graph.nodes}
    for node in graph.nodes:
        for arg in node.args:
            users[arg.number].append(node)
    return find(graph.nodes, users, kept)


def chosen(graph: Graph) -> tuple[Node, Node, Node]:
    """A mask, a value, and another one that takes long to compute."""
    x = graph.node("input", attribute=("x", None), length=LAYERS)
    mask = graph.node("gt", x, graph.constant(1.0))
    return mask, x, graph.node("exp", graph.node("log", x))


def test_a_value_asked_for_by_a_select_only_need_not_be_computed_where_its_mask_is_true():
    graph = Graph()
    mask, x, slow = chosen(graph)
    result = graph.node("select", mask, x, slow)
    found = laziness_of(graph, result)
    assert found.conditional == {node.number: {(mask.number, True)} for node in (slow.args[0], slow)}
    assert found.askers == {result.number: ({(mask.number, True)}, (mask.number, True))}


def test_a_truth_that_is_certain_already_needs_no_other():
    graph = Graph()
    mask, x, slow = chosen(graph)
    other = graph.node("lt", slow, x)
    graph.node("select", mask, x, graph.constant(0.0))
    result = graph.node("or", mask, other)
    found = laziness_of(graph, result)
    assert set(found.conditional) == {slow.args[0].number, slow.number, other.number}
    assert found.askers == {result.number: ({(mask.number, True)}, (mask.number, True))}


@pytest.mark.parametrize("reason", ["another asks", "it is a result", "it is in the mask", "it is cheap"])
def test_a_value_is_computed_where_something_else_wants_it(reason):
    graph = Graph()
    mask, x, slow = chosen(graph)
    kept = []
    if reason == "another asks":
        kept.append(graph.node("add", slow, x))
    elif reason == "it is a result":
        kept.append(slow)
    elif reason == "it is in the mask":
        mask = graph.node("and", mask, graph.node("gt", slow, graph.constant(2.0)))
    else:
        slow = graph.node("mul", x, x)
    kept.append(graph.node("select", mask, x, slow))
    assert laziness_of(graph, *kept) == ({}, {}, {mask.number: mask})


def test_what_has_the_same_condition_is_computed_together_after_all_it_needs():
    graph = Graph()
    mask, x, slow = chosen(graph)
    half = graph.node("mul", graph.constant(0.5), slow)
    first, second = graph.node("select", mask, x, slow), graph.node("select", mask, half, half)
    second = graph.node("select", mask, graph.node("neg", x), half)
    result = graph.node("add", first, second)
    found = laziness_of(graph, result)
    nodes = [node for node in graph.nodes if node.op not in ("constant", "input")]
    parts = segments(nodes, found, set())
    assert [part.conditions for part in parts] == [set(), {(mask.number, True)}, set()]
    assert sorted(node.number for part in parts for node in part.nodes) == [node.number for node in nodes]
    done = {x.number} | {node.number for node in graph.nodes if node.is_constant}
    for part in parts:
        for node in part.nodes:
            assert {arg.number for arg in node.args} <= done
            done.add(node.number)
    without_mask = [node for node in nodes if node is not mask]
    assert [part.conditions for part in segments(without_mask, found, set())] == [set()]


def test_what_is_asked_for_by_what_may_be_left_out_is_needless_under_either_mask():
    graph = Graph()
    outer, x, slow = chosen(graph)
    inner = graph.node("lt", x, graph.constant(0.5))
    within = graph.node("select", inner, slow, graph.constant(0.0))
    slower = graph.node("exp", graph.node("log", within))
    result = graph.node("select", outer, x, graph.node("add", slower, within))
    found = laziness_of(graph, result, find=find_nested_laziness)
    both = {(outer.number, True), (inner.number, False)}
    assert {number: set(some) for number, some in found.conditional.items()} == {
        **{node.number: both for node in (slow.args[0], slow)},
        **{node.number: {(outer.number, True)} for node in (slower.args[0], slower, result.args[2], inner)},
    }
    assert found.askers == {
        within.number: (both, (inner.number, False)),
        result.number: ({(outer.number, True)}, (outer.number, True)),
    }


def test_a_condition_that_too_little_hangs_on_has_no_branch_of_its_own():
    graph = Graph()
    outer, x, slow = chosen(graph)
    inner = graph.node("lt", x, graph.constant(0.5))
    cheap = graph.node("mul", x, x)
    within = graph.node("select", inner, cheap, graph.constant(0.0))
    result = graph.node("select", outer, x, graph.node("add", slow, within))
    found = laziness_of(graph, result, find=find_nested_laziness)
    assert set(found.conditional[cheap.number]) == {(outer.number, True)}
    assert within.number not in found.askers


def laziness_of_kernel(make: str, *more: Wanted) -> Laziness:
    """What a kernel of the default schemes leaves out."""
    found = []
    name = "find_nested_laziness" if more else "find_laziness"
    find = getattr(code, name)

    def note(*arguments):
        found.append(find(*arguments))
        return found[-1]

    with mock.patch.object(code, name, note):
        getattr(kernels, make)(record_step(SHAPE), CodeTarget("double", 8, 8), *more)
    return found[0]


@pytest.mark.parametrize(
    ("make", "more"),
    [("forward_kernel", ()), ("reverse_kernel", (Wanted((), False, ("soil",)),))],
    ids=["forward", "back"],
)
def test_every_iteration_of_the_freezing_curve_may_be_left_out(make, more):
    found = laziness_of_kernel(make, *more)
    assert len(set(found.conditional.values())) > Koren1999.NOAH_ITERATIONS


@pytest.fixture
def other_kernels(monkeypatch) -> Iterator[None]:
    """Kernels are made anew, for this test only."""
    monkeypatch.setenv("NOAHPY_CACHE", "")
    programs.program.cache_clear()
    yield
    programs.program.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize("setup", COVER[:2], ids=str)
def test_kernels_that_leave_nothing_out_give_the_same_numbers(setup, other_kernels):
    case = setup.case(300, seed=71)
    weather = series(case, 2)

    def everything() -> Values:
        return taken(setup, case, "compiled", forcing=weather).outputs | gradients(setup, case, "compiled")

    lazy = everything()
    programs.program.cache_clear()
    none = Laziness({}, {}, {})
    with mock.patch.multiple(code, find_laziness=lambda *_: none, find_nested_laziness=lambda *_: none):
        diligent = everything()
    for name, value in diligent.items():
        torch.testing.assert_close(lazy[name], value, rtol=0.0, atol=0.0, equal_nan=True)


# --- values that are computed again -----------------------------------------------------------------------------------


def actions_of(*loops: list[Node]) -> list[Action]:
    return [Action("layers", loop) for loop in loops]


def again_and_kept(actions: list[Action], *kept: Node) -> tuple[list[set[int]], set[int]]:
    nodes = [node for action in actions for node in action.nodes]
    users: dict[int, list[Node]] = {node.number: [] for node in nodes}
    for node in nodes:
        for arg in node.args:
            users.setdefault(arg.number, []).append(node)
    found = Recomputation(actions, users, {node.number for node in kept}, Laziness({}, {}, {})).kept
    return [{node.number for node in action.again} for action in actions], found


def test_a_cheap_value_of_what_is_read_anyway_is_computed_again_instead_of_kept():
    graph = Graph()
    x = graph.node("input", attribute=("x", None), length=LAYERS)
    cheap = graph.node("mul", x, x)
    first, second = graph.node("exp", cheap), graph.node("add", cheap, x)
    again, kept = again_and_kept(actions_of([cheap, first], [second]), first, second)
    assert again == [set(), {cheap.number}]
    assert kept == {first.number, second.number}


@pytest.mark.parametrize("reason", ["it is slow", "it is kept", "it needs more"])
def test_a_value_is_kept_where_computing_it_again_costs_more(reason):
    graph = Graph()
    x, y, z = (graph.node("input", attribute=(name, None), length=LAYERS) for name in "xyz")
    value = graph.node("exp", x) if reason == "it is slow" else graph.node("mul", x, y)
    if reason == "it needs more":
        value = graph.node("add", value, graph.node("mul", graph.node("exp", y), graph.node("exp", z)))
    made = [node for node in graph.nodes if node.op != "input"]
    user = graph.node("neg", value)
    again, kept = again_and_kept(actions_of(made, [user]), user, *([value] if reason == "it is kept" else []))
    assert again == [set(), set()]
    assert kept == {value.number, user.number}


@pytest.mark.slow
@pytest.mark.parametrize("setup", COVER[:2], ids=str)
def test_kernels_that_keep_every_value_give_the_same_numbers(setup, other_kernels):
    case = setup.case(300, seed=72)
    sparing = gradients(setup, case, "compiled")
    programs.program.cache_clear()
    with mock.patch.object(Recomputation, "_decide"):
        keeping = gradients(setup, case, "compiled")
    for name, value in keeping.items():
        torch.testing.assert_close(sparing[name], value, rtol=0.0, atol=0.0, equal_nan=True)
