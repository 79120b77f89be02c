"""Kernels without vectors, and kernels for graphics processors: the same numbers as those with vectors."""

from __future__ import annotations

import shutil
import subprocess

import pytest
import torch
from compiled_cases import COVER, assert_agreement, gradients, results_of, shape_of, taken
from threshold_columns import at_thresholds

from noahpy_core.compiled.emit.instructions import CodeTarget
from noahpy_core.compiled.emit.kernels import forward_kernel, reverse_kernel
from noahpy_core.compiled.execute import collect
from noahpy_core.compiled.execute.library import assemble
from noahpy_core.compiled.execute.program import Program, number_of
from noahpy_core.compiled.record.step_graph import Wanted, record_step
from noahpy_core.compiled.shape import Shape, number_name

COLUMNS = 300
SHORT = COVER[1]


@pytest.fixture
def without_vectors(monkeypatch):
    """Every kernel made from now on takes one number at a time."""
    programs = {}

    def scalar(shape: Shape, **_) -> Program:
        if shape not in programs:
            programs[shape] = Program(shape, CodeTarget(number_of(shape.number), 1, 1))
        return programs[shape]

    def use(yes: bool) -> None:
        monkeypatch.undo()
        if yes:
            monkeypatch.setattr(collect, "program", scalar)

    return use


@pytest.mark.parametrize("setup", [SHORT, pytest.param(COVER[0], marks=pytest.mark.slow)], ids=str)
@pytest.mark.parametrize("threshold", [False, True], ids=["random", "threshold"])
def test_steps_without_vectors_give_the_numbers_of_those_with_vectors(setup, threshold, without_vectors):
    case = setup.case(COLUMNS, seed=401)
    case = at_thresholds(case) if threshold else case

    def stepped(case, vectors):
        without_vectors(not vectors)
        return results_of(taken(setup, case, "compiled"))

    one, other = stepped(case, True), stepped(case, False)
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@pytest.mark.slow
def test_gradients_without_vectors_agree_with_those_with_vectors(without_vectors):
    case = SHORT.case(COLUMNS, seed=402)

    def found(case, vectors):
        without_vectors(not vectors)
        return gradients(SHORT, case, "compiled")

    assert_agreement(case, lambda c: found(c, True), lambda c: found(c, False))


def test_a_kernel_for_graphics_processors_has_a_thread_for_each_column():
    kernel = forward_kernel(record_step(shape_of(SHORT)), CodeTarget("double", 1, 1, "ptx"))
    code = assemble(kernel.text, "ptx")
    assert f".visible .entry {kernel.name}(".encode() in code
    assert b"%tid.x" in code


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ptxas") is None, reason="needs the assembler ptxas of CUDA")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "float"])
def test_kernels_for_graphics_processors_are_taken_by_their_assembler(dtype, tmp_path):
    target, step = CodeTarget(number_of(number_name(dtype)), 1, 1, "ptx"), record_step(shape_of(SHORT, dtype))
    wanted = Wanted(fluxes=("latent_heat_flux",), forcing=True, constants=("parameters.soil",))
    for kernel in (forward_kernel(step, target), reverse_kernel(step, target, wanted)):
        file = tmp_path / f"{kernel.name}.ptx"
        file.write_bytes(assemble(kernel.text, "ptx"))
        command = ["ptxas", "-arch=sm_90", "-O0", str(file), "-o", str(tmp_path / "kernel.cubin")]
        assert subprocess.run(command, capture_output=True).returncode == 0
