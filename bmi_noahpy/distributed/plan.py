"""How a run is cut into tiles, remembered beside its output so that it can go on with the same ones."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.atomic import replaced
from bmi_noahpy.config.named_files import files_read
from bmi_noahpy.output.journal import journal_of
from bmi_noahpy.runs.restart.fingerprint import digest, digest_of_file

if TYPE_CHECKING:
    from bmi_noahpy.runs.any_run import AnyRun


GROUP = 16
"""Tiles begin at multiples of it. Compiled steps give a column the same numbers in any company; the vector instructions
of others take at most so many columns at a time, and may round a rest otherwise than whole groups."""
TILES_PER_WORKER = 4
"""Of machines that may not be alike: the quick ones take more."""
LARGEST_TILE = 4096
PLAN_FILE = "plan.json"
KEPT_AS = "journals"
"""How tiles keep their records."""
LEFT_OUT = ("name", "output", "restart", "execution", "device")
"""Sections that may change between the parts of a run."""


class PlanError(ValueError):
    """The tiles of an unfinished run are not those of this one."""


@dataclasses.dataclass(frozen=True)
class Tile:
    """Columns of a run from `first` up to, not including, `last`."""

    number: int
    first: int
    last: int

    @property
    def name(self) -> str:
        """Of its files."""
        return f"tile_{self.number:05d}"

    @property
    def columns(self) -> int:
        """Number of its columns."""
        return self.last - self.first

    def output(self, folder: Path) -> Path:
        """Its output file, which has everything but records."""
        return folder / f"{self.name}.nc"

    def journal(self, folder: Path) -> Path:
        """Its records."""
        return journal_of(self.output(folder))

    def summary(self, folder: Path) -> Path:
        """The file that says it is finished."""
        return folder / f"{self.name}.json"


def cut(columns: int, workers: int, size: int | None = None, *, alike: bool = False) -> list[Tile]:
    """Tiles of nearly equal size, as many for each worker.

    Parameters
    ----------
    size : Largest number of columns of a tile; None: one tile for each worker, or `TILES_PER_WORKER`, or as many as
        keep them to `LARGEST_TILE`.
    alike : Whether all workers are as quick. Then one tile each is least work: every tile reads the forcing for itself,
        and files are unpacked in chunks that may hold more than its cells.

    Raises
    ------
    ValueError : for a size that is no multiple of `GROUP`.
    """
    if size is not None and (size < GROUP or size % GROUP):
        raise ValueError(f"--tile-columns: {size} is not a multiple of {GROUP}. Use {GROUP * max(size // GROUP, 1)}.")
    each = max(1 if alike else TILES_PER_WORKER, -(-columns // (LARGEST_TILE * workers)))
    wanted = size or -(-columns // (each * workers))
    step = -(-wanted // GROUP) * GROUP
    return [Tile(n, first, min(first + step, columns)) for n, first in enumerate(range(0, columns, step))]


def open_plan(folder: Path, run: AnyRun, tiles: list[Tile], *, resume: bool, overwrite: bool) -> list[Tile]:
    """The tiles to run: those given, or those of the unfinished run that is continued.

    Raises
    ------
    PlanError : there is an unfinished run of another configuration.
    FileExistsError : there is one, which may be neither continued nor replaced.
    """
    described = _describe(run)
    path, plan = folder / PLAN_FILE, _read(folder) if resume else None
    if plan is not None:
        if plan.get("records") != KEPT_AS:
            raise PlanError(f"{folder}: the unfinished run there is of another version of NoahPy. Use --overwrite.")
        changed = [key for key in described if plan["run"].get(key) != described[key]]
        if changed:
            raise PlanError(
                f"{folder}: the unfinished run there differs in {', '.join(changed)}. Use the configuration it was "
                "started with, or --overwrite to begin anew."
            )
        return [Tile(number, *sides) for number, sides in enumerate(plan["tiles"])]
    if folder.exists() and not (overwrite or resume):
        raise FileExistsError(
            f"{folder} holds an unfinished run. Use --resume to continue or --overwrite to replace it."
        )
    clear(folder)
    folder.mkdir(parents=True)
    with replaced(path) as partial:
        sides = [(tile.first, tile.last) for tile in tiles]
        partial.write_text(json.dumps({"records": KEPT_AS, "run": described, "tiles": sides}), encoding="utf-8")
    return tiles


def has_plan(folder: Path) -> bool:
    """Whether a folder holds the tiles of an unfinished run."""
    return _read(folder) is not None


def _read(folder: Path) -> dict[str, Any] | None:
    """The plan in a folder; None when the run there ended before it had one."""
    try:
        plan = json.loads((folder / PLAN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(plan, dict) and isinstance(plan.get("run"), dict) and isinstance(plan.get("tiles"), list)
    return plan if whole else None


def clear(folder: Path) -> None:
    """Remove the tiles of an earlier run, and nothing else."""
    if not os.path.lexists(folder):
        return
    names = re.compile(rf"tile_\d+\..*|restart|whole\.nc|{re.escape(PLAN_FILE)}|\..*")
    foreign = [] if folder.is_symlink() or not folder.is_dir() else sorted(path.name for path in folder.iterdir())
    foreign = [name for name in foreign if not names.fullmatch(name)]
    if folder.is_symlink() or not folder.is_dir() or foreign:
        what = f"holds {foreign[0]!r}" if foreign else "is no folder"
        raise PlanError(f"{folder}: {what}, so it is not of a run in tiles. Remove it, or write the output elsewhere.")
    # First what says that there are tiles to go on with: when this is stopped halfway, some of them are gone.
    (folder / PLAN_FILE).unlink(missing_ok=True)
    shutil.rmtree(folder)


def _describe(run: AnyRun) -> dict[str, Any]:
    """What must be the same for the files of a tile to be of use: sections of the configuration, and the columns."""
    plain = run.configuration.model_dump(mode="json")
    output = plain.get("output") or {}
    described = {key: value for key, value in plain.items() if key not in LEFT_OUT}
    described["output"] = {key: output.get(key) for key in ("variables", "every", "daily")}
    files = {key: paths for key, paths in files_read(run.configuration).items() if key != "configuration"}
    described["files"] = {key: [digest_of_file(path) for path in paths] for key, paths in files.items()}
    found: dict[str, Any] = json.loads(json.dumps(described)) | {"columns": digest(column_numbers(run))}
    return found


def identity(run: AnyRun) -> str:
    """A short text that differs when the tiles of a run could not be gathered into the output of another."""
    return _identity(_describe(run))


def planned_identity(folder: Path) -> str:
    """The same of the run that the tiles in a folder were planned for, with its files as they were then."""
    plan = _read(folder)
    if plan is None:
        raise PlanError(f"{folder}: its plan is gone. Begin anew: --overwrite.")
    return _identity(plan["run"])


def _identity(described: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def column_numbers(run: AnyRun) -> NDArray[np.int64]:
    """Numbers of the columns of a run among those of its configuration."""
    return np.arange(run.domain.columns) if run.columns is None else run.columns
