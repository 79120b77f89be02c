"""Random columns in every regime the model meets, for budgets, batches and derivatives."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any

import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.errors import SchemeError
from noahpy_core.options import Options
from noahpy_core.parameters import Parameters
from noahpy_core.physics.snow_layered import layered_snow
from noahpy_core.processes import SCHEMES, build_processes
from noahpy_core.state import Forcing, SnowState, SoilState, State, SurfaceMemory
from noahpy_core.tables import (
    general_parameters,
    snow_parameters,
    soil_class_names,
    soil_parameters,
    vegetation_class_names,
    vegetation_parameters,
)
from noahpy_core.trees import map_tensors

TWO_LAYERS = (0.3, 1.2)
THREE_LAYERS = (0.1, 0.4, 1.1)
FOUR_LAYERS = (0.1, 0.3, 0.6, 1.0)
TWENTY_LAYERS = (
    0.045, 0.046, 0.075, 0.123, 0.204, 0.336, 0.4, 0.4, 0.5, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4, 1.6, 1.9, 2.2,
)  # fmt: skip
THICKNESS = {2: TWO_LAYERS, 3: THREE_LAYERS, 4: FOUR_LAYERS, 20: TWENTY_LAYERS}
FREEZING = 273.15

MINERAL_CLASSES = tuple(number for number in soil_class_names() if number < 20)
"""Those of the table; peat, which comes after them, has tests of its own."""

STEPS_IN_SECONDS = (1800.0, 3600.0, 10800.0, 43200.0, 86400.0)


@dataclasses.dataclass(frozen=True)
class Case:
    """Everything one step needs, for a number of columns."""

    column: SoilColumn
    state: State
    forcing: Forcing
    parameters: Parameters
    dt: Tensor

    @property
    def columns(self) -> int:
        return self.dt.shape[0]

    def select(self, index: Any) -> Case:
        """The same case with some columns only."""
        chosen = {name: map_tensors(lambda x: x[..., index], getattr(self, name)) for name in TREES}
        return dataclasses.replace(self, dt=self.dt[index], **chosen)

    def to(self, dtype: torch.dtype) -> Case:
        """The same case in another number type."""
        cast = {name: map_tensors(lambda x: x.to(dtype), getattr(self, name)) for name in TREES}
        return Case(self.column.to(dtype=dtype), dt=self.dt.to(dtype), **cast)


TREES = ("state", "forcing", "parameters")


class Draw:
    """Uniform random tensors of one generator."""

    def __init__(self, seed: int, columns: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.columns = columns

    def uniform(self, low: float, high: float, *leading: int) -> Tensor:
        shape = (*leading, self.columns)
        return low + (high - low) * torch.rand(shape, generator=self.generator, dtype=torch.float64)

    def log_uniform(self, low: float, high: float, *leading: int) -> Tensor:
        return torch.exp(self.uniform(torch.tensor(low).log().item(), torch.tensor(high).log().item(), *leading))

    def choice(self, values: tuple[int, ...] | tuple[float, ...], *leading: int) -> Tensor:
        index = torch.randint(len(values), (*leading, self.columns), generator=self.generator)
        return torch.tensor(values)[index]

    def chance(self, share: float, *leading: int) -> Tensor:
        return self.uniform(0.0, 1.0, *leading) < share


def random_parameters(draw: Draw, layers: int, hydraulics: str = "table") -> Parameters:
    """Table classes drawn at random, then disturbed by a few per cent so that no value is a round number."""
    soil_classes = draw.choice(MINERAL_CLASSES, layers)
    plants = draw.choice(tuple(vegetation_class_names()))
    minimum, maximum = draw.uniform(0.01, 0.2), draw.uniform(0.5, 0.96)
    parameters = Parameters(
        soil=soil_parameters(soil_classes, hydraulics=hydraulics),
        vegetation=vegetation_parameters(plants, minimum_fraction=minimum, maximum_fraction=maximum),
        snow=snow_parameters(plants),
        general=general_parameters(
            draw.columns, slope_class=draw.choice((1, 2, 3)), deep_temperature=draw.uniform(268.0, 285.0),
            air_temperature_height=draw.uniform(2.0, 10.0), wind_height=draw.uniform(8.0, 20.0),
        ),
    )  # fmt: skip
    fixed = ("two_pass_saturation", "material")
    soil = {
        field.name: value * draw.uniform(0.97, 1.03, layers)
        for field in dataclasses.fields(parameters.soil)
        if field.name not in fixed and (value := getattr(parameters.soil, field.name)) is not None
    }
    return dataclasses.replace(parameters, soil=dataclasses.replace(parameters.soil, **soil))


def random_case(
    columns: int, layers: int = 4, *, seed: int = 0, regime: str = "mixed", hydraulics: str = "table"
) -> Case:
    """Random columns of one regime; "mixed" draws the regime of each column at random."""
    if regime == "mixed":
        return _mixed_case(columns, layers, seed, hydraulics)
    draw = Draw(seed, columns)
    parameters = random_parameters(draw, layers, hydraulics)
    case = Case(
        column=SoilColumn(torch.tensor(THICKNESS[layers], dtype=torch.float64)),
        state=_state(draw, layers, parameters),
        forcing=_forcing(draw),
        parameters=parameters,
        dt=draw.choice(STEPS_IN_SECONDS).to(torch.float64),
    )
    return _checked(REGIMES[regime](case, draw))


def _checked(case: Case) -> Case:
    """The case, all of it in double precision: one single-precision tensor would hide in the promotion of types."""
    for name in TREES:
        for leaf in torch.utils._pytree.tree_leaves(getattr(case, name)):
            assert leaf.dtype == torch.float64, name
    return case


def _mixed_case(columns: int, layers: int, seed: int, hydraulics: str) -> Case:
    share = -(-columns // len(REGIMES))
    cases = [
        random_case(share, layers, seed=seed * 1000 + number, regime=regime, hydraulics=hydraulics)
        for number, regime in enumerate(REGIMES)
    ]
    return _join(cases).select(slice(columns))


def _join(cases: list[Case]) -> Case:
    def join(*trees: Any) -> Any:
        return torch.utils._pytree.tree_map(lambda *x: torch.cat(x, -1), *trees)

    trees = {name: join(*(getattr(case, name) for case in cases)) for name in TREES}
    return Case(cases[0].column, dt=torch.cat([case.dt for case in cases]), **trees)


def _state(draw: Draw, layers: int, parameters: Parameters) -> State:
    """A temperate, moist, snow-free state with the memory of a previous step."""
    porosity = parameters.soil.porosity
    moisture = porosity * draw.uniform(0.2, 0.9, layers)
    temperature = draw.uniform(275.0, 295.0, layers)
    roughness = draw.uniform(0.01, 0.5)
    surface = SurfaceMemory(
        albedo=draw.uniform(0.1, 0.8),
        emissivity=draw.uniform(0.9, 0.99),
        roughness_length=roughness,
        snow_free_roughness_length=roughness * draw.uniform(1.0, 1.2),
        specific_humidity=draw.uniform(0.001, 0.012),
        aerodynamic_conductance=draw.log_uniform(1.0e-4, 0.1),
        momentum_conductance=draw.log_uniform(1.0e-4, 0.1),
    )
    none = torch.zeros(draw.columns, dtype=torch.float64)
    snow = SnowState(none, none, draw.uniform(0.0, 1.0e6))
    canopy_water = parameters.vegetation.canopy_capacity * draw.uniform(0.0, 1.0)
    soil = SoilState(temperature, moisture, torch.zeros_like(moisture))
    return State(soil, snow, surface, canopy_water, draw.uniform(275.0, 300.0))


def _forcing(draw: Draw) -> Forcing:
    air = draw.uniform(275.0, 300.0)
    pressure = draw.uniform(5.5e4, 1.03e5)
    return Forcing(
        air_temperature=air,
        air_pressure=pressure,
        specific_humidity=_saturation(air, pressure) * draw.uniform(0.2, 0.99),
        wind_speed=draw.uniform(0.2, 12.0),
        shortwave_down=draw.uniform(0.0, 900.0),
        longwave_down=draw.uniform(180.0, 400.0),
        precipitation=torch.where(draw.chance(0.5), draw.log_uniform(1.0e-7, 1.0e-3), 0.0),
        vegetation_fraction=draw.uniform(0.0, 1.0),
    )


def _saturation(temperature: Tensor, pressure: Tensor) -> Tensor:
    vapour_pressure = 611.2 * torch.exp(17.67 * (temperature - FREEZING) / (temperature - 29.65))
    return 0.622 * vapour_pressure / pressure


# --- regimes ---------------------------------------------------------------------------------------------------------


def _with(case: Case, draw: Draw, *, soil: Any = None, snow: Any = None, state: Any = None, air: Any = None) -> Case:
    """A case with some fields replaced; new air keeps its relative humidity below saturation."""
    new_state = dataclasses.replace(
        case.state,
        soil=dataclasses.replace(case.state.soil, **(soil or {})),
        snow=dataclasses.replace(case.state.snow, **(snow or {})),
        **(state or {}),
    )
    forcing = dataclasses.replace(case.forcing, **(air or {}))
    if air and "specific_humidity" not in air:
        humid = _saturation(forcing.air_temperature, forcing.air_pressure) * draw.uniform(0.3, 0.99)
        forcing = dataclasses.replace(forcing, specific_humidity=humid)
    return dataclasses.replace(case, state=new_state, forcing=forcing)


def _frozen_soil(case: Case, draw: Draw, coldest: float = 250.0) -> dict[str, Tensor]:
    """Frozen layers with some liquid left, a few of them just below the freezing point."""
    moisture, layers = case.state.soil.moisture, case.column.layers
    temperature = torch.where(
        draw.chance(0.3, layers), draw.uniform(272.6, 273.2, layers), draw.uniform(coldest, 273.0, layers)
    )
    frozen_share = torch.where(temperature < FREEZING, draw.uniform(0.0, 1.0, layers), 0.0)
    ice = (moisture - 0.02).clamp(min=0.0) * frozen_share
    return {"temperature": temperature, "ice": ice, "liquid_water": moisture - ice}


def _pack(draw: Draw, most: float = 200.0) -> dict[str, Tensor]:
    water = draw.log_uniform(1.0e-2, most)
    return {"water_equivalent": water, "depth": water / draw.uniform(60.0, 390.0)}


def _temperate(case: Case, draw: Draw) -> Case:
    return case


def _snow_accumulating(case: Case, draw: Draw) -> Case:
    pack = _pack(draw)
    bare = draw.chance(0.3)
    pack = {name: torch.where(bare, 0.0, value) for name, value in pack.items()}
    air = {
        "air_temperature": draw.uniform(245.0, 273.1),
        "precipitation": draw.log_uniform(1.0e-7, 1.0e-3),
        "longwave_down": draw.uniform(150.0, 280.0),
        "shortwave_down": draw.uniform(0.0, 300.0),
    }
    return _with(
        case, draw, soil=_frozen_soil(case, draw), snow=pack,
        state={"skin_temperature": draw.uniform(245.0, 273.1)}, air=air,
    )  # fmt: skip


def _snow_melting(case: Case, draw: Draw) -> Case:
    air = {
        "air_temperature": draw.uniform(274.0, 288.0),
        "longwave_down": draw.uniform(280.0, 360.0),
        "shortwave_down": draw.uniform(300.0, 900.0),
        "wind_speed": draw.uniform(2.0, 12.0),
    }
    return _with(
        case, draw, soil=_frozen_soil(case, draw, 268.0), snow=_pack(draw),
        state={"skin_temperature": draw.uniform(273.15, 275.0)}, air=air,
    )  # fmt: skip


def _freezing_rain(case: Case, draw: Draw) -> Case:
    air = {
        "air_temperature": draw.uniform(273.2, 276.0),
        "precipitation": draw.log_uniform(1.0e-5, 5.0e-4),
        "longwave_down": draw.uniform(200.0, 300.0),
        "shortwave_down": draw.uniform(0.0, 100.0),
    }
    bare = draw.chance(0.5)
    pack = {name: torch.where(bare, 0.0, value) for name, value in _pack(draw).items()}
    return _with(
        case, draw, soil=_frozen_soil(case, draw, 265.0), snow=pack,
        state={"skin_temperature": draw.uniform(263.0, 273.1)}, air=air,
    )  # fmt: skip


def _deep_frost(case: Case, draw: Draw) -> Case:
    air = {
        "air_temperature": draw.uniform(235.0, 268.0),
        "precipitation": torch.zeros(case.columns, dtype=torch.float64),
        "longwave_down": draw.uniform(120.0, 240.0),
        "shortwave_down": draw.uniform(0.0, 200.0),
    }
    return _with(
        case,
        draw,
        soil=_frozen_soil(case, draw, 240.0),
        state={"skin_temperature": draw.uniform(235.0, 268.0)},
        air=air,
    )


def _freeze_up(case: Case, draw: Draw) -> Case:
    """Wet soil close to the freezing point losing or gaining heat."""
    air = {"air_temperature": draw.uniform(265.0, 280.0), "longwave_down": draw.uniform(180.0, 300.0)}
    soil = {"temperature": draw.uniform(272.0, 274.5, case.column.layers)}
    return _with(case, draw, soil=soil, state={"skin_temperature": draw.uniform(268.0, 276.0)}, air=air)


def _dry(case: Case, draw: Draw) -> Case:
    """Moisture at or just above its floor, under strong sun."""
    moisture = torch.where(
        draw.chance(0.5, case.column.layers), 0.02, 0.02 + draw.uniform(0.0, 0.03, case.column.layers)
    )
    air = {
        "precipitation": torch.zeros(case.columns, dtype=torch.float64),
        "shortwave_down": draw.uniform(500.0, 1000.0),
    }
    return _with(case, draw, soil={"liquid_water": moisture}, state={"canopy_water": 0.0 * case.dt}, air=air)


def _saturated(case: Case, draw: Draw) -> Case:
    full = case.parameters.soil.porosity * torch.where(draw.chance(0.5, case.column.layers), 1.0, 0.98)
    air = {"precipitation": draw.log_uniform(1.0e-4, 5.0e-3)}
    return _with(case, draw, soil={"liquid_water": full}, air=air)


def _dew(case: Case, draw: Draw) -> Case:
    """Humid air over a cold, radiating surface."""
    air = draw.uniform(276.0, 295.0)
    new = {
        "air_temperature": air,
        "specific_humidity": 0.995 * _saturation(air, case.forcing.air_pressure),
        "shortwave_down": 0.0 * case.dt,
        "longwave_down": draw.uniform(150.0, 260.0),
        "precipitation": torch.where(draw.chance(0.8), 0.0, draw.log_uniform(1.0e-6, 1.0e-4)),
        "wind_speed": draw.uniform(0.5, 6.0),
    }
    soil = {"temperature": case.state.soil.temperature - 5.0}
    return _with(case, draw, soil=soil, state={"skin_temperature": air - draw.uniform(2.0, 8.0)}, air=new)


REGIMES: dict[str, Callable[[Case, Draw], Case]] = {
    "temperate": _temperate,
    "snow_accumulating": _snow_accumulating,
    "snow_melting": _snow_melting,
    "freezing_rain": _freezing_rain,
    "deep_frost": _deep_frost,
    "freeze_up": _freeze_up,
    "dry": _dry,
    "saturated": _saturated,
    "dew": _dew,
}


def layered(state: State, layers: int = 3) -> State:
    """The same state with a pack in layers, and with a place for all digits of the soil's heat."""
    soil = dataclasses.replace(state.soil, temperature_remainder=torch.zeros_like(state.soil.temperature))
    return dataclasses.replace(state, soil=soil, snow=layered_snow(state.snow, state.skin_temperature, layers))


VARIED_SLOTS = (
    "turbulence", "thermal_roughness", "infiltration", "soil_hydraulics", "soil_thermal", "supercooled_water",
    "phase_change",
)  # fmt: skip


@cache
def standard_schemes() -> dict[str, tuple[str, ...]]:
    """Slot -> the built-in schemes that can replace the standard one there and leave all others as they are."""
    found = {}
    for slot, names in SCHEMES.items():
        found[slot] = tuple(name for name in names if _can_stand(slot, name))
    return found


def _can_stand(slot: str, name: str) -> bool:
    try:
        build_processes(Options(**{slot: name}), SoilColumn(torch.tensor(FOUR_LAYERS, dtype=torch.float64)))
    except SchemeError:
        return False
    return True


def option_combinations() -> Iterator[Options]:
    """Every combination of the built-in schemes of Noah's step."""
    for names in product(*(standard_schemes()[slot] for slot in VARIED_SLOTS)):
        yield Options(**dict(zip(VARIED_SLOTS, names, strict=True)))
