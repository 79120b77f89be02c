"""Runs in tiles of columns: on the processes of one machine, or of many through Dask."""

from __future__ import annotations

from bmi_noahpy.distributed.tiles import launch_tiles

__all__ = ["launch_tiles"]
