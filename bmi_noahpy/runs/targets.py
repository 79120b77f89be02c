"""The files that a run writes, and whether it may."""

from __future__ import annotations

from pathlib import Path

from bmi_noahpy.config import Configuration
from bmi_noahpy.config.named_files import files_read
from bmi_noahpy.config.sections import Output
from bmi_noahpy.files.targets import check_target


def output_section(configuration: Configuration, default: Path | None = None) -> Output:
    """What a configuration says of its output; the usual variables in a file of another name where it says nothing."""
    return configuration.output or Output(file=(default or Path("output.nc")).absolute())


def check_targets(configuration: Configuration, output: Path) -> None:
    """Raise RefusedTarget when the output of a run or the state after its spin-up must not be written.

    Parameters
    ----------
    output : The file of the output.
    """
    read = files_read(configuration)
    check_target(output, read)
    if configuration.spin_up is not None and configuration.spin_up.file is not None:
        check_target(configuration.spin_up.file, {**read, "output.file": [output]}, key="spin_up.file")
