"""Work in threads gives what it does one after the other, and does not run ahead of who takes it."""

from __future__ import annotations

import threading

import pytest

from bmi_noahpy.output.side_by_side import mapped


@pytest.mark.parametrize("threads", [0, 1, 2, 5])
def test_results_come_in_the_order_of_what_was_given(threads):
    assert list(mapped(lambda x: x * x, range(20), threads)) == [x * x for x in range(20)]


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_is_taken_than_results_may_wait(threads):
    taken = []

    def things():
        for thing in range(100):
            taken.append(thing)
            yield thing

    results = mapped(lambda x: x, things(), threads)
    assert [next(results) for _ in range(10)] == list(range(10))
    assert len(taken) <= 10 + threads


def test_threads_work_at_the_same_time():
    met = threading.Barrier(3, timeout=10.0)
    assert len(list(mapped(lambda _: met.wait(), range(3), 3))) == 3


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_comes_where_its_result_would(threads):
    results = mapped(lambda x: 1 // (x - 2), range(9), threads)
    assert [next(results), next(results)] == [-1, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)
