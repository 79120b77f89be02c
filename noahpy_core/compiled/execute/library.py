"""Machine code of kernels: made by LLVM in this process, kept on disk for the next one.

A kernel's name in the cache (`noahpy_core.compiled.execute.cache`) is a digest of everything the code depends on: the
source of this package, the schemes, number of layers and number type, the processor, the versions of torch and LLVM.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import threading
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

import llvmlite
import llvmlite.binding as llvm

from noahpy_core.compiled.execute.cache import Artefact, keep, kept
from noahpy_core.revision import source_digest

# LLVM's context is shared by the whole process and serves one thread at a time.
_lock = threading.Lock()
GRAPHICS_LEVEL = "sm_80"
"""Oldest graphics processor that kernels are made for: Ampere of 2020."""


class Loaded(Protocol):
    """A kernel that can be called."""

    artefact: Artefact
    call: Callable[..., Any]


class Function:
    """A kernel that can be called with the address of its arguments; Python's lock is released meanwhile."""

    def __init__(self, artefact: Artefact) -> None:
        self.artefact = artefact
        with _lock:
            machine = _machine()
            self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(artefact.code))
            self._engine.finalize_object()
            address = self._engine.get_function_address(artefact.name)
        self.call: Callable[..., Any] = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)


def vector_bytes() -> int:
    """Width of the vectors code is written for: LLVM splits them on processors that have narrower ones."""
    return 64


def load_or_build(key: str, build: Callable[[], Artefact]) -> Artefact:
    """The artefact of a key, from the cache or built and put there."""
    found = kept(key)
    if found is None:
        found = build()
        keep(key, found)
    return found


def digest(*parts: Any) -> str:
    """Name in the cache of a kernel described by `parts`, for this machine and these versions."""
    # The source too: a change in a formula must never meet a kernel made before it.
    text = repr((parts, source_digest(), torch_version(), llvmlite.__version__, *_processor()))
    return hashlib.sha256(text.encode()).hexdigest()[:40]


@functools.cache
def torch_version() -> str:
    """Of torch, which need not be imported for it where it is an installed package."""
    try:
        return version("torch")
    except PackageNotFoundError:
        import torch

        return str(torch.__version__)


def assemble(text: str, processor: str = "cpu") -> bytes:
    """Code of a module in LLVM's language: of an object file, or of PTX for a graphics processor."""
    with _lock:
        module = llvm.parse_assembly(text)
        module.verify()
        machine = _graphics_machine() if processor == "ptx" else _machine()
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        # The code is written in vectors already; looking for more takes most of the compile time, and finds
        # none.
        options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
        if processor == "ptx":
            return str(machine.emit_assembly(module)).encode()
        return bytes(machine.emit_object(module))


def _graphics_machine() -> Any:
    from noahpy_core.compiled.emit.thread import TRIPLE

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    # The driver translates the code of this level to that of any later processor.
    return llvm.Target.from_triple(TRIPLE).create_target_machine(cpu=GRAPHICS_LEVEL, opt=2)


def _machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    cpu, features = _processor()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu=cpu, features=features, opt=2, jit=True)


@functools.cache
def _processor() -> tuple[str, str]:
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
