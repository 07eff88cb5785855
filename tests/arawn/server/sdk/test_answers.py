"""The SDKs understand every kind of answer, plain and streamed, whatever the backend speaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.arawn.server.sdk.clients import CLIENTS, Said, ask  # skips without the SDKs
from tests.arawn.server.sdk.doors import open_api
from tests.arawn.server.sdk.upstreams import KINDS, MODEL, Answer, upstream
from tests.runtimes import records

pytestmark = pytest.mark.slow  # hundreds of cases; CI runs them

ANSWERS = {
    "text": Answer("Paris é it is\n\nsurely"),
    "long": Answer("word " * 300 + "end", usage=(1200, 301)),
    "thinking": Answer("Paris", "let me think"),
    "tool": Answer(calls=(("look", {"at": "map", "deep": {"n": [1, 2.5, None]}}),), stop="tool_use"),
    "tools": Answer("Looking.", "", (("look", {}), ("find", {"what": "é"})), "tool_use"),
    "cut-short": Answer("Par", stop="max_tokens"),
    "refusal": Answer("I will not.", stop="refusal"),
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("client", CLIENTS)
async def test_the_answer_is_understood(client: str, answer: str, kind: str, stream: bool, tmp_path: Path) -> None:
    """Text, thinking, tool calls, the reason for the end and the counts are those of the backend."""
    said = ANSWERS[answer]
    tools: dict[str, Any] = {}
    if said.calls:
        tools = _tools(client)
    with upstream(kind, tmp_path, said, stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            understood = await ask(client, url, stream=stream, **tools)

    assert understood == Said(said.text, said.thinking, said.calls, said.stop, said.usage, MODEL)
    assert [record["status"] for record in records(tmp_path)] == ["ok"]


def _tools(client: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {}}
    if client.startswith("openai"):
        return {
            "tools": [{"type": "function", "function": {"name": n, "parameters": schema}} for n in ("look", "find")]
        }
    return {"tools": [{"name": name, "input_schema": schema} for name in ("look", "find")]}
