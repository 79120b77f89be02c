"""What users read: every scheme and every public function of several arguments says shapes, units and meaning."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re

import pytest

import noahpy_core
from noahpy_core import duals, foreign, learning, physics, tables
from noahpy_core.slot_list import SLOTS
from noahpy_core.slots.reference import methods_of

UNITS = re.compile(r"(?<!`)\[(?:1|K|m[23]?|s|kg|W|J|Pa)\b[^\]]*\]")
"""Not a shape, which stands between backticks."""
SCHEMES = [
    (f"{slot.name} {name}", getattr(scheme, "forward" if method == "__call__" else method))
    for slot in SLOTS.values()
    for name, scheme in slot.schemes.items()
    for method in methods_of(slot.contract)
    if method == "__call__" or hasattr(scheme, method)  # Layered snow has methods of its own.
]


def public_functions():
    for module in (noahpy_core, learning, tables):
        for name in getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")]):
            thing = getattr(module, name)
            if inspect.isfunction(thing) and thing.__module__.startswith("noahpy_core"):
                yield name, thing
            elif inspect.isclass(thing) and thing.__module__.startswith("noahpy_core"):
                for member, method in vars(thing).items():
                    if inspect.isfunction(method) and not member.startswith("_"):
                        yield f"{name}.{member}", method


def arguments(function) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]


@pytest.mark.parametrize(("name", "forward"), SCHEMES, ids=[name for name, _ in SCHEMES])
def test_the_forward_of_a_scheme_says_shapes_and_units(name, forward):
    text = inspect.getdoc(forward) or ""
    if forward.__module__.endswith("snow_processes") and "Never called" in text:
        pytest.skip("stands for a piece of Noah's own pack, and is never called")
    assert UNITS.search(text), f"{name}: no units"
    assert "column]``" in text, f"{name}: no shape"


@pytest.mark.parametrize("function", [f for _, f in public_functions()], ids=[name for name, _ in public_functions()])
def test_a_public_function_of_three_or_more_arguments_describes_them(function):
    text = inspect.getdoc(function) or ""
    assert text
    if len(arguments(function)) >= 3:
        assert re.search(r"(Parameters|Attributes)\n-+\n", text) or "see `NoahModel.forward`" in text


def inner_functions():
    names = [module.name for module in pkgutil.iter_modules(physics.__path__, "noahpy_core.physics.")]
    for module in (*map(importlib.import_module, names), duals, foreign):
        for name, thing in vars(module).items():
            if inspect.isfunction(thing) and thing.__module__ == module.__name__ and not name.startswith("_"):
                yield f"{module.__name__}.{name}", thing


@pytest.mark.parametrize("function", [f for _, f in inner_functions()], ids=[name for name, _ in inner_functions()])
def test_a_function_of_the_physics_with_three_or_more_arguments_describes_them(function):
    text = inspect.getdoc(function) or ""
    assert text
    if len(arguments(function)) >= 3:
        assert re.search(r"Parameters\n-+\n", text)
