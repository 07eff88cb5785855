"""Parts of replies of the `openai` dialect, and a stream of them read to its end."""

from __future__ import annotations

import msgspec

from arawn.backends.openai import OpenAIDialect
from arawn.backends.openai_reply import OpenAIAssembler
from arawn.messages import CompletionResponse, StreamEvent
from arawn.wire.sse import SseEvent

DIALECT = OpenAIDialect()


def reply(finish: str | None = "stop", usage: object = None, **message: object) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return msgspec.json.encode({"id": "c1", "model": "m1", "choices": [choice], "usage": usage, "new_field": 1})


def chunk(finish: str | None = None, **delta: object) -> SseEvent:
    body = {"id": "c1", "model": "m1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return SseEvent(data=msgspec.json.encode(body).decode())


DONE = SseEvent(data="[DONE]")


def play(*events: SseEvent) -> tuple[list[StreamEvent], CompletionResponse]:
    assembler = OpenAIAssembler()
    deltas = [delta for event in events for delta in assembler.feed(event)]
    assert assembler.finished
    return deltas, assembler.response()


def call(index: int | None, call_id: str | None, name: str | None, arguments: object) -> dict[str, object]:
    return {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
