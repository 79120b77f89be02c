"""Tables of classes in files: SOILPARM.TBL, VEGPARM.TBL and GENPARM.TBL in the place of those of the package."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationInfo, WithJsonSchema

from bmi_noahpy.config.classic_text import ClassSection, Row, TableTextError, read_general, read_sections
from bmi_noahpy.config.values import refuse_empty
from bmi_noahpy.files.brief import suggest
from bmi_noahpy.files.reading import UnreadableFile, expanded, read_text
from noahpy_core.class_tables import ClassTable, GeneralTable, soil_rows
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import quantities

Kind = Literal["soil", "vegetation"]
Column = tuple[str, Callable[[float], float]]

PATH_OR_NOTHING: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "null"}]}
USUAL_SECTION = "STAS"
"""Of a soil file with several tables: the others belong to other models."""
TWO_PASS_SATURATION = 0.9
"""Of a soil that the package does not know by its name."""
SOIL: Mapping[str, str] = {
    "clapp_hornberger_b": "BB",
    "dry_limit": "DRYSMC",
    "porosity": "MAXSMC",
    "field_capacity": "REFSMC",
    "saturated_suction": "SATPSI",
    "saturated_hydraulic_conductivity": "SATDK",
    "saturated_diffusivity": "SATDW",
    "wilting_point": "WLTSMC",
    "quartz_fraction": "QTZ",
}
VEGETATION: Mapping[str, Column] = {
    "root_layers": ("NROOT", lambda value: max(value, 1.0)),
    "minimum_stomatal_resistance": ("RS", float),
    "radiation_stress_scale": ("RGL", float),
    "humidity_stress_coefficient": ("HS", float),
    "minimum_leaf_area_index": ("LAIMIN", float),
    "maximum_leaf_area_index": ("LAIMAX", float),
    "minimum_emissivity": ("EMISSMIN", float),
    "maximum_emissivity": ("EMISSMAX", float),
    "minimum_albedo": ("ALBEDOMIN", float),
    "maximum_albedo": ("ALBEDOMAX", float),
    "minimum_roughness_length": ("Z0MIN", float),
    "maximum_roughness_length": ("Z0MAX", float),
    "full_cover_snow": ("SNUP", lambda value: round(1000.0 * value, 9)),
    "deep_snow_albedo": ("MAXALB", lambda value: round(0.01 * value, 12)),
}
OF_THE_CANOPY: Mapping[str, Column] = {
    "optimum_air_temperature": ("TOPT_DATA", float),
    "canopy_capacity": ("CMCMAX_DATA", lambda value: round(1000.0 * value, 9)),
    "canopy_wetness_exponent": ("CFACTR_DATA", float),
    "maximum_stomatal_resistance": ("RSMAX_DATA", float),
}
GENERAL: Mapping[str, Column] = {
    "canopy_shading_coefficient": ("SBETA_DATA", float),
    "soil_evaporation_exponent": ("FXEXP_DATA", float),
    "mineral_heat_capacity": ("CSOIL_DATA", float),
    "snow_cover_shape": ("SALP_DATA", float),
    "reference_hydraulic_conductivity": ("REFDK_DATA", float),
    "reference_infiltration_decay": ("REFKDT_DATA", float),
    "impermeable_ice_depth": ("FRZK_DATA", float),
    "deep_temperature_depth": ("ZBOT_DATA", abs),
    "zilitinkevich_coefficient": ("CZIL_DATA", float),
    "snow_albedo_weight": ("LVCOEF_DATA", float),
}


@dataclasses.dataclass(frozen=True)
class TableReader:
    """Validator of ``soil.table`` and ``vegetation.table``: a name, a file, or ``{file, section}``.

    Parameters
    ----------
    kind : Of the classes.
    names : Of the tables of the package.
    """

    kind: Kind
    names: Sequence[str]

    def __call__(self, value: Any, info: ValidationInfo) -> str | ClassTable:
        """The name of a table of the package, or a table read from a file.

        Raises
        ------
        ValueError : neither, or a file that cannot be used.
        """
        if isinstance(refuse_empty(value), ClassTable) or value in self.names:
            return value  # type: ignore[no-any-return]
        given = {"file": value} if isinstance(value, (str, Path)) else value
        if not isinstance(given, Mapping) or not {"file"} <= set(given) <= {"file", "section"}:
            raise ValueError(f"{value!r} is no table. Use {', '.join(self.names)}, a file, or {{file, section}}.")
        path = _path(given["file"], info, self.names)
        sections = _read(path, read_sections)
        section = _chosen(sections, given.get("section"), path)
        return _soil(section, path) if self.kind == "soil" else _vegetation(section, path)


def read_general_table(value: Any, info: ValidationInfo) -> GeneralTable | None:
    """Validator of ``general.table``: a file GENPARM.TBL; None for the numbers of the package.

    Raises
    ------
    ValueError : a file that cannot be used.
    """
    if value is None or isinstance(refuse_empty(value), GeneralTable):
        return value  # type: ignore[no-any-return]
    path = _path(value, info, ())
    slopes, numbers = _read(path, read_general)
    found = {name: convert(numbers[key]) for name, (key, convert) in GENERAL.items() if key in numbers}
    for name, number in found.items():
        _within(name, number, f"{path}: {GENERAL[name][0]}", ("general", "snow"))
    for number in slopes:
        _within("drainage_factor", number, f"{path}: SLOPE_DATA", ("general",))
    return GeneralTable(str(path), found, slopes)


def table_schema(names: Sequence[str]) -> WithJsonSchema:
    """What editors are told of a key that names a table: one of the package, a file, or one of the tables of a file."""
    of_file = {
        "type": "object",
        "properties": {"file": {"type": "string"}, "section": {"type": "string"}},
        "required": ["file"],
        "additionalProperties": False,
    }
    return WithJsonSchema({"anyOf": [{"enum": list(names)}, {"type": "string"}, of_file]})


def write_table(table: Any) -> Any:
    """A table as a configuration names it."""
    if not isinstance(table, (ClassTable, GeneralTable)):
        return table
    if isinstance(table, GeneralTable):
        return table.name
    # The section comes last: folders and files may have brackets of their own.
    file, mark, section = table.name.rpartition(" (")
    return {"file": file, "section": section.removesuffix(")")} if mark else table.name


def table_file(table: Any) -> Path | None:
    """The file of a table; None for one of the package."""
    given = write_table(table) if isinstance(table, (ClassTable, GeneralTable)) else None
    return None if given is None else Path(given["file"] if isinstance(given, Mapping) else given)


def _path(value: Any, info: ValidationInfo, names: Sequence[str]) -> Path:
    if not isinstance(value, (str, Path)):
        raise ValueError(f"{value!r} is not a path. Give the name of a file.")
    path = expanded(Path((info.context or {}).get("folder", ".")), value)
    if path.is_file():
        return path
    if not names:
        raise ValueError(f"'{value}' is not a file. Correct the path.")
    raise ValueError(f"unknown value {str(value)!r}, and no such file. {suggest(str(value), names)}")


def _read(path: Path, read: Callable[[str], Any]) -> Any:
    try:
        return read(read_text(path))
    except UnreadableFile as error:
        raise ValueError(f"{path}: {error}") from None
    except TableTextError as error:
        raise ValueError(f"{path}: {error}") from None


def _chosen(sections: Sequence[ClassSection], wanted: Any, path: Path) -> ClassSection:
    names = [section.name for section in sections]
    if wanted is None:
        wanted = names[0] if len(names) == 1 else USUAL_SECTION
        if wanted not in names:
            text = f"{path} holds the tables {', '.join(names)}. Say which: {{file: {path.name}, section: {names[0]}}}."
            raise ValueError(text)
    if wanted not in names:
        raise ValueError(f"{path}: no table {wanted!r}. {suggest(str(wanted), names)}")
    return sections[names.index(wanted)]


def _soil(section: ClassSection, path: Path) -> ClassTable:
    known = {row["name"]: row["two_pass_saturation"] for row in soil_rows("noah").values()}
    rows = {}
    for row in section.rows:
        name, material = row.label.lower(), _material(row.label.lower())
        values = {parameter: _value(row, column, section, path) for parameter, column in SOIL.items()}
        if material not in ("ice", "water"):
            for parameter, number in values.items():
                _within(parameter, number, f"{path}: line {row.line}: {SOIL[parameter]}", ("soil",))
        rows[row.number] = {
            "name": name,
            "material": material,
            "two_pass_saturation": known.get(name, repr(TWO_PASS_SATURATION)),
            **{parameter: repr(number) for parameter, number in values.items()},
        }
    return ClassTable(f"{path} ({section.name})", rows)


def _material(name: str) -> str:
    for material, words in (("water", ("water", "lake")), ("ice", ("ice", "glacier"))):
        if any(word in name for word in words):
            return material
    return name if name in ("gravel", "bedrock") else "soil"


def _vegetation(section: ClassSection, path: Path) -> ClassTable:
    canopy = {
        name: repr(convert(section.numbers[key]))
        for name, (key, convert) in OF_THE_CANOPY.items()
        if key in section.numbers
    }
    rows = {}
    for row in section.rows:
        cover = _cover(row, section)
        values = {name: convert(_value(row, key, section, path)) for name, (key, convert) in VEGETATION.items()}
        if cover in ("land", "bare"):
            for name, number in values.items():
                where = f"{path}: line {row.line}: {VEGETATION[name][0]}"
                _within(name, number, where, ("vegetation", "snow"))
        rows[row.number] = {
            "name": row.label.lower(),
            "cover": cover,
            **{name: repr(number) for name, number in values.items()},
            **canopy,
        }
    return ClassTable(f"{path} ({section.name})", rows)


def _cover(row: Row, section: ClassSection) -> str:
    name = row.label.lower()
    if row.number == section.numbers.get("BARE"):
        return "bare"
    for cover, words in (("urban", ("urban",)), ("ice", ("snow or ice", "snow and ice")), ("water", ("water",))):
        if any(word in name for word in words):
            return cover
    return "land"


def _value(row: Row, column: str, section: ClassSection, path: Path) -> float:
    if column not in row.values:
        raise ValueError(
            f"{path}: {section.name} has no column {column}, only {', '.join(row.values)}. It belongs to another model."
        )
    return row.values[column]


def _within(name: str, number: float, where: str, sections: Sequence[str]) -> None:
    """Refuse a number that the parameter cannot have."""
    for path, metadata in quantities(Parameters):
        section, _, parameter = path.partition(".")
        if parameter != name or section not in sections or metadata["bounds"] is None:
            continue
        low, high = metadata["bounds"]
        if not low <= number <= high:
            raise ValueError(f"{where}: impossible value {number:g}. It must lie within {low:g} to {high:g}.")
