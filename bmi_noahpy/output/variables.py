"""What an output file can hold: the quantities of state, fluxes and forcing, and a few derived from them."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from noahpy_core.errors import KeyedError
from noahpy_core.quantities import quantities
from noahpy_core.state import Fluxes, Forcing, State

if TYPE_CHECKING:
    from bmi_noahpy.runs.any_run import AnyRun


INSTANTANEOUS_FLUXES = frozenset({"snow_cover_fraction", "soil_water_storage", "root_zone_saturation"})
"""Members of `Fluxes` that describe the end of the step instead of its mean."""

DEFAULT_VARIABLES = (
    "soil.temperature",
    "soil.liquid_water",
    "soil.ice",
    "soil.moisture",
    "snow.water_equivalent",
    "snow.depth",
    "snow.density",
    "skin_temperature",
    "canopy_water",
    "rainfall",
    "snowfall",
    "evapotranspiration",
    "snow_melt",
    "infiltration",
    "surface_runoff",
    "drainage",
    "saturation_excess",
    "net_radiation",
    "sensible_heat_flux",
    "latent_heat_flux",
    "ground_heat_flux",
    "melt_heat",
    "albedo",
    "snow_cover_fraction",
    "soil_water_storage",
    "numerical_water_source",
    "numerical_heat_source",
)


class UnknownOutputVariable(KeyedError):
    """A name in ``output.variables`` that no quantity has."""


Array = NDArray[Any]
Values: TypeAlias = Mapping[str, Array | None]
"""Quantities of some steps by dotted path, ``[..., column]``; those of the forcing with the prefix ``forcing.``."""

FORCING = "forcing."
OF_LAYERED_SNOW = frozenset(path for cls in (State, Fluxes) for path, facts in quantities(cls) if facts["optional"])
"""What a run has with layered snow only."""


@dataclasses.dataclass(frozen=True)
class OutputVariable:
    """One quantity an output file can hold.

    Parameters
    ----------
    path : Dotted name, as configurations give it: ``soil.temperature``.
    mean : True when a value is the mean over its step, False when it is valid at the end of it.
    needs : Paths of the quantities it is made of, in `State` or `Fluxes`, or in `Forcing` after ``forcing.``.
    read : The numbers, with the dimensions of what is needed, out of these quantities; None where the run has none.
    """

    path: str
    units: str
    long_name: str
    standard_name: str | None
    dims: tuple[str, ...]
    mean: bool
    needs: tuple[str, ...]
    read: Callable[[Values], Array | None]

    @property
    def name(self) -> str:
        """Name in the file: ``soil_temperature``."""
        return self.path.replace(".", "_")

    @property
    def needs_forcing(self) -> bool:
        """Whether `read` looks at the forcing of the step."""
        return self.path.startswith(FORCING)


def _of(container: type, prefix: str, mean: Callable[[str], bool]) -> list[OutputVariable]:
    def reader(path: str) -> Callable[[Values], Array | None]:
        return lambda values: values[path]

    return [
        OutputVariable(
            path=prefix + path,
            units=metadata["units"],
            long_name=metadata["long_name"],
            standard_name=metadata["standard_name"],
            dims=metadata["dims"],
            mean=mean(path),
            needs=(prefix + path,),
            read=reader(prefix + path),
        )
        for path, metadata in quantities(container)
    ]


def _given(values: Values, *paths: str) -> list[Array]:
    return [value for value in (values[path] for path in paths) if value is not None]


def _moisture(values: Values) -> Array:
    liquid_water, ice = _given(values, "soil.liquid_water", "soil.ice")
    return liquid_water + ice


def _snow_density(values: Values) -> Array:
    depth, water_equivalent = _given(values, "snow.depth", "snow.water_equivalent")
    present = depth > 0.0
    return np.where(present, water_equivalent / np.where(present, depth, 1.0), np.nan)


def _net_radiation(values: Values) -> Array:
    absorbed, emitted = _given(values, "absorbed_radiation", "longwave_up")
    return absorbed - emitted


def _derived() -> list[OutputVariable]:
    return [
        OutputVariable(
            path="soil.moisture",
            units="m3 m-3",
            long_name="volume fraction of water in soil, liquid and frozen",
            standard_name="volume_fraction_of_condensed_water_in_soil",
            dims=("layer",),
            mean=False,
            needs=("soil.liquid_water", "soil.ice"),
            read=_moisture,
        ),
        OutputVariable(
            path="snow.density",
            units="kg m-3",
            long_name="density of the snowpack, missing where there is none",
            standard_name="surface_snow_density",
            dims=(),
            mean=False,
            needs=("snow.depth", "snow.water_equivalent"),
            read=_snow_density,
        ),
        OutputVariable(
            path="net_radiation",
            units="W m-2",
            long_name="absorbed minus emitted radiation",
            standard_name="surface_net_downward_radiative_flux",
            dims=(),
            mean=True,
            needs=("absorbed_radiation", "longwave_up"),
            read=_net_radiation,
        ),
    ]


def output_variables() -> dict[str, OutputVariable]:
    """Every quantity an output file can hold, by dotted name. Forcing carries the prefix ``forcing.``."""
    everything = (
        _of(State, "", lambda path: False)
        + _derived()
        + _of(Fluxes, "", lambda path: path not in INSTANTANEOUS_FLUXES)
        + _of(Forcing, FORCING, lambda path: True)
    )
    return {variable.path: variable for variable in everything}


def choose_variables(names: Iterable[str] | None, *, snow_layers: bool = True) -> list[OutputVariable]:
    """The variables of the given names; the default selection when `names` is None or empty.

    A name is dotted (``soil.temperature``) or as in the file (``soil_temperature``); ``all`` stands for every quantity
    of state and fluxes. Without `snow_layers` it leaves out what only layered snow has. Raises `UnknownOutputVariable`
    with the nearest valid names, or for a name of layered snow where there is none.
    """
    missing = frozenset() if snow_layers else OF_LAYERED_SNOW
    available: dict[str, Any] = output_variables()
    by_file_name = {variable.name: variable for variable in available.values()}
    chosen: dict[str, OutputVariable] = {}
    for name in list(names or ()) or DEFAULT_VARIABLES:
        if name == "all":
            chosen |= {
                path: variable
                for path, variable in available.items()
                if not variable.needs_forcing and path not in missing
            }
            continue
        variable = available.get(name) or by_file_name.get(name)
        if variable is None:
            raise UnknownOutputVariable("output.variables", _unknown(name, list(available)))
        if variable.path in missing:
            raise UnknownOutputVariable(
                "output.variables",
                f"{name!r} is of layered snow. Leave it out, or use schemes: {{preset: conservative}}.",
            )
        chosen[variable.path] = variable
    return list(chosen.values())


def has_snow_layers(run: AnyRun) -> bool:
    """Whether the pack of a run has layers."""
    return run.initial_state.snow.layers > 0


def _unknown(name: str, available: list[str]) -> str:
    near = difflib.get_close_matches(name, available, n=3, cutoff=0.5)
    last_words = [path for path in available if path.rpartition(".")[2] == name.rpartition(".")[2]]
    suggestions = list(dict.fromkeys(last_words + near))[:3]
    remedy = f"Did you mean {', '.join(suggestions)}? " if suggestions else ""
    return f"unknown variable {name!r}. {remedy}`noahpy info variables` lists all of them."
