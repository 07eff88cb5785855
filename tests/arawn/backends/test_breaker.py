"""The breaker: when it opens, who may try, when it closes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.backends.breaker import FAILURES, FIRST_REST_S, LONGEST_REST_S, PROBE_S, Breaker


def opened(at: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES):
        breaker.failed(object(), at, again=False)
    return breaker


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    """One success in between begins the count anew."""
    breaker = Breaker()
    for _ in range(FAILURES - 1):
        breaker.failed(object(), 0, again=False)
    breaker.succeeded()
    for _ in range(FAILURES - 1):
        breaker.failed(object(), 0, again=False)
    assert not breaker.is_open

    breaker.failed(object(), 0, again=False)

    assert breaker.is_open
    assert breaker.admit(object(), 1) == FIRST_REST_S - 1


def test_the_retries_of_a_call_count_for_nothing() -> None:
    """One call that no provider could answer does not shut out the others."""
    breaker = Breaker()
    breaker.failed(object(), 0, again=False)
    for _ in range(5 * FAILURES):
        breaker.failed(object(), 0, again=True)

    assert not breaker.is_open


def test_one_probe_at_a_time_tests_the_water() -> None:
    """Its success closes the breaker for all."""
    breaker, probe = opened(), object()

    assert breaker.admit(probe, FIRST_REST_S) is None
    assert breaker.admit(object(), FIRST_REST_S) == PROBE_S
    breaker.succeeded()

    assert breaker.admit(object(), FIRST_REST_S) is None
    assert not breaker.is_open


def test_each_failed_probe_doubles_the_rest() -> None:
    """Up to the longest one."""
    breaker, now, rests = opened(), FIRST_REST_S, []
    for _ in range(6):
        probe = object()
        assert breaker.admit(probe, now) is None
        breaker.failed(probe, now, again=False)
        rest = breaker.admit(object(), now)
        assert rest is not None
        rests.append(rest)
        now += rest

    assert rests == [10, 20, 40, LONGEST_REST_S, LONGEST_REST_S, LONGEST_REST_S]


@pytest.mark.parametrize("how", ["undecided", "failed late"])
def test_a_probe_that_tells_nothing_leaves_its_place_to_the_next(how: str) -> None:
    """A call that was under way before it opened neither ends the probe nor lengthens the rest."""
    breaker, probe = opened(), object()
    assert breaker.admit(probe, FIRST_REST_S) is None

    if how == "undecided":
        breaker.undecided(probe)
        assert breaker.admit(object(), FIRST_REST_S) is None
    else:
        breaker.failed(object(), FIRST_REST_S, again=False)
        breaker.undecided(object())
        assert breaker.admit(object(), FIRST_REST_S) == PROBE_S


@given(st.lists(st.tuples(st.sampled_from(["begin", "succeed", "fail", "nothing"]), st.floats(0, 30))))
def test_never_more_than_one_probe_and_never_shut_for_ever(steps: list[tuple[str, float]]) -> None:
    """Whatever happens in whatever order; after the longest rest somebody may always try."""
    breaker, under_way, probes, now = Breaker(), list[object](), set[object](), 0.0
    for step, seconds in steps:
        now += seconds
        if step == "begin":
            attempt, was_open = object(), breaker.is_open
            wait = breaker.admit(attempt, now)
            assert wait is None or 0 < wait <= LONGEST_REST_S
            if wait is None:
                under_way.append(attempt)
                if was_open:
                    probes.add(attempt)
                    assert len(probes) == 1
            continue
        if not under_way:
            continue
        attempt = under_way.pop()
        probes.discard(attempt)
        if step == "succeed":
            breaker.succeeded()
            probes.clear()
        elif step == "fail":
            breaker.failed(attempt, now, again=False)
        else:
            breaker.undecided(attempt)
    for attempt in under_way:
        breaker.undecided(attempt)
    assert breaker.admit(object(), now + LONGEST_REST_S) is None
