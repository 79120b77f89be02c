"""Signals wait while a piece of work is done that must be whole."""

import signal
import sys

import pytest

from bmi_noahpy.runs.interrupts import Interrupts

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no such signals")


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def number(request):
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}[request.param]
    before = signal.signal(request.param, usual)
    yield request.param
    signal.signal(request.param, before)


def test_a_signal_waits_until_what_is_held_is_done(number):
    done = []

    def work(interrupts):
        with interrupts.held():
            signal.raise_signal(number)
            done.append("whole")
        done.append("not reached")

    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        work(interrupts)
    assert done == ["whole"]


def test_a_signal_interrupts_at_once_elsewhere(number):
    with Interrupts(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


def test_the_handlers_of_before_are_back_afterwards(number):
    before = signal.getsignal(number)
    with Interrupts():
        assert signal.getsignal(number) != before
    assert signal.getsignal(number) == before


def test_a_handler_of_the_program_is_left_alone(number):
    def own(*given):
        pass

    signal.signal(number, own)
    with Interrupts():
        assert signal.getsignal(number) is own
