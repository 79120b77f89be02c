"""Writes the records of a run to a netCDF file while it goes."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Any

import netCDF4
import numpy as np

from bmi_noahpy.output.layout import Layout, create_file
from bmi_noahpy.output.sampling import Record, make_sampler
from bmi_noahpy.output.variables import StepValues, choose_variables
from noahpy_core.state import Fluxes, State

BUFFER_BYTES = 16 * 1024 * 1024


class OutputWriter:
    """A netCDF file that grows with the run.

    Records are appended in blocks and brought to disk every few seconds, so a run that is interrupted, even killed,
    leaves a file that opens and holds all but the last seconds. Use it as a context manager.

    Parameters
    ----------
    path : File to write; its folder is made when absent.
    run : The prepared run (configuration, model, parameters, domain, start, step, forcing).
    spec : Output section of the configuration: ``variables``, ``every``, ``daily``, ``compression``.
    overwrite : Replace an existing file; otherwise it is an error.
    flush_seconds : Longest time that a complete record stays in memory while steps are written. [s]
    """

    def __init__(
        self, path: str | Path, run: Any, spec: Any, *, overwrite: bool = False, flush_seconds: float = 5.0
    ) -> None:
        self.path = Path(path)
        self.records = 0
        self._run = run
        self._overwrite = overwrite
        self._compression = int(spec.compression)
        self._flush_seconds = flush_seconds
        self._variables = choose_variables(spec.variables)
        self._needs_forcing = any(variable.needs_forcing for variable in self._variables)
        if self._needs_forcing and run.forcing is None:
            raise ValueError("output.variables: forcing is asked for, but the configuration has none to write.")
        self._sampler = make_sampler(
            self._variables, every=spec.every, daily=spec.daily or (), step=float(run.step), start=run.start
        )
        self._layout = Layout(run)
        self._dataset: netCDF4.Dataset | None = None
        self._pending: list[Record] = []
        self._pending_bytes = 0
        self._last_flush = -np.inf

    def __enter__(self) -> OutputWriter:
        """Create the file. Raises FileExistsError when it is there and may not be replaced."""
        if self.path.exists():
            if not self._overwrite:
                raise FileExistsError(
                    f"output file {self.path} exists. Use --overwrite (output.overwrite) to replace it, "
                    "or --output (output.file) to write elsewhere."
                )
            self.path.unlink()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._dataset = create_file(self.path, self._run, self._sampler.columns, self._compression)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left and close, after an error too."""
        self.close()

    def write(self, step: int, state: State, fluxes: Fluxes) -> None:
        """Take the result of one step; `step` counts from 0."""
        forcing = self._run.forcing.at(step) if self._needs_forcing else None
        values = StepValues(state, fluxes, forcing)
        arrays = [self._array(variable, values) for variable in self._variables]
        length = float(self._run.step)
        record = self._sampler.add(step * length, (step + 1) * length, arrays)
        if record is not None:
            self._keep(record)

    def close(self) -> None:
        """Write an incomplete last record (its bounds say what it covers) and close the file."""
        if self._dataset is None:
            return
        try:
            rest = self._sampler.finish()
            if rest is not None:
                self._pending.append(rest)
            self.flush()
        finally:
            self._dataset.close()
            self._dataset = None

    def flush(self) -> None:
        """Bring all complete records to disk."""
        dataset = self._open_dataset()
        if self._pending:
            at = slice(self.records, self.records + len(self._pending))
            for number, column in enumerate(self._sampler.columns):
                dataset[column.name][at] = np.stack([record.values[number] for record in self._pending])
            bounds = np.array([(record.begin, record.end) for record in self._pending])
            dataset["time_bnds"][at] = bounds
            dataset["time"][at] = bounds[:, 1]
            self.records = at.stop
            self._pending, self._pending_bytes = [], 0
            dataset.sync()
        self._last_flush = time.monotonic()

    def _array(self, variable: Any, values: StepValues) -> np.ndarray:
        tensor = variable.read(values)
        if tensor is None:
            shape = (*([self._layout.layers] if "layer" in variable.dims else []), *self._layout.cells)
            return np.full(shape, np.nan)
        return self._layout.array(tensor)

    def _keep(self, record: Record) -> None:
        self._pending.append(record)
        self._pending_bytes += sum(value.nbytes for value in record.values)
        late = time.monotonic() - self._last_flush >= self._flush_seconds
        if late or self._pending_bytes >= BUFFER_BYTES:
            self.flush()

    def _open_dataset(self) -> netCDF4.Dataset:
        if self._dataset is None:
            raise RuntimeError(f"output file {self.path}: not open. Use OutputWriter in a with statement.")
        return self._dataset
