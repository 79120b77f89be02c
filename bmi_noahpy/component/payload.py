"""State as bytes: header, version, checksum, and everything that the next step or a getter depends on."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bmi_noahpy.component.contents import Contents
from bmi_noahpy.component.weather import Weather
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import get_quantity, quantities, replace_quantity
from noahpy_core.state import Fluxes, Forcing, State

MAGIC = b"NoahPy state\n"
VERSION = 1
_HEAD = struct.Struct(f"<{len(MAGIC)}sHQQ32s")
"""Magic, version, bytes of the description, bytes of the numbers, SHA-256 of both."""
_CONTAINERS: dict[str, type] = {"state": State, "parameters": Parameters, "forcing": Forcing, "fluxes": Fluxes}


class UnfitPayload(ValueError):
    """Bytes that are no state of this program, are damaged, or do not fit the run.

    Parameters
    ----------
    reason : What is wrong, and what to do.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"serialized state: {reason}")
        self.reason = reason


def to_bytes(contents: Contents, facts: Mapping[str, Any]) -> bytes:
    """Contents, and facts about the run that can be written as JSON."""
    arrays = {name: _array(value) for name, value in _named(contents)}
    layout = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
    plain = {
        "balance": contents.balance.terms(),
        "balance_knows_state": contents.balance.knows(contents.state),
        "span": contents.span,
        "snow_was_set": contents.snow_was_set,
    }
    description = json.dumps({"arrays": layout, "contents": plain, "facts": facts}, sort_keys=True).encode()
    numbers = b"".join(array.tobytes() for array in arrays.values())
    digest = hashlib.sha256(description + numbers).digest()
    return _HEAD.pack(MAGIC, VERSION, len(description), len(numbers), digest) + description + numbers


def from_bytes(data: bytes) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Any]]:
    """Facts, tensors by name, and the plain values of the contents.

    Raises
    ------
    UnfitPayload : They are not what `to_bytes` made.
    """
    if len(data) < _HEAD.size or not data.startswith(MAGIC):
        raise UnfitPayload("these bytes are no state of NoahPy. Give those that NoahPy made.")
    _, version, length, size, digest = _HEAD.unpack_from(data)
    if version != VERSION:
        raise UnfitPayload(f"it has version {version}; this program reads {VERSION}. Use the version that wrote it.")
    body = data[_HEAD.size :]
    if len(body) < length + size:
        raise UnfitPayload(f"{len(data)} bytes of {_HEAD.size + length + size} are here. Give all of them.")
    # A framework may hand over a longer buffer than was filled.
    body = body[: length + size]
    if hashlib.sha256(body).digest() != digest:
        raise UnfitPayload("its checksum is wrong: the bytes were changed on the way. Use another copy.")
    description = json.loads(body[:length])
    tensors, start = {}, length
    for name, dtype, shape in description["arrays"]:
        count = int(np.prod(shape, dtype=np.int64))
        array = np.frombuffer(body, np.dtype(dtype), count, start).reshape(shape).copy()
        tensors[name], start = torch.from_numpy(array), start + array.nbytes
    return description["facts"], tensors, description["contents"]


def restored(now: Contents, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> Contents:
    """Contents like `now`, with what was read from bytes in them."""
    like = now.state.skin_temperature
    moved = {
        name: value.to(device=like.device) if value.dtype == torch.bool else value.to(like)
        for name, value in tensors.items()
    }
    state = _container(now.state, "state", moved)
    if state.soil.temperature_remainder is None and now.state.soil.temperature_remainder is not None:
        # Bytes from before there was one.
        nothing = torch.zeros_like(state.soil.temperature)
        state = replace_quantity(state, "soil.temperature_remainder", nothing)
    contents = now.copy()
    contents.state = state
    contents.parameters = _container(now.parameters, "parameters", moved)
    forcing = _made(Forcing, "forcing", moved)
    contents.weather = None if forcing is None else Weather(forcing)
    contents.fluxes = _made(Fluxes, "fluxes", moved)
    contents.guessed = moved.get("guessed")
    contents.inputs = now.inputs.with_values(
        {name.removeprefix("inputs."): value for name, value in moved.items() if name.startswith("inputs.")}
    )
    contents.balance = now.balance.with_terms(plain["balance"], state if plain["balance_knows_state"] else None)
    contents.span, contents.snow_was_set = plain["span"], plain["snow_was_set"]
    return contents


def _named(contents: Contents) -> Iterator[tuple[str, Tensor]]:
    for part, container in _CONTAINERS.items():
        holder = getattr(contents, part)
        for path, _ in quantities(container):
            value = None if holder is None else get_quantity(holder, path)
            if value is not None:
                yield f"{part}.{path}", value
    for name, value in contents.inputs.values().items():
        yield f"inputs.{name}", value
    if contents.guessed is not None:
        yield "guessed", contents.guessed


def _container(like: Any, part: str, values: Mapping[str, Tensor]) -> Any:
    """A container with the values read, and None where none was written."""
    for path, _ in quantities(type(like)):
        like = replace_quantity(like, path, values.get(f"{part}.{path}"))
    return like


def _made(container: type, part: str, values: Mapping[str, Tensor]) -> Any:
    """A flat container with the values read; None when none was written."""
    found = {path: values.get(f"{part}.{path}") for path, _ in quantities(container)}
    return container(**found) if any(value is not None for value in found.values()) else None


def _array(value: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = np.ascontiguousarray(value.detach().cpu().numpy())
    return array
