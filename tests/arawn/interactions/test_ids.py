"""Record ids."""

from __future__ import annotations

import uuid
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from arawn.interactions.ids import RecordIds, uuid7

moments = st.integers(1, 2**47)
randoms = st.integers(0, 2**80)


@given(moments, randoms)
def test_a_uuid7_holds_its_time(unix_ms: int, random: int) -> None:
    """Version 7, the RFC variant, and the milliseconds in front."""
    parsed = uuid.UUID(uuid7(unix_ms, random))

    assert (parsed.version, parsed.variant, parsed.int >> 80) == (7, uuid.RFC_4122, unix_ms)


@given(st.lists(st.tuples(moments, randoms), min_size=2))
def test_ids_of_one_source_always_grow(draws: list[tuple[int, int]]) -> None:
    """Within a millisecond, and when the clock steps back, too."""
    randomness = iter([random % 2**74 for _, random in draws])
    source = RecordIds(lambda _bits: next(randomness))

    ids = [source.next(moment) for moment, _ in draws]

    assert ids == sorted(set(ids))


def test_different_randomness_gives_different_ids() -> None:
    """All 74 random bits count."""
    assert len({uuid7(1, 1 << bit) for bit in range(74)}) == 74


def test_two_sources_share_no_id() -> None:
    """Two runtimes that begin in one millisecond, also in one process."""
    one, other = RecordIds(), RecordIds()

    assert not {one.next(1) for _ in range(1_000)} & {other.next(1) for _ in range(1_000)}


def test_ids_of_one_millisecond_differ_in_front() -> None:
    """A terminal shows 23 characters of an id, which have to do to name it."""
    source = RecordIds(Random(7).getrandbits)

    ids = [source.next(1_800_000_000_000 + number // 50) for number in range(10_000)]

    assert len({identity[:23] for identity in ids}) >= 9_998
