"""Training with checkpoints from which it goes on as if it had not stopped."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bmi_noahpy.atomic import clear_leftovers, replaced
from bmi_noahpy.files.lock import SoleWriter
from bmi_noahpy.files.targets import check_target

Loss = Callable[[int], Tensor]
Report = Callable[[int, float], None]

LARGEST_GRADIENT = 1.0
"""Norm to which a larger gradient is scaled down: one step through a frozen or drying soil must not ruin the others."""


class TrainingError(ArithmeticError):
    """The loss, or its gradient, is not a finite number."""


def train(
    module: nn.Module,
    loss: Loss,
    *,
    epochs: int,
    learning_rate: float = 0.02,
    checkpoint: str | Path | None = None,
    report: Report | None = None,
) -> list[float]:
    """Adam on a loss, with a learning rate that halves when it gets stuck; the best weights are kept.

    Parameters
    ----------
    module : What is trained, in place.
    loss : Epoch number -> scalar loss. If it is random, it uses torch's own generator, which checkpoints include.
    epochs : How many in all, those of a checkpoint included.
    checkpoint : File written after every epoch. When it exists, training goes on from it, identical to the bit to one
        that was never interrupted.
    report : Called with epoch number and loss.

    Returns
    -------
    The loss of each epoch, before its step.

    Raises
    ------
    TrainingError : naming epoch and value.
    ValueError : for a checkpoint of another module, or one that another process is writing.
    """
    optimizer = torch.optim.Adam(module.parameters(), lr=learning_rate)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=6)
    session = _Session(module, optimizer, scheduler)
    if checkpoint is None:
        return _train(session, loss, epochs, None, report)
    path = Path(checkpoint).absolute()
    check_target(path, key="checkpoint")
    with SoleWriter(path, "Wait until it ends, or give each training a checkpoint of its own."):
        clear_leftovers(path.parent, f"{path.name}.")
        if path.is_file():
            session.restore(path)
        return _train(session, loss, epochs, path, report)


def _train(session: _Session, loss: Loss, epochs: int, checkpoint: Path | None, report: Report | None) -> list[float]:
    module, optimizer, scheduler = session.module, session.optimizer, session.scheduler
    for epoch in range(len(session.losses), epochs):
        optimizer.zero_grad()
        value = loss(epoch)
        value.backward()
        norm = nn.utils.clip_grad_norm_(module.parameters(), LARGEST_GRADIENT)
        if not (math.isfinite(value.item()) and bool(torch.isfinite(norm))):
            raise TrainingError(
                f"epoch {epoch}: loss {value.item()} with a gradient of norm {norm.item()}. Lower learning_rate, or "
                "look for forcing or parameters far outside their bounds."
            )
        session.note(value.item())
        optimizer.step()
        scheduler.step(value.item())
        if checkpoint is not None:
            session.save(checkpoint)
        if report is not None:
            report(epoch, value.item())
    module.load_state_dict(session.best)
    return session.losses


class _Session:
    """Everything training carries from one epoch to the next."""

    def __init__(
        self, module: nn.Module, optimizer: torch.optim.Optimizer, scheduler: torch.optim.lr_scheduler.ReduceLROnPlateau
    ) -> None:
        self.module, self.optimizer, self.scheduler = module, optimizer, scheduler
        self.losses: list[float] = []
        self.best = _copy(module)

    def note(self, loss: float) -> None:
        """Record the loss of the present weights."""
        if loss <= min(self.losses, default=math.inf):
            self.best = _copy(self.module)
        self.losses.append(loss)

    def save(self, path: Path) -> None:
        """Write a checkpoint; an interrupted write leaves the previous one."""
        everything = {
            "module": self.module.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "losses": self.losses,
            "generator": torch.get_rng_state(),
        }
        with replaced(path) as partial:
            torch.save(everything, partial)

    def restore(self, path: Path) -> None:
        """Go back to a checkpoint."""
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        try:
            self.module.load_state_dict(saved["module"])
            self.optimizer.load_state_dict(saved["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            what = " ".join(str(error).split())
            raise ValueError(
                f"checkpoint {str(path)!r} is of another module ({what}). Use the arguments it was trained with, or "
                "remove the file to start again."
            ) from error
        self.scheduler.load_state_dict(saved["scheduler"])
        self.losses, self.best = list(saved["losses"]), saved["best"]
        torch.set_rng_state(saved["generator"])


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}
