"""The iterations of a calibration: what every start has found, when it is finished, and files to go on from."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bmi_noahpy.atomic import replaced
from bmi_noahpy.calibration.file.calibration import Calibration
from bmi_noahpy.calibration.file.sections import STOP_PATIENCE
from bmi_noahpy.calibration.intervals import unknown_of
from bmi_noahpy.calibration.methods.levenberg_marquardt import LevenbergMarquardt
from bmi_noahpy.calibration.methods.method import Adam, Method
from bmi_noahpy.calibration.methods.quasi_newton import LimitedMemoryBfgs
from bmi_noahpy.calibration.problem.fit import Cost, Fit

METHODS: dict[str, type[Method]] = {
    "adam": Adam,
    "lbfgs": LimitedMemoryBfgs,
    "levenberg_marquardt": LevenbergMarquardt,
}
RANDOM_RANGE = (0.05, 0.95)
"""Part of every interval in which random starts lie."""


class CheckpointError(ValueError):
    """A file of an earlier calibration that this one cannot go on from."""


@dataclasses.dataclass
class Progress:
    """What a search has found so far; the start is the last dimension of every tensor.

    Parameters
    ----------
    unknowns : Where each start is.
    best, best_losses : Where it was best, and the objective there.
    reference : Best objective at its last real improvement, `waited` iterations ago.
    active : Whether it goes on.
    history : Best objective so far after each iteration, ``[iteration, start]``.
    """

    unknowns: Tensor
    best: Tensor
    best_losses: Tensor
    reference: Tensor
    waited: Tensor
    active: Tensor
    history: Tensor
    seconds: float = 0.0

    @classmethod
    def at(cls, unknowns: Tensor) -> Progress:
        """Before the first iteration."""
        starts = unknowns.shape[1]
        endless = unknowns.new_full((starts,), torch.inf)
        return cls(
            unknowns=unknowns,
            best=unknowns.clone(),
            best_losses=endless,
            reference=endless.clone(),
            waited=torch.zeros(starts, dtype=torch.int64),
            active=torch.ones(starts, dtype=torch.bool),
            history=unknowns.new_zeros(0, starts),
        )

    @property
    def iteration(self) -> int:
        """Number of iterations done."""
        return self.history.shape[0]

    @property
    def winner(self) -> int:
        """The start that has found the best."""
        return int(self.best_losses.argmin())


class Search:
    """Looks for the best parameters of a fit.

    Parameters
    ----------
    fit : What is made small.
    """

    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        self._calibration = fit.calibration
        unknowns = first_unknowns(fit)
        settings = self._calibration.optimiser
        self.method = METHODS[settings.name](settings, unknowns)
        self.progress = Progress.at(unknowns)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self.progress.iteration >= self._calibration.optimiser.iterations or not bool(self.progress.active.any())

    def iterate(self) -> bool:
        """One iteration of every start that is not finished; whether the best of all has improved."""
        progress, begin = self.progress, time.perf_counter()
        lowest_before = float(progress.best_losses.min())
        which = progress.active.nonzero()[:, 0]
        moved = self.method.move(self.fit, progress.unknowns[:, which], which)
        progress.unknowns[:, which] = moved.unknowns.detach()
        better = moved.losses < progress.best_losses[which]
        progress.best[:, which[better]] = moved.tried[:, better].detach()
        progress.best_losses[which[better]] = moved.losses[better]
        self._judge(which, moved.finished)
        progress.history = torch.cat([progress.history, progress.best_losses[None]])
        progress.seconds += time.perf_counter() - begin
        return float(progress.best_losses.min()) < lowest_before

    def _judge(self, which: Tensor, finished: Tensor) -> None:
        """Finish starts that no longer improve or are good enough."""
        progress, stop = self.progress, self._calibration.stop
        patience = stop.patience or STOP_PATIENCE[self._calibration.optimiser.name]
        losses, reference = progress.best_losses[which], progress.reference[which]
        improved = losses < reference - stop.tolerance * reference.abs()
        improved |= torch.isinf(reference) & torch.isfinite(losses)
        progress.reference[which] = torch.where(improved, losses, reference)
        progress.waited[which] = torch.where(improved, 0, progress.waited[which] + 1)
        done = finished | (progress.waited[which] >= patience)
        if stop.target is not None:
            done |= losses <= stop.target
        progress.active[which] = ~done

    # --- files ------------------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write everything a later search needs to go on, whole or not at all."""
        content = {
            "fingerprint": fingerprint(self.fit),
            "progress": dataclasses.asdict(self.progress),
            "memory": self.method.memory,
            "cost": dataclasses.asdict(self.fit.cost),
        }
        with replaced(path) as partial:
            torch.save(content, partial)

    def load(self, path: Path) -> None:
        """Go on from a file.

        Raises
        ------
        CheckpointError : it cannot be read, or belongs to another calibration.
        """
        try:
            content: dict[str, Any] = torch.load(path, weights_only=True)
        except Exception as error:  # torch raises many unrelated types for a file that is not its own
            raise CheckpointError(f"{path}: cannot be read ({error}). Remove it and begin anew.") from error
        if content.get("fingerprint") != fingerprint(self.fit):
            raise CheckpointError(
                f"{path}: belongs to another calibration: run, parameters, observations, objective, optimiser or "
                "starts have changed. Begin anew with --overwrite, or restore them."
            )
        self.progress = Progress(**content["progress"])
        self.method.memory = content["memory"]
        self.fit.cost = Cost(**content["cost"])


def first_unknowns(fit: Fit) -> Tensor:
    """Unknowns of all starts, ``[unknown, start]``."""
    starts, controls = fit.calibration.starts, fit.controls
    first = controls.first_unknowns()
    generator = torch.Generator().manual_seed(starts.seed)
    low, high = RANDOM_RANGE
    positions = low + (high - low) * torch.rand(starts.count, controls.count, generator=generator, dtype=first.dtype)
    unknowns = unknown_of(positions).T.contiguous()
    if starts.first == "configured":
        unknowns[:, 0] = first
    return unknowns


def fingerprint(fit: Fit) -> str:
    """A text that is the same for calibrations that find the same."""
    calibration: Calibration = fit.calibration
    plain = calibration.model_dump(mode="json", exclude={"results", "stop", "sensitivity", "validation"})
    plain["optimiser"].pop("iterations")
    digest = hashlib.sha256(repr(sorted(plain.items())).encode())
    for target in fit.fitted:
        digest.update(target.values.numpy().tobytes())
    digest.update(fit.forcing_bytes())
    return digest.hexdigest()
