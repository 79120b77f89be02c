"""The sections of a configuration. A description of a field is the comment that `noahpy init` writes beside the key."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from bmi_noahpy.config.classes import ClassReader
from bmi_noahpy.config.own_tables import (
    PATH_OR_NOTHING,
    TableReader,
    read_general_table,
    table_schema,
    write_table,
)
from bmi_noahpy.config.schemes import read_schemes, write_schemes
from bmi_noahpy.config.values import (
    Overrides,
    Reader,
    Values,
    read_coordinate,
    read_domain_file,
    read_instant,
    read_path,
    read_paths,
    refuse_empty,
)
from noahpy_core.class_values import SOIL_TABLES, VEGETATION_TABLES
from noahpy_core.options import Options
from noahpy_core.parameters import GeneralParameters, SnowParameters, SoilParameters, VegetationParameters
from noahpy_core.state import Forcing, State

File = Annotated[Path, BeforeValidator(read_path)]
Files = Annotated[Path | tuple[Path, ...], BeforeValidator(read_paths)]
Instant = Annotated[datetime.datetime, BeforeValidator(read_instant)]
read_latitude = read_coordinate((-90.0, 90.0))
read_longitude = read_coordinate((-180.0, 360.0))
Seconds = Annotated[float, BeforeValidator(Reader("s", (1.0, 86400.0)))]
EQUILIBRIUM = "equilibrium"
"""Initial liquid water that follows from the soil temperature."""
Fraction = Annotated[Values, BeforeValidator(Reader("1", (0.0, 1.0)))]


def _quantity(container: type, path: str, **options: Any) -> BeforeValidator:
    return BeforeValidator(Reader.of(container, path, **options))


class Section(BaseModel):
    """A mapping with known keys only. What a section has read is noted, so that checks across sections see it."""

    model_config = ConfigDict(extra="forbid", validate_default=True)
    key: ClassVar[str] = ""
    bare: ClassVar[str] = ""
    """The key whose value a bare text is, where one may stand for the mapping."""

    @model_validator(mode="before")
    @classmethod
    def _accept_bare(cls, value: Any) -> Any:
        return {cls.bare: value} if cls.bare and isinstance(value, str) else value

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_empty(cls, value: Any) -> Any:
        return refuse_empty(value)

    @field_validator("*", mode="after")
    @classmethod
    def _note(cls, value: Any, info: ValidationInfo) -> Any:
        if info.context is not None and cls.key:
            info.context["read"][f"{cls.key}.{info.field_name}"] = value
        return value


def _path_of(file: Any) -> str | None:
    return None if file is None else str(file)


def _needed_without_file(value: Any, info: ValidationInfo) -> Any:
    file = info.data.get("file")
    if value is None and file is None:
        raise PydanticCustomError("missing", "missing")
    if value is not None and file is not None:
        raise ValueError(f"{value!r} is given beside domain.file. Keep one of them.")
    return value


class Domain(Section):
    """Where the columns are: one, a grid of y (latitudes) by x (longitudes), or what a domain file says."""

    key: ClassVar[str] = "domain"
    file: Annotated[Any, BeforeValidator(read_domain_file), PlainSerializer(_path_of)] = Field(
        default=None, description="netCDF file with coordinates, land mask and maps; null: the two keys below"
    )
    latitude: Annotated[Values, BeforeValidator(read_latitude), BeforeValidator(_needed_without_file)] = Field(
        default=None, description="degrees north: a number for one column, a list for the rows of a grid"
    )
    longitude: Annotated[Values, BeforeValidator(read_longitude), BeforeValidator(_needed_without_file)] = Field(
        default=None, description="degrees east: a number for one column, a list for the columns of a grid"
    )
    elevation: Annotated[Values, BeforeValidator(Reader("m", (-500.0, 9000.0), optional=True))] = Field(
        default=None, description="above the sea, for forcing.lapse: a number, or [y][x] of a grid [m]"
    )
    invalid_cells: Literal["error", "mask"] = Field(
        default="error", description="cells of a domain file that cannot be computed: error, or mask to leave them out"
    )
    masked_cells: Literal["missing", "packed"] = Field(
        default="missing",
        description="cells outside the mask of a grid, for frameworks: missing (it keeps its shape, NaN there) or "
        "packed (they see the computed cells only)",
    )


class Period(Section):
    """When the model is run. There are ``(end - start) / step + 1`` steps.

    Steps begin at start, start + step, ... up to and including end, as in the original driver: `end` is the time of
    the last step, and the state after it is valid at end + step.
    """

    key: ClassVar[str] = "period"
    start: Instant = Field(description="UTC time at which the first step begins")
    end: Instant = Field(description="UTC time at which the last step begins")
    step: Seconds = Field(description='length of a step [s], at most a day; "1 hour" is understood too')

    @property
    def steps(self) -> int:
        """Number of steps."""
        return round((self.end - self.start).total_seconds() / self.step) + 1


class Soil(Section):
    """Layers and their properties."""

    key: ClassVar[str] = "soil"
    thickness: Annotated[Values, BeforeValidator(Reader("m", (0.001, 100.0), "layer"))] = Field(
        description="thickness of each layer from the top down [m]"
    )
    table: Annotated[
        Any, BeforeValidator(TableReader("soil", SOIL_TABLES)), PlainSerializer(write_table), table_schema(SOIL_TABLES)
    ] = Field(
        default="noah",
        description="numbering and values of the classes: noah and noahpy count from 1 clay to 12 sand, 13 gravel, 14 "
        "bedrock; stas (WRF, HRLDAS, SOILPARM.TBL) from 1 sand to 12 clay, 14 water, 15 bedrock; stas-2010 with the "
        "corrected values of later SOILPARM.TBL; or such a file, SOILPARM.TBL",
    )
    classes: Annotated[
        Values,
        BeforeValidator(Reader("1", None, "layer", whole=True)),
        BeforeValidator(ClassReader("soil")),
    ] = Field(description="soil class, one for all layers or one per layer, by number or name (`noahpy info tables`)")
    hydraulics: Literal["table", "derived"] = Field(
        default="table",
        description="source of field capacity, wilting point, dry limit and saturated diffusivity: table, or derived",
    )
    parameters: Annotated[dict[str, Any], BeforeValidator(Overrides(SoilParameters))] = Field(
        default={}, description="properties that replace those of the class, as {porosity: 0.4} or by layer"
    )


class Vegetation(Section):
    """Land cover."""

    key: ClassVar[str] = "vegetation"
    table: Annotated[
        Any,
        BeforeValidator(TableReader("vegetation", VEGETATION_TABLES)),
        PlainSerializer(write_table),
        table_schema(VEGETATION_TABLES),
    ] = Field(default="usgs", description="usgs or modis classes; or {file: VEGPARM.TBL, section: USGS}")
    class_: Annotated[
        Values, BeforeValidator(Reader("1", None, whole=True)), BeforeValidator(ClassReader("vegetation"))
    ] = Field(alias="class", description="land cover class, by number or name (`noahpy info tables` lists them)")
    fraction: Annotated[Values, _quantity(Forcing, "vegetation_fraction", leading="month", optional=True)] = Field(
        default=None,
        description="green vegetation fraction, a number or twelve on the 15ths; null: in the forcing file",
    )
    minimum_fraction: Fraction = Field(default=0.01, description="smallest green vegetation fraction of the year")
    maximum_fraction: Fraction = Field(default=0.96, description="largest green vegetation fraction of the year")
    leaf_area_index: Annotated[Values, _quantity(Forcing, "leaf_area_index", leading="month", optional=True)] = Field(
        default=None, description="a number or twelve values; null: from the class and the vegetation fraction"
    )
    albedo: Annotated[Values, _quantity(Forcing, "snow_free_albedo", leading="month", optional=True)] = Field(
        default=None,
        description="snow-free albedo, a number or twelve values; null: from class and vegetation fraction",
    )
    parameters: Annotated[dict[str, Any], BeforeValidator(Overrides(VegetationParameters))] = Field(
        default={}, description="properties that replace those of the class"
    )


class Snow(Section):
    """Snow cover."""

    key: ClassVar[str] = "snow"
    layers: Annotated[int, Field(ge=1, le=10)] | None = Field(
        default=None, description="layers of the pack, of layered snow alone (preset conservative), 1 to 10; null: 3"
    )
    deep_snow_albedo: Annotated[Values, _quantity(SnowParameters, "deep_snow_albedo", optional=True)] = Field(
        default=None, description="albedo of deep snow; null: that of the land cover class"
    )
    parameters: Annotated[dict[str, Any], BeforeValidator(Overrides(SnowParameters))] = Field(
        default={}, description="properties that replace those of the class"
    )


class General(Section):
    """What depends on no class."""

    key: ClassVar[str] = "general"
    table: Annotated[
        Any, BeforeValidator(read_general_table), PlainSerializer(write_table), WithJsonSchema(PATH_OR_NOTHING)
    ] = Field(default=None, description="slopes and constants of a file GENPARM.TBL; null: those of the package")
    slope_class: Annotated[Values, BeforeValidator(Reader("1", None, whole=True))] = Field(
        default=1, description="1 to 9 (or as the table has it), sets the share of gravity drainage at the bottom"
    )
    deep_temperature: Annotated[Values, _quantity(GeneralParameters, "deep_temperature")] = Field(
        description="temperature at the deep boundary, 40 m unless deep_temperature_depth is set [K]"
    )
    air_temperature_height: Annotated[Values, _quantity(GeneralParameters, "air_temperature_height")] = Field(
        description="height of air temperature and humidity above the ground [m]"
    )
    wind_height: Annotated[Values, _quantity(GeneralParameters, "wind_height")] = Field(
        description="height of the wind above the ground [m]"
    )
    parameters: Annotated[dict[str, Any], BeforeValidator(Overrides(GeneralParameters))] = Field(
        default={}, description="other general parameters by name"
    )


def _read_liquid(value: Any) -> Any:
    return EQUILIBRIUM if value == EQUILIBRIUM else Reader.of(State, "soil.liquid_water")(value)


class Initial(Section):
    """State before the first step."""

    key: ClassVar[str] = "initial"
    soil_temperature: Annotated[Values, _quantity(State, "soil.temperature")] = Field(
        description="one value for all layers or one per layer [K]"
    )
    soil_moisture: Annotated[Values, _quantity(State, "soil.liquid_water")] = Field(
        description="liquid and frozen water [m3 m-3]"
    )
    soil_liquid: Annotated[Values, BeforeValidator(_read_liquid)] = Field(
        description="liquid water, at most soil_moisture [m3 m-3]; or equilibrium: what the temperature leaves liquid"
    )
    skin_temperature: Annotated[Values, _quantity(State, "skin_temperature")] = Field(
        description="temperature of the surface [K]"
    )
    snow_depth: Annotated[Values, _quantity(State, "snow.depth")] = Field(default=0.0, description="[m]")
    snow_water_equivalent: Annotated[Values, _quantity(State, "snow.water_equivalent")] = Field(
        default=0.0, description="[kg m-2], the same as mm of water"
    )
    canopy_water: Annotated[Values, _quantity(State, "canopy_water")] = Field(default=0.0, description="[kg m-2]")
    albedo: Annotated[Values, _quantity(State, "surface.albedo", leading="month")] = Field(
        description="a number, or twelve values of which that of the first day is taken"
    )
    roughness_length: Annotated[Values, _quantity(State, "surface.roughness_length", leading="month")] = Field(
        description="a number, or twelve values of which that of the first day is taken [m]"
    )


class Output(Section):
    """The netCDF file a run writes."""

    key: ClassVar[str] = "output"
    file: File = Field(description="path, from the folder of this file")
    variables: list[str] | None = Field(
        default=None, description="names (`noahpy info` lists them); null: the usual ones"
    )
    every: Annotated[int, Field(ge=1)] = Field(
        default=1, description="write every n steps: fluxes as means over them, states of the last one"
    )
    daily: list[Literal["mean", "min", "max"]] | None = Field(
        default=None, description="statistics of each day instead"
    )
    compression: Annotated[int, Field(ge=0, le=9)] = Field(
        default=1, description="0: none, 1: quickly, to 9: a few percent smaller for many times the time"
    )
    overwrite: bool = Field(default=False, description="whether an existing file is replaced")


Schemes = Annotated[Options, BeforeValidator(read_schemes), PlainSerializer(write_schemes)]
