"""Training with checkpoints from which it goes on as if it had not stopped."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bmi_noahpy.atomic import clear_leftovers, replaced
from bmi_noahpy.files.lock import SoleWriter
from bmi_noahpy.files.targets import check_target

Loss = Callable[[int], Tensor]
Score = Callable[[], Tensor | float]
Report = Callable[[int, float], None]

LARGEST_GRADIENT = 1.0
"""Norm to which a larger gradient is scaled down: one step through a frozen or drying soil must not ruin the others."""


class TrainingError(ArithmeticError):
    """The loss, or its gradient, is not a finite number."""


class TrainingWarning(UserWarning):
    """What was learned is no better than what it was to replace."""


class Losses(list[float]):
    """The loss of each epoch, before its step, and what else was found out.

    Attributes
    ----------
    validation : The validation loss of each epoch, before its step; empty without validation.
    best : Epoch whose weights were kept, -1 before the first.
    stopped : True when training ended before its epochs, because validation no longer improved.
    test, built_in : Loss on data used for neither, with the weights that were kept, and of the built-in scheme; None
        where it was not asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.validation: list[float] = []
        self.best = -1
        self.stopped = False
        self.test: float | None = None
        self.built_in: float | None = None


def train(
    module: nn.Module,
    loss: Loss,
    *,
    epochs: int,
    learning_rate: float = 0.02,
    checkpoint: str | Path | None = None,
    report: Report | None = None,
    validation: Score | None = None,
    patience: int | None = None,
    test: Score | None = None,
    built_in: Score | None = None,
) -> Losses:
    """Adam on a loss, with a learning rate that halves when it gets stuck; the best weights are kept.

    With `validation` the best weights are those with the lowest validation loss, and training ends when that has not
    fallen for `patience` epochs. What is reported to others should come from a third period: `test`, beside the
    built-in scheme on the same.

    Parameters
    ----------
    module : What is trained, in place.
    loss : Epoch number -> scalar loss. If it is random, it uses torch's own generator, which checkpoints include.
    epochs : How many in all, those of a checkpoint included.
    checkpoint : File written after every epoch. When it exists, training goes on from it, identical to the bit to one
        that was never interrupted.
    report : Called with epoch number and loss.
    validation : Loss of the present weights on data that `loss` does not see.
    patience : Epochs without a lower validation loss after which training ends; None: never.
    test : Loss on data used neither for training nor for validation; called once, with the weights that are kept.
    built_in : The same loss of the built-in scheme. A `TrainingWarning` tells when the learned one is not below it.

    Returns
    -------
    The loss of each epoch, before its step, with the validation losses and what the test gave.

    Raises
    ------
    TrainingError : naming epoch and value.
    ValueError : for a checkpoint of another module, or one that another process is writing; for patience without
        validation, or a built-in scheme without a test.
    """
    if patience is not None and (validation is None or patience < 1):
        raise ValueError(f"patience: {patience!r}. It counts epochs, 1 or more, and needs validation.")
    if built_in is not None and test is None:
        raise ValueError("built_in: given without test. Give the loss of the learned scheme on the same data as test.")
    optimizer = torch.optim.Adam(module.parameters(), lr=learning_rate)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=6)
    session = _Session(module, optimizer, scheduler)
    how = _How(loss, epochs, report, validation, patience)
    if checkpoint is None:
        _train(session, how, None)
    else:
        path = Path(checkpoint).absolute()
        check_target(path, key="checkpoint")
        with SoleWriter(path, "Wait until it ends, or give each training a checkpoint of its own."):
            clear_leftovers(path.parent, f"{path.name}.")
            if path.is_file():
                session.restore(path, validated=validation is not None)
            _train(session, how, path)
    _judge(session.losses, test, built_in)
    return session.losses


class _How(NamedTuple):
    """What a training is told."""

    loss: Loss
    epochs: int
    report: Report | None
    validation: Score | None
    patience: int | None


def _train(session: _Session, how: _How, checkpoint: Path | None) -> None:
    module, optimizer, scheduler, losses = session.module, session.optimizer, session.scheduler, session.losses
    for epoch in range(len(losses), how.epochs):
        if how.patience is not None and losses and epoch - 1 - losses.best >= how.patience:
            losses.stopped = True
            break
        optimizer.zero_grad()
        value = how.loss(epoch)
        value.backward()
        norm = nn.utils.clip_grad_norm_(module.parameters(), LARGEST_GRADIENT)
        if not (math.isfinite(value.item()) and bool(torch.isfinite(norm))):
            raise TrainingError(
                f"epoch {epoch}: loss {value.item()} with a gradient of norm {norm.item()}. Lower learning_rate, or "
                "look for forcing or parameters far outside their bounds."
            )
        session.note(value.item(), None if how.validation is None else _score(how.validation, f"epoch {epoch}"))
        optimizer.step()
        scheduler.step(value.item())
        if checkpoint is not None:
            session.save(checkpoint)
        if how.report is not None:
            how.report(epoch, value.item())
    module.load_state_dict(session.best)


def _score(score: Score, where: str) -> float:
    """A loss without its derivative."""
    with torch.no_grad():
        value = float(score())
    if not math.isfinite(value):
        raise TrainingError(f"{where}: validation or test gave {value}. Look for records or weights out of bounds.")
    return value


def _judge(losses: Losses, test: Score | None, built_in: Score | None) -> None:
    """Compare with the built-in scheme on data used for neither."""
    losses.test = None if test is None else _score(test, "test")
    losses.built_in = None if built_in is None else _score(built_in, "built-in scheme")
    if losses.test is not None and losses.built_in is not None and not losses.test < losses.built_in:
        warnings.warn(
            f"On data used for neither training nor validation the learned scheme has a loss of {losses.test:.6g}, the "
            f"built-in one {losses.built_in:.6g}: keep the built-in one.",
            TrainingWarning,
            stacklevel=3,
        )


class _Session:
    """Everything training carries from one epoch to the next."""

    def __init__(
        self, module: nn.Module, optimizer: torch.optim.Optimizer, scheduler: torch.optim.lr_scheduler.ReduceLROnPlateau
    ) -> None:
        self.module, self.optimizer, self.scheduler = module, optimizer, scheduler
        self.losses = Losses()
        self.best = _copy(module)

    def note(self, loss: float, validation: float | None) -> None:
        """Record the losses of the present weights; with validation it decides which are best."""
        losses = self.losses
        judged, earlier = (loss, losses) if validation is None else (validation, losses.validation)
        if judged <= min(earlier, default=math.inf):
            self.best, losses.best = _copy(self.module), len(losses)
        losses.append(loss)
        if validation is not None:
            losses.validation.append(validation)

    def save(self, path: Path) -> None:
        """Write a checkpoint; an interrupted write leaves the previous one."""
        everything = {
            "module": self.module.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "losses": list(self.losses),
            "validation": self.losses.validation,
            "best_epoch": self.losses.best,
            "generator": torch.get_rng_state(),
        }
        with replaced(path) as partial:
            torch.save(everything, partial)

    def restore(self, path: Path, *, validated: bool) -> None:
        """Go back to a checkpoint."""
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        validation = saved.get("validation", [])
        if bool(validation) != validated and saved.get("losses"):
            raise ValueError(
                f"checkpoint {str(path)!r} is of a training {'with' if validation else 'without'} validation. Go on "
                "with the same arguments, or remove the file to start again."
            )
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
        self.losses.extend(saved["losses"])
        self.losses.validation, self.best = list(validation), saved["best"]
        self.losses.best = saved.get("best_epoch", -1)
        torch.set_rng_state(saved["generator"])


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}
