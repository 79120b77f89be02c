"""Derivatives of one step: both directions agree for every pair of names in every regime, in BMI units."""

from __future__ import annotations

import bmi_cases as cases
import gradient_cases as gradients
import numpy as np
import pytest

from bmi_noahpy import BmiNoahPy
from bmi_noahpy.component.variables import variables
from bmi_noahpy.gradient.conformance.report import check_gradient_extension
from noahpy_core.state import ADDED

REGIMES = {
    #          air    skin   soil   total  liquid snow  depth  rain    sun
    "snow": (263.0, 262.0, 268.0, 0.25, 0.10, 0.02, 0.10, 2.0e-4, 50.0),
    "melt": (278.0, 273.2, 272.9, 0.30, 0.20, 0.02, 0.08, 0.0, 600.0),
    "frozen": (260.0, 261.0, 266.0, 0.25, 0.08, 0.0, 0.0, 0.0, 100.0),
    "rain": (285.0, 284.0, 283.0, 0.38, 0.38, 0.0, 0.0, 1.0e-3, 100.0),
    "dry": (296.0, 299.0, 293.0, 0.06, 0.06, 0.0, 0.0, 0.0, 800.0),
}
TOLERANCE = 1.0e-12
OF_LAYERS = ("snow.layer_", "snow.albedo", "soil.temperature_remainder")
"""States that the snow of these runs does not have."""


def causes(extension) -> list[str]:
    """Everything a step can be differentiated by: parameters, inputs under all their names, states.

    What adds water and heat is not part of a step until it is set; `test_bmi_additions` differentiates by it.
    """
    settable = [
        variable.name
        for variable in variables().values()
        if variable.settable
        and variable.role != "parameter"
        and variable.source.path not in ADDED
        and not variable.source.path.startswith(OF_LAYERS)
    ]
    return [*extension.get_parameter_names(), *settable, gradients.STATE]


def regimes_by_row(folder, columns, phase_change):
    """A grid with a regime in each row, all columns of a row alike."""
    domain = {
        "latitude": [30.0 + k for k in range(len(REGIMES))],
        "longitude": [80.0 + 0.01 * k for k in range(columns)],
    }
    model = cases.started(folder, cases.configuration(domain=domain, schemes={"phase_change": phase_change}))
    air, skin, soil, total, liquid, snow, depth, rain, sun = (
        np.repeat(values, columns) for values in zip(*REGIMES.values(), strict=True)
    )
    layers = (cases.LAYERS, 1)
    drop = np.linspace(0.0, 0.4, cases.LAYERS)[:, None]
    model.set_value(gradients.TEMPERATURE, np.tile(soil, layers) + np.where(soil < 273, drop, -drop))
    model.set_value(gradients.LIQUID, np.tile(liquid, layers) * (1.0 - 0.1 * drop))
    model.set_value(gradients.ICE, np.tile(total - liquid, layers))
    for name, values in (
        (gradients.AIR, air), (gradients.SUN, sun), (gradients.RAIN, rain), (gradients.SNOW, snow),
        ("snowpack__depth", depth), ("land_surface__temperature", skin),
        (gradients.WIND_X, 0.0 * air + 3.0), (gradients.WIND_Y, 0.0 * air - 2.0),
        ("land_vegetation__leaf-area_index", 0.0 * air + 2.0), ("land_surface~snow-free__albedo", 0.0 * air + 0.21),
        ("land_surface_vegetation_canopy_water__mass-per-area_density", 0.0 * air + 0.1),
        ("atmosphere_snow_precipitation__mass_flux", np.where(air < 273.0, rain, 0.0)),
    ):  # fmt: skip
        model.set_value(name, values)
    return model


def values_of(model, name):
    extension = model.get_extension("gradient")
    if name == gradients.STATE:
        return gradients.state(extension)
    return cases.read(model, name)


def by_units(model, outputs, columns):
    """Largest value of all outputs in the same units, in each column; the number of the column does not count."""
    largest = {"1": np.zeros(columns)}
    for name in outputs:
        if name == "model_grid_cell__row-major-order_index":
            continue
        values = np.nanmax(np.abs(cases.read(model, name).reshape(-1, columns)), axis=0, initial=0.0)
        largest[model.get_var_units(name)] = np.maximum(largest.get(model.get_var_units(name), 0.0), values)
    return {name: np.maximum(largest[model.get_var_units(name)], 1e-12) for name in outputs}


