"""A component that has nothing to do with NoahPy, and variants of it with one fault each."""

from __future__ import annotations

from typing import Any

import numpy as np

STATE = "@state"
RAIN, WARMTH, FLOW, LOSS, LEVEL = "rain", "warmth", "flow", "loss", "level"
RATE, POWER, MELT = "rate", "power", "melt"
STEP = 100.0


def stores(base: type) -> type:
    """Two stores with an outflow that is no linear function of what they hold, on `SmallComponent`."""

    class Stores(base):
        def __init__(self) -> None:
            super().__init__(
                inputs={RAIN: (2, "m s-1", 1.0e-3), WARMTH: (1, "K", 5.0)},
                outputs={FLOW: (2, "m s-1", 0.0), LOSS: (1, "m s-1", 0.0), LEVEL: (2, "m", 0.0)},
                parameters={RATE: (2, "s-1", 2.0e-3), POWER: (1, "1", 1.4), MELT: (1, "m s-1 K-1", 1.0e-4)},
                bounds={RATE: (1e-5, 5e-3), POWER: (1.0, 2.0), MELT: (0.0, 1e-2)},
                state=np.array([0.5, 0.8]),
                step=STEP,
            )

        def compute(self, state: Any, given: Any) -> Any:
            flow = given[RATE] * state ** given[POWER]
            loss = given[MELT] * given[WARMTH] * np.tanh(state.sum())
            new = state + self.step * (given[RAIN] - flow - 0.5 * loss)
            return new, {FLOW: flow, LOSS: loss, LEVEL: new}

        def jacobian(self, state: Any, given: Any) -> Any:
            ones, dt = np.ones((2, 1)), self.step
            total, power = np.tanh(state.sum()), given[POWER]
            flow = {
                STATE: np.diag(given[RATE] * power * state ** (power - 1.0)),
                RATE: np.diag(state**power),
                POWER: (given[RATE] * state**power * np.log(state))[:, None],
            }
            loss = {
                STATE: given[MELT] * given[WARMTH] * (1.0 - total**2) * ones.T,
                WARMTH: np.array([given[MELT] * total]),
                MELT: np.array([given[WARMTH] * total]),
            }
            causes = [STATE, RAIN, WARMTH, RATE, POWER, MELT]
            change = {cause: -dt * flow[cause] for cause in flow}
            for cause, matrix in loss.items():
                change[cause] = change.get(cause, 0.0) - 0.5 * dt * ones @ matrix.reshape(1, -1)
            change[RAIN] = dt * np.eye(2)
            change[STATE] = change[STATE] + np.eye(2)
            parts = {(FLOW, cause): matrix for cause, matrix in flow.items()}
            parts |= {(LOSS, cause): matrix.reshape(1, -1) for cause, matrix in loss.items()}
            for of in (STATE, LEVEL):
                parts |= {(of, cause): change[cause] for cause in causes}
            return parts

        def alter(self, parts: Any, of: str, wrt: str, change: Any) -> Any:
            return {**parts, (of, wrt): change(parts[of, wrt])}

    return Stores


