"""Pages of the reference that are made from the code: keys, quantities, classes, slots, commands, names."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import typer.main
from pydantic import BaseModel

import bmi_noahpy
import noahpy_core
from bmi_noahpy.calibration import Calibration
from bmi_noahpy.component.variables import variables as component_variables
from bmi_noahpy.output.variables import output_variables
from noahpy_core.class_values import SOIL_TABLES
from noahpy_core.presets import PRESETS
from noahpy_core.quantities import quantities
from noahpy_core.schemes import SLOTS
from noahpy_core.slots.reference import slot_reference


def write_all(folder: Path) -> None:
    """Write every page, and the schema of configurations.

    Those that are the same already are left alone, so that Sphinx does not read them again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    schema = bmi_noahpy.Configuration.model_json_schema(by_alias=True)
    texts = {f"{name}.md": "\n".join(lines()) + "\n" for name, lines in PAGES.items()}
    for name, text in {**texts, "noahpy.schema.json": json.dumps(schema, indent=2) + "\n"}.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def table(headers: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A Markdown table."""
    headers = list(headers)
    yield "| " + " | ".join(headers) + " |"
    yield "|" + "---|" * len(headers)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"
    yield ""


# Keys of the configuration and of calibration files


def configuration() -> Iterator[str]:
    """All keys of a run, section by section."""
    yield from sections(bmi_noahpy.Configuration)


def calibration_file() -> Iterator[str]:
    """All keys of a calibration file."""
    yield from sections(Calibration, leave=("run",))


def sections(model: type[BaseModel], leave: tuple[str, ...] = ()) -> Iterator[str]:
    """One table for the plain keys of a model, and one for each of its sections."""
    plain, nested = [], []
    for name, field in model.model_fields.items():
        section = section_of(field.annotation)
        (plain if section is None or name in leave else nested).append((field.alias or name, field, section))
    yield from keys("At the top", plain)
    for name, field, section in nested:
        needed = "" if field.is_required() else " *(may be left out)*"
        yield f"## `{name}`{needed}\n"
        yield f"{inspect.getdoc(section)}\n"
        yield from keys(None, [(inner.alias or key, inner, None) for key, inner in section.model_fields.items()])


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The model of a section, out of its annotation."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def keys(title: str | None, fields: list[tuple[str, Any, Any]]) -> Iterator[str]:
    """The keys of a section with defaults and meanings."""
    if title:
        yield f"## {title}\n"
    yield from table(("key", "default", "meaning"), ((f"`{n}`", default(f), f.description or "") for n, f, _ in fields))


def default(field: Any) -> str:
    """The default of a key as a configuration would have it."""
    if field.is_required():
        return "*needed*"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "`null`"
    if isinstance(value, BaseModel):
        given = value.model_dump(exclude_none=True)
        return f"`{given}`" if given else ""
    return f"`{value!r}`" if len(repr(value)) < 100 else "the usual ones"


# Quantities


def variables() -> Iterator[str]:
    """What an output file can hold."""
    rows = []
    for one in output_variables().values():
        valid = "mean of the step" if one.mean else "end of the step"
        rows.append((f"`{one.path}`", one.units, ", ".join(("time", *one.dims)), valid, one.long_name))
    yield from table(("name", "units", "dimensions", "valid", "meaning"), rows)


def bmi_variables() -> Iterator[str]:
    """The variables of the BMI component."""
    rows = ((f"`{v.name}`", v.role, v.units) for v in component_variables().values())
    yield from table(("name", "role", "units"), rows)


def parameters() -> Iterator[str]:
    """Names, units and bounds of all parameters."""
    rows = []
    for path, about in quantities(noahpy_core.Parameters):
        low, high = about["bounds"]
        where = "layer" if about["dims"] else "column"
        rows.append((f"`{path}`", about["units"], f"{low:g} to {high:g}", where, about["long_name"]))
    yield from table(("name", "units", "bounds", "by", "meaning"), rows)


def classes() -> Iterator[str]:
    """The classes of soil and land cover."""
    for kind, names, choices in (
        ("Soil classes", noahpy_core.tables.soil_class_names, SOIL_TABLES),
        ("Land cover classes", noahpy_core.tables.vegetation_class_names, ("usgs", "modis")),
    ):
        for choice in choices:
            yield f"## {kind} of the table `{choice}`\n"
            yield from table(("class", "name"), ((str(number), name) for number, name in names(choice).items()))


def slots() -> Iterator[str]:
    """The contract of every slot, and the presets."""
    yield slot_reference(SLOTS)
    yield "## Presets\n"
    usual = vars(noahpy_core.Options())
    rows = []
    for name, chosen in PRESETS.items():
        changed = [f"`{slot}: {scheme}`" for slot, scheme in vars(chosen).items() if scheme != usual[slot]]
        rows.append((f"`{name}`", ", ".join(changed) or "the defaults of all slots"))
    yield from table(("preset", "schemes"), rows)


# Commands and Python names


def commands() -> Iterator[str]:
    """Every command with its arguments and options."""
    group: Any = typer.main.get_command(bmi_noahpy.cli.app)
    for name, command in group.commands.items():
        yield f"## noahpy {name}\n"
        yield f"{inspect.cleandoc(command.help or '')}\n"
        rows = []
        for parameter in command.params:
            shown = ", ".join(f"`{option}`" for option in [*parameter.opts, *parameter.secondary_opts])
            is_argument = parameter.param_type_name == "argument"
            shown = f"`{parameter.name.upper()}`" if is_argument else shown
            rows.append((shown, getattr(parameter, "help", None) or ""))
        yield from table(("argument or option", "meaning"), rows)


def python_names() -> Iterator[str]:
    """Every public name with its signature and docstring."""
    for package in (noahpy_core, bmi_noahpy):
        yield from names_of(package)
        inner = [getattr(package, name) for name in package.__all__]
        known = {id(value) for value in inner}
        for namespace in inner:
            # The command line has a page of its own.
            if isinstance(namespace, ModuleType) and namespace is not bmi_noahpy.cli:
                yield from names_of(namespace, known)


def names_of(module: ModuleType, known: Iterable[int] = ()) -> Iterator[str]:
    """The names of a module; those in `known` are described elsewhere."""
    yield f"## {module.__name__}\n"
    yield f"{inspect.getdoc(module)}\n"
    known = set(known)
    for name in sorted(module.__all__, key=str.lower):
        value = getattr(module, name)
        if isinstance(value, ModuleType) or id(value) in known or not callable(value):
            continue
        kind = "autoclass" if inspect.isclass(value) else "autofunction"
        yield f"### {name}\n"
        yield f"```{{eval-rst}}\n.. {kind}:: {module.__name__}.{name}"
        if kind == "autoclass":
            yield "   :members:"
        yield "```\n"


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "configuration": configuration,
    "calibration_file": calibration_file,
    "variables": variables,
    "bmi_variables": bmi_variables,
    "parameters": parameters,
    "classes": classes,
    "slots": slots,
    "commands": commands,
    "python_names": python_names,
}
