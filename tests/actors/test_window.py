"""G7: the restart budget is a sliding window, exact at its boundary."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Intensity
from actors._window import RestartWindow


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(0, 5), st.integers(1, 20))
def test_g7_the_window_agrees_with_a_recount(gaps: list[int], limit: int, period: int) -> None:
    """Each verdict is what counting all crashes of the last `period` seconds from scratch would say."""
    window = RestartWindow(Intensity(limit=limit, period=period))
    times: list[int] = []
    for gap in gaps:
        times.append((times[-1] if times else 0) + gap)

        recount = sum(times[-1] - time < period for time in times)

        assert window.allows(times[-1]) is (recount <= limit)


def test_g7_a_crash_exactly_one_period_old_no_longer_counts() -> None:
    """The window is half open: `limit=1, period=5` allows one restart every five seconds for ever."""
    window = RestartWindow(Intensity(limit=1, period=5))

    assert [window.allows(5.0 * number) for number in range(100)] == [True] * 100
    assert not window.allows(499.9)


def test_g7_no_budget_allows_no_restart() -> None:
    """`limit=0` means that the first crash is one too many."""
    assert not RestartWindow(Intensity(limit=0)).allows(0)


@pytest.mark.parametrize(
    ("limit", "period"), [(-1, 1), (math.nan, 1), (1.5, 1), (True, 1), (1, 0), (1, -1), (1, math.nan)]
)
def test_g7_an_intensity_that_means_nothing_is_refused(limit: float, period: float) -> None:
    """The error says what was found and what would be right."""
    with pytest.raises(ValueError, match="need a whole limit >= 0 and period > 0, got "):
        Intensity(limit=limit, period=period)  # type: ignore[arg-type]  # what a program may get wrong
