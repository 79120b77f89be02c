"""Machine code of kernels: made by LLVM in this process, kept on disk for the next one.

A file of the cache holds one kernel. Its name is a digest of everything the code depends on: the source of this
package, the schemes, number of layers and number type, the processor, and the versions of torch and LLVM. Files appear
complete or not at all, so any number of processes may write them at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import functools
import hashlib
import io
import json
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numpy as np
import torch

CACHE_VARIABLE = "NOAHPY_CACHE"
"""Environment variable with the folder of the cache; empty for none."""
_lock = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Artefact:
    """A compiled kernel.

    Parameters
    ----------
    name : Of its function.
    code : Object file.
    scratch : Numbers of scratch memory it needs.
    constants : Tables it reads.
    messages : What to say of a step that failed.
    """

    name: str
    code: bytes
    scratch: int
    constants: list[np.ndarray]
    messages: list[str]


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
        self.call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)


def vector_bytes() -> int:
    """Width of the vectors code is written for: LLVM splits them on processors that have narrower ones."""
    return 64


def load_or_build(key: str, build: Callable[[], Artefact]) -> Artefact:
    """The artefact of a key, from the cache or built and put there."""
    path = _cache_file(key)
    if path is not None:
        kept = _read(path)
        if kept is not None:
            return kept
    made = build()
    if path is not None:
        # A full or unwritable disk must not stop a run.
        with contextlib.suppress(OSError):
            _write(path, made)
    return made


def digest(*parts: Any) -> str:
    """Name in the cache of a kernel described by `parts`, for this machine and these versions."""
    text = repr((parts, _source_digest(), torch.__version__, llvmlite.__version__, *_processor()))
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def assemble(text: str) -> bytes:
    """Object code of a module in LLVM's language."""
    with _lock:
        module = llvm.parse_assembly(text)
        module.verify()
        machine = _machine()
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
        return bytes(machine.emit_object(module))


def cache_folder() -> Path | None:
    """Where compiled kernels are kept; None when the environment says not to."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen is not None:
        return Path(chosen) if chosen else None
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "noahpy"


def _machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    cpu, features = _processor()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu=cpu, features=features, opt=2, jit=True)


@functools.cache
def _processor() -> tuple[str, str]:
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


@functools.cache
def _source_digest() -> str:
    """Of everything a recorded step or its code can depend on."""
    package = Path(__file__).resolve().parents[2]
    total = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        total.update(path.relative_to(package).as_posix().encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def _cache_file(key: str) -> Path | None:
    folder = cache_folder()
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return None
    return folder / f"{key}.npz"


def _write(path: Path, artefact: Artefact) -> None:
    about = {"name": artefact.name, "scratch": artefact.scratch, "messages": artefact.messages}
    about["sum"] = hashlib.sha256(artefact.code).hexdigest()
    arrays = {f"constant_{k}": constant for k, constant in enumerate(artefact.constants)}
    content = io.BytesIO()
    np.savez(
        content,
        about=np.frombuffer(json.dumps(about).encode(), dtype=np.uint8),
        code=np.frombuffer(artefact.code, dtype=np.uint8),
        **arrays,  # type: ignore[arg-type]
    )
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.getvalue())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _read(path: Path) -> Artefact | None:
    """What a file holds, or None if it is absent or damaged."""
    try:
        with np.load(path, allow_pickle=False) as content:
            about = json.loads(content["about"].tobytes())
            code = content["code"].tobytes()
            count = sum(name.startswith("constant_") for name in content.files)
            constants = [content[f"constant_{k}"] for k in range(count)]
    except FileNotFoundError:
        return None
    except Exception:
        return None
    if hashlib.sha256(code).hexdigest() != about.get("sum"):
        return None
    return Artefact(about["name"], code, about["scratch"], constants, about["messages"])
