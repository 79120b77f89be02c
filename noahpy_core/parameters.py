"""Model parameters: primary values as tensors, bounds and units in the metadata, derived values as properties.

Names, units and bounds are wanted where nothing is computed, so torch is imported where a value is.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from noahpy_core.containers import Container
from noahpy_core.organic_soil import ORGANIC_LIMITS, ORGANIC_SOIL, mixture
from noahpy_core.quantities import container, get_quantity, quantities, quantity
from noahpy_core.state import LAYER

if TYPE_CHECKING:
    from torch import Tensor

    from noahpy_core.column import SoilColumn

MINERAL, GRAVEL, BEDROCK = 0, 1, 2
"""Values of `SoilParameters.material`."""
COVER = ("litter_area_index", "moss_resistance")
"""Of `VegetationParameters`: what lies on bare soil, which only the closed surface balance reads."""


@dataclasses.dataclass(frozen=True, repr=False)
class SoilParameters(Container):
    """Soil properties, ``[layer, column]``.

    The four after `material` may be None: they then follow from the primary ones, as in the routine that once made
    Noah's soil table (the formulas of Cosby et al. 1984 and Chen and Dudhia 2001), and gradients reach the primaries.
    The two on organic matter are None in mineral soil (`noahpy_core.organic_soil`).
    """

    clapp_hornberger_b: Tensor = quantity("1", "exponent b of the retention curve", dims=LAYER, bounds=(2.0, 20.0))
    saturated_hydraulic_conductivity: Tensor = quantity(
        "m s-1", "hydraulic conductivity at saturation", dims=LAYER, bounds=(1.0e-9, 1.0e-1)
    )
    saturated_suction: Tensor = quantity("m", "suction at saturation (positive)", dims=LAYER, bounds=(1.0e-3, 5.0))
    porosity: Tensor = quantity(
        "m3 m-3", "pore volume fraction", dims=LAYER, standard_name="soil_porosity", bounds=(0.05, 0.95)
    )
    quartz_fraction: Tensor = quantity("1", "quartz fraction of the solids", dims=LAYER, bounds=(0.0, 1.0))
    two_pass_saturation: Tensor = quantity(
        "1",
        "degree of saturation above which soil water is solved twice (attribute of the surface soil class)",
        dims=LAYER,
        bounds=(0.0, 1.0),
        differentiable=False,
    )
    material: Tensor = quantity(
        "1", "0 mineral or organic soil, 1 gravel, 2 bedrock", dims=LAYER, bounds=(0.0, 2.0), differentiable=False
    )
    field_capacity: Tensor | None = quantity(
        "m3 m-3", "soil water below which plants are stressed", dims=LAYER, bounds=(0.01, 0.95), optional=True
    )
    wilting_point: Tensor | None = quantity(
        "m3 m-3", "soil water at which transpiration ends", dims=LAYER, bounds=(1.0e-4, 0.9), optional=True
    )
    dry_limit: Tensor | None = quantity(
        "m3 m-3", "soil water at which bare-soil evaporation ends", dims=LAYER, bounds=(1.0e-4, 0.9), optional=True
    )
    saturated_diffusivity: Tensor | None = quantity(
        "m2 s-1", "soil water diffusivity at saturation", dims=LAYER, bounds=(1.0e-10, 1.0), optional=True
    )
    organic_matter: Tensor | None = quantity(
        "1",
        "share of organic soil mixed into the layer; the other properties are those of its mineral part",
        dims=LAYER,
        bounds=(0.0, 1.0),
        optional=True,
    )
    organic_solids: Tensor | None = quantity(
        "1", "organic fraction of the solids, for heat", dims=LAYER, bounds=(0.0, 1.0), optional=True
    )

    @property
    def pores(self) -> Tensor:
        """Pore volume fraction with organic matter mixed in, ``[layer, column]``. [m3 m-3]"""
        if self.organic_matter is None:
            return self.porosity
        return mixture(self.porosity, ORGANIC_SOIL["porosity"], self.organic_matter)

    def resolved(self) -> SoilParameters:
        """The parameters that the equations take: organic matter mixed in, and every derived value in place of None."""
        if self.organic_matter is not None:
            return self._mixed(self.organic_matter).resolved()
        b, suction, porosity = self.clapp_hornberger_b, self.saturated_suction, self.porosity
        conductivity = self.saturated_hydraulic_conductivity
        wilting_point = self.wilting_point
        if wilting_point is None:
            wilting_point = 0.5 * porosity * (200.0 / suction) ** (-1.0 / b)
        field_capacity = self.field_capacity
        if field_capacity is None:
            slow_drainage = porosity * (5.79e-9 / conductivity) ** (1.0 / (2.0 * b + 3.0))
            field_capacity = slow_drainage + (porosity - slow_drainage) / 3.0
        diffusivity = self.saturated_diffusivity
        if diffusivity is None:
            diffusivity = b * conductivity * suction / porosity
        return dataclasses.replace(
            self,
            wilting_point=wilting_point,
            field_capacity=field_capacity,
            dry_limit=wilting_point if self.dry_limit is None else self.dry_limit,
            saturated_diffusivity=diffusivity,
        )

    def _mixed(self, share: Tensor) -> SoilParameters:
        """The properties of mineral and organic soil together."""
        import torch

        values: dict[str, Any] = {
            name: mixture(getattr(self, name), organic, share) for name, organic in ORGANIC_SOIL.items()
        }
        for name, organic in ORGANIC_LIMITS.items():
            given = getattr(self, name)
            values[name] = None if given is None else mixture(given, organic, share)

        solids = share if self.organic_solids is None else mixture(self.organic_solids, 1.0, share)
        both = dataclasses.replace(self, **values, organic_solids=solids, organic_matter=None)
        if self.saturated_diffusivity is None:
            return both

        # A diffusivity from a table does not belong to a mixture, whose own follows from its other properties.
        derived = dataclasses.replace(both, saturated_diffusivity=None).resolved().saturated_diffusivity
        assert derived is not None
        return dataclasses.replace(
            both, saturated_diffusivity=torch.where(share > 0, derived, self.saturated_diffusivity)
        )


@dataclasses.dataclass(frozen=True, repr=False)
class VegetationParameters(Container):
    """Properties of the land cover, ``[column]``."""

    root_layers: Tensor = quantity("1", "number of soil layers with roots", bounds=(1.0, 100.0), differentiable=False)
    bare: Tensor = quantity("1", "1 where the class never has vegetation", bounds=(0.0, 1.0), differentiable=False)
    minimum_stomatal_resistance: Tensor = quantity("s m-1", "smallest stomatal resistance", bounds=(1.0, 2000.0))
    maximum_stomatal_resistance: Tensor = quantity("s m-1", "cuticular resistance", bounds=(100.0, 50000.0))
    radiation_stress_scale: Tensor = quantity("W m-2", "light scale of stomatal closure", bounds=(1.0, 2000.0))
    humidity_stress_coefficient: Tensor = quantity(
        "1", "vapour deficit coefficient of stomatal closure", bounds=(0.0, 2000.0)
    )
    optimum_air_temperature: Tensor = quantity(
        "K", "air temperature of largest stomatal conductance", bounds=(270.0, 320.0)
    )
    canopy_capacity: Tensor = quantity("kg m-2", "water the canopy can hold", bounds=(1.0e-3, 10.0))
    canopy_wetness_exponent: Tensor = quantity("1", "exponent of the wet canopy fraction", bounds=(0.05, 2.0))
    minimum_fraction: Tensor = quantity("1", "smallest vegetation fraction of the year", bounds=(0.0, 1.0))
    maximum_fraction: Tensor = quantity("1", "largest vegetation fraction of the year", bounds=(0.0, 1.0))
    minimum_leaf_area_index: Tensor = quantity("1", "leaf area index at minimum fraction", bounds=(1.0e-3, 15.0))
    maximum_leaf_area_index: Tensor = quantity("1", "leaf area index at maximum fraction", bounds=(1.0e-3, 15.0))
    minimum_emissivity: Tensor = quantity("1", "emissivity at minimum fraction", bounds=(0.5, 1.0))
    maximum_emissivity: Tensor = quantity("1", "emissivity at maximum fraction", bounds=(0.5, 1.0))
    minimum_albedo: Tensor = quantity("1", "albedo at maximum fraction", bounds=(0.0, 1.0))
    maximum_albedo: Tensor = quantity("1", "albedo at minimum fraction", bounds=(0.0, 1.0))
    minimum_roughness_length: Tensor = quantity("m", "roughness length at minimum fraction", bounds=(1.0e-5, 10.0))
    maximum_roughness_length: Tensor = quantity("m", "roughness length at maximum fraction", bounds=(1.0e-5, 10.0))
    litter_area_index: Tensor | None = quantity(
        "1", "area of litter on bare soil, which resists its evaporation", bounds=(0.0, 10.0), optional=True
    )
    moss_resistance: Tensor | None = quantity(
        "s m-1", "resistance of moss on bare soil to its evaporation", bounds=(0.0, 2000.0), optional=True
    )

    def root_fraction(self, column: SoilColumn) -> Tensor:
        """Thickness of each rooted layer over the depth of the root zone (Noah: RTDIS). [1]"""
        import torch

        rooted = self.rooted(column)
        return torch.where(rooted, column.thickness, 0.0) / self.root_depth(column)

    def rooted(self, column: SoilColumn) -> Tensor:
        """Which layers have roots, ``[layer, column]`` of bool."""
        import torch

        number = torch.arange(column.layers, device=self.root_layers.device)[:, None]
        return number < self.root_layers

    def root_depth(self, column: SoilColumn) -> Tensor:
        """Depth of the root zone, ``[column]``. [m]"""
        import torch

        return torch.where(self.rooted(column), column.thickness, 0.0).sum(0)


@dataclasses.dataclass(frozen=True, repr=False)
class SnowParameters(Container):
    """Properties of the snow cover, ``[column]``."""

    full_cover_snow: Tensor = quantity("kg m-2", "snow water equivalent of complete cover", bounds=(1.0, 500.0))
    snow_cover_shape: Tensor = quantity("1", "steepness of the snow cover curve", bounds=(0.1, 20.0))
    deep_snow_albedo: Tensor = quantity(
        "1", "albedo of deep snow", standard_name="surface_albedo_assuming_deep_snow", bounds=(0.2, 1.0)
    )
    snow_albedo_weight: Tensor = quantity("1", "weight of 0.85 in the albedo of fresh snow", bounds=(0.0, 1.0))
    cover_scale: Tensor | None = quantity(
        "kg m-2", "snow that covers all but 1/e of the ground", bounds=(0.5, 100.0), optional=True
    )
    fresh_albedo: Tensor | None = quantity("1", "albedo of fresh snow", bounds=(0.5, 1.0), optional=True)
    old_albedo: Tensor | None = quantity("1", "albedo that old snow tends to", bounds=(0.1, 0.9), optional=True)
    cold_ageing_time: Tensor | None = quantity(
        "s", "time in which the albedo of cold snow falls", bounds=(1.0e4, 1.0e8), optional=True
    )
    melting_ageing_time: Tensor | None = quantity(
        "s", "time in which the albedo of melting snow falls", bounds=(1.0e4, 1.0e8), optional=True
    )
    albedo_refresh: Tensor | None = quantity(
        "kg m-2", "snowfall that renews the albedo", bounds=(0.1, 100.0), optional=True
    )
    liquid_holding: Tensor | None = quantity(
        "1", "share of the pores that holds water against gravity", bounds=(0.0, 0.3), optional=True
    )
    snow_roughness: Tensor | None = quantity(
        "m", "roughness length for momentum of snow", bounds=(1.0e-5, 0.5), optional=True
    )
    snow_emissivity: Tensor | None = quantity("1", "emissivity of snow", bounds=(0.8, 1.0), optional=True)
    windless_exchange: Tensor | None = quantity(
        "W m-2 K-1", "exchange of sensible heat over snow in calm air", bounds=(0.0, 10.0), optional=True
    )
    viscosity: Tensor | None = quantity(
        "Pa s", "viscosity of snow at the melting point, of vanishing density", bounds=(1.0e5, 1.0e9), optional=True
    )
    metamorphism_rate: Tensor | None = quantity(
        "s-1", "settling rate of new snow without load", bounds=(0.0, 1.0e-4), optional=True
    )

    def resolved(self) -> SnowParameters:
        """The same parameters with every None replaced by its published value (`LAYERED_SNOW`)."""
        import torch

        missing = {name: value for name, value in LAYERED_SNOW.items() if getattr(self, name) is None}
        like = self.full_cover_snow
        return dataclasses.replace(self, **{name: torch.full_like(like, value) for name, value in missing.items()})


LAYERED_SNOW = {
    # All but 1/e of the ground under 5 kg m-2 (5 cm of new snow).
    "cover_scale": 5.0,
    # Douville et al. 1995, doi:10.1007/BF00208760.
    "fresh_albedo": 0.85,
    "old_albedo": 0.5,
    # Essery 2015, doi:10.5194/gmd-8-3867-2015: 1000 and 100 h, 10 kg m-2.
    "cold_ageing_time": 3.6e6,
    "melting_ageing_time": 3.6e5,
    "albedo_refresh": 10.0,
    # Essery 2015.
    "liquid_holding": 0.03,
    "snow_roughness": 0.01,
    # As in GEOtop (Endrizzi et al. 2014, doi:10.5194/gmd-7-2831-2014); 0.985 in CHM, 0.99 in SUMMA. Of Dozier and
    # Warren 1982, doi:10.1029/WR018i005p01424, which was not at hand, others quote 0.985 to 0.99.
    "snow_emissivity": 0.98,
    # None beside the least exchange of the air. Jordan 1991 (SNTHERM.89, CRREL Special Report 91-16) has 2 W m-2 K-1.
    "windless_exchange": 0.0,
    # Anderson 1976 (NOAA Technical Report NWS 19): 0.01 h-1.
    "viscosity": 3.7e7,
    "metamorphism_rate": 2.8e-6,
}
"""Published values of the parameters that layered snow alone reads. They are not tuned to any site."""


@dataclasses.dataclass(frozen=True, repr=False)
class GeneralParameters(Container):
    """Everything else, ``[column]``."""

    drainage_factor: Tensor = quantity("1", "share of gravity drainage at the bottom", bounds=(0.0, 1.0))
    canopy_shading_coefficient: Tensor = quantity(
        "1", "decay of ground heat conduction with vegetation fraction", bounds=(-10.0, 0.0)
    )
    soil_evaporation_exponent: Tensor = quantity("1", "exponent of bare-soil evaporation", bounds=(0.5, 5.0))
    mineral_heat_capacity: Tensor = quantity("J m-3 K-1", "heat capacity of soil solids", bounds=(5.0e5, 5.0e6))
    reference_hydraulic_conductivity: Tensor = quantity(
        "m s-1", "conductivity at which the infiltration decay takes its reference value", bounds=(1.0e-8, 1.0e-3)
    )
    reference_infiltration_decay: Tensor = quantity("d-1", "reference decay rate of infiltration", bounds=(0.1, 20.0))
    impermeable_ice_depth: Tensor = quantity("m", "ice content that makes soil impermeable", bounds=(0.01, 2.0))
    zilitinkevich_coefficient: Tensor = quantity("1", "coefficient of thermal roughness", bounds=(0.0, 2.0))
    deep_temperature: Tensor = quantity("K", "temperature at the deep boundary", bounds=(230.0, 320.0))
    deep_temperature_depth: Tensor = quantity("m", "depth of the deep boundary, positive down", bounds=(0.5, 1000.0))
    air_temperature_height: Tensor = quantity("m", "height of air temperature and humidity", bounds=(0.5, 500.0))
    wind_height: Tensor = quantity("m", "height of the wind", bounds=(0.5, 500.0))


@dataclasses.dataclass(frozen=True, repr=False)
class Parameters(Container):
    """All parameters of the model."""

    soil: SoilParameters = container(SoilParameters)
    vegetation: VegetationParameters = container(VegetationParameters)
    snow: SnowParameters = container(SnowParameters)
    general: GeneralParameters = container(GeneralParameters)


def in_effect(parameters: Parameters, path: str) -> Tensor:
    """A parameter as the model takes it, ``[column]`` or ``[layer, column]``.

    One that is not given follows from others, or has its published value; organic matter, litter and moss are none.

    Parameters
    ----------
    parameters : Those of a run.
    path : As ``soil.porosity``.
    """
    import torch

    given: Tensor | None = get_quantity(parameters, path)
    if given is not None:
        return given
    resolved = dataclasses.replace(parameters, soil=parameters.soil.resolved(), snow=parameters.snow.resolved())
    followed: Tensor | None = get_quantity(resolved, path)
    layered = bool(dict(quantities(Parameters))[path]["dims"])
    like = parameters.soil.porosity if layered else parameters.snow.full_cover_snow
    return torch.zeros_like(like) if followed is None else followed
