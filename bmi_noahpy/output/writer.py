"""Writes the records of a run to a netCDF file while it goes."""

from __future__ import annotations

import time
import uuid
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.atomic import clear_leftovers
from bmi_noahpy.files.lock import SoleWriter
from bmi_noahpy.files.space import SpaceWarning, shortage, told_when_full
from bmi_noahpy.files.targets import check_target
from bmi_noahpy.output.identity import COMPLETE, RUN_ID, OutputMark
from bmi_noahpy.output.journal import Journal, count_records, journal_of
from bmi_noahpy.output.layout import Layout, create_file
from bmi_noahpy.output.records import RecordRows
from bmi_noahpy.output.sampling import DAY, Partial, make_sampler
from bmi_noahpy.output.variables import FORCING, OutputVariable, choose_variables, has_snow_layers
from bmi_noahpy.output.versions import Versions
from noahpy_core.errors import KeyedError
from noahpy_core.leaves import array_of
from noahpy_core.state import Forcing

if TYPE_CHECKING:
    from bmi_noahpy.runs.any_run import AnyRun


SHARE_OF_TIME = 20.0
"""A file that takes long to bring up to date is brought up to date as rarely, so that it takes at most 1 / 20."""
FILES_AT_ONCE = 2
"""The journal, and the file that is made from it."""


