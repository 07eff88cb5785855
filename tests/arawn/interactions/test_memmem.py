"""The search in large buffers finds what `bytearray.find` finds, and nothing else."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.interactions import memmem

pieces = st.binary(min_size=1, max_size=40)


@settings(max_examples=300, deadline=None)
@given(pieces, st.lists(st.integers(0, 40_000), max_size=4), st.integers(0, 20_000), st.integers(0, 20_000), pieces)
def test_it_is_find(needle: bytes, places: list[int], start: int, less: int, filling: bytes) -> None:
    """For needles of any length anywhere, halves of one at either end, zeros and whatever stands around."""
    data = bytearray((filling * 40_000)[:40_000])
    for place in places:
        data[place : place + len(needle)] = needle
    end = max(start, len(data) - less)

    assert memmem.find(needle, data, start, end) == data.find(needle, start, end)
    data += b"x"  # the buffer is not held


def test_the_system_has_it() -> None:
    """Where it is tested, it is not `find` that is compared with itself."""
    assert memmem._memmem is not None
