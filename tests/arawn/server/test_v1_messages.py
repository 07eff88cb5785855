"""`POST /v1/messages`: what reaches a backend of each dialect, and what comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from arawn.config.schema import Profile
from arawn.messages import Completed, CompletionResponse, StreamEvent, TextDelta, ToolUseDelta, ToolUseStart
from arawn.server.v1.anthropic_stream import MessageEvents
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.arawn.server.sdk.upstreams import Answer, upstream
from tests.runtimes import ECHO, records

SAID = [{"role": "user", "content": "Capital of France?"}]
LOOK = {"name": "look", "description": "Look.", "input_schema": {"type": "object"}}
WEB = {"type": "web_search_20250305", "name": "web"}
PIXEL = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
ANSWER = Answer("Paris it is", "let me think", (("look", {"at": "map"}),), "tool_use")


async def post(directory: Path, profiles: dict[str, Profile], body: object) -> httpx.Response:
    async with open_api(directory, profiles) as url, httpx.AsyncClient() as client:
        headers = {"x-api-key": TOKEN, "anthropic-version": "2023-06-01"}
        return await client.post(f"{url}/v1/messages?beta=true", json=body, headers=headers)


async def ask(kind: str, directory: Path, said: Answer = ANSWER, **body: Any) -> tuple[httpx.Response, Any]:
    """Ask a backend of `kind`; return the answer and what the provider was sent."""
    with upstream(kind, directory, said, stream=bool(body.get("stream"))) as up:
        whole = {"model": "auto", "max_tokens": 64, "messages": SAID, **body}
        response = await post(directory, {"default": up.profile}, whole)
        return response, up.sent() if up.provider and up.provider.received else None


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    blocks = [block.split("\n") for block in text.split("\n\n") if block and not block.startswith(":")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


@pytest.mark.parametrize("kind", ["scripted", "openai"])
async def test_the_answer_is_a_message(tmp_path: Path, kind: str) -> None:
    """Every field that the dialect promises, from a backend of any other."""
    response, _ = await ask(kind, tmp_path)

    body = response.json()
    assert body.pop("id").startswith("msg_")
    assert response.headers["x-request-id"] == response.headers["request-id"] == records(tmp_path)[0]["id"]
    assert body == {
        "type": "message",
        "role": "assistant",
        "model": "m-1",
        "content": [
            {"type": "thinking", "thinking": "let me think", "signature": ""},
            {"type": "text", "text": "Paris it is"},
            {"type": "tool_use", "id": "call_0", "name": "look", "input": {"at": "map"}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 7,
            "cache_creation_input_tokens": None,
            "cache_read_input_tokens": None,
            "output_tokens": 3,
        },
    }


async def test_the_stream_has_the_events_in_their_order(tmp_path: Path) -> None:
    """One block after the other, each begun and ended, then the reason and the counts."""
    response, _ = await ask("openai", tmp_path, stream=True)

    said = events_of(response.text)
    block = ["content_block_start", *["content_block_delta"] * 3, "content_block_stop"]
    call = ["content_block_start", *["content_block_delta"] * 2, "content_block_stop"]
    assert [name for name, _ in said] == ["message_start", *block, *block, *call, "message_delta", "message_stop"]
    assert all(event["type"] == name for name, event in said)
    assert [event["index"] for name, event in said if name == "content_block_start"] == [0, 1, 2]
    assert said[0][1]["message"]["content"] == []
    assert said[-2][1]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert (said[-2][1]["usage"]["input_tokens"], said[-2][1]["usage"]["output_tokens"]) == (7, 3)


async def test_a_signature_comes_before_the_end_of_its_block(tmp_path: Path) -> None:
    """Thinking can be sent back to the provider that signed it."""
    response, _ = await ask("anthropic", tmp_path, stream=True)

    of_first = [(name, event) for name, event in events_of(response.text) if event.get("index") == 0]
    ends = [(name, event.get("delta", {}).get("type")) for name, event in of_first]
    assert ends[-2:] == [("content_block_delta", "signature_delta"), ("content_block_stop", None)]


CONVERSATION: list[dict[str, Any]] = [
    {"role": "user", "content": [{"type": "text", "text": "What?"}, PIXEL]},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "signed"},
            {"type": "redacted_thinking", "data": "secret"},
            {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "map"}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "a map"}, PIXEL]},
            {"type": "text", "text": "And?"},
        ],
    },
]


async def test_a_conversation_reaches_a_backend_of_the_same_dialect(tmp_path: Path) -> None:
    """Every block arrives as it was sent, thinking with its signature too."""
    system = [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}]
    _, sent = await ask("anthropic", tmp_path, messages=CONVERSATION, system=system, tools=[LOOK])

    assert sent["messages"] == CONVERSATION
    assert sent["system"] == system
    assert sent["tools"] == [LOOK]


async def test_a_conversation_reaches_a_backend_of_the_other_dialect(tmp_path: Path) -> None:
    """The same, in the words of the OpenAI dialect, less what it has no words for."""
    choice = {"type": "any", "disable_parallel_tool_use": True}
    response, sent = await ask(
        "openai", tmp_path, messages=CONVERSATION, system="Be brief.", tools=[LOOK], tool_choice=choice, top_k=4
    )

    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at":"map"}'}}
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "a map"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "image of tool result c1"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
                {"type": "text", "text": "And?"},
            ],
        },
    ]
    assert (sent["tool_choice"], sent["parallel_tool_calls"]) == ("required", False)
    assert response.headers["x-arawn-ignored"] == "top_k, messages.thinking"


async def test_what_a_tool_shows_reaches_a_backend_of_the_other_dialect(tmp_path: Path) -> None:
    """Its pictures are said by the user, each with the call it is of; that the tool failed has no word."""
    calls: list[Any] = [{"type": "tool_use", "id": each, "name": "look", "input": {}} for each in ("c1", "c2")]
    results = [
        {"type": "tool_result", "tool_use_id": "c1", "content": [PIXEL], "is_error": True},
        {"type": "tool_result", "tool_use_id": "c2", "content": [{"type": "text", "text": "a map"}, PIXEL]},
    ]
    said = [
        {"role": "user", "content": "What?"},
        {"role": "assistant", "content": calls},
        {"role": "user", "content": [*results, {"type": "text", "text": "And?"}]},
    ]
    response, sent = await ask("openai", tmp_path, messages=said, tools=[LOOK])

    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    assert sent["messages"][2:] == [
        {"role": "tool", "tool_call_id": "c1", "content": ""},
        {"role": "tool", "tool_call_id": "c2", "content": "a map"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "image of tool result c1"},
                picture,
                {"type": "text", "text": "image of tool result c2"},
                picture,
                {"type": "text", "text": "And?"},
            ],
        },
    ]
    assert response.headers["x-arawn-ignored"] == "messages.tool_result.is_error"


async def test_unknown_fields_go_to_the_same_dialect_untouched(tmp_path: Path) -> None:
    """Settings of thinking, server tools, marks on tools, further settings of a choice."""
    more: dict[str, Any] = {
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "tools": [{**LOOK, "cache_control": {"type": "ephemeral"}}, {"type": "web_search_20250305", "name": "web"}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "output_config": {"effort": "low"},
        "metadata": {"user_id": "u"},
        "top_k": 4,
    }
    response, sent = await ask("anthropic", tmp_path, **more)

    assert {name: sent[name] for name in more} == more
    assert "x-arawn-ignored" not in response.headers


async def test_a_schema_is_said_in_the_words_of_the_other_dialect(tmp_path: Path) -> None:
    """`output_config.format` becomes `response_format`."""
    config = {"format": {"type": "json_schema", "schema": {"type": "object"}}, "effort": "low"}
    response, sent = await ask("openai", tmp_path, output_config=config)

    assert sent["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert response.headers["x-arawn-ignored"] == "output_config.effort"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"messages": []}, "`$.messages`"),
        ({"messages": [{"role": "system", "content": "x"}]}, "`messages`"),
        ({"messages": [{"role": "bot", "content": "x"}]}, "`bot`"),
        ({"messages": [{"role": "system", "content": [PIXEL]}]}, "`$.messages[0].content[0]`"),
        ({"max_tokens": 0}, "`max_tokens` is 0"),
        ({"messages": [{"role": "user", "content": [{"type": "document"}]}]}, "`document`"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, "`tool_result`"),
        ({"system": [PIXEL]}, "`$.system[0]`"),
        ({"tools": [{"name": "x"}]}, "`$.tools[0]`"),
        ({"tools": [{"type": [], "name": "x"}]}, "`$.tools[0].type`"),
        ({"tools": [WEB], "tool_choice": {"type": "any"}}, "`web_search_20250305`"),
        ({"tools": [LOOK, WEB], "tool_choice": {"type": "tool", "name": "web"}}, "`web_search_20250305`"),
        ({"tool_choice": {"type": "tool"}}, "`tool_choice`"),
        ({"output_config": {"format": {"type": "xml"}}}, "`output_config.format`"),
        ({"mcp_servers": [{}]}, "`mcp_servers`"),
        ({"max_tokens": "many"}, "`$.max_tokens`"),
    ],
)
async def test_what_cannot_be_said_is_refused_by_its_name(tmp_path: Path, body: dict[str, Any], named: str) -> None:
    """400 in the dialect's envelope, and nothing is sent."""
    response, sent = await ask("openai", tmp_path, **body)

    said = response.json()
    assert response.status_code == 400
    assert (said["type"], said["error"]["type"]) == ("error", "invalid_request_error")
    assert named in said["error"]["message"]
    assert said["request_id"] == response.headers["request-id"]
    assert sent is None


