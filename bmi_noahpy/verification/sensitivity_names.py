"""What the names in a file of sensitivities are here: inputs of a run, and its results."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor

from bmi_noahpy.config import Configuration
from bmi_noahpy.config.values import column_values
from noahpy_core.quantities import get_quantity
from noahpy_core.state import State

METRES = 1000.0
"""kg m-2 in a metre of water."""

SOIL = {
    "BB": "clapp_hornberger_b",
    "DRYSMC": "dry_limit",
    "MAXSMC": "porosity",
    "REFSMC": "field_capacity",
    "SATPSI": "saturated_suction",
    "SATDK": "saturated_hydraulic_conductivity",
    "SATDW": "saturated_diffusivity",
    "WLTSMC": "wilting_point",
    "QTZ": "quartz_fraction",
}
VEGETATION = {
    "RS": ("vegetation.minimum_stomatal_resistance", 1.0),
    "RGL": ("vegetation.radiation_stress_scale", 1.0),
    "HS": ("vegetation.humidity_stress_coefficient", 1.0),
    "SNUP": ("snow.full_cover_snow", METRES),
    "LAIMIN": ("vegetation.minimum_leaf_area_index", 1.0),
    "LAIMAX": ("vegetation.maximum_leaf_area_index", 1.0),
    "EMISSMIN": ("vegetation.minimum_emissivity", 1.0),
    "EMISSMAX": ("vegetation.maximum_emissivity", 1.0),
    "ALBEDOMIN": ("vegetation.minimum_albedo", 1.0),
    "ALBEDOMAX": ("vegetation.maximum_albedo", 1.0),
    "Z0MIN": ("vegetation.minimum_roughness_length", 1.0),
    "Z0MAX": ("vegetation.maximum_roughness_length", 1.0),
}
GENERAL = {
    "SBETA_DATA": ("general.canopy_shading_coefficient", 1.0),
    "FXEXP_DATA": ("general.soil_evaporation_exponent", 1.0),
    "CSOIL_DATA": ("general.mineral_heat_capacity", 1.0),
    "SALP_DATA": ("snow.snow_cover_shape", 1.0),
    "REFDK_DATA": ("general.reference_hydraulic_conductivity", 1.0),
    "REFKDT_DATA": ("general.reference_infiltration_decay", 1.0),
    "FRZK_DATA": ("general.impermeable_ice_depth", 1.0),
    "ZBOT_DATA": ("general.deep_temperature_depth", -1.0),
    "CZIL_DATA": ("general.zilitinkevich_coefficient", 1.0),
    "LVCOEF_DATA": ("snow.snow_albedo_weight", 1.0),
    "CMCMAX_DATA": ("vegetation.canopy_capacity", METRES),
    "CFACTR_DATA": ("vegetation.canopy_wetness_exponent", 1.0),
    "RSMAX_DATA": ("vegetation.maximum_stomatal_resistance", 1.0),
    "TOPT_DATA": ("vegetation.optimum_air_temperature", 1.0),
}
LAYERED_NAMELIST = {
    "Soil_Temperature": "initial.soil_temperature",
    "Soil_Moisture": "initial.soil_moisture",
    "Soil_Liquid": "initial.soil_liquid",
}
NAMELIST = {
    "Skin_Temperature": ("initial.skin_temperature", 1.0),
    "Canopy_water": ("initial.canopy_water", METRES),
    "Snow_depth": ("initial.snow_depth", 1.0),
    "Snow_equivalent": ("initial.snow_water_equivalent", METRES),
    "Deep_Soil_Temperature": ("general.deep_temperature", 1.0),
    "Max_snow_albedo": ("snow.deep_snow_albedo", 1.0),
    "Green_Vegetation_Min": ("vegetation.minimum_fraction", 1.0),
    "Green_Vegetation_Max": ("vegetation.maximum_fraction", 1.0),
    "Air_temperature_level": ("general.air_temperature_height", 1.0),
    "Wind_level": ("general.wind_height", 1.0),
}
RESULTS = {
    "t1": ("skin_temperature", 1.0, "K"),
    "cmc": ("canopy_water", 1.0 / METRES, "m"),
    "sneqv": ("snow.water_equivalent", 1.0 / METRES, "m"),
    "snowh": ("snow.depth", 1.0, "m"),
    "eta": ("latent_heat_flux", 1.0, "W m-2"),
    "sheat": ("sensible_heat_flux", 1.0, "W m-2"),
    "ssoil": ("ground_heat_flux", -1.0, "W m-2"),
    "stc": ("soil.temperature", 1.0, "K"),
    "smc": ("soil.moisture", 1.0, "m3 m-3"),
    "sh2o": ("soil.liquid_water", 1.0, "m3 m-3"),
}
FLUXES = ("latent_heat_flux", "sensible_heat_flux", "ground_heat_flux")


@dataclasses.dataclass(frozen=True)
class Input:
    """A parameter of the original as a direction in the inputs of a run.

    Attributes
    ----------
    path : ``container.field`` of `Parameters`, or ``initial.NAME``.
    layers : Layers that move together; None for inputs without layers.
    factor : The value here is `factor` times the original's.
    """

    path: str
    layers: tuple[int, ...] | None
    factor: float = 1.0

    def along(self, gradient: Tensor) -> Tensor:
        """Derivative along the direction, per unit of the original, from a gradient with the column last."""
        along = gradient if self.layers is None else gradient[list(self.layers)].sum(0)
        return self.factor * along

    def tangent(self, like: Tensor) -> Tensor:
        """The direction as a tangent of the input at `path`, ``[layer]`` or a scalar."""
        if self.layers is None:
            return torch.full_like(like, self.factor)
        tangent = torch.zeros_like(like)
        tangent[list(self.layers)] = self.factor
        return tangent


@dataclasses.dataclass(frozen=True)
class Result:
    """A result of the original: a quantity of the state or a flux of the last step, `factor` times ours, in `units`."""

    path: str
    layer: int | None
    factor: float
    units: str

    @property
    def is_flux(self) -> bool:
        """Whether it is among the fluxes of the step, not in the state after it."""
        return self.path in FLUXES

    def of(self, state: State, fluxes: Mapping[str, Tensor]) -> Tensor:
        """Its value in the original's units, ``[column]``."""
        value = fluxes[self.path] if self.is_flux else get_quantity(state, self.path)
        return self.factor * (value if self.layer is None else value[self.layer])


