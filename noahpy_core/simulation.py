"""Runs: initial state, the time loop, and whole trajectories as tensors."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from noahpy_core.adjoint import Plan, recorded_run
from noahpy_core.bound_checks import check_bounds
from noahpy_core.column import SoilColumn
from noahpy_core.differentiation import has_kernels, is_transformed
from noahpy_core.errors import ConvergenceError
from noahpy_core.execution import Step, is_compiled
from noahpy_core.first_state import first_state
from noahpy_core.model import NoahModel
from noahpy_core.parameters import Parameters
from noahpy_core.physics.freezing import FreezingCurve, Koren1999
from noahpy_core.physics.snow_layered import TENSORS
from noahpy_core.profile_checks import check_initial, check_profiles
from noahpy_core.quantities import get_quantity, quantities
from noahpy_core.run_checks import check_interval, check_step_length, warn_of_growth
from noahpy_core.shape_checks import check_shapes, for_all_columns
from noahpy_core.state import Fluxes, Forcing, State
from noahpy_core.trees import tree_leaves

DEFAULT_MEMORY = 512 * 2**20
"""Memory for state checkpoints of a differentiated run. [byte]"""


class Trajectory(NamedTuple):
    """Chosen quantities of every step, ``[time, ...]`` by name, and the state at the end."""

    outputs: dict[str, Tensor]
    final_state: State


def initial_state(
    column: SoilColumn,
    *,
    soil_temperature: Tensor,
    soil_moisture: Tensor,
    soil_liquid: Tensor,
    skin_temperature: Tensor,
    snow_water_equivalent: Tensor,
    snow_depth: Tensor,
    canopy_water: Tensor,
    albedo: Tensor,
    roughness_length: Tensor,
    specific_humidity: Tensor,
    snow_layers: int = 0,
    temperature_remainder: bool | None = None,
) -> State:
    """State before the first step, with the first guesses of the original driver where nothing is known.

    Parameters
    ----------
    soil_temperature, soil_moisture, soil_liquid : ``[layer, column]``; the liquid part is at most the moisture.
        [K, m3 m-3, m3 m-3]
    skin_temperature : ``[column]``, as all that follow. [K]
    snow_water_equivalent, snow_depth, canopy_water : [kg m-2, m, kg m-2]
    albedo, roughness_length : Snow-free values of the season; used by the first step only. [1, m]
    specific_humidity : Of the surface; the original takes the first forcing record's. [kg kg-1]
    snow_layers : Number of layers of the pack, for layered snow; 3 is usual. 0: a pack without layers.
    temperature_remainder : Whether the state keeps what soil temperatures in kelvins have no digits for, so that no
        heat is lost in single precision; for models whose `keeps_remainder` is true, such as those with
        ``phase_change="enthalpy"``. None: with layers of snow, which are of such a model.

    Raises
    ------
    ShapeError : Something is no tensor, or not ``[layer, column]`` or ``[column]`` with the layers of the model and the
        columns of the others; one column may stand for all.
    ValueError : More liquid water than moisture.
    """
    check_initial(
        column,
        {"soil_temperature": soil_temperature, "soil_moisture": soil_moisture, "soil_liquid": soil_liquid},
        {
            "skin_temperature": skin_temperature,
            "snow_water_equivalent": snow_water_equivalent,
            "snow_depth": snow_depth,
            "canopy_water": canopy_water,
            "albedo": albedo,
            "roughness_length": roughness_length,
            "specific_humidity": specific_humidity,
        },
    )
    return first_state(
        TENSORS,
        soil_temperature=soil_temperature,
        soil_moisture=soil_moisture,
        soil_liquid=soil_liquid,
        skin_temperature=skin_temperature,
        snow_water_equivalent=snow_water_equivalent,
        snow_depth=snow_depth,
        canopy_water=canopy_water,
        albedo=albedo,
        roughness_length=roughness_length,
        specific_humidity=specific_humidity,
        snow_layers=snow_layers,
        temperature_remainder=temperature_remainder,
    )


def equilibrium_liquid(
    soil_temperature: Tensor, soil_moisture: Tensor, parameters: Parameters, curve: FreezingCurve | None = None
) -> Tensor:
    """Liquid water in equilibrium with the soil temperature, ``[layer, column]``. [m3 m-3]

    Parameters
    ----------
    soil_temperature, soil_moisture : ``[layer, column]``. [K, m3 m-3]
    parameters : Of the soil, ``[layer, column]``; one column may stand for all.
    curve : Freezing curve, such as `NoahModel.supercooled_water` (default: Koren et al. 1999).

    Raises
    ------
    ShapeError : Something is no tensor, or has another number of layers or columns than the others.
    """
    check_profiles(
        "equilibrium_liquid",
        {
            "soil_temperature": soil_temperature,
            "soil_moisture": soil_moisture,
            "soil.porosity": parameters.soil.porosity,
        },
    )
    liquid, _ = (curve or Koren1999()).equilibrium(soil_temperature, soil_moisture, parameters.soil.resolved())
    return liquid


def advance(
    model: Step, state: State, record: Forcing, parameters: Parameters, dt: Tensor | float, number: int
) -> tuple[State, Fluxes]:
    """One step; an equation that was not solved is reported with the step's number.

    Parameters
    ----------
    model : Takes the step.
    state, record, parameters : At the start, and during the step.
    dt : Length of the step. [s]
    number : Of the step, for the message of an error.
    """
    try:
        return model(state, record, parameters, dt)
    except ConvergenceError as error:
        raise error.at_step(number) from error


def iterate(
    model: Step, state: State, forcing: Iterable[Forcing], parameters: Parameters, dt: Tensor | float
) -> Iterator[tuple[State, Fluxes]]:
    """State and fluxes after each step, one step per forcing.

    Parameters
    ----------
    model : The model, or `step_function(model)` when no gradient is wanted.
    dt : Length of a step. [s]

    Raises
    ------
    ValueError : The step is not positive.
    """
    check_step_length(dt)
    for number, record in enumerate(forcing):
        state, fluxes = advance(model, state, record, parameters, dt, number)
        yield state, fluxes


def run(
    model: NoahModel,
    state: State,
    forcing: Forcing,
    parameters: Parameters,
    dt: Tensor | float,
    *,
    outputs: Sequence[str],
    memory: int = DEFAULT_MEMORY,
    checkpoint_every: int | None = None,
    truncate_every: int | None = None,
    execution: str = "auto",
    check: bool = True,
) -> Trajectory:
    """A whole run, differentiable with respect to everything that enters it, step length and layers included.

    When gradients are wanted, only states are kept, and the way back computes each step again: the memory is that of
    the checkpoints, the outputs and one step. In forward mode (``torch.func.jvp``, ``jacfwd``, dual numbers) changes
    are carried along, each direction for the price of about two runs. Second derivatives (double backward, ``jvp`` of
    ``grad``, ``hessian``) have a kernel of their own. An eager run under transformations of `torch.func` is a plain
    loop, which in reverse mode keeps every operation of every step; a second backward pass through it is refused.
    Compiled and eager runs agree to round-off.

    Parameters
    ----------
    forcing : A series, ``[time, column]`` in every field.
    dt : Length of a step, one number or one per column. [s]
    outputs : Quantities to return: paths in `State` ("soil.temperature", "soil.moisture") or names in `Fluxes`.
    memory : Memory for checkpoints, from which their spacing follows. [byte]
    checkpoint_every : Spacing of checkpoints in steps, if not by memory.
    truncate_every : Cut the gradient in time every so many steps (default: never).
    execution : "eager" steps the model itself, "compiled" takes all steps in a kernel generated from it, "auto" does
        so if the model is made of built-in schemes, and not under `vmap` alone or beyond second derivatives.
    check : Refuse numbers outside the bounds of their quantities, such as temperatures in degC; once, before the run.

    Raises
    ------
    KeyError : An output is neither in `State` nor in `Fluxes`.
    ShapeError : Something given is no tensor, or has another shape than a run needs.
    BoundsError : A number is outside the bounds of its quantity.
    ValueError : "compiled", and it cannot be; a step length or an interval that is not positive; a scheme uses a tensor
        that requires a gradient and is no parameter of the model, which eager runs would not reach.
    RuntimeError : On the way back, a step taken again is not what it was.
    """
    # An iterator would be used up by the check.
    outputs = outputs if isinstance(outputs, str) else tuple(outputs)
    check_outputs(outputs, state)
    check_step_length(dt)
    columns = check_shapes(state, forcing, parameters, model.column.thickness, dt, series=True)
    if check:
        check_bounds(state, forcing, parameters)
    check_interval("checkpoint_every", checkpoint_every)
    check_interval("truncate_every", truncate_every)

    trees, steps = (state, forcing, parameters), forcing.air_temperature.shape[0]
    transformed = is_transformed()
    # Only there: an ordinary run need not look through all that enters it.
    served = transformed and has_kernels([*leaves_of(*trees), *_other_leaves(model, dt)])
    compiled = is_compiled(model, execution, transformed=served)
    if steps == 0:
        return Trajectory({name: _no_records(state, name) for name in outputs}, state)

    if compiled:
        from noahpy_core.compiled import NotCompiled, compiled_run, transformed_run

        try:
            final, series = (transformed_run if transformed else compiled_run)(
                model,
                trees,
                dt,
                outputs,
                memory=memory,
                checkpoint_every=checkpoint_every,
                truncate_every=truncate_every,
            )
            return Trajectory(dict(zip(outputs, series, strict=True)), final)
        except NotCompiled as reason:
            if execution == "compiled":
                raise
            warnings.warn(f"{reason} Now stepping eagerly.", RuntimeWarning, stacklevel=2)

    plan = Plan(
        step=lambda s, f, p, k: _select(advance(model, s, f, p, dt, k), outputs),
        steps=steps,
        weights=_other_leaves(model, dt),
        spacing=checkpoint_every or _spacing(state, steps, memory),
        truncate_every=truncate_every,
        inspect=functools.partial(warn_of_growth, model),
    )
    final, series = recorded_run(plan, for_all_columns(state, columns), forcing, parameters)
    return Trajectory(dict(zip(outputs, series, strict=True)), final)


def leaves_of(*trees: Any) -> list[Tensor]:
    """All tensors of containers."""
    return [leaf for leaf in tree_leaves(trees) if isinstance(leaf, Tensor)]


def _other_leaves(model: NoahModel, dt: Tensor | float) -> tuple[Tensor, ...]:
    """What a step reads besides state, forcing and parameters and is to be differentiated by."""
    given = (*model.parameters(), dt, model.column.thickness)
    return tuple(value for value in given if isinstance(value, Tensor) and value.requires_grad)


def _no_records(state: State, name: str) -> Tensor:
    """The series of an output of a run without steps."""
    like, layers = state.skin_temperature, state.soil.temperature.shape[0]
    metadata = {**dict(quantities(State)), **dict(quantities(Fluxes))}
    layered = name == "soil.moisture" or "layer" in metadata[name]["dims"]
    return like.new_empty((0, layers, like.shape[-1]) if layered else (0, like.shape[-1]))


def check_outputs(names: Sequence[str], state: State) -> None:
    """Check the outputs asked of a run.

    Raises
    ------
    KeyError : A name that is neither in `State` nor in `Fluxes`, of layered snow while the state has no snow layers, or
        of a quantity that this state does not have.
    ValueError : A name instead of a list of names.
    """
    if isinstance(names, str):
        raise ValueError(f"outputs: {names!r} is one name, not a list of names. Give [{names!r}].")
    known = {**dict(quantities(State)), **dict(quantities(Fluxes)), "soil.moisture": {"optional": False}}
    for name in names:
        if name not in known:
            raise KeyError(f"output {name!r} is unknown. Choose from {', '.join(sorted(known))}.")
        if known[name]["optional"] and state.snow.layer_mass is None:
            raise KeyError(
                f"output {name!r} is of layered snow, and this state has no snow layers. Leave it out, or start from "
                "initial_state(..., snow_layers=3) with a model that has layered snow."
            )
        if known[name]["optional"] and name.startswith(_STATE_PATHS) and get_quantity(state, name) is None:
            raise KeyError(
                f"output {name!r} is not in this state. Leave it out, or start from initial_state(..., snow_layers=3)."
            )


_STATE_PATHS = ("soil.", "snow.", "surface.", "canopy_water", "skin_temperature")


def _select(result: tuple[State, Fluxes], names: Sequence[str]) -> tuple[State, list[Tensor]]:
    state, fluxes = result
    return state, [get_quantity(state if name.startswith(_STATE_PATHS) else fluxes, name) for name in names]


def _spacing(state: State, steps: int, memory: int) -> int:
    """Smallest spacing whose checkpoints, plus the states of one segment, fit in `memory`."""
    leaves = tree_leaves(state)
    size = sum(leaf.numel() * leaf.element_size() for leaf in leaves)
    affordable = max(memory // max(size, 1), 2)
    if steps <= affordable:
        return 1
    spacing = 2
    while steps / spacing + spacing > affordable and spacing * spacing < steps:
        spacing += 1
    return spacing
