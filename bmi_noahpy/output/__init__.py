"""Output files of a run: netCDF that grows with it, and what goes on after an interruption."""

from bmi_noahpy.output.identity import OutputMark, is_unfinished, run_id_of
from bmi_noahpy.output.writer import OutputWriter

__all__ = ["OutputMark", "OutputWriter", "is_unfinished", "run_id_of"]
