"""The same columns stepped by torch and by a kernel, and by how much the two differ."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

import pytest
import torch
from random_columns import TREES, Case, Draw, random_case, standard_schemes
from torch import Tensor

from noahpy_core import numerics
from noahpy_core.compiled.shape import Shape, number_name
from noahpy_core.model import NoahModel
from noahpy_core.options import Options
from noahpy_core.parameters import Parameters
from noahpy_core.physics.transitions import FRESH_SNOW_SCALE
from noahpy_core.quantities import get_quantity, quantities
from noahpy_core.simulation import Trajectory, run
from noahpy_core.state import Fluxes, Forcing, State
from noahpy_core.trees import map_tensors

ROUND_OFF = 1.0e-12
"""Compiled and eager numbers differ by less, as a share of the value plus the largest of any column."""

STATES = [path for path, metadata in quantities(State) if not metadata["optional"]]
FLUXES = [path for path, metadata in quantities(Fluxes) if not metadata["optional"]]
EVERYTHING = STATES + FLUXES
DIFFERENTIATED = ["soil.temperature", "soil.moisture", "surface.albedo"]
DIFFERENTIATED += [name for name in FLUXES if not name.endswith("_residual")]
"""Outputs with weights in tests of derivatives: residuals are round-off, and so are their derivatives."""
Values = dict[str, Tensor]
CONTAINERS = {"state": State, "forcing": Forcing, "parameters": Parameters}


@dataclasses.dataclass(frozen=True)
class Setup:
    """What a kernel is generated for.

    Parameters
    ----------
    prescribed : Whether leaf area and snow-free albedo are given.
    """

    options: Options
    layers: int
    hydraulics: str = "table"
    prescribed: bool = False

    def __str__(self) -> str:
        schemes = f"{self.options.transitions} {self.options.turbulence} {self.options.phase_change}"
        return f"{self.layers} layers {schemes}"

    def case(self, columns: int, seed: int = 0) -> Case:
        """Random columns in every regime."""
        case = random_case(columns, self.layers, seed=seed, hydraulics=self.hydraulics)
        if self.options.transitions == "smooth":
            case = without_age_from_round_off(case)
        if not self.prescribed:
            return case
        draw = Draw(seed + 1, columns)
        vegetation = {"leaf_area_index": draw.uniform(0.1, 6.0), "snow_free_albedo": draw.uniform(0.1, 0.4)}
        return dataclasses.replace(case, forcing=dataclasses.replace(case.forcing, **vegetation))

    def model(self, case: Case) -> NoahModel:
        """The model of these schemes on the layers of a case."""
        return NoahModel(case.column, self.options)


def shape_of(setup: Setup, dtype: torch.dtype = torch.float64) -> Shape:
    """The shape of the setup's random columns."""
    case = setup.case(2)
    trees = {"state": case.state, "forcing": case.forcing, "parameters": case.parameters}
    absent = {
        (name, path)
        for name, tree in trees.items()
        for path, _ in quantities(type(tree))
        if get_quantity(tree, path) is None
    }
    return Shape(setup.options, setup.layers, number_name(dtype), frozenset(absent))


def without_age_from_round_off(case: Case) -> Case:
    """Less snow where 1 - exp(-snow) rounds to 1 or just not: albedo has an infinite slope at the age left over."""
    amount = case.forcing.precipitation * case.dt / FRESH_SNOW_SCALE
    less = torch.where((amount > 15.0) & (amount < 45.0), 0.3, 1.0)
    forcing = dataclasses.replace(case.forcing, precipitation=case.forcing.precipitation * less)
    return dataclasses.replace(case, forcing=forcing)


COVER = [
    Setup(Options(), 20),
    Setup(
        Options(
            transitions="smooth", turbulence="yang2008", thermal_roughness="chen_zhang2009", infiltration="koren1999",
            soil_hydraulics="noah", soil_thermal="peters_lidard1998", supercooled_water="niu_yang2006",
            phase_change="enthalpy",
        ),
        4, hydraulics="derived", prescribed=True,
    ),
    Setup(
        Options(turbulence="paulson1970", supercooled_water="niu_yang2006", canopy_resistance="leuning2008"), 2,
        prescribed=True,
    ),
    Setup(
        Options(
            infiltration="koren1999", phase_change="enthalpy", turbulence="louis1979", snow_cover="exponential",
        ),
        3, hydraulics="derived",
    ),
    Setup(
        Options(phase_change="enthalpy", soil_water="richards", soil_thermal="cote_konrad2005_continuous"), 4
    ),
]  # fmt: skip
"""Every scheme of every slot, and every number of layers that has code of its own, at least once."""
ALONE = Setup(Options(), 3)
"""Of no other test, so that its kernel is in no memory."""
COVER_IN_TURN = [*COVER[:4], pytest.param(COVER[4], marks=pytest.mark.slow)]
"""The same; what takes longest is a long check."""


