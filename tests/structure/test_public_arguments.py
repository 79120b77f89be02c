"""What users call says what it is given: every public function of `bmi_noahpy` with three or more arguments."""

from __future__ import annotations

import inspect
import re
from types import ModuleType

import pytest

import bmi_noahpy


def functions():
    things = {name: getattr(bmi_noahpy, name) for name in bmi_noahpy.__all__}
    inner = [thing for thing in things.values() if isinstance(thing, ModuleType)]
    things |= {f"{module.__name__}.{name}": getattr(module, name) for module in inner for name in module.__all__}
    for name, thing in things.items():
        if inspect.isfunction(thing):
            yield name, thing
        elif inspect.isclass(thing) and thing.__module__.startswith("bmi_noahpy"):
            for member, method in vars(thing).items():
                if inspect.isfunction(method) and not member.startswith("_"):
                    yield f"{name}.{member}", method


FUNCTIONS = dict(functions())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_of_three_or_more_arguments_describes_them(name):
    text = inspect.getdoc(FUNCTIONS[name]) or ""
    assert text
    arguments = [name for name in inspect.signature(FUNCTIONS[name]).parameters if name not in ("self", "cls")]
    if len(arguments) >= 3:
        assert re.search(r"(Parameters|Attributes)\n-+\n", text)
