"""What the SDK of OpenAI can ask and be told beside the plain question, route by route."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.arawn.server.sdk.clients import open_openai, openai  # skips without the SDKs
from tests.arawn.server.sdk.doors import beside, open_api
from tests.arawn.server.sdk.talks import raised_by, talk
from tests.arawn.server.sdk.upstreams import KINDS, Answer
from tests.runtimes import ECHO, records

pytestmark = pytest.mark.slow  # hundreds of cases; CI runs them

SERVERS = ("openai", "anthropic")
SAID: Any = [{"role": "user", "content": "hi"}]
PIXEL = {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}}
LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}, "strict": True}}
CALL = {"id": "call_0", "type": "function", "function": {"name": "look", "arguments": ""}}


asked = partial(talk, open_openai)
refusal_of = partial(raised_by, error=openai.APIStatusError)


def chat(**more: Any) -> Callable[[Any], Any]:
    return lambda client: client.chat.completions.create(**{"model": "auto", "messages": SAID, **more})


# What a client may say -> what a provider of each dialect reads of it.
SPOKEN: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "stop-word": ({"stop": "END"}, {"stop": "END"}, {"stop_sequences": ["END"]}),
    "stop-words": ({"stop": ["a", "b"]}, {"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
    "temperature": ({"temperature": 0, "top_p": 0.5}, {"temperature": 0, "top_p": 0.5}, {"top_p": 0.5}),
    "longest": ({"max_completion_tokens": 5}, {}, {"max_tokens": 5}),
    "one-choice": ({"n": 1, "logprobs": False}, {}, {}),
    "choice": (
        {"tools": [LOOK], "tool_choice": {"type": "function", "function": {"name": "look"}}},
        {"tool_choice": {"type": "function", "function": {"name": "look"}}},
        {"tool_choice": {"type": "tool", "name": "look"}},
    ),
    "required": (
        {"tools": [LOOK], "tool_choice": "required"},
        {"tool_choice": "required"},
        {"tool_choice": {"type": "any"}},
    ),
    "seed": ({"seed": 7, "user": "me", "metadata": {"a": "b"}}, {"seed": 7, "user": "me"}, {}),
    "extra": ({"extra_body": {"top_k": 5}}, {"top_k": 5}, {}),
}


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("name", SPOKEN)
async def test_what_is_asked_reaches_the_provider(name: str, kind: str, tmp_path: Path) -> None:
    """In the words of its dialect; what only tunes the answer and has no word there is left out."""
    words, *expected = SPOKEN[name]
    answer, read = await asked(kind, tmp_path, chat(**words))

    assert answer.choices[0].message.content == "Paris"
    wanted = expected[SERVERS.index(kind)]
    assert {key: read.get(key) for key in wanted} == wanted


TURNS: dict[str, list[dict[str, Any]]] = {
    "developer": [{"role": "developer", "content": "Be brief."}, *SAID],
    "system-late": [*SAID, {"role": "assistant", "content": "yes?"}, {"role": "system", "content": "Be brief."}, *SAID],
    "parts": [{"role": "system", "content": [{"type": "text", "text": "Be brief."}]}, *SAID],
    "two-users": [*SAID, {"role": "user", "content": "Be brief."}],
    "named": [{"role": "user", "name": "Ann", "content": "Be brief."}],
    "image": [{"role": "user", "content": [{"type": "text", "text": "Be brief."}, PIXEL]}],
    "silent-call": [
        *SAID,
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_0", "content": [{"type": "text", "text": "Be brief."}]},
    ],
    "refused": [*SAID, {"role": "assistant", "content": None, "refusal": "Be brief."}, *SAID],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TURNS)
async def test_every_kind_of_turn_is_taken(name: str, kind: str, tmp_path: Path) -> None:
    """Roles, parts and calls in all the forms that the types of the SDK allow."""
    answer, read = await asked(kind, tmp_path, chat(messages=TURNS[name]))

    assert answer.choices[0].message.content == "Paris"
    assert read is None or "Be brief." in json.dumps(read)
    assert name != "image" or read is None or "https://example.org/a.png" in json.dumps(read)


REFUSED: dict[str, dict[str, Any]] = {
    "n": {"n": 2},
    "logprobs": {"logprobs": True},
    "modalities": {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
    "file": {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
    "role": {"messages": [{"role": "function", "name": "look", "content": "a map"}]},
    "empty": {"messages": []},
    "tool": {"tools": [{"type": "function", "function": {}}]},
    "temperature": {"temperature": "hot"},
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("name", REFUSED)
async def test_what_no_answer_can_hold_is_refused(name: str, stream: bool, tmp_path: Path) -> None:
    """400 that names the field, and no record."""
    error, _ = await asked("scripted", tmp_path, refusal_of(chat(stream=stream, **REFUSED[name])))

    assert (type(error), error.type) == (openai.BadRequestError, "invalid_request_error")
    assert f"`{name}`" in error.message or "`$." in error.message
    assert records(tmp_path) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stream_without_options_has_no_counts(kind: str, tmp_path: Path) -> None:
    """Every chunk has one choice, as clients that know no `usage` expect."""
    chunks, _ = await asked(kind, tmp_path, lambda client: list(chat(stream=True)(client)), stream=True)

    assert {len(chunk.choices) for chunk in chunks} == {1}
    assert {chunk.usage for chunk in chunks} == {None}
    assert len({chunk.id for chunk in chunks}) == 1
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_json_object_is_asked_for_where_there_is_a_word_for_it(kind: str, tmp_path: Path) -> None:
    """Messages have none: the head names it, and the prompt asks for JSON, as it must."""
    wanted = {"type": "json_object"}

    def work(client: Any) -> Any:
        return client.chat.completions.with_raw_response.create(model="auto", messages=SAID, response_format=wanted)

    answer, read = await asked(kind, tmp_path, work)

    assert answer.parse().choices[0].message.content == "Paris"
    assert answer.headers.get("x-arawn-ignored") == ("response_format" if kind == "anthropic" else None)
    assert read is None or read.get("response_format") == (None if kind == "anthropic" else wanted)


@pytest.mark.parametrize("kind", KINDS)
async def test_raw_answers_and_ids_are_there(kind: str, tmp_path: Path) -> None:
    """`with_raw_response`, `with_streaming_response` and `_request_id` show the record's id."""

    def work(client: Any) -> list[str]:
        raw = client.chat.completions.with_raw_response.create(model="auto", messages=SAID)
        with client.chat.completions.with_streaming_response.create(model="auto", messages=SAID) as lines:
            first = json.loads("".join(lines.iter_lines()))["choices"][0]["message"]["content"]
        plain = chat()(client)
        assert (raw.parse().choices[0].message.content, first) == ("Paris", "Paris")
        return [raw.headers["x-request-id"], lines.headers["x-request-id"], plain._request_id]

    ids, _ = await asked(kind, tmp_path, work)

    assert ids == [record["id"] for record in records(tmp_path)]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_beta_namespace_is_served(kind: str, tmp_path: Path) -> None:
    """`client.beta.chat.completions.parse` with a schema, as older programs call it."""
    city: Any = pytest.importorskip("pydantic").create_model("City", name=(str, ...))
    said = Answer('{"name": "Paris"}')

    def work(client: Any) -> Any:
        return client.beta.chat.completions.parse(model="auto", messages=SAID, response_format=city)

    answer, read = await asked(kind, tmp_path, work, said=said)

    assert answer.choices[0].message.parsed == city(name="Paris")
    assert kind != "openai" or read["response_format"]["json_schema"]["strict"] is True


