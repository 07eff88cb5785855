"""Tool calls of a provider that gives them no id, in the dialect of Anthropic on both sides."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.arawn.server.same_dialect import MESSAGES, ask, streamed
from tests.fake_provider import Reply, stream_reply
from tests.runtimes import records

WHOLE = (
    b'{"type":"message","id":"m","model":"m-1","content":[{"type":"tool_use","name":"f","input":{"a": 1}}],'
    b'"stop_reason":"tool_use","usage":{"input_tokens":7,"output_tokens":3}}'
)
EVENTS = (
    b'data: {"type":"message_start","message":{"id":"m","model":"m-1","content":[],"usage":{"input_tokens":7}}}\n\n',
    b'data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"","name":"f"}}\n\n',
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}\n\n',
    b'data: {"type":"content_block_stop","index":0}\n\n',
    b'data: {"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":3}}\n\n',
    b'data: {"type":"message_stop"}\n\n',
)


@pytest.mark.parametrize(
    ("body", "reply", "answer"),
    [
        (MESSAGES, Reply(body=WHOLE), WHOLE),
        (streamed(MESSAGES, b"{}"), stream_reply(EVENTS), b"".join(EVENTS)),
    ],
)
async def test_they_pass_as_they_are_and_the_record_says_it(
    tmp_path: Path, body: bytes, reply: Reply, answer: bytes
) -> None:
    """The client's own reader may know what to do; in the log the call has an id that was made up."""
    response, _ = await ask(tmp_path, "anthropic", body, reply)

    assert (response.status_code, response.content) == (200, answer)
    (record,) = records(tmp_path)
    assert [call["tool_call_id"] for call in record["tool_calls"]] == ["toolu_m_0"]
    assert record["warnings"] == ["a tool call came without an id, and was given one"]
