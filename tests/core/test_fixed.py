"""A model stays as it was built, so that compiled and eager steps stay the same model."""

from __future__ import annotations

import abc
import copy
import dataclasses
import pickle

import pytest
import torch
from random_columns import layered, random_case
from torch import Tensor, nn

from noahpy_core import NoahModel, Options, preset, step_function
from noahpy_core.compiled import why_not_compiled
from noahpy_core.fixed import ModelPart
from noahpy_core.physics.freezing import FreezingCurve, Koren1999
from noahpy_core.physics.soil_thermal import CoteKonrad2005
from noahpy_core.slot_list import SLOTS
from noahpy_core.trees import map_tensors

CASE = random_case(18, seed=3)
ARGUMENTS = (CASE.state, CASE.forcing, CASE.parameters, CASE.dt)
MODEL = NoahModel(CASE.column)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("options", Options(phase_change="enthalpy")),
        ("column", CASE.column),
        ("step", nn.Identity()),
        ("schemes", {}),
        ("forward", lambda *given: given),
    ],
)
def test_a_member_of_a_model_cannot_be_assigned(name, value):
    with pytest.raises(AttributeError, match=rf"model: {name} of NoahModel cannot be changed.*Build another NoahModel"):
        setattr(MODEL, name, value)


def test_an_option_cannot_be_assigned():
    with pytest.raises(AttributeError):
        MODEL.options.phase_change = "enthalpy"


def test_a_slot_cannot_be_assigned():
    with pytest.raises(TypeError):
        MODEL.schemes["soil_thermal"] = CoteKonrad2005()
    with pytest.raises(AttributeError, match="surface_balance: soil_thermal of NoahStep cannot be changed"):
        MODEL.step.soil_thermal = CoteKonrad2005()
    with pytest.raises(AttributeError, match="surface_balance: snow_cover of NoahStep cannot be changed"):
        del MODEL.step.snow_cover


@pytest.mark.parametrize("slot", [slot for slot in SLOTS if slot != "surface_balance"])
def test_nothing_of_a_built_in_scheme_can_be_assigned(slot):
    scheme = MODEL.schemes[slot]
    for name in ("forward", *vars(scheme), *vars(type(scheme))):
        if name != "training" and not name.startswith("__"):
            with pytest.raises(AttributeError, match=f"{slot}: {name} of {type(scheme).__name__} cannot be changed"):
                setattr(scheme, name, 1.0)


def test_every_built_in_scheme_is_a_part_that_can_be_fixed():
    for slot in SLOTS.values():
        for scheme in slot.schemes.values():
            assert issubclass(scheme, ModelPart), (slot.name, scheme)


def test_a_constant_of_a_built_in_class_cannot_be_assigned():
    with pytest.raises(
        AttributeError, match=r"Koren1999.TOLERANCE is a constant of a built-in scheme.*TOLERANCE = 1.0"
    ):
        Koren1999.TOLERANCE = 1.0
    assert Koren1999.TOLERANCE == 0.005


def test_a_class_of_ones_own_has_constants_of_its_own():
    class Mine(Koren1999, abc.ABC):
        pass

    Mine.TOLERANCE = 0.1
    mine = Mine()
    mine.TOLERANCE = 0.2
    model = NoahModel(CASE.column, processes={"supercooled_water": mine})
    assert (model.supercooled_water.scheme.TOLERANCE, Koren1999.TOLERANCE) == (0.2, 0.005)


@pytest.mark.slow
def test_a_supplied_scheme_can_be_changed_and_the_steps_follow():
    class Scaled(CoteKonrad2005):
        factor = 1.0

        def forward(self, liquid, ice, soil):
            return self.factor * super().forward(liquid, ice, soil)

    mine = Scaled()
    model = NoahModel(CASE.column, processes={"soil_thermal": mine})
    quick = step_function(model)
    before = quick(*ARGUMENTS)[0].soil.temperature
    mine.factor = 0.5
    after = quick(*ARGUMENTS)[0].soil.temperature
    assert not torch.equal(before, after)
    torch.testing.assert_close(after, model(*ARGUMENTS)[0].soil.temperature, rtol=1e-13, atol=0.0)
    Scaled.offset = 1.0
    Scaled.forward = lambda self, liquid, ice, soil: self.offset + 0.0 * liquid
    torch.testing.assert_close(
        quick(*ARGUMENTS)[0].soil.temperature, model(*ARGUMENTS)[0].soil.temperature, rtol=1e-13, atol=0.0
    )


