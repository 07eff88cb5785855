"""What the SDK of Anthropic can ask and be told beside the plain question, its beta namespace included."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.arawn.server.sdk.clients import anthropic, open_anthropic  # skips without the SDKs
from tests.arawn.server.sdk.doors import beside, open_api
from tests.arawn.server.sdk.talks import raised_by, talk
from tests.arawn.server.sdk.upstreams import KINDS, Answer, upstream
from tests.runtimes import ECHO, records

pytestmark = pytest.mark.slow  # hundreds of cases; CI runs them

SERVERS = ("openai", "anthropic")
SAID: Any = [{"role": "user", "content": "hi"}]
LOOK = {"name": "look", "input_schema": {"type": "object"}}
MARK = {"cache_control": {"type": "ephemeral"}}
PICTURE = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}


asked = partial(talk, open_anthropic)
refusal_of = partial(raised_by, error=anthropic.APIStatusError)


def message(**more: Any) -> Callable[[Any], Any]:
    return lambda client: client.messages.create(**{"model": "auto", "max_tokens": 64, "messages": SAID, **more})


# What a client may say -> what a provider of each dialect reads of it.
SPOKEN: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "stops": ({"stop_sequences": ["END"]}, {"stop": ["END"]}, {"stop_sequences": ["END"]}),
    "system": ({"system": "Be brief."}, {"messages": [{"role": "system", "content": "Be brief."}, *SAID]}, {}),
    "temperature": (
        {"extra_body": {"temperature": 0.0, "top_p": 0.5}},
        {"temperature": 0, "top_p": 0.5},
        {"temperature": 0, "top_p": 0.5},
    ),
    "tool": (
        {"tools": [LOOK], "tool_choice": {"type": "tool", "name": "look"}},
        {"tool_choice": {"type": "function", "function": {"name": "look"}}},
        {"tool_choice": {"type": "tool", "name": "look"}},
    ),
    "any-tool": (
        {"tools": [LOOK], "tool_choice": {"type": "any"}},
        {"tool_choice": "required"},
        {"tool_choice": {"type": "any"}},
    ),
    "one-by-one": (
        {"tools": [LOOK], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        {"tool_choice": "auto"},
        {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
    ),
    "metadata": ({"metadata": {"user_id": "me"}}, {"metadata": None}, {"metadata": {"user_id": "me"}}),
    "thinking": (
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2048},
        {"thinking": None, "max_tokens": 2048},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    ),
    "extra": ({"extra_body": {"new_field": 1}}, {"new_field": None}, {"new_field": 1}),
}


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("name", SPOKEN)
async def test_what_is_asked_reaches_the_provider(name: str, kind: str, tmp_path: Path) -> None:
    """In the words of its dialect; what only tunes the answer and has no word there is left out."""
    words, *expected = SPOKEN[name]
    answer, read = await asked(kind, tmp_path, message(**words))

    assert answer.content[0].text == "Paris"
    wanted = expected[SERVERS.index(kind)]
    assert {key: read.get(key) for key in wanted} == wanted


TURNS: dict[str, dict[str, Any]] = {
    "marked": {"system": [{"type": "text", "text": "Be brief.", **MARK}]},
    "prefill": {"messages": [*SAID, {"role": "assistant", "content": "Be brief."}]},
    "two-users": {"messages": [*SAID, {"role": "user", "content": "Be brief."}]},
    "image": {"messages": [{"role": "user", "content": [PICTURE, {"type": "text", "text": "Be brief.", **MARK}]}]},
    "failed-tool": {
        "tools": [{**LOOK, **MARK}],
        "messages": [
            *SAID,
            {"role": "assistant", "content": [{"type": "tool_use", "id": "call_0", "name": "look", "input": {}}]},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_0", "is_error": True, "content": "Be brief."},
                ],
            },
        ],
    },
    "shown-image": {
        "messages": [
            *SAID,
            {"role": "assistant", "content": [{"type": "tool_use", "id": "call_0", "name": "look", "input": {}}]},
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "call_0",
                        "content": [{"type": "text", "text": "Be brief."}, PICTURE],
                    },
                    {"type": "text", "text": "and now?"},
                ],
            },
        ],
    },
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TURNS)
async def test_every_kind_of_turn_is_taken(name: str, kind: str, tmp_path: Path) -> None:
    """Blocks in all the forms that the types of the SDK allow."""
    answer, read = await asked(kind, tmp_path, message(**TURNS[name]))

    assert answer.content[0].text == "Paris"
    assert read is None or "Be brief." in json.dumps(read)
    if (name in {"image", "shown-image"} and kind == "anthropic") or (name, kind) == ("image", "openai"):
        assert "https://example.org/a.png" in json.dumps(read)  # chat completions cannot say what a tool has shown


REFUSED: dict[str, dict[str, Any]] = {
    "document": {
        "messages": [
            {"role": "user", "content": [{"type": "document", "source": {"type": "url", "url": "https://example.org"}}]}
        ]
    },
    "role": {"messages": [{"role": "tool", "content": "a map"}]},
    "empty": {"messages": []},
    "tool": {"tools": [{"name": "look"}]},
    "tool_choice": {"tools": [LOOK], "tool_choice": {"type": "some"}},
    "temperature": {"extra_body": {"temperature": "hot"}},
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("name", REFUSED)
async def test_what_has_no_form_is_refused(name: str, stream: bool, tmp_path: Path) -> None:
    """400 that names the field, and no record."""
    error, _ = await asked("openai", tmp_path, refusal_of(message(stream=stream, **REFUSED[name])))

    assert type(error) is anthropic.BadRequestError
    assert error.body["error"]["type"] == "invalid_request_error"
    assert f"`{name}`" in error.message or "`$." in error.message
    assert records(tmp_path) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_the_events_of_a_stream_come_in_order(kind: str, tmp_path: Path) -> None:
    """Each block begins, grows and ends before the message does."""
    said = Answer("Looking.", "hm", (("look", {"at": "map"}), ("look", {})), "tool_use")
    events, _ = await asked(kind, tmp_path, lambda client: list(message(stream=True)(client)), said=said, stream=True)

    names = [event.type for event in events]
    blocks = [event.content_block.type for event in events if event.type == "content_block_start"]
    assert blocks == ["thinking", "text", "tool_use", "tool_use"]
    assert (names[0], names[-2:]) == ("message_start", ["message_delta", "message_stop"])
    assert in_order(events)


def in_order(events: list[Any]) -> bool:
    """Whether deltas fall between the start and the stop of their block, and every block is stopped."""
    growing: set[int] = set()
    for event in events:
        match event.type:
            case "content_block_start":
                growing.add(event.index)
            case "content_block_delta" if event.index not in growing:
                return False
            case "content_block_stop":
                growing.remove(event.index)
    return not growing


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
async def test_the_beta_namespace_is_served(kind: str, stream: bool, tmp_path: Path) -> None:
    """`client.beta.messages` with a list of betas, which puts `?beta=true` on the path."""

    def work(client: Any) -> Any:
        body = {"model": "auto", "max_tokens": 64, "messages": SAID, "betas": ["interleaved-thinking-2025-05-14"]}
        if not stream:
            return client.beta.messages.create(**body)
        with client.beta.messages.stream(**body) as events:
            return events.get_final_message()

    answer, _ = await asked(kind, tmp_path, work, stream=stream)

    assert (answer.content[0].text, answer.stop_reason, answer.usage.output_tokens) == ("Paris", "end_turn", 3)


@pytest.mark.parametrize("kind", KINDS)
async def test_the_tool_runner_goes_on(kind: str, tmp_path: Path) -> None:
    """`client.beta.messages.tool_runner` runs the tool and gets the second answer; the model is told all of it."""

    @anthropic.beta_tool  # type: ignore[untyped-decorator, unused-ignore]  # typed only where the SDK is
    def add(a: int, b: int) -> str:
        """Add.

        Args:
            a: One.
            b: The other.
        """
        return str(a + b)

    said = (Answer(calls=(("add", {"a": 2, "b": 3}),), stop="tool_use"), Answer("It is 5."))
    with upstream(kind, tmp_path, *said, stream=False) as up, ExitStack() as opened:
        async with open_api(tmp_path, {"default": up.profile}) as url:

            def work() -> Any:
                runner = open_anthropic(url, opened).beta.messages.tool_runner(
                    model="auto", max_tokens=64, messages=SAID, tools=[add]
                )
                return runner.until_done()

            answer = await beside(work)

    assert answer.content[0].text == "It is 5."
    assert up.provider is None or '"5"' in json.dumps(up.sent())
    assert kind != "openai" or [said["role"] for said in up.sent()["messages"]] == ["user", "assistant", "tool"]


@pytest.mark.parametrize("kind", KINDS)
async def test_raw_answers_and_ids_are_there(kind: str, tmp_path: Path) -> None:
    """`with_raw_response`, `with_streaming_response` and `_request_id` show the record's id."""

    def work(client: Any) -> list[str]:
        body = {"model": "auto", "max_tokens": 64, "messages": SAID}
        raw = client.messages.with_raw_response.create(**body)
        with client.messages.with_streaming_response.create(**body) as lines:
            first = json.loads("".join(lines.iter_lines()))["content"][0]["text"]
        plain = message()(client)
        assert (raw.parse().content[0].text, first) == ("Paris", "Paris")
        return [raw.headers["request-id"], lines.headers["request-id"], plain._request_id]

    ids, _ = await asked(kind, tmp_path, work)

    assert ids == [record["id"] for record in records(tmp_path)]


