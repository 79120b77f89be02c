"""A grid with a mask keeps its shape for frameworks, or shows its computed cells only."""

from __future__ import annotations

import bmi_cases as cases
import gradient_cases as gradients
import numpy as np
import pytest
import yaml
from configurations import changed
from regions import LAND, LAYERS, LINES, ROWS, region_changes, write_region

from bmi_noahpy import BmiNoahPy

CELLS = ROWS * LINES
WATER = np.setdiff1d(np.arange(CELLS), LAND)
SKIN, SOIL, AIR = "land_surface__temperature", "soil__temperature", "land_surface_air__temperature"
INDEX = "model_grid_cell__row-major-order_index"
LAND_LAYERS = (CELLS * np.arange(LAYERS)[:, None] + LAND).ravel()


def write_masked(folder, **changes):
    path = write_region(folder) / "run.yaml"
    path.write_text(yaml.safe_dump(changed(region_changes(**changes)), sort_keys=False), encoding="utf-8")
    return path


def started(folder, **changes):
    model = BmiNoahPy()
    model.initialize(str(write_masked(folder, **changes)))
    return model


@pytest.fixture
def masked(tmp_path):
    return started(tmp_path)


@pytest.fixture
def packed(tmp_path):
    (tmp_path / "packed").mkdir()
    return started(tmp_path / "packed", domain__masked_cells="packed")


def test_a_grid_with_a_mask_keeps_its_shape_and_what_is_missing_is_not_a_number(masked):
    assert (masked.get_grid_type(0), masked.get_grid_size(0)) == ("uniform_rectilinear", CELLS)
    assert masked.get_grid_shape(0, np.empty(2, int)).tolist() == [ROWS, LINES]
    assert (masked.get_grid_type(1), masked.get_grid_size(1)) == ("rectilinear", LAYERS * CELLS)
    masked.update()
    for name, land in ((SKIN, LAND), (SOIL, LAND_LAYERS), (AIR, LAND), ("soil__porosity", LAND_LAYERS)):
        values = cases.read(masked, name)
        assert values.size == masked.get_grid_size(masked.get_var_grid(name))
        assert np.flatnonzero(~np.isnan(values)).tolist() == land.tolist()
        assert np.array_equal(masked.get_value_ptr(name), values, equal_nan=True)


def test_packed_on_request_it_is_a_mesh_with_the_same_numbers(masked, packed):
    assert (packed.get_grid_type(0), packed.get_grid_face_count(0)) == ("unstructured", len(LAND))
    masked.update()
    packed.update()
    assert np.array_equal(cases.read(masked, SKIN)[LAND], cases.read(packed, SKIN))
    assert np.array_equal(cases.read(masked, SOIL)[LAND_LAYERS], cases.read(packed, SOIL))


def test_the_map_between_both_is_an_output(masked, packed):
    assert INDEX in masked.get_output_var_names()
    assert cases.read(packed, INDEX).tolist() == LAND.tolist()
    shown = cases.read(masked, INDEX)
    assert shown[LAND].tolist() == LAND.tolist()
    assert np.isnan(shown[WATER]).all()


def test_what_was_read_can_be_set_again_and_changes_nothing(masked):
    before = gradients.state(masked.get_extension("gradient"))
    for name in (SKIN, SOIL, "soil_water__volume_fraction"):
        masked.set_value(name, cases.read(masked, name))
    assert np.array_equal(gradients.state(masked.get_extension("gradient")), before)


def test_a_number_in_a_missing_cell_is_refused_and_nothing_is_changed(masked):
    values = cases.read(masked, SKIN)
    values[LAND] += 1.0
    values[WATER[1]] = 280.0
    with pytest.raises(ValueError, match=f"{SKIN}: value 280 at index {WATER[1]} is in a cell outside the mask"):
        masked.set_value(SKIN, values)
    with pytest.raises(ValueError, match=r"outside the mask.*domain\.masked_cells"):
        masked.set_value_at_indices(SOIL, [CELLS + WATER[0]], [280.0])
    masked.get_value_ptr(SKIN)[WATER[0]] = 250.0
    with pytest.raises(ValueError, match="outside the mask"):
        masked.update()
    assert np.array_equal(cases.read(masked, SKIN)[LAND], values[LAND] - 1.0)


def test_no_number_in_a_computed_cell_is_refused_with_its_place_on_the_grid(masked):
    values = cases.read(masked, SOIL)
    values[LAND_LAYERS[-1]] = np.nan
    with pytest.raises(ValueError, match=f"value nan at index {LAND_LAYERS[-1]} is not finite"):
        masked.set_value(SOIL, values)
    with pytest.raises(ValueError, match=f"of water and ice at index {LAND_LAYERS[-1]} is more than the porosity"):
        masked.set_value_at_indices("soil_water__volume_fraction", [LAND_LAYERS[-1]], [0.99])


def test_values_written_through_a_pointer_count_in_the_next_step(masked, packed):
    masked.get_value_ptr(SKIN)[LAND[3]] += 2.0
    packed.get_value_ptr(SKIN)[3] += 2.0
    masked.update()
    packed.update()
    assert np.array_equal(cases.read(masked, SKIN)[LAND], cases.read(packed, SKIN))


@pytest.mark.slow
def test_derivatives_keep_the_shape_too_and_are_zero_outside_the_mask(masked, packed):
    found = {}
    for key, model in (("masked", masked), ("packed", packed)):
        land = LAND if key == "masked" else slice(None)
        seed = np.zeros(gradients.size(model, SKIN))
        seed[land] = 1.0 + np.arange(len(LAND))
        extension = model.get_extension("gradient")
        extension.start_recording()
        for _ in range(2):
            model.update()
        extension.add_adjoint_seed(SKIN, seed)
        extension.stop_recording()
        extension.update_adjoint()
        of_air = gradients.adjoint(model, AIR)
        pulled = gradients.pulled(model, [SKIN], [AIR, "soil__porosity"], seed)
        pushed = gradients.pushed(model, [SOIL, SKIN], [AIR], seed)
        found[key] = of_air, pulled[: len(seed)], pushed[-len(seed) :]
        extension.update_adjoint()
    for shown, alone in zip(found["masked"], found["packed"], strict=True):
        assert np.array_equal(shown[LAND], alone)
        assert (shown[WATER] == 0.0).all()
    assert np.abs(found["packed"][0]).max() > 0.0


def test_a_seed_in_a_missing_cell_is_refused(masked):
    extension = masked.get_extension("gradient")
    extension.start_recording()
    masked.update()
    seed = np.zeros(CELLS)
    seed[WATER[0]] = 1.0
    with pytest.raises(ValueError, match="outside the mask"):
        extension.add_adjoint_seed(SKIN, seed)
    extension.stop_recording()


def test_saved_bytes_fit_whether_or_not_the_grid_keeps_its_shape(masked, packed):
    masked.update()
    saver = masked.get_extension("serialization")
    data = saver.get_serialized_state(np.empty(saver.get_serialized_size(), np.uint8))
    packed.get_extension("serialization").set_serialized_state(data)
    masked.update()
    packed.update()
    assert np.array_equal(cases.read(masked, SOIL)[LAND_LAYERS], cases.read(packed, SOIL))
