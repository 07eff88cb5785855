"""`strict` of a tool is said to whom it was meant for, and stands once in the record; real sockets throughout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from arawn.messages import CompletionRequest, Message, Text, ToolDefinition
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.arawn.server.sdk.upstreams import Answer, upstream
from tests.runtimes import configured, records, running

SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages", "responses": "/v1/responses"}
NAMES = {"openai": "tools.function.strict", "anthropic": "tools.strict", "responses": "tools.strict"}


def tool(dialect: str, strict: Any) -> dict[str, Any]:
    marks = {} if strict is None else {"strict": strict}
    if dialect == "anthropic":
        return {"name": "look", "description": "d", "input_schema": SCHEMA, **marks}
    function = {"name": "look", "description": "d", "parameters": SCHEMA, **marks}
    if dialect == "responses":
        return {"type": "function", **function}
    return {"type": "function", "function": function}


async def ask(directory: Path, client: str, provider: str, strict: Any) -> tuple[httpx.Response, bytes]:
    chat = {"max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    sent = {"input": "x"} if client == "responses" else chat
    content = json.dumps({**sent, "model": "m-1", "tools": [tool(client, strict)]}).encode()
    with upstream(provider, directory, Answer("hi"), stream=False) as up:
        async with open_api(directory, {"demo": up.profile}) as url, httpx.AsyncClient() as http:
            head = {"authorization": f"Bearer {TOKEN}"}
            response = await http.post(url + PATHS[client], content=content, headers=head)
        received = up.provider.received if up.provider else []
        return response, received[0].body if received else b""


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("strict", [True, False, None])
async def test_strict_is_said_to_a_provider_of_the_dialect(
    tmp_path: Path, client: str, provider: str, strict: bool | None
) -> None:
    """In the client's bytes; one of the other dialect is not told, for its demands on the schema are others."""
    response, sent = await ask(tmp_path, client, provider, strict)

    same = provider == {"responses": "openai"}.get(client, client)
    wanted = strict if client == provider else strict or None  # the client's bytes, or only what is no default
    assert response.status_code == 200
    assert json.loads(sent)["tools"] == [tool(provider, wanted if same else None)]
    assert response.headers.get("x-arawn-ignored") == (NAMES[client] if strict and not same else None)


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_a_program_says_strict_to_either(provider: str, tmp_path: Path) -> None:
    """It knows whom it asks."""
    tools = (ToolDefinition("look", "d", SCHEMA, strict=True),)
    request = CompletionRequest(messages=(Message("user", (Text("x"),)),), tools=tools)
    with upstream(provider, tmp_path, Answer("hi"), stream=False) as up:
        async with running(configured(tmp_path, {"demo": up.profile})) as runtime:
            await runtime.complete(request, profile="demo")
        sent = up.sent()

    assert sent["tools"] == [tool(provider, strict=True)]


@pytest.mark.parametrize(
    ("client", "provider"),
    [
        ("openai", "openai"),
        ("anthropic", "anthropic"),
        ("responses", "openai"),
        *((each, "scripted") for each in PATHS),
    ],
)
async def test_a_strict_tool_stands_once_in_the_record(tmp_path: Path, client: str, provider: str) -> None:
    """Among the tools, and not in what was passed unchanged too."""
    await ask(tmp_path, client, provider, True)

    (record,) = records(tmp_path)
    assert record["tools"] == [{"name": "look", "description": "d", "parameters": SCHEMA, "strict": True}]
    assert "extra" not in record["params"]


async def test_a_tool_that_is_not_strict_is_recorded_as_ever(tmp_path: Path) -> None:
    """Without the word: readers of older logs see the same line."""
    await ask(tmp_path, "openai", "openai", False)

    (record,) = records(tmp_path)
    assert record["tools"] == [{"name": "look", "description": "d", "parameters": SCHEMA}]
    assert ToolDefinition("look") == ToolDefinition("look", strict=False)


@pytest.mark.parametrize("client", ["openai", "anthropic"])
async def test_a_strictness_that_is_none_is_refused_where_it_must_be_translated(tmp_path: Path, client: str) -> None:
    """And left to a provider of the client's own dialect."""
    other = "anthropic" if client == "openai" else "openai"
    refused, nothing = await ask(tmp_path / "other", client, other, "very")
    passed, sent = await ask(tmp_path / "same", client, client, "very")

    assert (refused.status_code, nothing) == (400, b"")
    assert "strict" in refused.json()["error"]["message"] or "tools[0]" in refused.json()["error"]["message"]
    assert passed.status_code == 200
    assert json.loads(sent)["tools"] == [tool(client, "very")]
