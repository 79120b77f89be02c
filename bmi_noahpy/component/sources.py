"""Where the values of BMI variables come from: how each kind is read, written and differentiated."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import torch
from torch import Tensor

from bmi_noahpy.component.contents import Contents
from bmi_noahpy.component.derived import DERIVED
from bmi_noahpy.component.framework_inputs import LAYERED
from bmi_noahpy.gradient.host import Kind
from bmi_noahpy.gradient.taken_step import Part, StepResult, TakenStep
from noahpy_core.numerics import safe_divide
from noahpy_core.parameters import in_effect
from noahpy_core.quantities import get_quantity, quantities, replace_quantity
from noahpy_core.state import CLOSURES, Fluxes, State

MEANS = tuple(path for path, facts in quantities(Fluxes) if facts["units"] in ("kg m-2 s-1", "W m-2"))
"""Rates are means over a call; other members of `Fluxes` are those of its last step."""
FOLLOWING = ("leaf_area_index", "snow_free_albedo", "vegetation_fraction")
"""Fields of `Forcing` for which the model has a rule of its own; it shows what it used among the fluxes."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Values in one part of what the component holds.

    Parameters
    ----------
    path : Dotted path in that part.
    """

    path: str
    kind: ClassVar[Kind] = "result"
    missing: ClassVar[float] = float("nan")
    """Shown where there is no value yet."""

    @property
    def averaged(self) -> bool:
        """Whether it is a mean, or a sum, over the steps of a call."""
        return False

    def read(self, contents: Contents) -> Tensor | None:
        """Core value now; None when there is none yet."""
        return self.result(contents.result())

    def write(self, contents: Contents, value: Tensor, where: Tensor) -> None:
        """Replace the core values in `where`, of bool. Results cannot be written."""
        raise NotImplementedError(f"{self.path} is computed by the model.")

    def mark_set(self, contents: Contents, where: Tensor) -> None:
        """Note that a caller gave values in `where`, whether or not they differ from those before."""

    def result(self, result: StepResult) -> Tensor | None:
        """Core value after a step, with its derivative; None where it has none."""
        raise NotImplementedError(f"{self.path} is no result of a step.")

    def parts(self, name: str, scale: float, step: TakenStep) -> list[Part]:
        """Core quantities that change with the value under a name.

        Raises
        ------
        ValueError : A step does not depend on it.
        """
        raise ValueError(f"{name} is computed by the model.")


class StateSource(Source):
    """A member of the state."""

    kind = "state"

    def result(self, result: StepResult) -> Tensor:
        value: Tensor = get_quantity(result.state, self.path)
        return value

    def write(self, contents: Contents, value: Tensor, where: Tensor) -> None:
        contents.state = self.put(contents.state, value, where)

    def mark_set(self, contents: Contents, where: Tensor) -> None:
        contents.snow_was_set |= self.path.startswith("snow.")
        if self.path == "surface.specific_humidity":
            contents.set_surface_humidity(where)

    def put(self, state: State, value: Tensor, where: Tensor) -> State:
        """A state with other values."""
        new: State = replace_quantity(state, self.path, torch.where(where, value, get_quantity(state, self.path)))
        return new

    def stored(self, state: State) -> tuple[Tensor, ...]:
        """The members that `put` writes, in the order of `exact`."""
        return (get_quantity(state, self.path),)

    def put_exactly(self, state: State, value: Tensor, where: Tensor, stored: tuple[Tensor, ...]) -> State:
        """`put` with the bits that were stored and the derivative by `value`."""
        return self.put(state, with_bits(value, stored[0]), where)

    def parts(self, name: str, scale: float, step: TakenStep) -> list[Part]:
        value = get_quantity(step.state, self.path)
        if value is None:
            raise ValueError(
                f"{name}: the schemes of this run have none, so nothing has a derivative by it. Leave it out."
            )
        return [Part(f"state.{self.path}", 1.0 / scale, value.shape)]


class TotalWaterSource(StateSource):
    """Liquid water and ice of the soil. A new total leaves the ice; one below the ice leaves ice only."""

    def result(self, result: StepResult) -> Tensor:
        return result.state.soil.moisture

    def put(self, state: State, value: Tensor, where: Tensor) -> State:
        ice = torch.where(value < state.soil.ice, value, state.soil.ice)
        return self._put(state, value - ice, ice, where)

    def stored(self, state: State) -> tuple[Tensor, ...]:
        return state.soil.liquid_water, state.soil.ice

    def put_exactly(self, state: State, value: Tensor, where: Tensor, stored: tuple[Tensor, ...]) -> State:
        ice = torch.where(value < state.soil.ice, value, state.soil.ice)
        return self._put(state, with_bits(value - ice, stored[0]), with_bits(ice, stored[1]), where)

    def parts(self, name: str, scale: float, step: TakenStep) -> list[Part]:
        return [Part("state.soil.liquid_water", 1.0 / scale, step.state.soil.liquid_water.shape)]

    @staticmethod
    def _put(state: State, liquid: Tensor, ice: Tensor, where: Tensor) -> State:
        soil = dataclasses.replace(
            state.soil,
            liquid_water=torch.where(where, liquid, state.soil.liquid_water),
            ice=torch.where(where, ice, state.soil.ice),
        )
        return dataclasses.replace(state, soil=soil)


class ForcingSource(Source):
    """A field of the forcing."""

    kind = "input"

    def read(self, contents: Contents) -> Tensor | None:
        value = contents.inputs.value(self.path, contents.forcing)
        return self._of_the_model(contents.result()) if value is None else value

    def write(self, contents: Contents, value: Tensor, where: Tensor) -> None:
        contents.inputs.set(self.path, value, where)
        if self.path == "specific_humidity":
            contents.follow_air_humidity()

    def result(self, result: StepResult) -> Tensor | None:
        given = None if result.forcing is None else getattr(result.forcing, self.path)
        return self._of_the_model(result) if given is None else given.expand(_shape_of(self.path, result.state))

    def parts(self, name: str, scale: float, step: TakenStep) -> list[Part]:
        if getattr(step.forcing, self.path) is None:
            raise ValueError(f"{name} follows from other inputs. Set it with set_value to differentiate by it.")
        return [Part(f"forcing.{self.path}", 1.0 / scale, _shape_of(self.path, step.state))]

    def _of_the_model(self, result: StepResult) -> Tensor | None:
        """What the model makes of an input that is not given."""
        if result.fluxes is None or self.path not in FOLLOWING:
            return None
        value: Tensor = getattr(result.fluxes, self.path)
        return value


class AddedSource(ForcingSource):
    """A field of the forcing that adds water or heat: nothing unless it is set."""

    missing = 0.0

    def read(self, contents: Contents) -> Tensor | None:
        value = contents.inputs.value(self.path, None)
        return value if value is None else torch.where(value.isnan(), 0.0, value)

    def parts(self, name: str, scale: float, step: TakenStep) -> list[Part]:
        if getattr(step.forcing, self.path) is None:
            raise ValueError(
                f"{name} was not part of the step. Set it with set_value, to zero for instance, to differentiate by it."
            )
        return super().parts(name, scale, step)


class WindSource(Source):
    """A component of the wind, ``x`` or ``y``; the model sees its speed."""

    kind = "input"

    def read(self, contents: Contents) -> Tensor | None:
        return contents.inputs.value(f"wind.{self.path}", contents.forcing)

    def write(self, contents: Contents, value: Tensor, where: Tensor) -> None:
        contents.inputs.set(f"wind.{self.path}", value, where)

    def parts(self, name: str, scale: float, step: TakenStep) -> list[Part]:
        x, y = step.wind
        weight = safe_divide(x if self.path == "x" else y, torch.hypot(x, y))
        return [Part("forcing.wind_speed", weight, step.state.skin_temperature.shape)]


class ParameterSource(Source):
    """A parameter. Where it was not given, shown is what the model takes for it."""

    kind = "parameter"

    def read(self, contents: Contents) -> Tensor:
        parameters = contents.parameters
        return in_effect(parameters, self.path)

    def write(self, contents: Contents, value: Tensor, where: Tensor) -> None:
        new = torch.where(where, value, self.read(contents))
        contents.parameters = replace_quantity(contents.parameters, self.path, new)

    def parts(self, name: str, scale: float, step: TakenStep) -> list[Part]:
        return [Part(f"parameters.{self.path}", 1.0 / scale, get_quantity(step.parameters, self.path).shape)]


class FluxSource(Source):
    """A member of `Fluxes`; zero before the first step."""

    missing = 0.0

    @property
    def averaged(self) -> bool:
        return self.path in MEANS

    def read(self, contents: Contents) -> Tensor | None:
        value: Tensor | None = None if contents.fluxes is None else getattr(contents.fluxes, self.path)
        return value

    def result(self, result: StepResult) -> Tensor | None:
        return None if self.path in CLOSURES else result.flux(self.path)


class DerivedSource(Source):
    """Computed from state and fluxes."""

    @property
    def averaged(self) -> bool:
        return DERIVED[self.path].averaged

    def result(self, result: StepResult) -> Tensor:
        derived, columns = DERIVED[self.path], result.state.skin_temperature.shape
        value = derived.read(result)
        return value.expand(-1, *columns) if derived.dims else value


class BalanceSource(Source):
    """A term of the water balance since the start."""

    def read(self, contents: Contents) -> Tensor:
        return torch.tensor([contents.balance.value(self.path)], dtype=torch.float64)


class CellSource(Source):
    """The cell of the flattened grid that each column is."""

    def read(self, contents: Contents) -> Tensor:
        return contents.cells

    def result(self, result: StepResult) -> None:
        """Without derivative."""
        return None


SOURCES: dict[str, type[Source]] = {
    "state": StateSource,
    "forcing": ForcingSource,
    "added": AddedSource,
    "wind": WindSource,
    "parameters": ParameterSource,
    "fluxes": FluxSource,
    "derived": DerivedSource,
    "total": TotalWaterSource,
    "balance": BalanceSource,
    "grid": CellSource,
}
"""By the first part of what stands in the tables of `bmi_noahpy.component.variables`."""


def _shape_of(field: str, state: State) -> torch.Size:
    """Shape of a field of the forcing, with a value for each column."""
    return (state.soil.ice if field in LAYERED else state.skin_temperature).shape


def with_bits(value: Tensor, stored: Tensor) -> Tensor:
    """The number that was stored, with the derivative of the rule that led to it."""
    return stored + (value - value.detach())