class OutputWriter:
    """A netCDF file that grows with the run. Use it as a context manager.

    A program that is killed while the HDF5 library changes a file can leave one that no longer opens, with all that
    was in it. So records are first appended to a journal, ``<file>.journal``: plain numbers in a file that only grows
    at its end, in which nothing is ever changed. Every now and then, and at the end, a copy of the netCDF file gets the
    records that it lacks, beside the old one, which it replaces in one move; full chunks are compressed once. At any
    moment the file under the name of the output is whole: it holds all but the last seconds, or all but the last
    twentieth of the duration of a run whose output is large. What the file lacks is in the journal, from which a
    continued run takes it. The journal is gone when the run ended, or was interrupted by the user or by an error. It
    takes as much disk as the output without compression.

    Parameters
    ----------
    path : File to write; its folder is made when absent.
    run : The prepared run (configuration, model, parameters, domain, start, step, forcing).
    spec : Output section of the configuration: ``variables``, ``every``, ``daily``, ``compression``.
    overwrite : Replace an existing file; otherwise it is an error.
    flush_seconds : Shortest time between two versions of the file. [s]
    wait : How long to wait for another process that is writing it. [s]
    """

    def __init__(
        self,
        path: str | Path,
        run: AnyRun,
        spec: Any,
        *,
        overwrite: bool = False,
        flush_seconds: float = 5.0,
        wait: float = 0.0,
    ) -> None:
        self.path = Path(path)
        remedy = "Wait until it ends, or write elsewhere: --output, output.file."
        self.alone = SoleWriter(self.path.absolute(), remedy, wait)
        self.run_id = uuid.uuid4().hex
        self._run = run
        self._overwrite = overwrite
        self._compression = int(spec.compression)
        self._flush_seconds = flush_seconds
        self._variables = choose_variables(spec.variables, snow_layers=has_snow_layers(run))
        if run.forcing is None and any(variable.needs_forcing for variable in self._variables):
            raise KeyedError("output.variables", "forcing is asked for, but the configuration has none to write.")
        self._sampling = f"daily {', '.join(spec.daily)}" if spec.daily else f"every {spec.every} steps"
        self._sampler = make_sampler(
            self._variables, every=spec.every, daily=spec.daily or (), step=float(run.step), start=run.start
        )
        self._layout = Layout(run)
        columns = self._sampler.columns
        shapes = [self._layout.shape(column.variable.dims) for column in columns]
        self._rows = RecordRows([column.name for column in columns], shapes, self._compression)
        self._keep = 0
        self._journal: Journal | None = None
        self._versions = Versions(self.path, self._create)
        self._next_version = -np.inf
        self._end = 0.0

    @property
    def outputs(self) -> tuple[str, ...]:
        """Paths in `State` and names in `Fluxes` that `write` needs."""
        needed = (path for variable in self._variables for path in variable.needs)
        return tuple(dict.fromkeys(path for path in needed if not path.startswith(FORCING)))

    @property
    def records(self) -> int:
        """Complete records so far."""
        return self._open_journal().records

    @property
    def estimated_bytes(self) -> int:
        """Of all records of the run, without compression."""
        step = float(self._run.step)
        every = DAY / step if self._sampling.startswith("daily") else float(self._sampling.split()[1])
        return int(8 * self._rows.width * (self._run.steps / every + 1))

    @property
    def journal_path(self) -> Path:
        """Where records are kept until the run ends."""
        return journal_of(self.path)

    def records_at_hand(self) -> int:
        """Records that an earlier run under this path left, in its journal or in its file."""
        return max(count_records(self.journal_path, self._rows.width), self._records_in_file())

    def resume(self, mark: OutputMark) -> None:
        """Continue the file of an earlier run behind a mark; what was written after it is written again.

        Raises
        ------
        ValueError : the file has other variables, or not all the records before the mark.
        """
        self._take_over(mark)
        if self.records_at_hand() < mark.records:
            raise ValueError(
                f"{self.path}: holds {self.records_at_hand()} records, but {mark.records} were written before the "
                "restart. Start the run anew with --overwrite."
            )
        self.run_id, self._keep, self._overwrite = mark.run_id, mark.records, True

    def follow(self, mark: OutputMark) -> None:
        """Begin a new file behind the mark of another run, with the steps since its last record.

        Does nothing when the other run wrote other variables; the first record then covers fewer steps.
        """
        if (mark.names, mark.sampling) == (tuple(self._rows.names), self._sampling):
            self._take_over(mark)

    def check(self) -> None:
        """Raise FileExistsError when the file is there and may not be replaced, RefusedTarget when it is no file."""
        check_target(self.path)
        check_target(self.journal_path)
        if self.path.exists() and not self._overwrite:
            raise FileExistsError(
                f"output file {self.path} exists. Use --overwrite (output.overwrite) to replace it, --resume to "
                "continue it, or --output (output.file) to write elsewhere."
            )

    def replace(self) -> None:
        """Allow an existing file to be replaced."""
        self._overwrite = True

    def __enter__(self) -> OutputWriter:
        """Create the file. Raises what `check` does, and InUse when another process is writing it."""
        self.alone.__enter__()
        try:
            return self._begin()
        except BaseException:
            self.alone.__exit__(None, None, None)
            raise

    def _begin(self) -> OutputWriter:
        self.check()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(self.path.parent, f"{self.path.name}.")
        lacking = shortage(self.path, FILES_AT_ONCE * self.estimated_bytes)
        if lacking is not None:
            warnings.warn(lacking, SpaceWarning, stacklevel=4)
        if not self._keep:
            # First the file under its new identity: a journal never lies beside the file of another run.
            self.journal_path.unlink(missing_ok=True)
        if count_records(self.journal_path, self._rows.width) >= self._keep:
            self._journal = Journal(self.journal_path, self._rows.width, keep=self._keep)
        else:
            self._journal = Journal(self.journal_path, self._rows.width)
            self._rows.read(self.path, self._journal, self._keep)
        if not self._keep:
            self._publish()
            self._next_version = -np.inf
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left and close, after an error too."""
        try:
            self.close()
        finally:
            self.alone.__exit__(None, None, None)

    def write(self, first: int, count: int, outputs: Mapping[str, Any], forcing: Forcing | None = None) -> None:
        """Take the results of a block of steps.

        Parameters
        ----------
        first, count : Number of its first step, from 0, and of its steps.
        outputs : ``[time, ...]`` for each of `outputs`.
        forcing : Of these steps, ``[time, column]``; None when no forcing is written.
        """
        journal = self._open_journal()
        given: dict[str, Any] = {name: array_of(values) for name, values in outputs.items()}
        for variable in self._variables:
            if variable.needs_forcing:
                series = getattr(forcing, variable.path.removeprefix(FORCING))
                given[variable.path] = None if series is None else array_of(series)
        values = [self._array(variable, variable.read(given), count) for variable in self._variables]
        before = self._sampler.partial
        try:
            rows = self._rows.pack(self._sampler.add(first, values))
            with told_when_full(self.journal_path, rows.nbytes, self._kept):
                journal.append(rows)
        except BaseException:
            # What the file gets when it is closed after an error must not have a gap.
            self._sampler.partial = before
            raise
        self._end = (first + count) * float(self._run.step)
        if time.monotonic() >= self._next_version:
            self._publish()

    def mark(self) -> OutputMark:
        """Where the file stands; all records before are safe on disk when it returns."""
        self._open_journal().sync()
        partial = self._sampler.partial
        return OutputMark(
            run_id=self.run_id,
            records=self.records,
            names=tuple(self._rows.names),
            count=partial.count,
            begin=partial.begin,
            numbers=self._rows.pack_values(partial.values),
            sampling=self._sampling,
        )

    def close(self) -> None:
        """Write an incomplete last record (its bounds say what it covers), bring the file up to date and close it."""
        if self._journal is None:
            return
        rest = self._sampler.finish(self._end)
        if rest is not None:
            self._journal.append(self._rows.pack(rest))
        self._end_with(self._journal)
        self._journal = None

    def _end_with(self, journal: Journal) -> None:
        """All records are in the journal: bring the file up to date, after which nothing needs it."""
        self._publish()
        journal.remove()

    def _kept(self) -> str:
        """Where the records are, and how to go on."""
        return f"{self.records} records are kept in {self.journal_path}. Make room, then run again with --resume."

    def _is_complete(self) -> bool:
        found: bool = self._end >= (self._run.steps - 0.5) * float(self._run.step)
        return found

    def _publish(self) -> None:
        """Bring the netCDF file up to date: another one, with all records, takes its place."""
        begin, needed, records = time.monotonic(), 8 * self._rows.width * self.records, self.records
        with told_when_full(self.path, needed, self._kept), self._versions.next(records) as (file, held):
            file.attrs.modify(COMPLETE, np.int32(self._is_complete()))
            self._rows.write(file, self._open_journal(), held)
        end = time.monotonic()
        self._next_version = end + max(self._flush_seconds, SHARE_OF_TIME * (end - begin))

    def _create(self, path: Path) -> None:
        """A file of this run without records."""
        with create_file(path, self._run, self._sampler.columns, self._compression) as dataset:
            dataset.setncatts({RUN_ID: self.run_id, COMPLETE: np.int32(0)})

    def _take_over(self, mark: OutputMark) -> None:
        if mark.sampling != self._sampling:
            raise ValueError(
                f"{self.path}: the restart belongs to an output of records {mark.sampling}, this run writes "
                f"{self._sampling}. Use the same output section, or start the run anew with --overwrite."
            )
        if mark.names != tuple(self._rows.names):
            raise ValueError(
                f"{self.path}: the restart belongs to an output of {', '.join(mark.names)}, this run writes "
                f"{', '.join(self._rows.names)}. Use the same output section, or start the run anew with --overwrite."
            )
        self._sampler.partial = Partial()
        if mark.count:
            self._sampler.partial = Partial(mark.count, mark.begin, self._rows.unpack_values(mark.numbers))
        self._end = mark.begin + mark.count * float(self._run.step)

    def _records_in_file(self) -> int:
        try:
            with netCDF4.Dataset(self.path) as dataset:
                return int(dataset["time"].size)
        except (OSError, IndexError):
            return 0

    def _array(self, variable: OutputVariable, numbers: NDArray[Any] | None, count: int) -> NDArray[np.float64]:
        if numbers is None:
            return np.full((count, *self._layout.shape(variable.dims)), np.nan)
        return self._layout.array(numbers)

    def _open_journal(self) -> Journal:
        if self._journal is None:
            raise RuntimeError(f"output file {self.path}: not open. Use OutputWriter in a with statement.")
        return self._journal
