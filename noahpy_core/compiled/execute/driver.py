"""NVIDIA's driver, as far as kernels need it: code in PTX is loaded, and started on torch's stream.

Devices, memory and streams are torch's. The functions and their arguments are those of the CUDA driver interface,
version 12.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

OLDEST = (8, 0)
"""Compute capability of the oldest processor that kernels are made for: Ampere of 2020."""
THREADS = 64
"""Threads of a block: a kernel needs all registers a thread can have, of which there are enough for some hundred."""
LOG_SIZE = 4096
ERROR_LOG, ERROR_LOG_SIZE = 5, 6
"""Names of options of the driver's translator."""


def obstacle(device: torch.device) -> str | None:
    """What keeps a device from running kernels, or None."""
    if torch.version.cuda is None:
        return f"{device} is not a graphics processor by NVIDIA"
    if torch.cuda.get_device_capability(device) < OLDEST:
        return f"{device} is a {torch.cuda.get_device_name(device)}, older than the Ampere generation"
    try:
        _driver()
    except OSError as error:
        return f"the driver of {device} cannot be loaded ({error})"
    return None


class DeviceFunction:
    """A kernel on a device.

    Parameters
    ----------
    code : In PTX.
    name : Of the kernel.
    device : Where it is to run.

    Raises
    ------
    RuntimeError : The driver does not take the code.
    """

    def __init__(self, code: bytes, name: str, device: torch.device) -> None:
        self._device = device
        self._module, self._function = ctypes.c_void_p(), ctypes.c_void_p()
        log = ctypes.create_string_buffer(LOG_SIZE)
        options = (ctypes.c_int * 2)(ERROR_LOG, ERROR_LOG_SIZE)
        values = (ctypes.c_void_p * 2)(ctypes.addressof(log), LOG_SIZE)
        with _current(device):
            try:
                # Text for the driver ends with a zero.
                _call("cuModuleLoadDataEx", ctypes.byref(self._module), code + b"\0", 2, options, values)
            except RuntimeError as error:
                raise RuntimeError(f"{error} {log.value.decode(errors='replace')}".rstrip()) from None
            _call("cuModuleGetFunction", ctypes.byref(self._function), self._module, name.encode())

    def start(self, arguments: int, columns: int) -> None:
        """Start the kernel after what torch's stream still has to do; does not wait for its end.

        Parameters
        ----------
        arguments : Address, on the device, of the arguments.
        columns : Number of columns; each has a thread.
        """
        address = ctypes.c_uint64(arguments)
        given = (ctypes.c_void_p * 1)(ctypes.addressof(address))
        stream = ctypes.c_void_p(torch.cuda.current_stream(self._device).cuda_stream)
        blocks = -(-columns // THREADS)
        with _current(self._device):
            _call("cuLaunchKernel", self._function, blocks, 1, 1, THREADS, 1, 1, 0, stream, given, None)


@functools.cache
def _driver() -> ctypes.CDLL:
    library = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    if library.cuInit(0) != 0:
        raise OSError("it finds no device")
    return library


@functools.cache
def _context(number: int) -> ctypes.c_void_p:
    """The context of a device, which torch uses as well."""
    device, context = ctypes.c_int(), ctypes.c_void_p()
    _call("cuDeviceGet", ctypes.byref(device), number)
    _call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    return context


@contextmanager
def _current(device: torch.device) -> Iterator[None]:
    """A device's context as that of this thread: torch sets it in threads of its own only."""
    _call("cuCtxPushCurrent_v2", _context(number_of(device)))
    try:
        yield
    finally:
        _call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))


def number_of(device: torch.device) -> int:
    """Number of a device; torch leaves it out of the name of the one in use."""
    return torch.cuda.current_device() if device.index is None else device.index


def _call(name: str, *arguments: object) -> None:
    driver = _driver()
    code = getattr(driver, name)(*arguments)
    if code != 0:
        text = ctypes.c_char_p()
        driver.cuGetErrorString(code, ctypes.byref(text))
        said = text.value.decode() if text.value else f"error {code}"
        raise RuntimeError(f"graphics processor: {name} failed: {said}.")
