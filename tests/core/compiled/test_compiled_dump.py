"""NOAHPY_DUMP prints what the compiler has made of a step."""

from __future__ import annotations

import llvmlite.binding as llvm
import pytest

from noahpy_core import Options
from noahpy_core.compiled.emit.instructions import CodeTarget
from noahpy_core.compiled.emit.kernels import forward_kernel
from noahpy_core.compiled.execute import dump
from noahpy_core.compiled.execute.program import Program, vector_target
from noahpy_core.compiled.record.step_graph import record_step
from noahpy_core.compiled.shape import Shape
from noahpy_core.quantities import quantities
from noahpy_core.state import State

ABSENT = frozenset(("state", path) for path, metadata in quantities(State) if metadata["optional"]) | {
    ("parameters", f"vegetation.{name}") for name in ("litter_area_index", "moss_resistance")
}
SHAPE = Shape(Options(phase_change="enthalpy"), 2, "float64", ABSENT)


@pytest.fixture(scope="module")
def made():
    step = record_step(SHAPE)
    return step, forward_kernel(step, CodeTarget("double", 8, 8))


def printed(kind, made, monkeypatch, capsys) -> str:
    monkeypatch.setenv(dump.DUMP_VARIABLE, kind)
    dump.dump(*made)
    found = capsys.readouterr()
    assert found.out == ""
    return found.err


def test_the_graph_has_a_line_for_every_node_and_result(made, monkeypatch, capsys):
    step, _ = made
    text = printed("graph", made, monkeypatch, capsys)
    lines = text.splitlines()
    assert lines[0] == "; graph of steps_forward"
    assert sum(line.startswith("%") for line in lines) == len(step.graph.nodes)
    for path, _ in SHAPE.results():
        assert any(line.startswith(f"{path} = %") for line in lines), path
    assert any("= exp %" in line and line.endswith("; turbulence") for line in lines)
    assert "rounds from" in text


def test_the_printed_kernel_is_a_module_of_llvm(made, monkeypatch, capsys):
    text = printed("llvm", made, monkeypatch, capsys)
    module = llvm.parse_assembly(text)
    module.verify()
    assert "steps_forward" in [function.name for function in module.functions]


def test_nothing_is_printed_unless_asked_for(made, monkeypatch, capsys):
    assert printed("", made, monkeypatch, capsys) == ""
    both = printed("graph, llvm", made, monkeypatch, capsys)
    assert "; graph of" in both
    assert "define" in both


def test_anything_else_is_refused_before_a_kernel_is_made(monkeypatch):
    monkeypatch.setenv(dump.DUMP_VARIABLE, "ptx")
    with pytest.raises(ValueError, match=r"NOAHPY_DUMP: 'ptx' is unknown\. Use graph or llvm, or both with a comma"):
        Program(SHAPE, vector_target(SHAPE.number, single=False))._function(None)


def test_a_kernel_that_is_printed_is_made_although_the_cache_has_it(monkeypatch):
    monkeypatch.setenv(dump.DUMP_VARIABLE, "llvm")
    monkeypatch.setattr("noahpy_core.compiled.execute.program.load_or_build", lambda key, build: pytest.fail("cached"))
    monkeypatch.setattr("noahpy_core.compiled.execute.program.Function", lambda made: f"function {made}")
    monkeypatch.setattr(Program, "_build", lambda self, wanted: f"built for {wanted}")
    monkeypatch.setattr(Program, "__init__", lambda self: None)
    program = Program()
    program.shape, program.target = SHAPE, CodeTarget("double", 8, 8)
    assert program._function(None) == "function built for None"