def pairs_of_schemes() -> list[Options]:
    """Combinations among which every two schemes of different slots meet."""
    schemes = standard_schemes()
    slots = [slot for slot in schemes if len(schemes[slot]) > 1]
    choices = [dict(zip(slots, names, strict=True)) for names in itertools.product(*(schemes[slot] for slot in slots))]
    missing = {pair for choice in choices for pair in itertools.combinations(choice.items(), 2)}
    found = []
    while missing:
        best = max(choices, key=lambda choice: len(missing & set(itertools.combinations(choice.items(), 2))))
        missing -= set(itertools.combinations(best.items(), 2))
        found.append(Options(**best))
    return found


# --- runs -------------------------------------------------------------------------------------------------------------


def series(case: Case, steps: int) -> Forcing:
    """Weather that changes from step to step: that of the other columns, one after the other."""
    return map_tensors(lambda x: torch.stack([x.roll(7 * step, -1) for step in range(steps)]), case.forcing)


def taken(
    setup: Setup, case: Case, execution: str, *, forcing: Forcing | None = None, outputs: Sequence[str] = EVERYTHING
) -> Trajectory:
    """A run without derivatives; one step unless forcing is given."""
    with torch.no_grad():
        weather = series(case, 1) if forcing is None else forcing
        return run(
            setup.model(case), case.state, weather, case.parameters, case.dt, outputs=outputs, execution=execution
        )


# --- differences ------------------------------------------------------------------------------------------------------


def shares_of_largest(one: Tensor, other: Tensor, scale: Tensor | None = None) -> Tensor:
    """Largest difference in each column, as a share of the value plus the largest of any column (of the layer)."""
    magnitude = other.abs() + (other if scale is None else scale).abs().amax(-1, keepdim=True)
    both = torch.isfinite(one) & torch.isfinite(other)
    difference = torch.where(both | (one == other), torch.where(both, (one - other).abs(), 0.0), torch.inf)
    return (difference / magnitude.clamp(min=1.0e-300)).reshape(-1, one.shape[-1]).amax(0)


def scale_of_remainder(name: str, case: Case, outputs: Values) -> Tensor | None:
    """What a value is the small remainder of: stores over the length of the step, water on its way through."""
    if name == "water_residual":
        stores = ("soil_water_storage", "snow.water_equivalent", "canopy_water")
        return sum(outputs[store] for store in stores) / case.dt
    if name == "saturation_excess":
        # Of layers just full it is the last digit of their water.
        return outputs["soil_water_storage"] / case.dt
    if name in ("energy_residual", "numerical_heat_source"):
        return outputs["absorbed_radiation"] + outputs["longwave_up"]
    if name == "soil_heat_residual":
        return HEAT_CAPACITY * (outputs["soil.temperature"] * case.column.thickness).sum(-2) / case.dt
    if name == "canopy_water":
        return outputs["canopy_water"] + case.forcing.precipitation * case.dt
    return None


HEAT_CAPACITY = 2.0e6
"""Of soil, roughly. [J m-3 K-1]"""


def differences(case: Case, one: Values, other: Values) -> Values:
    """`shares_of_largest` by name, ``[column]``."""
    remainders = {} if "absorbed_radiation" not in other else other
    return {
        name: shares_of_largest(one[name], value, scale_of_remainder(name, case, other) if remainders else None)
        for name, value in other.items()
    }


SHAKES = 8
SHAKE = 1.0e-15


