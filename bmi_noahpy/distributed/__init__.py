"""Runs in tiles of columns: on the processes of one machine, or of many through Dask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bmi_noahpy.distributed.tiles import launch_tiles

__all__ = ["launch_tiles"]


def __getattr__(name: str) -> Any:
    """What cuts and gathers tiles, which their workers do without."""
    if name != "launch_tiles":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bmi_noahpy.distributed.tiles import launch_tiles

    return launch_tiles
