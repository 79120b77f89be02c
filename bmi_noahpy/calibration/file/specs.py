"""What a calibration file says about each parameter."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from bmi_noahpy.calibration.intervals import Interval
from bmi_noahpy.config.errors import EMPTY, Problem, Problems, explain
from bmi_noahpy.config.sections import Section
from bmi_noahpy.config.values import Reader, refuse_empty
from bmi_noahpy.files.brief import suggest
from bmi_noahpy.forcing.corrections import CORRECTABLE, SNOWFALL
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import quantities
from noahpy_core.state import Forcing, State

Mode = Literal["value", "factor", "offset"]
Grouping = Literal["one", "class", "layer", "column", "each"]
Metadata = Mapping[str, Any]

INITIAL_PATHS = {
    "initial.soil_temperature": "soil.temperature",
    "initial.soil_moisture": "soil.liquid_water",
    "initial.skin_temperature": "skin_temperature",
    "initial.snow_water_equivalent": "snow.water_equivalent",
    "initial.canopy_water": "canopy_water",
}
"""Initial values by key of a configuration -> the quantity of `State` that has their metadata."""

OFFSETS = (
    "forcing.air_temperature",
    "forcing.air_pressure",
    "forcing.longwave_down",
    "initial.soil_temperature",
    "initial.skin_temperature",
)
"""What is calibrated by an offset unless said otherwise."""

DERIVED = ("field_capacity", "wilting_point", "dry_limit", "saturated_diffusivity")
"""Soil parameters that may follow from others."""

FACTOR_BOUNDS = (0.5, 2.0)
LAYERED_GROUPINGS = ("layer", "each")


def parameter_metadata() -> dict[str, Metadata]:
    """Everything that can be calibrated: path -> units, bounds, dims, long name."""
    found = {path: data for path, data in quantities(Parameters) if data["differentiable"]}
    forcing, state = dict(quantities(Forcing)), dict(quantities(State))
    forcing[SNOWFALL] = {**forcing["precipitation"], "long_name": "snow among the precipitation"}
    found |= {f"forcing.{name}": forcing[name] for name in CORRECTABLE}
    return found | {path: state[source] for path, source in INITIAL_PATHS.items()}


def _read_layers(value: Any) -> Any:
    """ "3-10", [3, 10] or 3, counted from 1."""
    if isinstance(value, str):
        first, _, last = value.partition("-")
        value = [first.strip(), (last or first).strip()]
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value, value]
    return value


class ParameterSpec(Section):
    """One entry of `parameters`."""

    by: Grouping | None = Field(default=None, description="what has a value of its own")
    layers: Annotated[tuple[int, int] | None, BeforeValidator(_read_layers)] = Field(
        default=None, description="first and last soil layer, counted from 1; null: all"
    )
    as_: Mode | None = Field(default=None, alias="as", description="value, or factor or offset of the run's own value")
    bounds: Any = Field(default=None, description="[lowest, highest]")
    scale: Literal["linear", "log"] | None = Field(default=None, description="log for what spans orders of magnitude")
    spread: Annotated[float | None, Field(gt=0.0, lt=1.0)] = Field(
        default=None, description="by layer: largest relative departure from the value that layers of a class share"
    )
    start: Any = Field(default=None, description="value of the first start; null: that of the run")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A parameter to calibrate, with everything that its entry leaves out filled in.

    Parameters
    ----------
    path : As "soil.porosity", "forcing.longwave_down" or "initial.soil_temperature".
    layers : First and last layer, counted from 1; None for all.
    interval : Of the value, factor or offset.
    spread : Largest relative departure of a layer from what its class shares, or None.
    start : Value, factor or offset of the first start; None for that of the run.
    """

    path: str
    by: Grouping
    mode: Mode
    interval: Interval
    layers: tuple[int, int] | None = None
    spread: float | None = None
    start: float | None = None

    @property
    def units(self) -> str:
        """Units of value or offset; "1" for a factor."""
        return "1" if self.mode == "factor" else str(parameter_metadata()[self.path]["units"])


def read_specs(value: Any) -> dict[str, Wanted]:
    """Path -> what is wanted; raises `Problems` with everything that is wrong."""
    known = parameter_metadata()
    if not isinstance(refuse_empty(value), Mapping) or not value:
        raise ValueError(f"must name parameters, got {value!r}. `noahpy info parameters` lists them.")
    problems: list[Problem] = []
    wanted = {}
    for path, given in value.items():
        if path not in known:
            problems.append(Problem(str(path), _unknown(str(path), known)))
            continue
        if given is EMPTY:
            problems.append(Problem(path, "empty. Write {} to take everything from its metadata."))
            continue
        try:
            spec = ParameterSpec.model_validate({} if given is None else given)
            wanted[path] = _wanted(path, spec, known[path])
        except ValidationError as error:
            problems += [Problem(_join(path, p.key), p.text) for p in explain(error, ParameterSpec)]
        except Problems as error:
            problems += [Problem(_join(path, p.key), p.text) for p in error.problems]
    if problems:
        raise Problems(problems)
    return wanted


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if key else path


