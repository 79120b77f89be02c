"""Units of records to units of the model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bmi_noahpy import units as scalar_units
from bmi_noahpy.forcing.table import RATES, UNITS, Array, ForcingError
from bmi_noahpy.units import refuse_other_kind, spelling

ACCEPTED_KINDS: Mapping[str, tuple[str, ...]] = {
    "specific_humidity": ("masses",),
    "mixing_ratio": ("masses",),
    "vapour_mole_fraction": ("amounts of substance",),
    "relative_humidity": ("percent",),
    "vegetation_fraction": ("percent", "areas"),
    "snow_free_albedo": ("percent",),
    "leaf_area_index": ("areas",),
}


def convert(values: Array, units: str, quantity: str, interval: float | None) -> Array:
    """Values of one quantity in the model's units.

    Parameters
    ----------
    values : In `units`.
    units : As the file or the configuration spells them: "degC", "hPa", "percent", "mm/h", "kg m-2 s-1", ...
    quantity : Name of the quantity, which decides the target units.
    interval : Time between records, for amounts per record (below); None for a single record. [s]

    Notes
    -----
    Precipitation given as a depth is water of 1000 kg m-3. Precipitation or radiation given as an amount (mm, kg m-2,
    J m-2) is the amount in the interval that starts at the record's time.

    Raises
    ------
    ForcingError : for units that are unknown or of another kind than the quantity.
    """
    target = UNITS[quantity]
    spelled = spelling(units)
    if spelled == target:
        return values
    try:
        refuse_other_kind(units, ACCEPTED_KINDS.get(quantity))
    except ValueError as error:
        raise ForcingError(
            f"{error} Name the variable as what it is (specific_humidity, relative_humidity, mixing_ratio, "
            f"vapour_mole_fraction), or correct forcing.variables.{quantity}.units."
        ) from error
    try:
        offset, factor = scalar_units.linear(spelled, target)
    except ValueError as error:
        amount = _amount_factor(spelled, target, interval) if quantity in RATES else None
        if amount is None and interval is None and is_amount(units, quantity):
            raise ForcingError(
                f"units {units!r} are the amount of a record, and a single record does not say of what time. Give two."
            ) from error
        if amount is None:
            raise ForcingError(
                f"units {units!r} do not give {target!r}. Set forcing.variables.{quantity}.units to those of the file."
            ) from error
        offset, factor = 0.0, amount
    return values * factor + offset


def is_amount(units: str, quantity: str) -> bool:
    """Whether units are those of an amount (mm, J m-2) where the model has a rate."""
    # The model's own units need no registry, which takes a while to start.
    if quantity not in RATES or spelling(units) == UNITS[quantity]:
        return False
    return _amount_factor(spelling(units), UNITS[quantity], 1.0) is not None


def same_units(units: str, others: str, quantity: str) -> bool:
    """Whether two spellings mean the same; True for one that is not known, which says nothing."""
    if spelling(units) == spelling(others):
        return True
    points = np.array([0.0, 1.0])
    try:
        refuse_other_kind(units, ACCEPTED_KINDS.get(quantity))
    except ValueError:
        return False
    try:
        first, second = (convert(points, each, quantity, 3600.0) for each in (units, others))
    except ForcingError:
        return True
    return bool(np.allclose(first, second, rtol=1e-6)) and is_amount(units, quantity) == is_amount(others, quantity)


def factor_in_sum(units: str, of_first: str, quantity: str) -> float:
    """What a variable of a sum is multiplied by to have the units of the first one.

    Raises
    ------
    ForcingError : units of another kind (a rate beside an amount of a record), or with a zero of their own.
    """
    if spelling(units) == spelling(of_first):
        return 1.0
    zero, one = np.zeros(1), np.ones(1)
    factors = []
    for each in (units, of_first):
        if float(convert(zero, each, quantity, 1.0)[0]) != 0.0:
            raise ForcingError(f"units {each!r} have a zero of their own. Put the variables of the sum in one unit.")
        factors.append(float(convert(one, each, quantity, 1.0)[0]))
    if is_amount(units, quantity) != is_amount(of_first, quantity):
        raise ForcingError(
            f"units {units!r} and {of_first!r} are an amount of a record and a rate, which are not summed. Put the "
            "variables of the sum in one unit."
        )
    return factors[0] / factors[1]


def _amount_factor(units: str, target: str, interval: float | None) -> float | None:
    """Factor from an amount per record to a rate; None when the units are no such amount."""
    try:
        per_second = scalar_units.convert(1.0, f"{units} s-1", target)
    except ValueError:
        return None
    return None if interval is None else per_second / interval
