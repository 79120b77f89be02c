"""Slots: built-in schemes by name, imported ones, and a user's own objects."""

from __future__ import annotations

import dataclasses
import sys
import types

import pytest
import torch
from random_columns import random_case, standard_schemes
from torch import nn

from noahpy_core.model import NoahModel
from noahpy_core.options import Options, OwnScheme, check_scheme
from noahpy_core.physics.snow import NoahSnowMelt
from noahpy_core.physics.surface import NoahSnowCover
from noahpy_core.presets import preset
from noahpy_core.processes import SCHEMES, build_processes

CASE = random_case(60, seed=3)


def run(model: NoahModel):
    return model(CASE.state, CASE.forcing, CASE.parameters, CASE.dt)


class HalfCover(nn.Module):
    """Half of the ground is covered wherever there is snow."""

    def forward(self, water_equivalent, parameters):
        return torch.where(water_equivalent > 0, 0.5, 0.0).to(water_equivalent.dtype)


@pytest.fixture
def user_module():
    """An importable module with a user's own schemes."""
    module = types.ModuleType("my_schemes")
    module.HalfCover = HalfCover
    module.not_a_class = 3
    sys.modules["my_schemes"] = module
    yield "my_schemes"
    del sys.modules["my_schemes"]


def test_every_option_has_a_slot_and_a_built_in_default():
    assert {field.name for field in dataclasses.fields(Options)} == set(SCHEMES)
    for slot, name in vars(Options()).items():
        assert name in SCHEMES[slot], slot


@pytest.mark.parametrize(("slot", "name"), [(slot, name) for slot, names in SCHEMES.items() for name in names])
def test_every_scheme_can_be_built_by_name_and_is_of_its_class(slot, name):
    standard = Options() if name in standard_schemes()[slot] else preset("conservative")
    parts = build_processes(dataclasses.replace(standard, **{slot: name}), CASE.column)
    assert set(parts) == set(SCHEMES)
    assert isinstance(parts[slot], SCHEMES[slot][name])


def test_an_unknown_slot_is_named_with_the_valid_ones():
    with pytest.raises(ValueError, match=r"unknown slot 'snowmelt'.*snow_melt"):
        build_processes(Options(), CASE.column, {"snowmelt": NoahSnowMelt()})


def test_an_unknown_scheme_is_named_with_slot_choices_and_the_nearest_one():
    with pytest.raises(ValueError, match="supercooled_water") as caught:
        build_processes(Options(supercooled_water="koren1998"), CASE.column)
    message = str(caught.value)
    assert "'koren1998'" in message
    assert "niu_yang2006" in message
    assert "package.module:Class" in message
    assert "Did you mean 'koren1999'?" in message


def test_a_scheme_unlike_any_other_gets_no_suggestion():
    with pytest.raises(ValueError, match="unknown scheme 'zzz'") as caught:
        check_scheme("turbulence", "zzz")
    assert "Did you mean" not in str(caught.value)


def test_a_scheme_is_imported_by_module_and_class(user_module):
    parts = build_processes(Options(snow_cover=f"{user_module}:HalfCover"), CASE.column)
    assert isinstance(parts["snow_cover"].scheme, HalfCover)


@pytest.mark.parametrize("path", ["no_such_module:Scheme", "my_schemes:Missing", "my_schemes:"])
def test_a_scheme_that_cannot_be_imported_is_reported_by_slot_and_path(user_module, path):
    with pytest.raises(ValueError, match=r"snow_cover: cannot import") as caught:
        build_processes(Options(snow_cover=path), CASE.column)
    assert path in str(caught.value)


def test_a_supplied_object_stands_in_its_slot_whatever_the_option_says():
    mine = HalfCover()
    parts = build_processes(Options(snow_cover="noah"), CASE.column, {"snow_cover": mine})
    assert parts["snow_cover"].scheme is mine


def test_a_supplied_callable_is_used_by_the_model():
    calls = []

    def cover(water_equivalent, parameters):
        calls.append(water_equivalent.shape)
        return torch.where(water_equivalent > 0, 0.5, 0.0).to(water_equivalent.dtype)

    state, fluxes = run(NoahModel(CASE.column, processes={"snow_cover": cover}))
    assert (CASE.columns,) in calls
    lasting = state.snow.water_equivalent > 0
    assert lasting.sum().item() > 5
    assert set(fluxes.snow_cover_fraction[lasting].tolist()) == {0.5}