def _unknown(path: str, known: Mapping[str, Metadata]) -> str:
    if path in dict(quantities(Parameters)):
        return "is a switch or a class and cannot be calibrated. Remove it."
    same = [candidate for candidate in known if candidate.rpartition(".")[2] == path.rpartition(".")[2]]
    remedy = f"Did you mean {same[0]!r}?" if same else suggest(path, known)
    return f"unknown parameter. {remedy}"


def _wanted(path: str, spec: ParameterSpec, metadata: Metadata) -> Wanted:
    section = path.partition(".")[0]
    mode = spec.as_ or default_mode(path)
    by: Grouping = spec.by or ("class" if section == "soil" else "one")
    problems = list(_mismatches(section, bool(metadata["dims"]), mode, by, spec))
    interval, start = Interval(0.0, 1.0), None
    try:
        interval = _interval(spec, mode, metadata)
        start = None if spec.start is None else _start(spec.start, mode, metadata, interval)
        if spec.spread is not None:
            interval = _narrowed(interval, spec.spread)
    except Problems as error:
        problems += error.problems
    if problems:
        raise Problems(problems)
    return Wanted(path, by, mode, interval, spec.layers, spec.spread, start)


def default_mode(path: str) -> Mode:
    """How a parameter is calibrated unless said otherwise."""
    if path in OFFSETS:
        return "offset"
    return "factor" if path.startswith(("forcing.", "initial.")) else "value"


def _mismatches(section: str, layered: bool, mode: Mode, by: Grouping, spec: ParameterSpec) -> Iterator[Problem]:
    if section == "forcing" and mode == "value":
        yield Problem("as", "'value' would replace the weather. Use factor or offset.")
    if by in LAYERED_GROUPINGS and not layered:
        yield Problem("by", f"{by!r}, but it has no layers. Use one or column.")
    if by == "class" and section not in ("soil", "vegetation"):
        yield Problem("by", "'class', but only soil and vegetation have classes. Use one or column.")
    if spec.layers is not None and not layered:
        yield Problem("layers", f"{list(spec.layers)}, but it has no layers. Remove the key.")
    elif spec.layers is not None and not 1 <= spec.layers[0] <= spec.layers[1]:
        yield Problem("layers", f"{list(spec.layers)} is not a range. Give first and last, counted from 1, as 1-10.")
    if spec.spread is not None and (by != "layer" or section != "soil" or mode != "value"):
        yield Problem("spread", "limits how far layers of one soil class differ. Use it with by: layer and as: value.")


def _interval(spec: ParameterSpec, mode: Mode, metadata: Metadata) -> Interval:
    if spec.bounds is None:
        if mode == "offset":
            raise Problems([Problem("bounds", "missing. Give the lowest and the highest offset.")])
        low, high = FACTOR_BOUNDS if mode == "factor" else metadata["bounds"]
    else:
        low, high = _bounds(spec.bounds, mode, metadata)
    if spec.scale == "log" and low <= 0.0:
        raise Problems([Problem("scale", f"'log' with the lowest value {low:g}. Use linear, or a positive bound.")])
    scaled = Interval.between(low, high)
    return scaled if spec.scale is None else dataclasses.replace(scaled, log=spec.scale == "log")


def _bounds(given: Any, mode: Mode, metadata: Metadata) -> tuple[float, float]:
    if not isinstance(given, (list, tuple)) or len(given) != 2:
        raise Problems([Problem("bounds", f"{given!r} is not a pair. Give [lowest, highest].")])
    low, high = (_number("bounds", entry, mode, metadata) for entry in given)
    if low >= high:
        raise Problems([Problem("bounds", f"the lowest, {low:g}, is not below the highest, {high:g}. Exchange them.")])
    return low, high


def _number(key: str, given: Any, mode: Mode, metadata: Metadata) -> float:
    limits = {"value": metadata["bounds"], "factor": (1e-6, 1e6), "offset": None}[mode]
    try:
        number = Reader("1" if mode == "factor" else metadata["units"], limits)(given)
        if isinstance(number, tuple):
            raise ValueError(f"{given!r} is not one number. Give one.")
    except ValueError as error:
        raise Problems([Problem(key, str(error))]) from None
    return float(number)


def _start(given: Any, mode: Mode, metadata: Metadata, interval: Interval) -> float:
    number = _number("start", given, mode, metadata)
    if not interval.low <= number <= interval.high:
        text = f"{number:g} is outside the bounds, {interval.low:g} to {interval.high:g}. Move it, or widen them."
        raise Problems([Problem("start", text)])
    return number


def _narrowed(interval: Interval, spread: float) -> Interval:
    """Bounds of the shared value that keep every layer within the bounds given."""
    low, high = interval.low / (1.0 - spread), interval.high / (1.0 + spread)
    if not 0.0 < low < high:
        text = f"{spread:g} leaves no room between {interval.low:g} and {interval.high:g}. Widen the bounds."
        raise Problems([Problem("spread", text)])
    return dataclasses.replace(interval, low=low, high=high)


WantedParameters = Annotated[dict[str, Any], BeforeValidator(read_specs)]
"""Field of a calibration file: path -> `Wanted`."""
