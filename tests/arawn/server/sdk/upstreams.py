"""The same answers and the same faults from backends of every kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arawn.config.schema import Profile, RetryConfig
from tests.fake_provider import FakeProvider, Fault, Reply, events, openai_chunk, stream_reply
from tests.runtimes import scripted

KINDS = ("scripted", "openai", "anthropic")
MODEL = "m-1"
ONCE = RetryConfig(attempts=1)

_OPENAI_STOPS = {
    "end_turn": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


@dataclass(frozen=True)
class Answer:
    """What a backend says, in neutral words."""

    text: str = ""
    thinking: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    stop: str = "end_turn"
    usage: tuple[int, int] = (7, 3)


@dataclass(frozen=True)
class Refusal:
    """How a provider refuses; `body` gives what stands in the envelope of its dialect."""

    status: int
    message: str = "the provider's own words"
    retry_after: int | None = None


@dataclass
class Upstream:
    """A profile, and what its provider was sent (nothing for `scripted`)."""

    profile: Profile
    provider: FakeProvider | None = None
    retry: RetryConfig = field(default=ONCE)

    def sent(self) -> Any:
        assert self.provider is not None
        return self.provider.received[-1].json()


@contextmanager
def upstream(
    kind: str, directory: Path, *said: Answer | Refusal, stream: bool, cut: bool = False, retry: RetryConfig = ONCE
) -> Iterator[Upstream]:
    """Run a backend of `kind` that says `said`, one a call, the last one again and again.

    With `cut` its answers break off before their end.
    """
    if kind == "scripted":
        steps = [{**_step(one), **({"cut_after": 1} if cut else {})} for one in said]
        yield Upstream(scripted(directory, steps, model=MODEL, retry=retry))
        return
    replies = [_reply(kind, one, stream=stream, cut=cut) for one in said]
    with FakeProvider(*replies) as provider:
        address = f"{provider.address}/v1" if kind == "openai" else provider.address
        settings: dict[str, Any] = {"dialect": kind, "model": MODEL, "base_url": address, "retry": retry}
        yield Upstream(Profile(backend="custom", **settings), provider)


def _step(said: Answer | Refusal) -> dict[str, Any]:
    if isinstance(said, Refusal):
        error: dict[str, Any] = {"status": said.status, "message": said.message}
        return {"error": error if said.retry_after is None else {**error, "retry_after_s": said.retry_after}}
    step: dict[str, Any] = {"stop_reason": said.stop}
    step["usage"] = {"input_tokens": said.usage[0], "output_tokens": said.usage[1]}
    if said.text:
        step["text"] = said.text
    if said.thinking:
        step["thinking"] = said.thinking
    step["tool_calls"] = [{"id": f"call_{at}", "name": n, "arguments": a} for at, (n, a) in enumerate(said.calls)]
    return step


def _reply(kind: str, said: Answer | Refusal, *, stream: bool, cut: bool) -> Reply:
    if isinstance(said, Refusal):
        headers = {} if said.retry_after is None else {"retry-after": str(said.retry_after)}
        body: dict[str, Any] = {"error": {"message": said.message, "type": "some_error"}}
        if kind == "anthropic":
            body["type"] = "error"
        return Reply(said.status, json.dumps(body).encode(), headers=headers)
    if not stream:
        return Reply(body=json.dumps(_openai(said) if kind == "openai" else _anthropic(said)).encode())
    pieces: list[bytes | Fault] = [*(_openai_chunks(said) if kind == "openai" else _anthropic_events(said))]
    return stream_reply([*pieces[:3], Fault.CUT] if cut else pieces)


def _openai(said: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None}
    if said.thinking:
        message["reasoning_content"] = said.thinking
    if said.calls:
        message["tool_calls"] = [
            {"id": f"call_{at}", "type": "function", "function": {"name": n, "arguments": json.dumps(a)}}
            for at, (n, a) in enumerate(said.calls)
        ]
    choice = {"index": 0, "message": message, "finish_reason": _OPENAI_STOPS[said.stop]}
    whole = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": MODEL}
    return {**whole, "choices": [choice], "usage": _openai_usage(said)}


def _openai_usage(said: Answer) -> dict[str, int]:
    read, written = said.usage
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _openai_chunks(said: Answer) -> list[bytes]:
    chunks = [openai_chunk(role="assistant", content="")]
    chunks += [openai_chunk(reasoning_content=word) for word in _words(said.thinking)]
    chunks += [openai_chunk(content=word) for word in _words(said.text)]
    for at, (name, arguments) in enumerate(said.calls):
        text = json.dumps(arguments)
        begin = {"index": at, "id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": ""}}
        chunks.append(openai_chunk(tool_calls=[begin]))
        halves = (text[: len(text) // 2], text[len(text) // 2 :])
        chunks += [openai_chunk(tool_calls=[{"index": at, "function": {"arguments": half}}]) for half in halves]
    chunks.append(openai_chunk(_OPENAI_STOPS[said.stop]))
    chunks.append({**openai_chunk(), "choices": [], "usage": _openai_usage(said)})
    return events(*({**chunk, "created": 1_700_000_000, "model": MODEL} for chunk in chunks), "[DONE]")


def _anthropic(said: Answer) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if said.thinking:
        content.append({"type": "thinking", "thinking": said.thinking, "signature": "signed"})
    if said.text:
        content.append({"type": "text", "text": said.text})
    content += [{"type": "tool_use", "id": f"call_{at}", "name": n, "input": a} for at, (n, a) in enumerate(said.calls)]
    usage = {"input_tokens": said.usage[0], "output_tokens": said.usage[1]}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "model": MODEL, "content": content}
    return {**message, "stop_reason": said.stop, "usage": usage}


def _anthropic_events(said: Answer) -> list[bytes]:
    whole = _anthropic(said)
    usage = {"input_tokens": said.usage[0], "output_tokens": 1}
    sent: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None, "usage": usage}}
    ]
    for index, block in enumerate(whole["content"]):
        sent.append({"type": "content_block_start", "index": index, "content_block": _empty(block)})
        sent += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in _deltas(block)]
        sent.append({"type": "content_block_stop", "index": index})
    end = {"output_tokens": said.usage[1]}
    sent.append({"type": "message_delta", "delta": {"stop_reason": said.stop}, "usage": end})
    return events(*sent, {"type": "message_stop"}, named=True)


def _empty(block: dict[str, Any]) -> dict[str, Any]:
    return {**block, **{name: {"input": {}}.get(name, "") for name in block if name in {"text", "thinking", "input"}}}


def _deltas(block: dict[str, Any]) -> list[dict[str, Any]]:
    if block["type"] == "text":
        return [{"type": "text_delta", "text": word} for word in _words(block["text"])]
    if block["type"] == "thinking":
        said = [{"type": "thinking_delta", "thinking": word} for word in _words(block["thinking"])]
        return [*said, {"type": "signature_delta", "signature": block["signature"]}]
    text = json.dumps(block["input"])
    return [{"type": "input_json_delta", "partial_json": half} for half in (text[:3], text[3:]) if half]


def _words(text: str) -> list[str]:
    return [word + " " for word in text.split(" ")[:-1]] + text.split(" ")[-1:] if text else []
