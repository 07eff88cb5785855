"""`POST /v1/chat/completions`: what reaches a backend of each dialect, and what comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from arawn.config.schema import Profile
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.arawn.server.sdk.upstreams import Answer, Upstream, upstream
from tests.runtimes import ECHO, records, scripted

SAID = [{"role": "user", "content": "Capital of France?"}]
FUNCTION = {"name": "look", "description": "Look.", "parameters": {"type": "object"}}
LOOK = {"type": "function", "function": FUNCTION}
PIXEL = "data:image/png;base64,aGk="


async def post(
    directory: Path, profiles: dict[str, Profile], body: object, headers: dict[str, str] | None = None
) -> httpx.Response:
    async with open_api(directory, profiles) as url, httpx.AsyncClient() as client:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"authorization": f"Bearer {TOKEN}", **(headers or {})}
        return await client.post(f"{url}/v1/chat/completions", content=content, headers=sent)


async def sent_to(kind: str, directory: Path, **body: Any) -> tuple[httpx.Response, Any]:
    """Ask a backend of `kind`; return the answer and what the provider was sent."""
    with upstream(kind, directory, Answer("Paris"), stream=bool(body.get("stream"))) as up:
        response = await post(directory, {"default": up.profile}, {"model": "auto", "messages": SAID, **body})
        return response, up.sent() if up.provider and up.provider.received else None


async def test_the_answer_is_a_chat_completion(tmp_path: Path) -> None:
    """Every field that the dialect promises, and the headers that say who answered."""
    steps = [{"text": "Paris", "thinking": "hm", "tool_calls": [{"id": "c1", "name": "look", "arguments": {"a": 1}}]}]
    profile = scripted(tmp_path, steps, model="m-1")
    response = await post(tmp_path, {"default": profile}, {"model": "default", "messages": SAID})

    body = response.json()
    created = body.pop("created")
    record = records(tmp_path)[0]
    assert response.headers["x-request-id"] == record["id"]
    assert response.headers["x-arawn-profile"] == "default"
    assert response.headers["x-arawn-route"] == "CallerHint"
    assert created > 1_700_000_000
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}
    message = {
        "role": "assistant",
        "content": "Paris",
        "refusal": None,
        "reasoning_content": "hm",
        "tool_calls": [call],
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}
    assert body.pop("id").startswith("chatcmpl-")
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert body == {"object": "chat.completion", "model": "m-1", "choices": [choice], "usage": usage}


async def test_the_stream_is_chunks_and_ends_with_done(tmp_path: Path) -> None:
    """Role, words, finish reason, usage where it was asked for, and `[DONE]`; one id for all."""
    profile = scripted(tmp_path, [{"text": "Paris it is"}], model="m-1")
    body = {"model": "auto", "messages": SAID, "stream": True, "stream_options": {"include_usage": True}}
    response = await post(tmp_path, {"default": profile}, body)

    lines = [block.removeprefix("data: ") for block in response.text.split("\n\n") if block.startswith("data: ")]
    chunks = [json.loads(line) for line in lines[:-1]]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[:-1]]
    assert response.headers["content-type"] == "text/event-stream"
    assert lines[-1] == "[DONE]"
    assert len({(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in chunks}) == 1
    assert deltas == [
        {"role": "assistant", "content": ""},
        {"content": "Paris"},
        {"content": " it"},
        {"content": " is"},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None] * 4 + ["stop"]
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * 5
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
    record = records(tmp_path)[0]["id"]
    assert response.headers["x-request-id"] == record or f": interaction {record}\n\n" in response.text


async def test_without_include_usage_there_is_no_usage(tmp_path: Path) -> None:
    """As the dialect has it."""
    response, _ = await sent_to("scripted", tmp_path, stream=True)

    assert "usage" not in response.text
    assert response.text.endswith("data: [DONE]\n\n")


CONVERSATION: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
    {
        "role": "user",
        "content": [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": PIXEL}}],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "map"}'}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "a map"},
    {"role": "user", "content": "And?"},
]


async def test_a_conversation_reaches_a_backend_of_the_same_dialect(tmp_path: Path) -> None:
    """All of it arrives as it was sent."""
    _, sent = await sent_to("openai", tmp_path, messages=CONVERSATION, tools=[LOOK], tool_choice="required")

    assert sent["messages"] == CONVERSATION
    assert sent["tools"] == [LOOK]
    assert sent["tool_choice"] == "required"
    assert sent["model"] == "m-1"


async def test_a_conversation_reaches_a_backend_of_the_other_dialect(tmp_path: Path) -> None:
    """The same, in the words of the Anthropic dialect."""
    named = {"type": "function", "function": {"name": "look"}}
    _, sent = await sent_to("anthropic", tmp_path, messages=CONVERSATION, tools=[LOOK], tool_choice=named)

    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    result = {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "a map"}]}
    assert sent["system"] == "Be brief.\n\nBe kind."
    assert sent["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "What?"}, image]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "map"}}]},
        {"role": "user", "content": [result, {"type": "text", "text": "And?"}]},
    ]
    assert sent["tools"] == [{"name": "look", "description": "Look.", "input_schema": {"type": "object"}}]
    assert sent["tool_choice"] == {"type": "tool", "name": "look"}


async def test_the_settings_of_the_request_reach_the_backend(tmp_path: Path) -> None:
    """Limits, temperature, stop words; the newer name of the limit wins."""
    settings = {"max_tokens": 5, "max_completion_tokens": 9, "temperature": 1, "top_p": 0.5, "stop": "END"}
    _, openai = await sent_to("openai", tmp_path, **settings)
    _, anthropic = await sent_to("anthropic", tmp_path, **settings)

    assert {name: openai[name] for name in settings} == settings
    assert (anthropic["max_tokens"], anthropic["stop_sequences"]) == (9, ["END"])


async def test_unknown_fields_go_to_the_same_dialect_untouched(tmp_path: Path) -> None:
    """Also those of tools, and the format of the answer."""
    strict = {"type": "function", "function": {**FUNCTION, "strict": True}}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}}
    more = {"seed": 7, "x_new": {"a": [1]}, "parallel_tool_calls": False, "response_format": wanted, "tools": [strict]}
    response, sent = await sent_to("openai", tmp_path, **more)

    assert {name: sent[name] for name in more} == more
    assert "x-arawn-ignored" not in response.headers


async def test_unknown_fields_are_named_when_another_dialect_is_not_told(tmp_path: Path) -> None:
    """They are left out, and a header says which; a schema is said in the other dialect's words."""
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    response, sent = await sent_to("anthropic", tmp_path, seed=7, user=None, response_format=wanted)

    assert response.headers["x-arawn-ignored"] == "seed"
    assert set(sent) == {"model", "max_tokens", "messages", "output_config"}
    assert sent["output_config"] == {"format": {"type": "json_schema", "schema": {"type": "object"}}}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"n": 2}, "`n`"),
        ({"logprobs": True}, "`logprobs`"),
        ({"modalities": ["text", "audio"]}, "`modalities`"),
        ({"audio": {"voice": "x"}}, "`audio`"),
        ({"response_format": {"type": "grammar"}}, "`grammar`"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}], "tool_choice": "required"}, "`custom`"),
        ({"max_tokens": 0}, "`max_tokens` is 0"),
        ({"messages": [{"role": "system", "content": "x"}]}, "`messages`"),
        ({"tools": [{"type": "function", "function": {}}]}, "`$.tools[0].function`"),
        ({"tools": [{"function": {"name": "x"}}]}, "`$.tools[0]`"),
        ({"tool_choice": "some"}, "`tool_choice`"),
        ({"tool_choice": {"type": "allowed_tools"}}, "`allowed_tools`"),
        ({"messages": []}, "`$.messages`"),
        ({"messages": [{"role": "bot", "content": "x"}]}, "`bot`"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "`tool_call_id`"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "`input_audio`"),
        ({"messages": [{"role": "system", "content": [{"type": "image_url"}]}]}, "`image_url`"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]}, "`function`"),
        ({"temperature": "hot"}, "`$.temperature`"),
    ],
)
async def test_what_cannot_be_said_is_refused_by_its_name(tmp_path: Path, body: dict[str, Any], named: str) -> None:
    """400 in the dialect's envelope, and nothing is sent."""
    response, sent = await sent_to("anthropic", tmp_path, **body)

    error = response.json()["error"]
    assert response.status_code == 400
    assert named in error["message"]
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", "invalid_request", None)
    assert response.headers["x-should-retry"] == "false"
    assert sent is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3", b'{"messages": []}'])
