"""A base for components in PyTorch with BMI's functions and the gradient extension: derivatives by autograd.

A component says what one step does, in torch. It knows nothing of NoahPy.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent))

from small_component import STATE, Floats, SmallComponent

Tensors = dict[str, Tensor]


class TorchComponent(SmallComponent):
    """As `SmallComponent`, with `advance` in place of `compute` and `jacobian`."""

    def advance(self, state: Tensor, given: Tensors) -> tuple[Tensor, Tensors]:
        """New state and outputs, from the state, inputs and parameters."""
        raise NotImplementedError

    def compute(self, state: Floats, given: dict[str, Floats]) -> tuple[Floats, dict[str, Floats]]:
        """See `SmallComponent`."""
        with torch.no_grad():
            new, results = self.advance(torch.from_numpy(state), _tensors(given))
        return new.numpy(), {name: value.numpy() for name, value in results.items()}

    def get_adjoint_derivative(
        self, of: Sequence[str], wrt: Sequence[str], seed: Floats, sensitivity: Floats
    ) -> Floats:
        """sensitivity = seed^T d(of)/d(wrt) of the last step."""
        sizes = [self._size(name) for name in of]
        self._require("seed", seed, sum(sizes))
        self._require("sensitivity", sensitivity, sum(self._size(name) for name in wrt))
        pieces = np.split(np.asarray(seed, dtype=np.float64), np.cumsum(sizes)[:-1])
        found = self._pull(*self._last_step(), dict(zip(of, pieces, strict=True)))
        sensitivity[...] = np.concatenate([found[name] for name in wrt])
        return sensitivity

    def get_directional_derivative(
        self, of: Sequence[str], wrt: Sequence[str], seed: Floats, sensitivity: Floats
    ) -> Floats:
        """sensitivity = d(of)/d(wrt) seed of the last step."""
        sizes = [self._size(name) for name in wrt]
        self._require("seed", seed, sum(sizes))
        self._require("sensitivity", sensitivity, sum(self._size(name) for name in of))
        state, given = self._last_step()
        leaves = {**_tensors(given), STATE: torch.from_numpy(state)}
        tangents = {name: torch.zeros_like(value) for name, value in leaves.items()}
        for name, piece in zip(wrt, np.split(np.asarray(seed, dtype=np.float64), np.cumsum(sizes)[:-1]), strict=True):
            tangents[name] = tangents[name] + torch.from_numpy(piece)

        def results(values: Tensors) -> Tensor:
            new, outputs = self.advance(values[STATE], values)
            return torch.cat([{**outputs, STATE: new}[name].reshape(-1) for name in of])

        sensitivity[...] = torch.func.jvp(results, (leaves,), (tangents,))[1].numpy()
        return sensitivity

    def update_adjoint(self) -> None:
        """Reverse one step."""
        if self.recording or not self.window:
            raise RuntimeError("update_adjoint: no finished recording.")
        state, given, seeds = self.window.pop()
        seeds[STATE] = seeds.get(STATE, 0.0) + self.adjoint[STATE]
        found = self._pull(state, given, seeds)
        for name in self.parameters:
            found[name] = found[name] + self.adjoint[name]
        self.adjoint = found

    # --- inside -----------------------------------------------------------------------------------------------------

    def _last_step(self) -> tuple[Floats, dict[str, Floats]]:
        if self.last is None:
            raise RuntimeError("no step is taken yet. Call update() first.")
        return self.last

    def _pull(self, state: Floats, given: Mapping[str, Floats], seeds: Mapping[str, Floats]) -> dict[str, Floats]:
        """Derivative of the sum of seed times result by everything that entered a step."""
        leaves = {name: value.requires_grad_() for name, value in {**_tensors(given), STATE: _copy(state)}.items()}
        # The caller may be on a way back of its own, where torch records nothing.
        with torch.enable_grad():
            new, outputs = self.advance(leaves[STATE], leaves)
            results = {**outputs, STATE: new}
            parts = [results[name] @ torch.from_numpy(np.asarray(seed)) for name, seed in seeds.items()]
            total = torch.stack(parts).sum()
        found = torch.autograd.grad(total, list(leaves.values()), allow_unused=True, materialize_grads=True)
        return {name: value.numpy() for name, value in zip(leaves, found, strict=True)}

    @staticmethod
    def _require(what: str, values: Floats, size: int) -> None:
        if np.size(values) != size:
            raise ValueError(f"{what}: {np.size(values)} values given, {size} needed.")


def _tensors(values: Mapping[str, Floats]) -> Tensors:
    return {name: _copy(value) for name, value in values.items()}


def _copy(values: Floats) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float64))
