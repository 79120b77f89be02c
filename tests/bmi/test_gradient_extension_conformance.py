"""The conformance test passes a component that is right, and finds each fault of those that are not."""

from __future__ import annotations

import pytest
from faulty_components import stores, variants

from bmi_noahpy import check_gradient_extension

FAULTS = tuple(variants(stores(object)))


@pytest.fixture
def right(example):
    return stores(example("small_component").SmallComponent)


def test_a_component_that_is_right_passes_and_is_left_as_it_was(right):
    component = right()
    component.update()
    state, values = component.state.copy(), {name: component.values[name].copy() for name in component.inputs}
    report = check_gradient_extension(component)
    assert report.passed
    assert component.state.tolist() == state.tolist()
    assert all(component.values[name].tolist() == values[name].tolist() for name in values)


def test_there_are_at_least_twenty_five_faults():
    assert len(FAULTS) >= 25


@pytest.mark.parametrize("what", FAULTS)
def test_every_fault_is_found_and_reported_not_raised(right, what):
    component = variants(right)[what]()
    component.update()
    report = check_gradient_extension(component, strict=False)
    assert not report.passed, str(report)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("one derivative is 1e-4 too large", "flow by @state: -0.0004893.* is not the difference quotient"),
        ("get_adjoint does not fill its array", "get_adjoint of rain does not fill the array it was given"),
        ("stop_recording does nothing", "FAIL  it is left as it was: RuntimeError: rate: parameters cannot change"),
        ("a second window adds to the first", "a second window gives another adjoint"),
        ("a part of the state is hidden", "repeated"),
    ],
)
def test_the_report_says_what_is_wrong(right, what, message):
    component = variants(right)[what]()
    component.update()
    with pytest.raises(AssertionError, match=message):
        check_gradient_extension(component)
