"""What holds for every log: nothing is lost between kept and dropped, and the same log gives the same bytes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.interactions.encode import encode_line
from arawn.interactions.export.rules import Format
from arawn.interactions.record import GapLine, LogLine, timestamp_text
from arawn.messages import Message, Text, ToolResult, ToolUse, user
from tests.arawn.interactions.export.logs import call, made
from tests.arawn.interactions.export.shapes import SHAPES, require_shape
from tests.arawn.interactions.samples import NOON

Step = tuple[int, str]

STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from(["say", "tool", "error", "cut", "gap", "again"])),
    max_size=12,
)


class Story:
    """A log as a program of steps makes it: each goes on from one of the histories so far."""

    def __init__(self, steps: list[Step]) -> None:
        self.lines: list[LogLine] = []
        self.calls = 0
        self._histories: list[tuple[Message, ...]] = [()]
        for place, kind in steps:
            self._take(self._histories[place % len(self._histories)], kind)

    def _take(self, history: tuple[Message, ...], kind: str) -> None:
        if kind == "gap":
            self.lines.append(GapLine(count=1, reason="full", timestamp=timestamp_text(NOON)))
            return
        if kind == "again" and self.lines:
            self.lines.append(self.lines[-1])
            self.calls += isinstance(self.lines[-1], type(call(1, (user("x"),))))
            return
        self.calls += 1
        number = self.calls
        asked = (*history, *self._results(history), user(f"question {number}"))
        answer = Message("assistant", (Text(f"answer {number}"),))
        if kind == "tool":
            answer = Message("assistant", (ToolUse(f"t{number}", "search", {"n": number}),))
        failed = kind == "error"
        self.lines.append(
            call(number, asked, None if failed else answer, stop="max_tokens" if kind == "cut" else "end_turn")
        )
        self._histories.append(asked if failed else (*asked, answer))

    def _results(self, history: tuple[Message, ...]) -> tuple[Message, ...]:
        uses = [block for block in history[-1].content if isinstance(block, ToolUse)] if history else []
        return (Message("user", tuple(ToolResult(use.id, (Text("found"),)) for use in uses)),) if uses else ()


@contextmanager
def logged(steps: list[Step], *, doubled: bool = False) -> Iterator[tuple[Path, Story]]:
    with tempfile.TemporaryDirectory() as name:
        story = Story(steps)
        numbered = (msgspec.structs.replace(line, writer="w", seq=seq) for seq, line in enumerate(story.lines, 1))
        text = b"".join(map(encode_line, numbered))
        (Path(name) / "interactions-2026-01-28.jsonl").write_bytes(text * (1 + doubled))
        yield Path(name), story


@settings(deadline=None)  # files are written
@given(steps=STEPS, doubled=st.booleans(), export_format=st.sampled_from(SHAPES))
def test_rows_kept_and_dropped_are_all_there_were(steps: list[Step], doubled: bool, export_format: Format) -> None:
    """Conversations, or calls; each row has its published shape, and doubles count once."""
    with logged(steps, doubled=doubled) as (log, story):
        whole, single = made(log, export_format), made(log, export_format, per_call=True)

    for exported, units in ((whole, whole.manifest.conversations), (single, story.calls)):
        manifest = exported.manifest
        assert manifest.interactions == story.calls
        assert manifest.rows + sum(manifest.dropped.values()) == units
        assert len(exported.rows) == manifest.rows
        for row in exported.rows:
            require_shape(row, export_format)


def _without_weights(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [{key: value for key, value in message.items() if key != "weight"} for message in row["messages"]]


@settings(deadline=None)  # files are written
@given(steps=STEPS)
def test_no_message_of_a_kept_call_is_lost(steps: list[Step]) -> None:
    """What a call that would be kept alone says is in a row of the conversations, or its conversation is dropped."""
    with logged(steps) as (log, _):
        whole = [row["messages"] for row in made(log, "openai-chat").rows]
        single = [_without_weights(row) for row in made(log, "openai-chat", per_call=True).rows]
        dropped = made(log, "openai-chat").manifest.dropped

    assert all(row in single for row in whole)
    for row in whole:
        assert not any(row != other and other[: len(row)] == row for other in whole)
    if not dropped:
        assert all(any(held[: len(row)] == row for held in whole) for row in single)


@settings(deadline=None)  # files are written
@given(steps=STEPS, export_format=st.sampled_from(["jsonl", "router", *SHAPES]))
def test_the_same_log_gives_the_same_bytes(steps: list[Step], export_format: Format) -> None:
    """Rows and manifest."""
    with logged(steps) as (log, _):
        one, other = made(log, export_format), made(log, export_format)

    assert one.data == other.data
    assert encode_line(one.manifest) == encode_line(other.manifest)
    assert one.rows == [msgspec.json.decode(line) for line in one.data.splitlines()]
