"""How long a stream may be silent: what ends it, and when."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from arawn.backends.stream_deadline import StreamDeadline
from arawn.config.schema import TimeoutsConfig

TIMEOUTS = TimeoutsConfig(first_token_s=20.0, idle_s=10.0)
GAPS = st.lists(st.sampled_from([0.0, 0.001, 0.05, 0.1, 1.0, 9.9]), max_size=60)


async def _silent_after(gaps: list[float], *, comments: int = 0) -> tuple[float, str]:
    """Return how long after the last piece, each so long after the one before, the stream was given up, and why."""
    deadline = StreamDeadline(TIMEOUTS)
    last = trio.current_time()
    with deadline.scope:
        for number, gap in enumerate(gaps):
            await trio.sleep(gap)
            last = trio.current_time()
            deadline.piece_came(started=number >= comments)
        await trio.sleep_forever()
    return trio.current_time() - last, deadline.which


@given(gaps=GAPS)
def test_idle_s_counts_from_the_last_piece(gaps: list[float]) -> None:
    """Never less, and at most a hundredth more, however quickly the pieces came."""
    silent, which = trio.run(_silent_after, [0.5, *gaps], clock=MockClock(autojump_threshold=0))

    assert which == "idle"
    assert 10.0 - 1e-6 <= silent <= 10.1 + 1e-6


async def test_comments_do_not_put_off_the_first_token(autojump_clock: MockClock) -> None:
    """Nor does the reader, who has nothing yet."""
    silent, which = await _silent_after([5.0, 5.0, 5.0], comments=3)

    assert silent == pytest.approx(5.0)
    assert which == "first_token"


async def test_the_time_of_the_reader_counts_for_nothing(autojump_clock: MockClock) -> None:
    """A reader may take an hour over an event; then the whole time begins."""
    deadline = StreamDeadline(TIMEOUTS)
    with deadline.scope:
        deadline.piece_came(started=True)
        deadline.suspend()
        await trio.sleep(3600)
        deadline.piece_came(started=True)
        came = trio.current_time()
        await trio.sleep_forever()

    assert trio.current_time() - came == pytest.approx(10.1)


async def test_a_comment_after_a_pause_brings_the_first_limit_back(autojump_clock: MockClock) -> None:
    """Its time has gone on meanwhile."""
    deadline = StreamDeadline(TIMEOUTS)
    with deadline.scope:
        deadline.suspend()
        await trio.sleep(15)
        deadline.piece_came(started=False)
        await trio.sleep_forever()

    assert trio.current_time() == pytest.approx(20.0)