def variants(right: type) -> dict[str, type]:
    """Faulty classes by what is wrong with them."""
    faults: dict[str, type] = {}

    def fault(what: str) -> Any:
        def keep(cls: type) -> type:
            faults[what] = cls
            return cls

        return keep

    # --- derivatives

    @fault("one derivative is 1e-4 too large")
    class _(right):
        def jacobian(self, state, given):
            return self.alter(super().jacobian(state, given), FLOW, STATE, lambda matrix: matrix * 1.0001)

    @fault("a derivative is left out")
    class _(right):
        def jacobian(self, state, given):
            return self.alter(super().jacobian(state, given), LOSS, WARMTH, np.zeros_like)

    @fault("a derivative has the wrong sign")
    class _(right):
        def jacobian(self, state, given):
            return self.alter(super().jacobian(state, given), LEVEL, RATE, np.negative)

    @fault("the derivative is of the state after the step")
    class _(right):
        def jacobian(self, state, given):
            return super().jacobian(self.compute(state, given)[0], given)

    @fault("only the directional derivative is wrong")
    class _(right):
        def get_directional_derivative(self, of, wrt, seed, sensitivity):
            super().get_directional_derivative(of, wrt, seed, sensitivity)
            sensitivity *= 1.0 + 1e-9
            return sensitivity

    @fault("lists of names are overwritten, not added")
    class _(right):
        def get_adjoint_derivative(self, of, wrt, seed, sensitivity):
            if len(of) > 1:
                seed = np.concatenate([np.zeros(self._size(of[0])), seed[self._size(of[0]) :]])
            return super().get_adjoint_derivative(of, wrt, seed, sensitivity)

    @fault("the derivative adds to what the array holds")
    class _(right):
        def get_adjoint_derivative(self, of, wrt, seed, sensitivity):
            before = sensitivity.copy()
            super().get_adjoint_derivative(of, wrt, seed, sensitivity)
            sensitivity += before
            return sensitivity

    @fault("asking for a derivative moves the state")
    class _(right):
        def get_directional_derivative(self, of, wrt, seed, sensitivity):
            self.state = self.state * 1.001
            return super().get_directional_derivative(of, wrt, seed, sensitivity)

    # --- arrays of the caller

    @fault("get_adjoint does not fill its array")
    class _(right):
        def get_adjoint(self, name, dest):
            super().get_adjoint(name, dest.copy())
            return dest

    @fault("get_adjoint returns an array of its own")
    class _(right):
        def get_adjoint(self, name, dest):
            return super().get_adjoint(name, dest).copy()

    @fault("get_state fills a part of its array")
    class _(right):
        def get_state(self, dest):
            dest[:-1] = self.state[:-1]
            return dest

    @fault("set_state keeps the caller's array")
    class _(right):
        def set_state(self, src):
            super().set_state(src)
            self.state = src

    @fault("seeds keep the caller's array")
    class _(right):
        def add_adjoint_seed(self, name, seed):
            first = self.window and name not in self.window[-1][2]
            super().add_adjoint_seed(name, seed)
            if first:
                self.window[-1][2][name] = seed

    # --- windows

    @fault("seeds overwrite instead of adding")
    class _(right):
        def add_adjoint_seed(self, name, seed):
            super().add_adjoint_seed(name, seed)
            self.window[-1][2][name] = np.array(seed, dtype=float)

    @fault("seeds after the recording are lost")
    class _(right):
        def add_adjoint_seed(self, name, seed):
            super().add_adjoint_seed(name, seed if self.recording else 0.0 * np.asarray(seed))

    @fault("adjoints of parameters are those of the last step reversed")
    class _(right):
        def update_adjoint(self):
            for name in self.parameters:
                self.adjoint[name] = 0.0 * self.adjoint[name]
            super().update_adjoint()

    @fault("adjoints of inputs add up over the steps")
    class _(right):
        def update_adjoint(self):
            before = dict(self.adjoint)
            super().update_adjoint()
            for name in self.inputs:
                self.adjoint[name] = self.adjoint[name] + before.get(name, 0.0)

    @fault("the adjoint does not go through the state")
    class _(right):
        def update_adjoint(self):
            self.adjoint[STATE] = 0.0 * self.adjoint[STATE]
            super().update_adjoint()

    @fault("steps are reversed from the first on")
    class _(right):
        def stop_recording(self):
            super().stop_recording()
            self.window.reverse()

    @fault("a second window adds to the first")
    class _(right):
        def start_recording(self):
            before = getattr(self, "adjoint", None)
            super().start_recording()
            if before is not None:
                self.adjoint = before | {STATE: self.adjoint[STATE]}

    @fault("the window keeps the inputs of its last step")
    class _(right):
        def update(self):
            super().update()
            self.window = [(state, self.last[1], seeds) for state, _, seeds in self.window]
            self.values[RAIN] *= 1.1

    @fault("reading an adjoint takes it away")
    class _(right):
        def get_adjoint(self, name, dest):
            super().get_adjoint(name, dest)
            self.adjoint[name] = 0.0 * self.adjoint[name]
            return dest

    @fault("recorded_steps counts nothing")
    class _(right):
        def recorded_steps(self):
            return 1 if self.window else 0

    @fault("recording moves the run")
    class _(right):
        def start_recording(self):
            super().start_recording()
            self.state = self.state * 1.0001

    @fault("reversing leaves the component at the beginning of the window")
    class _(right):
        def update_adjoint(self):
            self.state = self.window[-1][0] if self.window else self.state
            super().update_adjoint()

    @fault("stop_recording does nothing")
    class _(right):
        def stop_recording(self):
            pass

    # --- misuse

    @fault("a second start_recording is accepted")
    class _(right):
        def start_recording(self):
            self.recording = False
            super().start_recording()

    @fault("parameters can change inside a window")
    class _(right):
        def set_parameter(self, name, src):
            recording, self.recording = self.recording, False
            try:
                super().set_parameter(name, src)
            finally:
                self.recording = recording

    @fault("bounds are not kept")
    class _(right):
        def set_parameter(self, name, src):
            if self.recording or np.size(src) != self._size(name):
                raise RuntimeError
            self.values[name] = np.array(src, dtype=float)

    @fault("only the first value is held to the bounds")
    class _(right):
        def set_parameter(self, name, src):
            super().set_parameter(name, np.full(np.size(src), src[0]))
            self.values[name] = np.array(src, dtype=float)

    @fault("a parameter that is refused is kept")
    class _(right):
        def set_parameter(self, name, src):
            before = self.values[name]
            self.values[name] = np.array(src, dtype=float)
            try:
                super().set_parameter(name, src)
            except ValueError:
                self.values[name] = np.clip(src, *self.bounds[name]) if np.isfinite(src).all() else before
                raise

    @fault("a reverse step with nothing recorded is accepted")
    class _(right):
        def update_adjoint(self):
            if self.recording or self.window:
                super().update_adjoint()

    @fault("seeds for inputs and parameters are accepted")
    class _(right):
        def add_adjoint_seed(self, name, seed):
            if name in self.outputs or name == STATE or name not in self.tables:
                super().add_adjoint_seed(name, seed)

    @fault("seeds of another size are accepted")
    class _(right):
        def add_adjoint_seed(self, name, seed):
            super().add_adjoint_seed(name, np.resize(seed, self._size(name)))

    @fault("a state that is not finite is accepted")
    class _(right):
        def set_state(self, src):
            super().set_state(np.nan_to_num(src))
            self.state = np.array(src, dtype=float)

    # --- hidden state

    @fault("a part of the state is hidden")
    class _(right):
        memory = 1.0

        def compute(self, state, given):
            new, results = super().compute(state, given)
            return new * self.memory, results

        def update(self):
            super().update()
            self.memory = 1.0 + 1e-3 * float(np.tanh(self.state[0]))

    @fault("the state is kept in single precision")
    class _(right):
        def set_state(self, src):
            super().set_state(np.asarray(src, dtype=np.float32))

    @fault("every unknown extension is this one")
    class _(right):
        def get_extension(self, name):
            return self

    return faults