def test_a_model_with_hooks_or_a_step_of_its_own_is_not_compiled():
    hooked = NoahModel(CASE.column)
    assert why_not_compiled(hooked) is None
    hooked.schemes["soil_thermal"].register_forward_hook(lambda module, given, result: 0.5 * result)
    assert why_not_compiled(hooked) == "it has hooks, which only torch calls"

    class Mine(NoahModel):
        def forward(self, *given):
            return super().forward(*given)

    assert why_not_compiled(Mine(CASE.column)) == "the model is a Mine, not a NoahModel"


class HalfCover(nn.Module):
    def forward(self, water_equivalent, parameters):
        return 0.5 * torch.ones_like(water_equivalent)


def test_a_model_with_a_supplied_scheme_goes_to_another_process():
    model = NoahModel(CASE.column, processes={"snow_cover": HalfCover(), "soil_thermal": CoteKonrad2005()})
    copy_of = pickle.loads(pickle.dumps(model))
    assert torch.equal(copy_of(*ARGUMENTS)[0].skin_temperature, model(*ARGUMENTS)[0].skin_temperature)
    assert copy_of.schemes["snow_cover"].slot is SLOTS["snow_cover"]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_of_a_model_is_fixed_and_steps_alike(copied):
    copy_of = copied(MODEL)
    assert torch.equal(copy_of(*ARGUMENTS)[0].skin_temperature, MODEL(*ARGUMENTS)[0].skin_temperature)
    assert copy_of.schemes["surface_balance"] is copy_of.step
    with pytest.raises(AttributeError, match="cannot be changed"):
        copy_of.options = Options()
    with pytest.raises(AttributeError, match="cannot be changed"):
        copy_of.schemes["turbulence"].ITERATIONS = 1


@pytest.mark.parametrize(
    "name", ["noah-permafrost", "noah-3.4.1", pytest.param("conservative", marks=pytest.mark.slow)]
)
def test_a_model_in_another_number_type_has_its_layers_and_all_digits_of_its_tables(name):
    conservative = name == "conservative"
    case = dataclasses.replace(CASE, state=layered(CASE.state)) if conservative else CASE
    trees = (case.state, case.forcing, case.parameters)
    single = [map_tensors(Tensor.float, tree) for tree in trees]
    converted, built = (
        NoahModel(case.column, preset(name)).float(),
        NoahModel(case.column.to(dtype=torch.float32), preset(name)),
    )
    assert converted.column.thickness.dtype == torch.float32
    assert CASE.column.thickness.dtype == torch.float64

    one, other = (model(*single, case.dt.float())[0] for model in (converted, built))
    assert torch.equal(one.soil.temperature, other.soil.temperature)
    quick = step_function(converted, "compiled")(*single, case.dt.float())[0]
    assert torch.allclose(quick.soil.temperature, one.soil.temperature, rtol=1e-4)

    there_and_back, never = (
        converted.double()(*trees, case.dt)[0],
        NoahModel(case.column, preset(name))(*trees, case.dt)[0],
    )
    assert torch.allclose(there_and_back.soil.temperature, never.soil.temperature, rtol=1e-5)


def test_tables_of_schemes_keep_their_digits():
    model = NoahModel(CASE.column, Options(turbulence="chen1997"))
    before = model.schemes["turbulence"].table.clone()
    assert torch.equal(model.float().double().schemes["turbulence"].table, before)


def test_what_torch_does_with_modules_still_works():
    model = NoahModel(CASE.column).eval().train().double()
    model.requires_grad_(False)
    assert torch.equal(model(*ARGUMENTS)[0].skin_temperature, MODEL(*ARGUMENTS)[0].skin_temperature)
    assert isinstance(model.supercooled_water, FreezingCurve)


def test_a_step_can_be_exported():
    exported = torch.export.export(NoahModel(CASE.column), ARGUMENTS, strict=False)
    after, fluxes = MODEL(*ARGUMENTS)
    assert len(exported.graph_signature.user_outputs) == len(torch.utils._pytree.tree_leaves((after, fluxes)))