@pytest.mark.slow
@pytest.mark.parametrize("phase_change", ["enthalpy", "heat_limited"])
def test_seed_times_tangent_equals_adjoint_times_direction_for_every_pair_of_names_in_every_regime(
    tmp_path, phase_change
):
    """Column k of a row carries direction k on the way forward and seed k on the way back.

    Round-off is relative to the largest response to the same name, in the units of the outputs.
    """
    results = [*BmiNoahPy().get_output_var_names(), gradients.STATE]
    each = len(results)
    model = regimes_by_row(tmp_path, each, phase_change)
    wrt = causes(model.get_extension("gradient"))
    assert len(wrt) <= each
    columns = each * len(REGIMES)
    before = {name: values_of(model, name).reshape(-1, columns) for name in wrt}
    model.update()
    sizes = {**by_units(model, results[:-1], columns), gradients.STATE: np.abs(values_of(model, gradients.STATE))}
    random = np.random.default_rng(0)
    number = np.tile(np.arange(each), len(REGIMES))
    directions, seeds = {}, {}
    for name in wrt:
        size = np.abs(before[name]) + 1e-3 * np.abs(before[name]).max()
        directions[name] = random.normal(size=(len(size), 1)) * size
    for name in results:
        size = np.maximum(sizes[name].reshape(-1, columns), 1e-6)
        rows = len(values_of(model, name)) // columns
        seeds[name] = random.normal(size=(rows, 1)) / size
    only = [np.where(number == k, directions[name], 0.0).ravel() for k, name in enumerate(wrt)]
    pushed = split(gradients.pushed(model, results, wrt, np.concatenate(only)), seeds, columns)
    only = [np.where(number == k, seeds[name], 0.0).ravel() for k, name in enumerate(results)]
    pulled = split(gradients.pulled(model, results, wrt, np.concatenate(only)), directions, columns)

    shape = (len(REGIMES), each)
    parts = {name: np.abs(seeds[name] * pushed[name]).sum(0).reshape(shape) for name in results}
    largest = np.max(list(parts.values()), axis=0)
    compared = 0
    for i, of in enumerate(results):
        forward = (seeds[of] * pushed[of]).sum(0).reshape(shape)
        for j, name in enumerate(wrt):
            backward = (directions[name] * pulled[name]).sum(0).reshape(shape)[:, i]
            error = np.abs(forward[:, j] - backward)
            assert (error <= TOLERANCE * largest[:, j]).all(), (of, name, error / largest[:, j])
            compared += 1
    assert compared > 5000
    assert (largest[:, : len(wrt)] > 0).any(axis=0).sum() > 0.9 * len(wrt)


def split(flat, like, columns):
    """Matrices ``[row, column]`` by name from values one name after the other."""
    ends = np.cumsum([len(rows) * columns for rows in like.values()])[:-1]
    return {name: part.reshape(-1, columns) for name, part in zip(like, np.split(flat, ends), strict=True)}


def test_the_regimes_are_what_they_are_called(tmp_path):
    model = regimes_by_row(tmp_path, 2, "enthalpy")
    model.update()
    snowfall, melt, rain = (
        cases.read(model, name)[::2]
        for name in (
            "atmosphere_snowfall_water__mass_flux",
            "snowpack_meltwater__mass_flux",
            "atmosphere_rainfall_water__mass_flux",
        )
    )
    ice = cases.read(model, gradients.ICE).reshape(cases.LAYERS, -1)[0, ::2]
    assert (snowfall > 0).tolist() == [True, False, False, False, False]
    assert (melt > 0).tolist() == [False, True, False, False, False]
    assert (rain > 0).tolist() == [False, False, False, True, False]
    assert (ice > 0.01).tolist() == [True, True, True, False, False]


# --- units and names


@pytest.fixture
def model(tmp_path):
    model = gradients.started(tmp_path)
    for _ in range(10):
        model.update()
    return model


def test_units_of_the_names_are_part_of_the_derivative(model):
    """Snow in m, volume fluxes in m s-1, runoff in m per step against the same quantities in core units."""
    per_mass = gradients.pulled(model, [gradients.TEMPERATURE], [gradients.STATE], np.ones(cases.LAYERS))
    per_metre = gradients.pulled(model, [gradients.TEMPERATURE], [gradients.SNOW], np.ones(cases.LAYERS))
    assert per_metre[0] == pytest.approx(1000.0 * per_mass[3 * cases.LAYERS], rel=1e-12)
    assert per_metre[0] != 0.0
    mass = gradients.pulled(model, ["land_surface_water_runoff__mass_flux"], [gradients.RAIN], np.ones(1))
    base = gradients.pulled(model, ["land_subsurface_water_runoff__mass_flux"], [gradients.RAIN], np.ones(1))
    volume = gradients.pulled(model, ["land_surface_water__runoff_volume_flux"], [gradients.RAIN], np.ones(1))
    depth = gradients.pulled(model, [gradients.RUNOFF], [gradients.RAIN], np.ones(1))
    assert volume[0] == pytest.approx(mass[0] / 1000.0, rel=1e-12)
    assert depth[0] == pytest.approx((mass[0] + base[0]) * cases.STEP / 1000.0, rel=1e-12)


def test_the_total_water_changes_the_liquid_water(model):
    total = gradients.pulled(model, [gradients.LATENT], [gradients.TOTAL], np.ones(1))
    assert np.array_equal(total, gradients.pulled(model, [gradients.LATENT], [gradients.LIQUID], np.ones(1)))


def test_the_wind_has_the_derivative_of_its_components(model):
    model.set_value(gradients.WIND_X, np.array([3.0]))
    model.set_value(gradients.WIND_Y, np.array([-4.0]))
    model.update()
    names = [gradients.WIND_X, gradients.WIND_Y, "land_surface_wind__speed"]
    x, y, speed = gradients.pulled(model, [gradients.LATENT], names, np.ones(1))
    assert speed != 0
    assert [x, y] == pytest.approx([0.6 * speed, -0.8 * speed], rel=1e-12)


