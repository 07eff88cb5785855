"""`POST /chat` and its explanation: what the headers of the context say, tools and tags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from arawn.config.schema import Config, RoutingConfig, ToolSource
from tests.arawn.routing.asking import rule
from tests.arawn.server.test_v1_bindings import api, on_behalf
from tests.runtimes import ECHO, configured, records

CONTEXT = on_behalf("work", profile="fast", session="s%201", **{"tag-team": "a", "tag-job": "1"})
TOOLS = {"voices": ToolSource(python="tests.arawn.agent.my_tools:voices")}


def with_tools(directory: Path) -> Config:
    """Return a configuration in which calls with tools go to `toolsmith`."""
    known = {"default": ECHO, "fast": ECHO, "toolsmith": ECHO}
    routing = RoutingConfig(enabled=True, rules=(rule("tools", "toolsmith", has_tools=True),))
    return msgspec.structs.replace(configured(directory, known), routing=routing, tools=TOOLS)


async def asked_and_explained(client: httpx.AsyncClient, body: dict[str, Any], **more: Any) -> list[httpx.Response]:
    return [await client.post(path, json=body, **more) for path in ("/chat", "/routing/explain")]


async def test_headers_count_where_the_body_is_silent(tmp_path: Path) -> None:
    """As they do under `/v1`; of a workstream the history counts too, since it is the conversation itself."""
    async with api(with_tools(tmp_path)) as (_, client):
        chat, explained = await asked_and_explained(client, {"message": "hi"}, headers=CONTEXT)

    assert chat.json()["workstream"] == "work"
    assert [answer.json()["profile"] for answer in (chat, explained)] == ["fast", "fast"]
    assert explained.json()["features"]["message_count"] == 3
    record = records(tmp_path)[0]
    assert (record["workstream"], record["session_id"], record["profile"]) == ("work", "s 1", "fast")
    assert (record["tags"]["team"], record["tags"]["job"]) == ("a", "1")


async def test_the_body_decides_before_the_headers(tmp_path: Path) -> None:
    """A client has its headers for all that it sends, and a body for the one message."""
    body = {"message": "hi", "workstream": "own", "session_id": "t", "routing_profile": "default", "tags": {"job": "2"}}
    async with api(with_tools(tmp_path)) as (_, client):
        chat, explained = await asked_and_explained(client, body, headers=CONTEXT)

    assert [answer.json()["profile"] for answer in (chat, explained)] == ["default", "default"]
    record = records(tmp_path)[0]
    assert (record["workstream"], record["session_id"], record["profile"]) == ("own", "t", "default")
    assert (record["tags"]["team"], record["tags"]["job"]) == ("a", "2")


async def test_an_unknown_profile_in_a_header_is_refused(tmp_path: Path) -> None:
    """Not passed over for the default one."""
    async with api(with_tools(tmp_path)) as (_, client):
        answers = await asked_and_explained(client, {"message": "hi"}, headers={"x-arawn-profile": "nobody"})

    assert [answer.status_code for answer in answers] == [400, 400]
    assert {answer.json()["error"]["type"] for answer in answers} == {"unknown_profile"}


async def test_tools_are_explained_as_they_are_asked(tmp_path: Path) -> None:
    """The rule that looks for tools decides for both."""
    async with api(with_tools(tmp_path)) as (_, client):
        body = {"message": "hi", "workstream": "w", "tools": ["voices"]}
        chat, explained = await asked_and_explained(client, body)

    assert [answer.json()["profile"] for answer in (chat, explained)] == ["toolsmith", "toolsmith"]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"tools": ["nothing"], "workstream": "w"}, 400),
        ({"tools": ["voices"]}, 400),
        ({"tags": {"": "x"}}, 400),
        ({"workstream": ""}, 400),
        ({"routing_profile": ""}, 400),
        ({"session_id": "a\nb"}, 400),
        ({"message": ""}, 422),
        ({"mesage": "x"}, 422),
        ({"tags": {"a": 1}}, 422),
    ],
    ids=str,
)
async def test_what_chat_refuses_is_not_explained(more: dict[str, Any], status: int, tmp_path: Path) -> None:
    """An explanation is one of a call that could be made, and is refused in the same words."""
    async with api(with_tools(tmp_path)) as (_, client):
        chat, explained = await asked_and_explained(client, {"message": "hi", **more})

    assert (chat.status_code, explained.status_code) == (status, status)
    assert chat.json() == explained.json()


@pytest.mark.parametrize(
    "header", [{"x-arawn-session": "%ff"}, {"x-arawn-tag-k": "%e2%82"}, {"x-arawn-tag-": "e"}], ids=str
)
async def test_a_header_that_says_nothing_is_refused(header: dict[str, str], tmp_path: Path) -> None:
    """What is no UTF-8 would stand in the log as something else; a tag without a key would not stand there at all."""
    async with api(with_tools(tmp_path)) as (_, client):
        answers = await asked_and_explained(client, {"message": "hi"}, headers=header)

    assert [answer.status_code for answer in answers] == [400, 400]
    assert all(next(iter(header)) in answer.json()["error"]["message"] for answer in answers)
    assert records(tmp_path) == []
