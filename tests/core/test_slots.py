"""The contract of each slot, and the presets and combinations of schemes."""

from __future__ import annotations

import dataclasses
import inspect

import pytest
import torch
from random_columns import layered, random_case
from torch import Tensor, nn

from bmi_noahpy.verification.setup import scheme_options
from noahpy_core import NoahModel, Options, preset
from noahpy_core.combinations import RULES
from noahpy_core.contract import Values
from noahpy_core.options import BUILT_IN
from noahpy_core.physics.snow_layered import LayeredSnow
from noahpy_core.physics.snow_processes import NoahsOwn
from noahpy_core.presets import PRESETS
from noahpy_core.slot_list import SLOTS
from noahpy_core.slots.reference import arguments_of, methods_of, slot_reference
from noahpy_core.slots.trial_columns import TrialColumns
from noahpy_core.summaries import summary

CASE = random_case(18, seed=3)
FUNCTIONS = [name for name, slot in SLOTS.items() if slot.is_open and "__call__" in methods_of(slot.contract)]
CLOSED = [name for name, slot in SLOTS.items() if not slot.is_open]


def test_an_option_has_the_name_of_its_slot_and_its_default_is_built_in():
    for name, slot in SLOTS.items():
        assert slot.name == name
        assert slot.default in slot.schemes
        assert slot.is_open == (slot.trial is not None)
    assert vars(Options()) == {name: slot.default for name, slot in SLOTS.items()}


@pytest.mark.parametrize("name", SLOTS)
def test_every_scheme_of_the_table_is_the_class_of_its_place(name):
    for scheme, found in SLOTS[name].schemes.items():
        module, called = BUILT_IN[name].place(scheme)
        assert issubclass(found, nn.Module)
        assert (found.__module__, found.__qualname__) == (module, called)
        assert summary(module, called) == inspect.cleandoc(found.__doc__).partition("\n")[0].rstrip(".")


def names_given(method) -> list[str]:
    """What must be given; a built-in scheme may take more than the contract gives, such as a source of heat."""
    known = inspect.signature(method).parameters
    return [name for name, about in known.items() if name != "self" and about.default is inspect.Parameter.empty]


@pytest.mark.parametrize(("slot", "name"), [(s, n) for s, slot in SLOTS.items() for n in slot.schemes])
def test_built_in_schemes_take_what_the_contract_gives(slot, name):
    if SLOTS[slot].schemes[name] in (NoahsOwn, LayeredSnow):
        pytest.skip("it is part of another step than the contract describes")
    for method, contract in methods_of(SLOTS[slot].contract).items():
        own = getattr(SLOTS[slot].schemes[name], "forward" if method == "__call__" else method)
        assert len(names_given(own)) == len(names_given(contract)), method


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_trial_of_a_scheme_is_within_its_contract(name):
    slot, made = SLOTS[name], TrialColumns(CASE.column)
    contract = arguments_of(slot.contract.__call__)
    for (argument, values), given in zip(contract.items(), slot.trial(made), strict=True):
        if isinstance(values, Values):
            shape = (made.layers, made.number) if values.layers else (made.number,)
            assert given.shape == shape, argument
            assert values.low <= given.min().item() <= given.max().item() <= values.high, argument
        else:
            assert type(given).__name__ in values or (values == "tensor or float" and isinstance(given, Tensor | float))


def test_the_reference_has_every_slot_argument_and_scheme():
    page = slot_reference(SLOTS)
    for name, slot in SLOTS.items():
        section = page.split(f"## {name}\n")[1].split("\n## ")[0]
        for method in methods_of(slot.contract).values():
            for argument in arguments_of(method):
                assert f"| {argument} |" in section
        for value in slot.returns:
            assert f"| {value.name} | {value.units} | {value.range} | {value.dimensions} |" in section
        for scheme in slot.schemes:
            assert f"| `{scheme}`" in section


@pytest.mark.parametrize("slot", CLOSED)
def test_a_slot_whose_schemes_keep_the_budget_refuses_ones_own(slot):
    class Mine(nn.Module):
        pass

    with pytest.raises(ValueError, match=rf"^{slot}: .*Mine is not built in.* Use noah"):
        NoahModel(CASE.column, processes={slot: Mine()})
    with pytest.raises(ValueError, match=rf"^{slot}: unknown scheme 'torch.nn:Identity'. Use noah"):
        NoahModel(CASE.column, Options(**{slot: "torch.nn:Identity"}))


def test_the_released_version_is_that_of_the_numbers_in_its_control_file():
    flags = {"opt_frz": 1, "opt_inf": 1, "opt_tcnd": 1, "sfcdif_option": 0, "iz0tlnd": 0}
    assert preset("noah-3.4.1") == scheme_options(flags)
    assert preset("noah-permafrost") == Options()


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_makes_a_model_that_steps(name):
    before = layered(CASE.state) if name == "conservative" else CASE.state
    state, fluxes = NoahModel(CASE.column, preset(name))(before, CASE.forcing, CASE.parameters, CASE.dt)
    assert bool(torch.isfinite(state.soil.temperature).all())
    assert bool(torch.isfinite(fluxes.latent_heat_flux).all())


def test_an_unknown_preset_is_named_with_those_there_are():
    with pytest.raises(ValueError, match=r"preset: 'noah-3.4' is unknown. Use .*noah-3.4.1.* Did you mean"):
        preset("noah-3.4")


def test_every_rule_names_slots_and_can_be_fulfilled():
    for rule in RULES:
        assert {rule.slot, rule.needs} <= set(SLOTS)
        built_in = [kind for kind in SLOTS[rule.needs].schemes.values() if isinstance(kind, type)]
        assert any(issubclass(kind, rule.among) for kind in built_in)


def test_schemes_that_do_not_go_together_are_named_with_what_would():
    def largest(temperature, liquid, ice, soil):
        return liquid

    options = dataclasses.replace(preset("noah-permafrost"), phase_change="enthalpy")
    with pytest.raises(
        ValueError, match=r"phase_change: 'enthalpy' does not go with function as supercooled_water"
    ) as caught:
        NoahModel(CASE.column, options, {"supercooled_water": largest})
    assert "needs a freezing curve" in str(caught.value)
    assert str(caught.value).endswith("Built in are koren1999, niu_yang2006.")