@pytest.mark.parametrize("kind", ["openai", "scripted"])
async def test_a_conversation_that_the_provider_is_to_hold_is_refused(tmp_path: Path, kind: str) -> None:
    """By the word on which the SDK sends all of it: dropped, the model would see the last message alone."""
    response, sent = await ask(kind, tmp_path, thread={"type": "continue", "previous_message_id": "msg_1"})

    assert response.status_code == 400
    assert response.json()["error"]["details"] == {"error_code": "thread_unsupported_request"}
    assert sent is None


async def test_a_provider_of_the_dialect_may_hold_the_conversation(tmp_path: Path) -> None:
    """It is passed on as it came."""
    thread = {"type": "create"}
    response, sent = await ask("anthropic", tmp_path, thread=thread)

    assert (response.status_code, sent["thread"]) == (200, thread)


async def test_an_answer_that_is_refused_by_the_door_has_the_envelope(tmp_path: Path) -> None:
    """No token is 401 in the dialect of the path."""
    async with open_api(tmp_path, {"default": ECHO}) as url, httpx.AsyncClient() as client:
        answer = await client.post(f"{url}/v1/messages")

    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "authentication_error"


async def test_text_that_goes_on_after_a_tool_call_goes_on_in_a_new_block(tmp_path: Path) -> None:
    """Some servers of the other dialect mix both; blocks here come one after the other."""
    encoder = MessageEvents(answer_id="1", model="m", signed=False)
    pieces: list[StreamEvent] = [
        TextDelta(0, "a"),
        ToolUseStart(1, "c", "look"),
        ToolUseDelta(1, "{}"),
        TextDelta(0, "b"),
    ]
    done = Completed(CompletionResponse(content=(), model="m"))
    said = events_of(b"".join(encoder.encode(event) for event in [*pieces, done]).decode())

    begun = [event for name, event in said if name == "content_block_start"]
    started = [(event["index"], event["content_block"]["type"]) for event in begun]
    stopped = [event["index"] for name, event in said if name == "content_block_stop"]
    assert started == [(0, "text"), (1, "tool_use"), (2, "text")]
    assert sorted(stopped) == [0, 1, 2]
