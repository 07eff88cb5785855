"""Ids that tell the tool calls of one answer apart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import arawn.interactions.call_ids as module
from arawn.interactions.call_ids import distinct_ids


def test_a_second_call_with_an_id_gets_the_next_free_number() -> None:
    """What another call has is never given away, and the first keeps what it came with."""
    assert distinct_ids(["a", "a", "a_2", "b", "a", "b"]) == ["a", "a_3", "a_2", "b", "a_4", "b_2"]


def test_many_calls_with_one_id_take_a_step_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client may send half a million in one request, and they are told apart on the event loop."""
    tried = 0

    def counted(start: int) -> Iterator[int]:
        nonlocal tried
        number = start
        while True:
            tried += 1
            yield number
            number += 1

    monkeypatch.setattr(module, "count", counted)

    made = distinct_ids(["a"] * 2000)

    assert len(set(made)) == 2000
    assert tried < 3000
