"""`x-arawn-ignored` names what the backend was not told: nothing else, and never too much for a header."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from arawn.config.schema import Profile, RetryConfig, RoutingConfig, RoutingRule
from arawn.server import streaming
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.fake_provider import (
    FakeProvider,
    Reply,
    anthropic_reply,
    anthropic_stream,
    openai_reply,
    openai_stream,
    stream_reply,
)
from tests.runtimes import configured, custom, records, running
from tests.serving import app_of, serving

WHOLE = {"openai": Reply(body=openai_reply("hi")), "anthropic": Reply(body=anthropic_reply("hi"))}
STREAMED = {"openai": stream_reply(openai_stream("hi")), "anthropic": stream_reply(anthropic_stream("hi"))}


async def ignored(directory: Path, dialect: Any, *replies: Reply, **body: Any) -> httpx.Headers:
    """Send a chat completion to where a rule chooses a provider of `dialect`, which the default one does not speak."""
    other: Any = "anthropic" if dialect == "openai" else "openai"
    settings: Any = {"backend": "custom", "model": "m", "retry": RetryConfig(2, 0.1, 0.2)}
    with FakeProvider(*replies) as provider:
        chosen = Profile(dialect=dialect, base_url=provider.address, **settings)
        default = Profile(dialect=other, base_url="http://127.0.0.1:9", **settings)
        config = msgspec.structs.replace(
            configured(directory, {"default": default, "chosen": chosen}),
            routing=RoutingConfig(enabled=True, rules=(RoutingRule("all", {"message_count_gt": 0}, "chosen"),)),
        )
        sent = {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "seed": 7, **body}
        async with running(config) as runtime:
            app = app_of(runtime)
            async with serving(app) as served, httpx.AsyncClient() as client:
                response = await client.post(f"{served.url}/v1/chat/completions", json=sent)
    assert response.status_code == 200
    return response.headers


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("dialect", "said"), [("openai", None), ("anthropic", "seed")])
async def test_what_was_passed_after_all_is_not_named(
    dialect: str, said: str | None, stream: bool, tmp_path: Path
) -> None:
    """Where a rule may choose either dialect, the one that it has chosen decides."""
    reply = (STREAMED if stream else WHOLE)[dialect]
    headers = await ignored(tmp_path, dialect, reply, stream=stream)

    assert headers.get("x-arawn-ignored") == said


async def test_a_tool_that_the_chosen_provider_has_is_passed(tmp_path: Path) -> None:
    """Though it is the only one, and a rule might have chosen a provider that cannot be told of it."""
    headers = await ignored(tmp_path, "openai", WHOLE["openai"], tools=[{"type": "custom", "custom": {"name": "p"}}])

    assert "x-arawn-ignored" not in headers


@pytest.mark.parametrize("dialect", STREAMED)
async def test_nothing_is_named_before_a_profile_is_chosen(
    dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head of a stream that has to be kept alive goes out before anybody knows."""
    monkeypatch.setattr(streaming, "KEEP_ALIVE_SECONDS", 0.03)
    headers = await ignored(tmp_path, dialect, Reply(503), STREAMED[dialect], stream=True)

    assert "x-arawn-ignored" not in headers


async def test_more_names_than_a_header_holds_are_counted(tmp_path: Path) -> None:
    """Clients break at heads of 8 kB; names are percent-encoded, so the words at the end are none."""
    more = {f"field {number:04}": 1 for number in range(2000)}
    headers = await ignored(tmp_path, "anthropic", WHOLE["anthropic"], **more)

    names = headers["x-arawn-ignored"].split(", ")
    assert names[:2] == ["seed", "field%200000"]
    assert len(headers["x-arawn-ignored"]) <= 1050
    assert names[-1] == f"and {2001 - (len(names) - 1)} more"


async def test_one_name_may_be_too_long_already(tmp_path: Path) -> None:
    """It is counted; those before it are named."""
    headers = await ignored(tmp_path, "anthropic", WHOLE["anthropic"], **{"x" * 100_000: 1})

    assert headers["x-arawn-ignored"] == "seed, and 1 more"


PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
THOUGHT = {"type": "thinking", "thinking": "so", "signature": "s"}
CALL = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "seen"}


async def parts_ignored(directory: Path, dialect: str, said: list[Any], *replies: Reply, **body: Any) -> Any:
    """Say `said` after a first question, each time again, in the dialect that the provider does not speak."""
    path = "/v1/messages" if dialect == "openai" else "/v1/chat/completions"
    messages = [{"role": "user", "content": "hi"}, *said, {"role": "user", "content": "and?"}]
    sent = {"model": "demo", "max_tokens": 9, "messages": messages, **body}
    named = []
    with FakeProvider(*replies) as provider:
        profile = msgspec.structs.replace(custom(provider.address), dialect=dialect)
        async with open_api(directory, {"demo": profile}) as url, httpx.AsyncClient() as client:
            for _ in replies:
                response = await client.post(url + path, json=sent, headers={"x-api-key": TOKEN})
                assert response.status_code == 200
                named.append(response.headers.get("x-arawn-ignored"))
    return named