async def test_a_body_that_is_no_request_is_refused(tmp_path: Path, body: bytes) -> None:
    """400, in the dialect's envelope."""
    response = await post(tmp_path, {"default": ECHO}, body)

    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


async def test_the_context_headers_go_into_the_record(tmp_path: Path) -> None:
    """Session, tags, workstream and the chosen profile."""
    headers = {
        "x-arawn-session": "s%C3%A9",
        "x-arawn-profile": "other",
        "x-arawn-tag-job": "42",
        "x-arawn-workstream": "research",
    }
    response = await post(
        tmp_path, {"default": ECHO, "other": ECHO}, {"model": "gpt-9", "messages": SAID}, headers=headers
    )

    record = records(tmp_path)[0]
    assert response.headers["x-arawn-profile"] == "other"
    assert record["session_id"] == "sé"
    assert record["profile"] == "other"
    assert record["tags"]["job"] == "42"
    assert record["workstream"] == "research"
    assert response.json()["model"] == "gpt-9"


async def test_nothing_is_remembered_between_calls(tmp_path: Path) -> None:
    """What is sent is the client's own history, also with a workstream's name."""
    with upstream("openai", tmp_path, Answer("Paris"), stream=False) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url, httpx.AsyncClient() as client:
            headers = {"authorization": f"Bearer {TOKEN}", "x-arawn-workstream": "research"}
            for _ in range(2):
                body = {"model": "auto", "messages": SAID}
                await client.post(f"{url}/v1/chat/completions", json=body, headers=headers)

    assert last_messages(up) == SAID


