"""Calls whose client and provider speak the same dialect: what each of them says, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from arawn.config.schema import Profile, RetryConfig
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.fake_provider import FakeProvider, Received, Reply

# Odd, but right: spaces, escapes, numbers and fields that nobody here would write so.
CHAT = (
    b'{ "seed":1.50, "messages" : [{"role":"user","content":"caf\\u00e9","name":"ann","x":{"y":1e2}},'
    b'{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"aGk=","format":"wav"}}]}],\n'
    b'\t"model":"m-1","n":2,"logprobs":true}\n'
)
MESSAGES = (
    b'{ "metadata":{"user_id" : "u\\u0031"}, "model":"m-1", "max_tokens":10,"thinking":{"type":"disabled"},\n'
    b'"system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],'
    b'"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","data":"x"}},'
    b'{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}]}'
)
CHAT_ANSWER = (
    b'{"id":"chatcmpl-7",  "object":"chat.completion","x":[1.0],"model":"m-1-2026","service_tier":"default",'
    b'"choices":[{"index":0,"message":{"role":"assistant","content":"Paris"},"finish_reason":"stop"},'
    b'{"index":1,"message":{"role":"assistant","content":"Rome"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}\n'
)
MESSAGES_ANSWER = (
    b'{"type":"message","id":"msg_7","role":"assistant","model":"m-1-2026","content":[{"type":"text","text":"Paris",'
    b'"citations":null}],  "container":null,"stop_reason":"end_turn","usage":{"input_tokens":7,"output_tokens":3}}'
)
CHAT_EVENTS = (
    b": hello\n\n",
    b'data:{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"obfuscation":"ab"}\n\n',
    b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Pa\\u0072is"}}]}\r\n\r\n',
    b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
    b'id: 7\ndata: {"id":"c","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}\n\n',
    b"data: [DONE]\n\n",
)
MESSAGES_EVENTS = (
    (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","model":"m-1","content":[],'
        b'"usage":{"input_tokens":7}},"x":1}\n\n'
    ),
    (
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":'
        b'{"type":"server_tool_use","id":"s","name":"web_search","input":{}}}\n\n'
    ),
    b'event: content_block_stop\ndata: {"type": "content_block_stop","index":0}\n\n',
    (
        b'event: content_block_start\ndata: {"type":"content_block_start","index":1,"content_block":'
        b'{"type":"text","text":""}}\n\n'
    ),
    (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":1,"delta":'
        b'{"type":"text_delta","text":"Paris"}}\n\n'
    ),
    b'event: ping\ndata: {"type": "ping"}\n\n',
    b'event: new_kind\ndata: {"type":"new_kind"}\n\n',
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":1}\n\n',
    (
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
        b'"usage":{"output_tokens":3}}\n\n'
    ),
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
)
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
BODIES = {"openai": CHAT, "anthropic": MESSAGES}
ANSWERS = {"openai": CHAT_ANSWER, "anthropic": MESSAGES_ANSWER}
EVENTS = {"openai": CHAT_EVENTS, "anthropic": MESSAGES_EVENTS}
DIALECTS = pytest.mark.parametrize("dialect", PATHS)


def streamed(body: bytes, options: bytes = b'{"include_usage":true,"include_obfuscation":false}') -> bytes:
    """Return `body` as it asks for a stream."""
    return body.replace(b'"model"', b'"stream":true ,"stream_options":' + options + b',"model"', 1)


async def ask(
    directory: Path,
    dialect: str,
    body: bytes,
    *replies: Reply,
    query: str = "",
    headers: Mapping[str, str | bytes] | None = None,
    **profile: Any,
) -> tuple[httpx.Response, list[Received]]:
    """Send `body` to a profile `p` whose provider speaks `dialect`; return the answer and what the provider got."""
    with FakeProvider(*replies) as provider:
        address = f"{provider.address}/v1" if dialect == "openai" else provider.address
        settings: dict[str, Any] = {"model": "m-1", "retry": RetryConfig(attempts=1), **profile}
        backend = Profile(backend="custom", dialect=dialect, base_url=address, **settings)  # type: ignore[arg-type]
        async with open_api(directory, {"p": backend}) as url, httpx.AsyncClient() as client:
            sent: Any = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json", **(headers or {})}
            response = await client.post(f"{url}{PATHS[dialect]}{query}", content=body, headers=sent)
        return response, provider.received