async def test_headers_of_one_call_name_its_context(tmp_path: Path) -> None:
    """`extra_headers` choose the profile and tag the record; `extra_query` changes nothing."""
    headers = {"x-arawn-profile": "fast", "x-arawn-tag-job": "42", "x-arawn-session": "s 1"}
    with ExitStack() as opened:
        async with open_api(tmp_path, {"default": ECHO, "fast": ECHO}) as url:
            work = chat(extra_headers=headers, extra_query={"api-version": "2026-01-01"})
            await beside(lambda: work(open_openai(url, opened)))

    (record,) = records(tmp_path)
    assert (record["profile"], record["tags"]["job"], record["session_id"]) == ("fast", "42", "s 1")


ABSENT: dict[str, Callable[[Any], Any]] = {
    "files": lambda client: client.files.list(),
    "batches": lambda client: client.batches.create(
        input_file_id="file-1", endpoint="/v1/chat/completions", completion_window="24h"
    ),
    "completions": lambda client: client.completions.create(model="auto", prompt="hi"),
    "moderations": lambda client: client.moderations.create(input="hi"),
    "images": lambda client: client.images.generate(prompt="hi"),
    "speech": lambda client: client.audio.speech.create(model="auto", voice="alloy", input="hi"),
    "stored-chat": lambda client: client.chat.completions.retrieve("chatcmpl-1"),
    "stored-response": lambda client: client.responses.retrieve("resp_1"),
    "fine-tuning": lambda client: client.fine_tuning.jobs.list(),
    "vector-stores": lambda client: client.vector_stores.list(),
}


@pytest.mark.parametrize("name", ABSENT)
async def test_a_route_that_is_not_here_is_not_found(name: str, tmp_path: Path) -> None:
    """A 404 in the dialect's envelope that names the path, and is not tried again."""
    error, _ = await asked("scripted", tmp_path, refusal_of(ABSENT[name]))

    assert (type(error), error.code) == (openai.NotFoundError, "not_found")
    assert "there is no `/v1/" in error.message
    assert error.response.headers["x-should-retry"] == "false"
