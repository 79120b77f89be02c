"""Which variable of a domain file is which key of a configuration."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import get_args

from bmi_noahpy.region.map_target import MapTarget

GENERIC = ("class", "classes", "fraction", "bare")
"""Names that say too little without their section."""


@cache
def targets() -> dict[str, MapTarget]:
    """Name of a variable -> the key it sets.

    A key or parameter is called by its own name, ``soil_temperature`` or ``porosity``, where only one section has it,
    and with its section before it, ``vegetation_fraction`` or ``soil_porosity``, in any case. ``albedo`` alone is the
    initial one. ``soil_class`` is another name of ``soil_classes``.
    """
    every = list(_targets())
    own = [target.parameter or target.key for target in every]
    named = {f"{t.section}_{t.parameter or t.key}": t for t in every}
    named |= {name: t for name, t in zip(own, every, strict=True) if own.count(name) == 1 and name not in GENERIC}
    named["albedo"] = named["initial_albedo"]
    named["soil_class"] = named["soil_classes"]
    return named


def _targets() -> Iterable[MapTarget]:
    from bmi_noahpy.config.checks import GIVEN_ELSEWHERE
    from bmi_noahpy.config.sections import General, Initial, Snow, Soil, Vegetation
    from bmi_noahpy.config.values import Overrides, Reader

    for model in (Soil, Vegetation, Snow, General, Initial):
        section = model.key
        for name, field in model.model_fields.items():
            key = field.alias or name
            if key == "thickness":
                continue
            for validator in (getattr(entry, "func", None) for entry in (*field.metadata, *get_args(field.annotation))):
                if isinstance(validator, Reader):
                    yield MapTarget(section, key, leading=validator.leading)
                elif isinstance(validator, Overrides):
                    for parameter in validator.names:
                        if parameter not in GIVEN_ELSEWHERE.get(section, ()):
                            yield MapTarget(section, key, parameter, Reader.of(validator.container, parameter).leading)
        if model is General:
            yield MapTarget("domain", "elevation")
        if model is Initial:
            yield MapTarget(section, "soil_liquid", leading="layer")
