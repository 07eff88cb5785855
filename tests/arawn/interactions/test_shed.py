"""What is left of a line whose bodies are dropped, and how heavy lines are."""

from __future__ import annotations

import hashlib
import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from arawn.interactions.encode import encode_line
from arawn.interactions.record import InteractionRecord, ToolResultLine, Truncation
from arawn.interactions.shed import weigh, without_bodies
from arawn.messages import CompletionRequest, user
from tests.arawn.interactions.samples import note, record

HEAVY = record(request=CompletionRequest(messages=(user("ü" * 5_000),), system="Be brief."))


def test_scalars_stay_and_each_dropped_body_is_flagged() -> None:
    """Every key is still there; length and hash of what was dropped are those of its JSON text."""
    shed = without_bodies(HEAVY)
    whole, left = json.loads(encode_line(HEAVY)), json.loads(encode_line(shed))

    bodies = ("system_prompt", "tools", "response_content", "messages")
    assert list(left) == list(whole)
    assert {key: left[key] for key in bodies} == {
        "system_prompt": None,
        "tools": [],
        "response_content": [],
        "messages": [],
    }
    assert all(left[key] == whole[key] for key in whole if key not in (*bodies, "truncated"))
    assert [cut["where"] for cut in left["truncated"]] == ["system_prompt", "response_content", "messages"]


def test_hash_and_length_prove_what_was_dropped() -> None:
    """A text counts as itself, anything else as its JSON text."""
    shed = without_bodies(HEAVY)
    assert isinstance(shed, InteractionRecord)
    prompt, *_, messages = shed.truncated
    text = json.dumps(json.loads(msgspec.json.encode(HEAVY.messages)), ensure_ascii=False, separators=(",", ":"))

    assert prompt == Truncation(where="system_prompt", length=9, sha256=hashlib.sha256(b"Be brief.").hexdigest())
    assert (messages.length, messages.sha256) == (len(text), hashlib.sha256(text.encode()).hexdigest())


def test_a_tool_result_loses_its_content_only() -> None:
    """Whether the tool succeeded is still known."""
    line = ToolResultLine(interaction_id="i", tool_call_id="t", success=True, content="x" * 100, timestamp="2026")

    shed = without_bodies(line)
    assert isinstance(shed, ToolResultLine)
    assert (shed.success, shed.content, shed.truncated[0].length) == (True, None, 100)


def test_what_has_no_body_stays_as_it_is() -> None:
    """Feedback is short; a record is not shed twice."""
    assert without_bodies(note(1)) == note(1)
    assert without_bodies(without_bodies(HEAVY)) == without_bodies(HEAVY)


@given(st.text(st.characters(exclude_categories=[]), max_size=1_000))
def test_a_line_weighs_about_what_it_takes(text: str) -> None:
    """For any text, lone surrogates too: never less than a sixth of the line, never much more than it."""
    line = note(1, text=text)

    assert len(encode_line(line)) / 6 <= weigh(line) <= len(encode_line(line)) + 100