@pytest.mark.parametrize("stream", [False, True])
async def test_parts_of_earlier_turns_that_chat_completions_lack_are_named(stream: bool, tmp_path: Path) -> None:
    """Pictures that the assistant has made, and its thinking, as in the warnings of the record."""
    said = [{"role": "assistant", "content": [THOUGHT, PICTURE, {"type": "text", "text": "there"}]}]
    reply = (STREAMED if stream else WHOLE)["openai"]
    named = await parts_ignored(tmp_path, "openai", said, reply, stream=stream, top_k=4)

    assert named == ["top_k, messages.assistant.image, messages.thinking"]
    assert [len(record["warnings"]) for record in records(tmp_path)] == [3]


@pytest.mark.parametrize("stream", [False, True])
async def test_reasoning_that_nobody_has_signed_is_named(stream: bool, tmp_path: Path) -> None:
    """Providers of messages refuse it."""
    said = [{"role": "assistant", "content": "there", "reasoning_content": "so"}]
    reply = (STREAMED if stream else WHOLE)["anthropic"]

    assert await parts_ignored(tmp_path, "anthropic", said, reply, stream=stream) == ["messages.thinking"]


async def test_thinking_that_is_sent_after_all_is_not_named(tmp_path: Path) -> None:
    """A server that has said reasoning itself is sent that of tool calls, from the next call on."""
    said = [{"role": "assistant", "content": [THOUGHT, CALL]}, {"role": "user", "content": [RESULT]}]
    reasoned = Reply(body=openai_reply("hi", reasoning_content="so"))

    assert await parts_ignored(tmp_path, "openai", said, reasoned, reasoned) == ["messages.thinking", None]


async def test_what_is_left_out_twice_is_named_once(tmp_path: Path) -> None:
    """The mark of an error is known before the provider is chosen, and when it is told."""
    failed = {**RESULT, "is_error": True}
    said = [{"role": "assistant", "content": [CALL]}, {"role": "user", "content": [failed, {**failed}]}]

    assert await parts_ignored(tmp_path, "openai", said, WHOLE["openai"]) == ["messages.tool_result.is_error"]
    assert len(records(tmp_path)[0]["warnings"]) == 1


MARK = {"cache_control": {"type": "ephemeral"}}


@pytest.mark.parametrize("stream", [False, True])
async def test_marks_for_a_cache_are_named(stream: bool, tmp_path: Path) -> None:
    """On a block of a message, in the result of a tool and on the system prompt, each kind once."""
    part = {"type": "text", "text": "seen", **MARK}
    said = [
        {"role": "assistant", "content": [CALL]},
        {"role": "user", "content": [{**RESULT, "content": [part]}, part]},
    ]
    reply = (STREAMED if stream else WHOLE)["openai"]
    named = await parts_ignored(tmp_path, "openai", said, reply, stream=stream, system=[part])

    assert named == ["messages.cache_control, system.cache_control"]
    assert records(tmp_path)[0]["warnings"] == warned("messages.cache_control", "system.cache_control")


def warned(*names: str) -> list[str]:
    return [f"`{name}` was dropped on the way to the provider's dialect" for name in names]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("dialect", "expected"), [("openai", []), ("anthropic", ["seed", "user", "logit_bias"])])
async def test_what_is_ignored_is_in_the_record(
    dialect: str, expected: list[str], stream: bool, tmp_path: Path
) -> None:
    """A warning each, but not of what the provider that was chosen is told after all."""
    reply = (STREAMED if stream else WHOLE)[dialect]
    await ignored(tmp_path, dialect, reply, stream=stream, user="u", logit_bias={})

    assert records(tmp_path)[0]["warnings"] == warned(*expected)


async def test_what_a_message_or_a_response_says_alone_is_in_the_record(tmp_path: Path) -> None:
    """The other way round, and where no provider speaks the dialect."""
    await parts_ignored(tmp_path, "openai", [], WHOLE["openai"], top_k=4, metadata={}, thinking={"type": "disabled"})
    async with open_api(tmp_path, {"p": Profile(backend="scripted")}) as url, httpx.AsyncClient() as client:
        body = {"model": "p", "input": "hi", "truncation": "auto"}
        await client.post(f"{url}/v1/responses", json=body, headers={"x-api-key": TOKEN})

    found = [record["warnings"] for record in records(tmp_path)]
    assert found == [warned("top_k", "metadata", "thinking"), warned("truncation")]


async def test_a_record_does_not_name_fields_without_end(tmp_path: Path) -> None:
    """What is beyond a hundred is counted."""
    await ignored(tmp_path, "anthropic", WHOLE["anthropic"], **{f"field {number}": 1 for number in range(2000)})

    warnings = records(tmp_path)[0]["warnings"]
    assert len(warnings) == 101
    assert warnings[-1] == "1901 more fields were dropped on the way to the provider's dialect"


async def test_a_secret_in_the_name_of_a_field_stays_out_of_the_record(tmp_path: Path) -> None:
    """Whatever a client has written there is searched, as the rest of the record is."""
    key = "sk-proj-" + "a1B2" * 12
    await ignored(tmp_path, "anthropic", WHOLE["anthropic"], **{key: 1})

    assert len(records(tmp_path)[0]["warnings"]) == 2
    assert key not in str(records(tmp_path))