def assert_agreement(
    case: Case, compiled: Callable[[Case], Values], eager: Callable[[Case], Values], few: float = 0.01
) -> float:
    """Both agree to `ROUND_OFF`, but for a small share of columns which then are no more certain in eager itself.

    In those, round-off in the inputs changes the eager result as much: a solver is about to stop, a store is about to
    be empty. Returns the largest difference elsewhere.
    """
    reference = eager(case)
    found = differences(case, compiled(case), reference)
    beyond = torch.stack([shares > ROUND_OFF for shares in found.values()]).any(0)
    assert beyond.double().mean().item() <= few, worst_of(found)
    if bool(beyond.any()):
        allowed = {name: torch.full_like(shares, ROUND_OFF) for name, shares in found.items()}
        for seed in range(SHAKES):
            spread = differences(case, eager(shaken(case, seed)), reference)
            allowed = {name: torch.maximum(allowed[name], 10.0 * shares) for name, shares in spread.items()}
        excess = {name: torch.where(shares > allowed[name], shares, 0.0) for name, shares in found.items()}
        assert worst_of(excess) == {}
    return max(shares[~beyond].max().item() for shares in found.values())


def worst_of(found: Values) -> dict[str, str]:
    """Differences that are too large, in words."""
    return {
        name: f"{shares.max().item():.1e} in column {int(shares.argmax())}"
        for name, shares in found.items()
        if shares.max().item() > ROUND_OFF
    }


def shaken(case: Case, seed: int) -> Case:
    """The same columns, every number off by round-off."""
    generator = torch.Generator().manual_seed(seed)

    def shake(x: Tensor) -> Tensor:
        return x * (1.0 + SHAKE * (2.0 * torch.rand(x.shape, generator=generator, dtype=x.dtype) - 1.0))

    return dataclasses.replace(case, **{name: map_tensors(shake, getattr(case, name)) for name in TREES})


# --- derivatives ------------------------------------------------------------------------------------------------------


def leaves_of(trees: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """Name and tensor of every quantity that is there."""
    for container, tree in trees.items():
        for path, _ in quantities(CONTAINERS[container]):
            leaf = get_quantity(tree, path)
            if leaf is not None:
                yield f"{container}.{path}", leaf


SIZES = {
    "1": 1.0, "K": 1.0, "m": 0.1, "s": 1.0e5, "m3 m-3": 0.1, "kg kg-1": 1.0e-3, "kg m-2": 10.0, "kg m-2 s-1": 1.0e-4,
    "W m-2": 100.0, "m s-1": 0.01, "s m-1": 100.0,
}  # fmt: skip
"""Rough size of a change worth noticing, by units."""
UNITS = {path: metadata["units"] for cls in (State, Fluxes) for path, metadata in quantities(cls)}


def random_cotangents(names: Sequence[str], tensors: Sequence[Tensor], seed: int = 3) -> list[Tensor]:
    """Random weights of results, such that all of them count."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x) / SIZES[UNITS.get(name, "m3 m-3")]
        for name, x in zip(names, tensors, strict=True)
    ]


def results_of(path: Trajectory) -> Values:
    """Final state and outputs of a run."""
    final = {name.removeprefix("state."): leaf for name, leaf in leaves_of({"state": path.final_state})}
    return {**{f"final {name}": leaf for name, leaf in final.items()}, **path.outputs}


def weights_of(results: Values) -> list[Tensor]:
    """Random weights of all results."""
    return random_cotangents([name.removeprefix("final ") for name in results], list(results.values()))


def gradients(
    setup: Setup,
    case: Case,
    execution: str,
    *,
    forcing: Forcing | None = None,
    outputs: Sequence[str] = DIFFERENTIATED,
    **how: Any,
) -> Values:
    """Derivative of random weights on final state and outputs, with respect to every leaf that has one.

    Implicit functions take the one step of first derivatives that a kernel takes. Eager torch takes a second one, for
    second derivatives, which refines the first as well: in stiff columns by more than `ROUND_OFF`.
    """
    weather = series(case, 1) if forcing is None else forcing
    trees = {"state": case.state, "forcing": weather, "parameters": case.parameters}
    trees = {name: map_tensors(lambda x: x.detach().clone().requires_grad_(), tree) for name, tree in trees.items()}
    with mock.patch.object(numerics, "SECOND", 1):
        path = run(setup.model(case), *trees.values(), case.dt, outputs=outputs, execution=execution, **how)
    results = results_of(path)
    names, leaves = zip(*leaves_of(trees), strict=True)
    found = torch.autograd.grad(
        list(results.values()), leaves, weights_of(results), allow_unused=True, materialize_grads=True
    )
    return dict(zip(names, found, strict=True))
