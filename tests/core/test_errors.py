"""Errors say by fields what is wrong, and keep the fields on their way between processes."""

from __future__ import annotations

import pickle

import pytest
import torch
from random_columns import random_case

from noahpy_core import NoahModel, Options
from noahpy_core.errors import ClassError, ConvergenceError, KeyedError, SchemeError, ShapeError
from noahpy_core.tables import soil_parameters

CASE = random_case(18, seed=3)
EXAMPLES = [
    KeyedError("output.every", "must be positive. Use 1."),
    SchemeError("turbulence", "unknown scheme 'x'. Use chen1997."),
    ShapeError("forcing.wind_speed", "is a list. Give a tensor."),
    ClassError("soil", "layer 2 column 1", "99 does not exist. Use 1 to 19."),
    ConvergenceError("enthalpy heat step: 1 of 4 columns.", [2], 7),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_from_another_process_has_the_same_fields_and_message(error):
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied) is type(error)
    assert str(copied) == str(error)
    assert vars(copied) == vars(error)


def test_a_scheme_that_cannot_stand_in_its_slot_is_asked_for_it():
    with pytest.raises(SchemeError) as caught:
        NoahModel(CASE.column, Options(turbulence="chen97"))
    assert caught.value.slot == "turbulence"
    assert caught.value.reason.startswith("unknown scheme 'chen97'. Use ")
    assert str(caught.value) == f"turbulence: {caught.value.reason}"


def test_a_class_that_cannot_be_computed_has_its_place():
    with pytest.raises(ClassError) as caught:
        soil_parameters(torch.tensor([[3, 3], [3, 99]]))
    assert (caught.value.kind, caught.value.place) == ("soil", "layer 2 column 2")
    assert str(caught.value).startswith("soil class of layer 2 column 2: 99 does not exist")


def test_a_failure_is_numbered_without_its_text_being_read():
    error = ConvergenceError("step 3: of another kind", [0, 5])
    later = error.at_step(40)
    assert (later.step, later.columns, str(later)) == (40, (0, 5), "step 40: step 3: of another kind")
    assert later.at_step(41).step == 41
    assert str(later.at_step(41)) == "step 41: step 3: of another kind"