def find_input(name: str, configuration: Configuration) -> Input:
    """The input with a name of the original.

    Raises
    ------
    ValueError : the name is unknown, or its class does not occur in the run.
    """
    kind, *words = name.split(":")
    if kind == "soil" and len(words) == 2 and words[1] in SOIL:
        return Input(f"soil.{SOIL[words[1]]}", _layers_of_class(name, int(words[0]), configuration))
    if kind == "veg" and len(words) == 2 and words[1] in VEGETATION:
        _check_vegetation(name, int(words[0]), configuration)
        path, factor = VEGETATION[words[1]]
        return Input(path, None, factor)
    if kind == "gen" and len(words) == 1 and words[0] in GENERAL:
        path, factor = GENERAL[words[0]]
        return Input(path, None, factor)
    if kind == "nml" and len(words) == 2 and words[0] in LAYERED_NAMELIST:
        return Input(LAYERED_NAMELIST[words[0]], (int(words[1]),))
    if kind == "nml" and words[0] in NAMELIST:
        path, factor = NAMELIST[words[0]]
        return Input(path, None, factor)
    raise ValueError(
        f"sensitivities: parameter {name!r} is unknown. Use soil:CLASS:COLUMN with {', '.join(SOIL)}; veg:CLASS:COLUMN "
        f"with {', '.join(VEGETATION)}; gen:NAME with {', '.join(GENERAL)}; "
        f"nml:NAME:INDEX with {', '.join((*LAYERED_NAMELIST, *NAMELIST))}."
    )


def find_result(name: str) -> Result:
    """The result with a name of the original; a layer counted from 1 follows after an underscore.

    Raises
    ------
    ValueError : the name is unknown.
    """
    base, _, layer = name.partition("_")
    if base not in RESULTS or (layer and not layer.isdigit()) or bool(layer) != (base in ("stc", "smc", "sh2o")):
        raise ValueError(
            f"sensitivities: quantity {name!r} is unknown. Use {', '.join(RESULTS)}, soil ones with _LAYER."
        )
    path, factor, units = RESULTS[base]
    return Result(path, int(layer) - 1 if layer else None, factor, units)


def _layers_of_class(name: str, number: int, configuration: Configuration) -> tuple[int, ...]:
    classes = configuration.soil.classes
    per_layer = column_values(classes, 1, len(configuration.soil.thickness))[:, 0].tolist()
    layers = tuple(layer for layer, one in enumerate(per_layer) if one == number)
    if not layers:
        raise ValueError(f"sensitivities: {name!r}, but no layer of the run has soil class {number}. Give its forcing.")
    return layers


def _check_vegetation(name: str, number: int, configuration: Configuration) -> None:
    if configuration.vegetation.class_ != number:
        raise ValueError(
            f"sensitivities: {name!r}, but the run has vegetation class {configuration.vegetation.class_}. "
            "Give its forcing."
        )
