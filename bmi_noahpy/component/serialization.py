"""State as bytes for frameworks: the BMI extension "serialization", and the names NextGen probes for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


class Serializable(Protocol):
    """A run that can be written as bytes and go on from them."""

    def to_bytes(self) -> bytes:
        """Everything that the next step, or a getter, depends on."""

    def restore(self, data: bytes) -> None:
        """Go on from such bytes; ValueError when they do not fit."""


class Serialization:
    """The BMI extension ``"serialization"``: ``get_serialized_size``, then ``get_serialized_state`` to save.

    Parameters
    ----------
    run : Gives the run behind the component; called with the name of the function that needs it.
    """

    def __init__(self, run: Callable[[str], Serializable]) -> None:
        self._run = run

    def get_serialized_size(self) -> int:
        """Number of bytes of the state as it is now."""
        return len(self._run("get_serialized_size").to_bytes())

    def get_serialized_state(self, dest: Bytes) -> Bytes:
        """Copy the state into the caller's array of `get_serialized_size` bytes, which is returned."""
        data = np.frombuffer(self._run("get_serialized_state").to_bytes(), np.uint8)
        if dest.nbytes != data.nbytes:
            raise ValueError(
                f"get_serialized_state: the array given holds {dest.nbytes} bytes, {data.nbytes} are needed."
            )
        dest.reshape(-1).view(np.uint8)[:] = data
        return dest

    def set_serialized_state(self, src: Bytes) -> None:
        """Go on from a state saved before, in this process or another.

        Raises
        ------
        ValueError : It is damaged, of another version, or of another run. Nothing is changed.
        RuntimeError : Steps are being recorded.
        """
        self._run("set_serialized_state").restore(np.asarray(src).tobytes())


PREFIX = "ngen::serialization_"
FACTS = {"create": ("int", "ngen::trigger", 4), "free": ("int", "ngen::trigger", 4)} | {
    "size": ("int64", "bytes", 8),
    "state": ("char", "ngen::opaque", 1),
}
"""Type, units and bytes of an item of the four names of NextGen's protocol, version 0.2."""


class NextGenNames:
    """NextGen's protocol of four reserved names, found by probing and in no list.

    To save: set ``create`` (the value does not matter), get ``size``, get ``state``, set ``free``. To restore: set
    ``size``, then ``state``. What was created is a snapshot: steps taken before ``free`` do not change it.
    """

    def __init__(self) -> None:
        self._created: bytes | None = None
        self._announced: int | None = None

    @staticmethod
    def knows(name: str) -> bool:
        """Whether it is one of the four."""
        return name.startswith(PREFIX) and name.removeprefix(PREFIX) in FACTS

    @staticmethod
    def fact(name: str, which: int) -> Any:
        """Type (0), units (1) or bytes of an item (2)."""
        return FACTS[name.removeprefix(PREFIX)][which]

    def count(self, name: str) -> int:
        """Number of items: of the state, those created, or announced by setting ``size``."""
        if not name.endswith("state"):
            return 1
        if self._created is not None:
            return len(self._created)
        return self._announced or 0

    def get(self, name: str) -> NDArray[Any]:
        """Current values, in an array of the caller's type."""
        if name.endswith("size"):
            return np.array([self.count(PREFIX + "state")], np.int64)
        if name.endswith("state"):
            if self._created is None:
                raise RuntimeError(f"{name}: nothing is created. Set {PREFIX}create first.")
            found: NDArray[Any] = np.frombuffer(self._created, np.uint8).copy()
            return found
        return np.zeros(1, np.int32)

    def set(self, name: str, values: Any, run: Serializable) -> None:
        """Take a snapshot of the run, release it, announce a size, or restore."""
        if name.endswith("create"):
            self._created = run.to_bytes()
        elif name.endswith("free"):
            self._created = None
        elif name.endswith("size"):
            self._announced, self._created = int(np.asarray(values).reshape(-1)[0]), None
        else:
            data = np.asarray(values).tobytes()
            if self._announced is not None and len(data) < self._announced:
                raise ValueError(f"{name}: {len(data)} bytes given, {self._announced} announced by {PREFIX}size.")
            run.restore(data if self._announced is None else data[: self._announced])
            self._announced = None