def test_an_output_of_the_next_step_is_not_touched_by_what_is_set_after_the_last(model):
    before = gradients.pulled(model, [gradients.LATENT], [gradients.STATE], np.ones(1))
    model.set_value(gradients.TEMPERATURE, np.full(cases.LAYERS, 280.0))
    model.set_value(gradients.POROSITY, np.full(cases.LAYERS, 0.5))
    assert np.array_equal(gradients.pulled(model, [gradients.LATENT], [gradients.STATE], np.ones(1)), before)


def test_what_closes_the_budgets_has_no_derivative(model):
    names = ["land_surface__energy_flux_residual", "land_surface_water__mass_flux_residual"]
    assert not gradients.pulled(model, names, [gradients.STATE], np.ones(2)).any()
    assert not gradients.pushed(model, names, [gradients.AIR], np.ones(1)).any()


def test_layers_below_the_soil_have_no_derivative(tmp_path):
    sections = {"thickness": [0.05, 0.1, 0.25], "classes": 7}
    initial = {"soil_temperature": 272.0, "soil_moisture": 0.2, "soil_liquid": 0.1}
    model = gradients.started(tmp_path, soil=sections, initial=initial)
    model.update()
    deep = "land_surface~100-to-200cm-below_soil__temperature"
    assert not gradients.pulled(model, [deep], [gradients.STATE], np.ones(1)).any()


def test_an_empty_canopy_has_no_derivative_by_its_water(tmp_path):
    """Evaporation goes with the square root of what it holds: infinite towards more, and there is no less."""
    initial = {"snow_depth": 0.0, "snow_water_equivalent": 0.0, "skin_temperature": 285.0, "canopy_water": 0.0}
    model = gradients.started(
        tmp_path, initial={**initial, "soil_temperature": [285.0] * 5, "soil_liquid": "equilibrium"}
    )
    dry = {gradients.AIR: 290.0, gradients.RAIN: 0.0, gradients.SUN: 500.0, gradients.HUMIDITY: 0.004}
    for name, value in dry.items():
        model.set_value(name, np.array([value]))
    for _ in range(4):
        model.update()
    water = "land_surface_vegetation_canopy_water__mass-per-area_density"
    assert cases.read(model, water)[0] == 0.0
    found = gradients.pushed(model, [water, gradients.LATENT, gradients.TEMPERATURE], [water], np.ones(1))
    assert not found.any()


# --- conformance

OUTPUTS = (gradients.TEMPERATURE, gradients.TOTAL, gradients.SNOW, gradients.RUNOFF, gradients.LATENT)
PARAMETERS = ("soil~saturated_water__hydraulic_conductivity", gradients.POROSITY, "snowpack__deep_snow_albedo")


def test_the_component_passes_the_conformance_test(tmp_path):
    model = gradients.started(tmp_path)
    for _ in range(6):
        model.update()
    inputs = (gradients.AIR, gradients.RAIN)
    before = gradients.state(model.get_extension("gradient")), model.get_current_time()
    report = check_gradient_extension(model, outputs=OUTPUTS, inputs=inputs, parameters=PARAMETERS)
    assert report.passed
    assert "36 pairs of names" in str(report)
    assert np.array_equal(gradients.state(model.get_extension("gradient")), before[0])
    assert model.get_current_time() == before[1]


@pytest.mark.slow
def test_the_component_passes_the_conformance_test_with_all_names(tmp_path):
    model = gradients.started(tmp_path)
    for _ in range(6):
        model.update()
    assert check_gradient_extension(model).passed


def test_the_conformance_test_finds_a_wrong_derivative(tmp_path, monkeypatch):
    model = gradients.started(tmp_path)
    model.update()
    extension = type(model.get_extension("gradient"))
    right = extension.get_adjoint_derivative

    def wrong(self, of, wrt, seed, sensitivity):
        return np.multiply(right(self, of, wrt, seed, sensitivity), 1.001, out=sensitivity)

    monkeypatch.setattr(extension, "get_adjoint_derivative", wrong)
    names = {"outputs": OUTPUTS[:2], "inputs": (gradients.AIR,), "parameters": PARAMETERS[:1]}
    with pytest.raises(AssertionError, match="FAIL  adjoint and directional derivative are transposes"):
        check_gradient_extension(model, **names)
    assert not check_gradient_extension(model, **names, strict=False).passed


def test_a_component_without_the_extension_is_refused():
    with pytest.raises(TypeError, match="object: the component has no gradient extension"):
        check_gradient_extension(object())


def test_a_state_that_the_schemes_do_not_have_is_no_cause(tmp_path):
    model = gradients.started(tmp_path)
    model.update()
    seed, name = np.ones(gradients.size(model, gradients.RUNOFF)), "soil__temperature_remainder"
    with pytest.raises(ValueError, match=f"{name}: the schemes of this run have none"):
        gradients.pulled(model, [gradients.RUNOFF], [name], seed)