async def test_headers_of_one_call_name_its_context(tmp_path: Path) -> None:
    """`extra_headers` choose the profile and tag the record."""
    headers = {"x-arawn-profile": "fast", "x-arawn-tag-job": "42", "x-claude-code-session-id": "s-1"}
    with ExitStack() as opened:
        async with open_api(tmp_path, {"default": ECHO, "fast": ECHO}) as url:
            await beside(lambda: message(extra_headers=headers)(open_anthropic(url, opened)))

    (record,) = records(tmp_path)
    assert (record["profile"], record["tags"]["job"], record["session_id"]) == ("fast", "42", "s-1")


ABSENT: dict[str, Callable[[Any], Any]] = {
    "batches": lambda client: client.messages.batches.list(),
    "batch": lambda client: client.messages.batches.retrieve("msgbatch_1"),
    "files": lambda client: client.beta.files.list(),
}


@pytest.mark.parametrize("name", ABSENT)
async def test_a_route_that_is_not_here_is_not_found(name: str, tmp_path: Path) -> None:
    """A 404 in the dialect's envelope that names the path, and is not tried again."""
    error, _ = await asked("scripted", tmp_path, refusal_of(ABSENT[name]))

    assert type(error) is anthropic.NotFoundError
    assert error.body["type"] == "error"
    assert error.body["error"]["type"] == "not_found_error"
    assert "there is no `/v1/" in error.body["error"]["message"]
    assert error.request_id
    assert error.response.headers["x-should-retry"] == "false"