def last_messages(up: Upstream) -> Any:
    return up.sent()["messages"]


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-arawn-session", ""),
        ("x-arawn-tag-a", "%0A"),
        ("x-arawn-profile", "x" * 201),
        ("x-arawn-workstream", "a%2Fb"),
    ],
)
async def test_an_odd_context_header_is_refused(tmp_path: Path, header: str, value: str) -> None:
    """400, naming the header."""
    response = await post(tmp_path, {"default": ECHO}, {"model": "auto", "messages": SAID}, headers={header: value})

    assert response.status_code == 400
    assert header in response.json()["error"]["message"]


SESSIONS = ("x-arawn-session", "x-claude-code-session-id", "session_id", "session-id", "x-session-id")


@pytest.mark.parametrize("first", range(len(SESSIONS)))
async def test_the_session_of_an_agent_client_is_taken(tmp_path: Path, first: int) -> None:
    """Without a header of Arawn's own, what clients send by themselves counts, the first of them that is there."""
    headers = {name: name.upper() for name in SESSIONS[first:]}
    await post(tmp_path, {"default": ECHO}, {"model": "auto", "messages": SAID}, headers=headers)

    assert records(tmp_path)[0]["session_id"] == SESSIONS[first].upper()


async def test_an_answer_that_is_refused_by_the_door_has_the_envelope(tmp_path: Path) -> None:
    """No token, no route, no method: each in the dialect of the path."""
    async with open_api(tmp_path, {"default": ECHO}) as url, httpx.AsyncClient() as client:
        headers = {"x-api-key": TOKEN}
        answers = [
            await client.post(f"{url}/v1/chat/completions"),
            await client.post(f"{url}/v1/nothing", headers=headers),
            await client.get(f"{url}/v1/chat/completions", headers=headers),
        ]

    assert [answer.status_code for answer in answers] == [401, 404, 405]
    kinds = [answer.json()["error"]["type"] for answer in answers]
    assert kinds == ["authentication_error", "invalid_request_error", "invalid_request_error"]
    assert all(answer.headers["x-should-retry"] == "false" for answer in answers)
