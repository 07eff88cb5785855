"""The daemon's clock, which stops while the process does."""

from __future__ import annotations

import math

import pytest

from arawn.standstill import StandstillClock


class Time:
    """The time that a test wants it to be."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def waited(wanted: float, took: float) -> float:
    """Return how much of a wait that took so long is seen, which trio wanted to take that long at most."""
    time = Time()
    clock = StandstillClock(time)
    began = clock.current_time()
    assert clock.deadline_to_sleep_time(began + wanted) == wanted
    time.now += took
    return clock.current_time() - began


@pytest.mark.parametrize(("wanted", "took"), [(30.0, 4.0), (30.0, 30.5), (math.inf, 4000.0), (0.0, 0.9)])
def test_the_time_of_a_process_that_runs_is_the_time(wanted: float, took: float) -> None:
    """A wait may end early, and a little late."""
    assert waited(wanted, took) == pytest.approx(took)


@pytest.mark.parametrize(("wanted", "took", "seen"), [(30.0, 33.0, 29.0), (30.0, 4000.0, 29.0), (0.5, 4.0, 0.0)])
def test_a_standstill_is_not_seen(wanted: float, took: float, seen: float) -> None:
    """The deadline that the wait was for is still to come, so what has arrived meanwhile is found first."""
    assert waited(wanted, took) == pytest.approx(seen)


def test_time_goes_on_after_a_standstill() -> None:
    """As before; one standstill is not counted twice."""
    time = Time()
    clock = StandstillClock(time)
    deadline = clock.current_time() + 30
    clock.deadline_to_sleep_time(deadline)
    time.now += 100
    clock.current_time()
    time.now += 5
    after = clock.current_time()

    assert deadline - after == pytest.approx(-4)
    assert clock.deadline_to_sleep_time(after + 2) == pytest.approx(2)


def test_time_goes_on_where_every_wait_is_late() -> None:
    """As on a machine that is far too slow: at least each second wait counts in full."""
    time = Time()
    clock = StandstillClock(time)
    began = clock.current_time()
    for _ in range(10):
        clock.deadline_to_sleep_time(clock.current_time() + 0.5)
        time.now += 3

    assert clock.current_time() - began >= 12
