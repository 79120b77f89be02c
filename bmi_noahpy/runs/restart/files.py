"""The restart files of a run: when they are written, which are kept, which one to go on from."""

from __future__ import annotations

import re
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from bmi_noahpy.atomic import clear_leftovers
from bmi_noahpy.files.lock import SoleWriter
from bmi_noahpy.output import OutputMark
from bmi_noahpy.runs.blocks import end_of_step
from bmi_noahpy.runs.restart.fingerprint import differences, fingerprint
from bmi_noahpy.runs.restart.followed import Followed, retraced
from bmi_noahpy.runs.restart.state_file import DamagedRestart, Restart, RestartError, read_restart, write_restart
from noahpy_core.revision import source_digest
from noahpy_core.state import Forcing, State

if TYPE_CHECKING:
    from bmi_noahpy.runs.any_run import AnyRun


NEVER = 2**62


class RestartWarning(UserWarning):
    """A restart file that had to be passed over, is of other code, or holds more than the run that goes on from it."""


class RestartFiles:
    """Writes ``<folder>/<name>_<time>.nc`` at intervals of a run and keeps the newest.

    Parameters
    ----------
    run : The prepared run.
    folder : Where they go; made when absent.
    name : What their names begin with; that of the output file tells runs in one folder apart.
    every : Time between two files, in whole steps [s]; None for one at the end only.
    keep : How many files of this run stay; older ones are deleted.
    pause : Shortest time between two files of this process but the last, whatever `every` is. [s]
    retrace : Whether whoever goes on compares all forcing up to then; False where somebody else sees to it.
    """

    def __init__(
        self,
        run: AnyRun,
        folder: Path,
        name: str,
        *,
        every: float | None = None,
        keep: int = 2,
        pause: float = 0.0,
        retrace: bool = True,
    ) -> None:
        self.folder = folder
        self._run, self._name, self._keep = run, name, keep
        self._every = NEVER if every is None else max(round(every / float(run.step)), 1)
        self._pause, self._last = pause, time.monotonic()
        self._fingerprint = fingerprint(run)
        self._written: list[Path] = []
        self._retrace, self._followed, self._next = retrace, Followed(run), 0
        self.alone = SoleWriter(folder / name, "Wait until it ends, or give each run a restart.folder of its own.")

    def clear(self) -> None:
        """Remove what killed runs left of these files."""
        clear_leftovers(self.folder, f"{self._name}_")

    def follow(self, first: int, forcing: Forcing) -> None:
        """Note the forcing of the steps from `first` on, ``[time, column]``, which were taken."""
        if not self._retrace:
            return
        if first != self._next:
            self._followed = Followed(self._run, first)
        self._followed.add_forcing(forcing)
        self._next = first + len(forcing.air_temperature)

    def next_after(self, step: int) -> int:
        """Number of steps, above `step`, after which a file is due."""
        return (step // self._every + 1) * self._every

    def is_due(self, step: int) -> bool:
        """Whether a file is written after so many steps."""
        return step % self._every == 0 and time.monotonic() >= self._last + self._pause

    def write(self, step: int, state: State, mark: OutputMark) -> Path:
        """Write the state after `step` steps, then delete the oldest file beyond the number to keep."""
        reached = end_of_step(self._run, step - 1)
        path = self.folder / f"{self._name}_{str(reached).replace('-', '').replace(':', '')}.nc"
        start, followed = self._run.start.astype("datetime64[s]"), self._followed.described()
        write_restart(path, Restart(start, reached, step, state, self._fingerprint, mark, followed))
        self._last = time.monotonic()
        self._written = [*(known for known in self._written if known != path), path]
        while len(self._written) > self._keep:
            self._written.pop(0).unlink(missing_ok=True)
        return path

    def newest(self, run_id: str | None, records: int) -> Restart | None:
        """The newest file to go on from, of the run that wrote the output file; None when there is none.

        Parameters
        ----------
        run_id : Identity of that run.
        records : How many of its records are at hand; a restart that needs more is passed over.

        Raises
        ------
        RestartError : the file belongs to a run with another configuration.
        """
        pattern = re.compile(re.escape(self._name) + r"_\d{8}T\d{6}\.nc")
        found = [path for path in self._listed() if pattern.fullmatch(path.name)] if run_id else []
        usable: list[tuple[Path, Restart]] = []
        for path in found:
            try:
                restart = read_restart(path, self._run.initial_state)
            except DamagedRestart as error:
                warnings.warn(f"{error} It is passed over.", RestartWarning, stacklevel=2)
                continue
            if restart.mark is not None and restart.mark.run_id == run_id:
                usable.append((path, restart))
        self._written = [path for path, _ in usable]
        for path, restart in reversed(usable):
            if restart.mark is not None and restart.mark.records <= records:
                check_fit(path, restart, self._run)
                self._go_on(path, restart)
                return restart
        return None

    def _go_on(self, path: Path, restart: Restart) -> None:
        """Follow what the run that wrote a file has followed, or raise RestartError when that was something else."""
        if restart.step > self._run.steps or restart.start != self._run.start.astype("datetime64[s]"):
            return  # Refused by whoever goes on from it, who can say why.
        first = int(restart.followed.get("first step", 0))
        followed = retraced(self._run, first, restart.step if self._retrace else first)
        changed = list(differences(restart.followed, followed.described()))
        if changed:
            raise RestartError(
                f"restart file {path}: belongs to another run: {'; '.join(changed)}. Use the configuration and the "
                "forcing of the run that is to go on, or begin anew with --overwrite."
            )
        self._followed, self._next = followed, restart.step
        if restart.code != source_digest():
            warnings.warn(
                f"restart file {path}: the code of the model has changed since it was written, and the steps from here "
                "on may differ for that alone. Begin anew with --overwrite to have all steps of one code.",
                RestartWarning,
                stacklevel=4,
            )

    def _listed(self) -> list[Path]:
        return sorted(self.folder.iterdir()) if self.folder.is_dir() else []


def check_fit(path: Path, restart: Restart, run: AnyRun) -> None:
    """Raise RestartError, naming every difference, when a run cannot continue the steps of a restart file."""
    found = list(differences(restart.fingerprint, fingerprint(run)))
    if found:
        raise RestartError(
            f"restart file {path}: does not fit this run: {'; '.join(found)}. "
            "Use the configuration it was written with, or set restart.only_state to take over nothing but the state."
        )
