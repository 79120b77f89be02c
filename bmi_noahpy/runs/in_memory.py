"""A run without files: records in, a dataset out."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from bmi_noahpy.config import Configuration, ConfigurationError, Problem
from bmi_noahpy.forcing.in_memory import table_of
from bmi_noahpy.forcing.table import ForcingError, ForcingTable
from bmi_noahpy.output import OutputWriter
from bmi_noahpy.runs.execute import execute
from bmi_noahpy.runs.prepare import prepare, require_configuration
from bmi_noahpy.runs.scheme_warnings import warn_before, warn_of_created
from bmi_noahpy.runs.targets import output_section

if TYPE_CHECKING:
    import pandas as pd

    from bmi_noahpy.tabular.clock import Label


def simulate(
    configuration: Configuration,
    records: pd.DataFrame | xr.Dataset | None = None,
    *,
    units: Mapping[str, str] | None = None,
    label: Label | None = None,
    variables: Sequence[str] | None = None,
) -> xr.Dataset:
    """Run a configuration, with records in memory, and return what a run writes.

    Parameters
    ----------
    records : A DataFrame or a Dataset of weather (see `bmi_noahpy.forcing.in_memory.table_of`); None: those of the
        configuration.
    units, label : Of the records, where they do not say so themselves.
    variables : Names of the output; None: those of the configuration, else the usual ones.

    Returns
    -------
    The variables with their units, coordinates and bounds of time, in memory.

    Raises
    ------
    ConfigurationError : the records cannot drive the run.
    NonFiniteState, ConvergenceError : the run failed.
    """
    require_configuration(configuration)
    run = prepare(configuration, records=None if records is None else _table(configuration, records, units, label))
    if run.forcing is None:
        raise ValueError("records: missing, and the configuration names no forcing file. Give a DataFrame or Dataset.")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "output.nc"
        section = output_section(configuration, target)
        chosen = list(variables) if variables is not None else section.variables
        spec = section.model_copy(update={"file": target, "variables": chosen, "overwrite": True})
        warn_before(run)
        warn_of_created(execute(run, OutputWriter(target, run, spec, overwrite=True)).created)
        with xr.open_dataset(target, decode_timedelta=False) as written:
            found: xr.Dataset = written.load()
            return found


def _table(
    configuration: Configuration,
    records: pd.DataFrame | xr.Dataset,
    units: Mapping[str, str] | None,
    label: Label | None,
) -> ForcingTable:
    period = configuration.period
    start = np.datetime64(period.start, "s")
    end = np.datetime64(period.end, "s") + np.timedelta64(int(period.step), "s")
    try:
        return table_of(records, units=units, label=label, period=(start, end))
    except ForcingError as error:
        raise ConfigurationError([Problem("records", str(error))]) from error
