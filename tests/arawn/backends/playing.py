"""Answers played to the two dialects without a server."""

from __future__ import annotations

import json
from typing import Any

from arawn.backends.anthropic import AnthropicDialect
from arawn.backends.openai import OpenAIDialect
from arawn.messages import CompletionResponse, StreamEvent
from arawn.wire.sse import SseEvent

OPENAI, ANTHROPIC = OpenAIDialect(), AnthropicDialect()
DONE = "[DONE]"


def plain(message: dict[str, Any], *, finish: Any = "stop", usage: Any = None, **fields: Any) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"id": "c1", "model": "m", "choices": [choice], "usage": usage, **fields}).encode()


def play(
    *chunks: object, dialect: OpenAIDialect | AnthropicDialect = OPENAI
) -> tuple[list[StreamEvent], CompletionResponse]:
    assembler = dialect.assembler()
    deltas = [
        delta
        for chunk in chunks
        for delta in assembler.feed(SseEvent(data=chunk if isinstance(chunk, str) else json.dumps(chunk)))
    ]
    assert assembler.finished
    return deltas, assembler.response()
