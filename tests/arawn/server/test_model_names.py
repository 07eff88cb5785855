"""The model that a stream names is the one that answers, from its first event to its last; real sockets throughout."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from arawn.config.schema import Profile, RoutingConfig, RoutingRule
from arawn.messages import Completed, CompletionRequest, StreamEvent, user
from arawn.server import streaming
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.arawn.server.test_v1_streams import body, read_until
from tests.fake_provider import FakeProvider, Fault, anthropic_stream, events, openai_chunk, openai_stream, stream_reply
from tests.runtimes import ECHO, configured, custom, records, running, scripted
from tests.serving import app_of, serving

HEADERS = {"authorization": f"Bearer {TOKEN}"}
ROUTES = [  # each with the dialect of the provider
    *[("/v1/chat/completions", "anthropic"), ("/v1/messages", "openai")],
    *[("/v1/responses", "anthropic"), ("/v1/responses", "openai")],
]
STREAMS = {"openai": openai_stream("one ", "two"), "anthropic": anthropic_stream("one ", "two")}


def profile(address: str, dialect: Any, **settings: Any) -> Profile:
    return msgspec.structs.replace(custom(address, **settings), dialect=dialect, model="asked")


def named(text: str) -> list[str]:
    """Return the model in each event that has one, in order."""
    data = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    carriers = [event.get("message") or event.get("response") or event for event in data]
    return [event["model"] for event in carriers if "model" in event]


async def streamed(directory: Path, path: str, dialect: str, pieces: Sequence[bytes | Fault]) -> str:
    with FakeProvider(stream_reply(pieces)) as provider:
        async with open_api(directory, {"demo": profile(provider.address, dialect)}) as url:
            async with httpx.AsyncClient() as client:
                sent = {**body(model="demo"), "input": "hi", "stream": True}
                return (await client.post(url + path, json=sent, headers=HEADERS)).text


@pytest.mark.parametrize(("path", "dialect"), ROUTES)
async def test_a_stream_names_the_model_that_its_provider_names(tmp_path: Path, path: str, dialect: str) -> None:
    """Not the one of the profile: from the first event on, and in the record."""
    names = named(await streamed(tmp_path, path, dialect, STREAMS[dialect]))

    assert set(names) == {"fake-1"}
    assert [record["model_used"] for record in records(tmp_path)] == ["fake-1"]


@pytest.mark.parametrize("dialect", STREAMS)
async def test_the_record_of_a_stream_that_is_left_has_that_name_too(tmp_path: Path, dialect: str) -> None:
    """The part that arrived is of the model that answered; what the provider said of its input by then is kept."""
    with FakeProvider(stream_reply([*STREAMS[dialect][:4], Fault.STALL])) as provider:
        async with running(configured(tmp_path, {"default": profile(provider.address, dialect)})) as runtime:
            async with runtime.stream(CompletionRequest(messages=(user("hi"),))) as stream:
                await anext(stream)

    (record,) = records(tmp_path)
    assert (record["status"], record["model_used"]) == ("cancelled", "fake-1")
    assert (record["input_tokens"] is None) == (dialect == "openai")  # which says it at the end


@pytest.mark.parametrize(("path", "dialect"), ROUTES[:2])
async def test_it_is_named_while_the_provider_is_still_to_go_on(tmp_path: Path, path: str, dialect: str) -> None:
    """With the first word, which nothing is waited for."""
    pieces: list[bytes | Fault] = [*STREAMS[dialect][:4], Fault.STALL]
    with FakeProvider(stream_reply(pieces)) as provider:
        async with open_api(tmp_path, {"default": profile(provider.address, dialect)}) as url:
            seen = await read_until(url, path, b"one ")

    assert b'"model":"fake-1"' in seen
    assert b"asked" not in seen


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses"])
@pytest.mark.parametrize("last", ["late", None])
async def test_a_name_that_comes_late_or_never_does_not_part_a_stream(
    tmp_path: Path, path: str, last: str | None
) -> None:
    """All events say the one that was asked for; the record has what came."""
    chunks: list[dict[str, Any]] = [openai_chunk(content="one "), openai_chunk(content="two"), openai_chunk("stop")]
    for chunk in chunks:
        del chunk["model"]
    end = {**chunks.pop(), **({"model": last} if last else {})}
    names = named(await streamed(tmp_path, path, "openai", events(*chunks, end, "[DONE]")))

    assert set(names) == {"asked"}
    assert [record["model_used"] for record in records(tmp_path)] == [last or "asked"]


@pytest.mark.parametrize(("path", "dialect"), ROUTES)
async def test_an_answer_without_a_word_names_its_model_too(tmp_path: Path, path: str, dialect: str) -> None:
    """There is no delta then, only the end."""
    pieces = openai_stream() if dialect == "openai" else anthropic_stream()
    names = named(await streamed(tmp_path, path, dialect, pieces))

    assert set(names) == {"fake-1"}


async def test_a_rule_that_chooses_another_profile_names_that_ones_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, nobody knows, and the signs of life that go out by then name none."""
    monkeypatch.setattr(streaming, "KEEP_ALIVE_SECONDS", 0.05)
    chosen = scripted(tmp_path, [{"text": "one two", "delay_s": 0.12}], model="chosen-model")
    config = msgspec.structs.replace(
        configured(tmp_path, {"default": msgspec.structs.replace(ECHO, model="default-model"), "chosen": chosen}),
        routing=RoutingConfig(enabled=True, rules=(RoutingRule("all", {"message_count_gt": 0}, "chosen"),)),
    )
    async with running(config) as runtime:
        app = app_of(runtime)
        async with serving(app) as served, httpx.AsyncClient() as client:
            sent = {**body(stream=True), "input": "hi"}
            answers = [await client.post(served.url + path, json=sent) for path, _ in ROUTES]

    assert [answer.text[:12] for answer in answers] == [": keep-alive"] * 4
    assert [set(named(answer.text)) for answer in answers] == [{"chosen-model"}] * 4


@pytest.mark.parametrize("log", [True, False])
async def test_a_reader_in_python_knows_it_from_the_first_delta(tmp_path: Path, log: bool) -> None:
    """With the log or without; before there is no word of it."""
    seen: list[tuple[StreamEvent, str | None, bool]] = []
    with FakeProvider(stream_reply(STREAMS["anthropic"])) as provider:
        profiles = {"demo": profile(provider.address, "anthropic")}
        async with running(configured(tmp_path, profiles, enabled=log)) as runtime:
            async with runtime.stream(CompletionRequest(messages=(user("hi"),)), profile="demo") as stream:
                assert (stream.model, stream.interaction_id) == (None, None)
                async for event in stream:
                    seen.append((event, stream.model, stream.interaction_id is not None))

    assert isinstance(seen[-1][0], Completed)
    assert {(model, known) for _, model, known in seen} == {("fake-1", log)}
