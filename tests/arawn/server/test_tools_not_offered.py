"""Tools that a backend cannot be told of: left out, named in the answer's head and in the record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from arawn.config.schema import Profile
from arawn.messages import RoutingMetadata
from arawn.server.reply import Refused
from arawn.server.v1.anthropic_messages_in import read_messages, translate_messages
from arawn.server.v1.target import Target
from tests.arawn.server.same_dialect import ANSWERS
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.fake_provider import FakeProvider, Reply
from tests.runtimes import records

SAID = {"messages": [{"role": "user", "content": "hi"}], "input": "hi"}
LOOK = {"name": "look", "parameters": {"type": "object"}}
ASKED: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "/v1/responses": (
        "openai",
        [
            {"type": "web_search"},
            {"type": "function", **LOOK},
            {"type": "image_generation"},
            {"type": "local_shell"},
        ],
    ),
    "/v1/messages": (
        "openai",
        [{"type": "web_search_20250305", "name": "web"}, {"name": "look", "input_schema": {"type": "object"}}],
    ),
    "/v1/chat/completions": (
        "anthropic",
        [{"type": "custom", "custom": {"name": "patch"}}, {"type": "function", "function": LOOK}],
    ),
}
NAMED = {
    "/v1/responses": "tools.image_generation, tools.local_shell, tools.web_search",
    "/v1/messages": "tools.web_search_20250305",
    "/v1/chat/completions": "tools.custom",
}


async def ask(path: str, directory: Path, **more: Any) -> tuple[httpx.Response, list[dict[str, Any]]]:
    dialect, tools = ASKED[path]
    with FakeProvider(Reply(body=ANSWERS[dialect])) as provider:
        backend = Profile(backend="custom", dialect=dialect, base_url=provider.address, model="m-1")  # type: ignore[arg-type]
        async with open_api(directory, {"p": backend}) as url, httpx.AsyncClient() as client:
            body = {"model": "p", "max_tokens": 9, **SAID, "tools": tools, **more}
            head = {"x-api-key": TOKEN, "x-arawn-tag-team": "a"}
            response = await client.post(url + path, json=body, headers=head)
    return response, [json.loads(received.body) for received in provider.received]


@pytest.mark.parametrize("path", ASKED)
async def test_the_others_are_offered(path: str, tmp_path: Path) -> None:
    """The answer's head and the tag of the record name the kinds that were left out."""
    response, (sent,) = await ask(path, tmp_path)

    assert response.status_code == 200
    assert [tool.get("name") or tool["function"]["name"] for tool in sent["tools"]] == ["look"]
    named = response.headers["x-arawn-ignored"].split(", ")
    assert [name for name in named if name.startswith("tools.")] == NAMED[path].split(", ")
    tags = records(tmp_path)[0]["tags"]
    assert (tags["team"], tags["tools_not_offered"]) == ("a", NAMED[path])


async def test_a_response_repeats_only_what_was_offered(tmp_path: Path) -> None:
    """It never claims a tool that the model does not know of, also beside one that is strict."""
    tools = [{"type": "web_search"}, {"type": "function", **LOOK, "strict": True}]
    response, (sent,) = await ask("/v1/responses", tmp_path, tools=tools)

    assert response.json()["tools"] == tools[1:]
    assert sent["tools"] == [{"type": "function", "function": {**LOOK, "strict": True}}]


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/v1/responses", {"parallel_tool_calls": False, "tool_choice": "none"}),
        ("/v1/responses", {"parallel_tool_calls": True, "tool_choice": "none"}),
        ("/v1/messages", {"tool_choice": {"type": "none"}}),
        ("/v1/chat/completions", {"tool_choice": "none"}),
    ],
)
async def test_where_none_is_to_be_used_nothing_is_said_of_tools(
    path: str, more: dict[str, Any], tmp_path: Path
) -> None:
    """Servers refuse settings of tools that are not there."""
    response, (sent,) = await ask(path, tmp_path, tools=ASKED[path][1][:1], **more)

    assert response.status_code == 200
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & sent.keys()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ASKED)
async def test_a_call_of_which_no_tool_is_left_is_refused(path: str, stream: bool, tmp_path: Path) -> None:
    """A model that is asked to search the web, and has no search, makes up what it would have found."""
    others = [tool for tool in ASKED[path][1] if "look" not in json.dumps(tool)]
    response, sent = await ask(path, tmp_path, tools=others, stream=stream)

    assert (response.status_code, sent) == (400, [])
    message = response.json()["error"]["message"]
    kinds = NAMED[path].replace("tools.", "").split(", ")
    assert "all are of type " + ", ".join(f"`{kind}`" for kind in kinds) in message
    assert message.endswith("leave them out")
    assert ("a profile whose provider has such tools" in message) is (path != "/v1/responses")


@pytest.mark.parametrize("choice", ["required", {"type": "web_search"}, {"type": "function", "name": "web"}])
async def test_a_choice_that_only_such_a_tool_can_meet_is_refused(choice: Any, tmp_path: Path) -> None:
    """Nothing is sent, and the message names what is missing."""
    response, sent = await ask("/v1/responses", tmp_path, tools=[{"type": "web_search"}], tool_choice=choice)

    assert (response.status_code, sent) == (400, [])
    assert "tool_choice" in response.json()["error"]["message"]


async def test_a_record_holds_tools_that_are_loose_once(tmp_path: Path) -> None:
    """Chat completions are loose unless told, so nothing has to be said beside the neutral form."""
    await ask("/v1/responses", tmp_path, tools=[{"type": "function", **LOOK, "strict": False}])

    (record,) = records(tmp_path)
    assert [tool["name"] for tool in record["tools"]] == ["look"]
    assert "extra" not in record["params"]


def test_a_refusal_before_a_profile_is_chosen_names_none() -> None:
    """It is none of the default profile that the request cannot be said to."""
    web = {"type": "web_search_20250305", "name": "web"}
    said = {"model": "auto", "messages": SAID["messages"], "tools": [web], "tool_choice": {"type": "any"}}
    body = read_messages(json.dumps(said).encode())
    target = Target(None, None, "m", RoutingMetadata("p", "Default"), "anthropic", open=True, common=False)

    with pytest.raises(Refused) as refused:
        translate_messages(body, target)

    assert b"every backend that `[routing]` may choose" in refused.value.reply.body
