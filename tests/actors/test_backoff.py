"""G8: back-off grows to its cap, spreads, and begins anew after a healthy spell."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Backoff
from actors._backoff import RestartDelay

amounts = st.floats(0, 100)


@given(amounts, amounts, st.floats(1, 1e9), st.floats(0, 1), st.lists(st.floats(0, 30), max_size=400))
def test_g8_a_delay_is_never_negative_and_never_above_its_cap(
    initial: float, more: float, factor: float, jitter: float, lives: list[float]
) -> None:
    """Whatever the numbers, and however many restarts."""
    delay = RestartDelay(Backoff(initial=initial, factor=factor, maximum=initial + more, jitter=jitter), seed="a")

    assert all(0 <= delay.after(lived) <= initial + more for lived in lives)


def test_g8_delays_double_to_the_cap_and_begin_anew() -> None:
    """An incarnation that lived for `healthy_after` seconds resets the count."""
    delay = RestartDelay(Backoff(initial=1, factor=2, maximum=10, jitter=0, healthy_after=60), seed="a")

    assert [delay.after(lived) for lived in (0, 59, 0, 0, 0, 60, 1)] == [1, 2, 4, 8, 10, 1, 2]


def test_g8_a_power_past_all_numbers_is_the_cap() -> None:
    """A thousand restarts overflow a float; the delay stays at its cap."""
    delay = RestartDelay(Backoff(initial=1, factor=10, maximum=10, jitter=0), seed="a")
    none = RestartDelay(Backoff(initial=0, factor=10, maximum=10), seed="a")

    assert {delay.after(0) for _ in range(1000)} == {1, 10}
    assert {none.after(0) for _ in range(1000)} == {0}


def test_g20_jitter_is_seeded_by_the_actors_path() -> None:
    """Two actors spread, and each does the same in every run."""
    backoff = Backoff(initial=1, factor=1, jitter=0.5)
    first, again, other = (RestartDelay(backoff, seed=seed) for seed in ("root/a", "root/a", "root/b"))

    gaps = [first.after(0) for _ in range(5)]

    assert gaps == [again.after(0) for _ in range(5)]
    assert len({*gaps, *(other.after(0) for _ in range(5))}) == 10
    assert all(0.5 <= gap <= 1.5 for gap in gaps)


@pytest.mark.parametrize(
    "wrong", [{"initial": -1}, {"initial": 2, "maximum": 1}, {"factor": 0.5}, {"jitter": 2}, {"healthy_after": -1}]
)
def test_a_backoff_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    """The error says what was found and what would be right."""
    with pytest.raises(ValueError, match="need 0 <= initial <= maximum"):
        Backoff(**wrong)
