"""The records of a tile, kept until those of all tiles are there."""

from __future__ import annotations

from bmi_noahpy.output import OutputWriter
from bmi_noahpy.output.journal import Journal


class TileWriter(OutputWriter):
    """Writes the records of a tile to its journal only, where they stay at the end.

    Compressed by each tile, they would have to be unpacked to be gathered. The file under the name of the output has no
    records; it says whose they are.
    """

    def _publish(self) -> None:
        if not self.records:
            super()._publish()

    def _end_with(self, journal: Journal) -> None:
        journal.sync()
        journal.close()