def test_a_supplied_module_is_part_of_the_model_and_learns():
    class LearnedCover(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(20.0, dtype=torch.float64))

        def forward(self, water_equivalent, parameters):
            return 1.0 - torch.exp(-water_equivalent / self.scale)

    model = NoahModel(CASE.column, processes={"snow_cover": LearnedCover()})
    assert [name for name, _ in model.named_parameters()] == ["step.snow_cover.scheme.scale"]
    state, _ = run(model)
    state.skin_temperature.sum().backward()
    assert model.schemes["snow_cover"].scheme.scale.grad.abs().item() > 0.0


def test_a_supplied_scheme_equal_to_the_built_in_one_changes_nothing():
    supplied, _ = run(NoahModel(CASE.column, processes={"snow_cover": NoahSnowCover(), "snow_melt": NoahSnowMelt()}))
    built_in, _ = run(NoahModel(CASE.column))
    torch.testing.assert_close(supplied.skin_temperature, built_in.skin_temperature, rtol=0.0, atol=0.0)


def test_a_supplied_freezing_curve_reaches_the_heat_step():
    class NoFreezing(nn.Module):
        def forward(self, temperature, liquid, ice, soil):
            return liquid + ice

    curve = NoFreezing()
    parts = build_processes(Options(phase_change="heat_limited"), CASE.column, {"supercooled_water": curve})
    assert parts["phase_change"].supercooled_water.scheme is curve


def test_a_supplied_roughness_scheme_reaches_the_turbulence_scheme():
    mine = SCHEMES["thermal_roughness"]["chen_zhang2009"]()
    parts = build_processes(Options(turbulence="paulson1970"), CASE.column, {"thermal_roughness": mine})
    assert parts["turbulence"].thermal_roughness is mine


class ScaledCover(nn.Module):
    """Snow cover by one learned scale."""

    def __init__(self, scale: float, column=None):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))
        self.column = column

    def forward(self, water_equivalent, parameters):
        return 1.0 - torch.exp(-water_equivalent / self.scale)


def test_a_scheme_by_name_gets_arguments_column_and_weights(user_module, tmp_path):
    sys.modules[user_module].ScaledCover = ScaledCover
    file = tmp_path / "cover.pt"
    torch.save({"scale": torch.tensor(33.0)}, file)
    parts = build_processes(
        Options(snow_cover=OwnScheme(f"{user_module}:ScaledCover", {"scale": 5.0}, file)), CASE.column
    )
    mine = parts["snow_cover"].scheme
    assert mine.column is CASE.column
    assert mine.scale.item() == 33.0
    assert mine.scale.dtype == torch.float64


@pytest.mark.parametrize(
    ("arguments", "weights", "named"),
    [
        ({}, None, "cannot be built with arguments {}"),
        ({"scale": 5.0, "slope": 2.0}, None, "slope"),
        ({"scale": 5.0}, "absent.pt", "cannot load weights 'absent.pt'"),
    ],
)
def test_what_is_wrong_with_a_scheme_by_name_is_reported(user_module, arguments, weights, named):
    sys.modules[user_module].ScaledCover = ScaledCover
    with pytest.raises(ValueError, match=r"^snow_cover: ") as caught:
        build_processes(Options(snow_cover=OwnScheme(f"{user_module}:ScaledCover", arguments, weights)), CASE.column)
    assert named in str(caught.value)


def test_weights_of_another_module_are_reported(user_module, tmp_path):
    sys.modules[user_module].ScaledCover = ScaledCover
    torch.save({"slope": torch.tensor(1.0)}, tmp_path / "other.pt")
    choice = OwnScheme(f"{user_module}:ScaledCover", {"scale": 5.0}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"cannot load weights .*other\.pt.*Missing key.*same arguments"):
        build_processes(Options(snow_cover=choice), CASE.column)


def test_options_with_an_own_scheme_can_be_compared_hashed_and_read():
    choice = OwnScheme("a.b:C", {"hidden": [4, 4]}, "somewhere/w.pt")
    options = Options(snow_cover=choice)
    assert options == Options(snow_cover=OwnScheme("a.b:C", {"hidden": [4, 4]}, "somewhere/w.pt"))
    assert hash(options) == hash(Options(snow_cover=OwnScheme("a.b:C", {"hidden": [9]}, "somewhere/w.pt")))
    assert str(choice) == "a.b:C(hidden=[4, 4]) with w.pt"
