"""Streams that are odd, long, left or late: what the SDKs make of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from arawn.config.schema import TimeoutsConfig
from tests.arawn.server.sdk.clients import CLIENTS, anthropic, ask, open_anthropic, open_openai, openai
from tests.arawn.server.sdk.doors import TOKEN, beside, beside_asyncio, open_api, recorded
from tests.arawn.server.sdk.test_anthropic_asks import in_order
from tests.arawn.server.sdk.upstreams import KINDS, Answer, Upstream, upstream
from tests.fake_provider import FakeProvider, Fault, Reply, events, openai_chunk, stream_reply
from tests.runtimes import custom, records, scripted

pytestmark = pytest.mark.slow  # hundreds of cases; CI runs them

SAID: Any = [{"role": "user", "content": "hi"}]
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
COUNTS = {"id": "chatcmpl-1", "model": "m", "choices": [], "usage": USAGE}
OPENAI_TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
ANTHROPIC_TOOLS = [{"name": "look", "input_schema": {"type": "object"}}]


def tools(client: str) -> Any:
    return OPENAI_TOOLS if client.startswith("openai") else ANTHROPIC_TOOLS


def call(index: int, arguments: str, **begin: Any) -> dict[str, Any]:
    """Return a chunk with a piece of a tool call."""
    function = {"arguments": arguments, **({"name": "look"} if begin else {})}
    return openai_chunk(tool_calls=[{"index": index, **begin, "function": function}])


def mixed() -> list[bytes]:
    """Return a stream whose two tool calls grow by turns."""
    begun = [call(at, "", id=f"call_{at}", type="function") for at in (0, 1)]
    pieces = [call(0, '{"at"'), call(1, '{"at": '), call(0, ': "map"}'), call(1, '"sea"}')]
    return events(openai_chunk(role="assistant"), *begun, *pieces, openai_chunk("tool_calls"), COUNTS, "[DONE]")


def split(pieces: list[bytes], size: int) -> list[bytes | Fault]:
    """Return the same bytes in pieces of `size`, which break characters, lines and events."""
    whole = b"".join(pieces)
    return [whole[at : at + size] for at in range(0, len(whole), size)]


@pytest.mark.parametrize("client", CLIENTS)
async def test_tool_calls_that_grow_by_turns_are_told_apart(client: str, tmp_path: Path) -> None:
    """Each gets its own arguments."""
    with FakeProvider(stream_reply(mixed())) as provider:
        async with open_api(tmp_path, {"default": custom(provider.address)}) as url:
            understood = await ask(client, url, stream=True, tools=tools(client))

    assert understood.calls == (("look", {"at": "map"}), ("look", {"at": "sea"}))


async def test_a_block_that_is_stopped_does_not_grow(tmp_path: Path) -> None:
    """Of tool calls that a backend mixes, none is ended before it is whole."""
    with FakeProvider(stream_reply(mixed())) as provider, ExitStack() as opened:
        async with open_api(tmp_path, {"default": custom(provider.address)}) as url:
            client = open_anthropic(url, opened)
            asked: Any = {"model": "auto", "max_tokens": 9, "messages": SAID, "stream": True}
            seen = await beside(lambda: list(client.messages.create(tools=ANTHROPIC_TOOLS, **asked)))

    assert in_order(seen)


async def test_responses_tell_calls_that_grow_by_turns_apart(tmp_path: Path) -> None:
    """The helper of the SDK puts them together."""

    def work(url: str, opened: ExitStack) -> Any:
        wanted: Any = [{"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}]
        with open_openai(url, opened).responses.stream(model="auto", input="hi", tools=wanted) as seen:
            return seen.get_final_response()

    with FakeProvider(stream_reply(mixed())) as provider, ExitStack() as opened:
        async with open_api(tmp_path, {"default": custom(provider.address)}) as url:
            response = await beside(lambda: work(url, opened))

    said = [json.loads(item.arguments) for item in response.output if item.type == "function_call"]
    assert said == [{"at": "map"}, {"at": "sea"}]


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("client", CLIENTS)
async def test_characters_cut_in_two_are_whole_again(client: str, size: int, tmp_path: Path) -> None:
    """Bytes arrive as they please; a character of four bytes stays one."""
    text = "é 🗼 東京\u2028\x85 end"
    data = json.dumps(openai_chunk(content=text), ensure_ascii=False)
    pieces = events(openai_chunk(role="assistant"), data, openai_chunk("stop"), COUNTS, "[DONE]")
    with FakeProvider(stream_reply(split(pieces, size))) as provider:
        async with open_api(tmp_path, {"default": custom(provider.address)}) as url:
            understood = await ask(client, url, stream=True)

    assert understood.text == text


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_very_long_stream_arrives_whole(client: str, tmp_path: Path) -> None:
    """Five thousand words, each a chunk, in order."""
    words = [f"{number} " for number in range(5000)]
    chunks = [openai_chunk(content=word) for word in words]
    pieces = events(openai_chunk(role="assistant"), *chunks, openai_chunk("stop"), COUNTS, "[DONE]")
    with FakeProvider(stream_reply(split(pieces, 4096))) as provider:
        async with open_api(tmp_path, {"default": custom(provider.address)}) as url:
            understood = await ask(client, url, stream=True)

    assert understood.text == "".join(words)


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_very_long_answer_and_question_arrive_whole(client: str, tmp_path: Path) -> None:
    """Two million characters each way."""
    long = "word " * 400_000
    with upstream("scripted", tmp_path, Answer(long), stream=False) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            understood = await ask(client, url, stream=False, messages=[{"role": "user", "content": long}])

    assert understood.text == long
    assert len(records(tmp_path)[0]["messages"][0]["content"][0]["text"]) == len(long)


Leave = Callable[[str], Coroutine[None, None, None]]


async def leave_openai(url: str) -> None:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0) as client:
        async for _ in await client.chat.completions.create(model="auto", messages=SAID, stream=True):
            pass


async def leave_responses(url: str) -> None:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0) as client:
        async for _ in await client.responses.create(model="auto", input="hi", stream=True):
            pass


async def leave_anthropic(url: str) -> None:
    async with anthropic.AsyncAnthropic(base_url=url, api_key=TOKEN, max_retries=0) as client:
        async with client.messages.stream(model="auto", max_tokens=9, messages=SAID) as seen:
            async for _ in seen:
                pass


LEAVERS: dict[str, Leave] = {"chat": leave_openai, "responses": leave_responses, "messages": leave_anthropic}


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize("route", LEAVERS)
async def test_a_cancelled_task_reaches_the_provider(route: str, kind: str, tmp_path: Path) -> None:
    """asyncio cancels the client in the middle: the provider's connection is closed, and the record says so."""

    async def work() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(LEAVERS[route](url), 0.5)

    with upstream(kind, tmp_path, Answer("one two three"), stream=True, cut=True) as up:
        stalling = stalled(up)
        async with open_api(tmp_path, {"default": up.profile}) as url:
            await beside_asyncio(work)
            await recorded(tmp_path)

    assert stalling.hung_up.is_set()
    assert [record["status"] for record in records(tmp_path)] == ["cancelled"]


def stalled(up: Upstream) -> FakeProvider:
    """Have the provider fall silent where it would break off."""
    assert up.provider is not None
    (reply,) = up.provider._replies
    assert reply.pieces is not None
    pieces = [Fault.STALL if piece is Fault.CUT else piece for piece in reply.pieces]
    up.provider._replies = [stream_reply(pieces)]
    return up.provider


LATE: dict[str, Callable[[str, ExitStack], Any]] = {
    "chat": lambda url, opened: open_openai(url, opened, timeout=0.2).chat.completions.create(
        model="auto", messages=SAID
    ),
    "responses": lambda url, opened: open_openai(url, opened, timeout=0.2).responses.create(model="auto", input="hi"),
    "messages": lambda url, opened: open_anthropic(url, opened, timeout=0.2).messages.create(
        model="auto", max_tokens=9, messages=SAID
    ),
}


@pytest.mark.parametrize("route", LATE)
async def test_a_client_that_waits_no_longer_cancels_the_call(route: str, tmp_path: Path) -> None:
    """Its time-out is its own error, and the record says that the call was cancelled."""

    def work(url: str, opened: ExitStack) -> None:
        with pytest.raises((openai.APITimeoutError, anthropic.APITimeoutError)):
            LATE[route](url, opened)

    with ExitStack() as opened:
        async with open_api(tmp_path, {"default": scripted(tmp_path, [{"hang": True}])}) as url:
            await beside(lambda: work(url, opened))
            await recorded(tmp_path)

    assert [record["status"] for record in records(tmp_path)] == ["cancelled"]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_helper_for_responses_sees_every_event(kind: str, tmp_path: Path) -> None:
    """`client.responses.stream` yields the deltas in order and ends with the whole response."""
    said = Answer("Paris it is", "let me think", (("look", {"at": "map"}),), "tool_use")

    def work(url: str, opened: ExitStack) -> tuple[list[str], str]:
        with open_openai(url, opened).responses.stream(model="auto", input="hi") as seen:
            deltas = [event.delta for event in seen if event.type == "response.output_text.delta"]
            return deltas, seen.get_final_response().output_text

    with upstream(kind, tmp_path, said, stream=True) as up, ExitStack() as opened:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            deltas, text = await beside(lambda: work(url, opened))

    assert ("".join(deltas), text) == ("Paris it is", "Paris it is")
    assert len(deltas) == 3


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_deadline_of_the_profile_is_an_error(client: str, tmp_path: Path) -> None:
    """A provider that stays silent is given up after the time that the profile allows: 504, with which it was."""
    with FakeProvider(Reply(before=Fault.STALL)) as provider:
        profile = custom(provider.address, timeouts=TimeoutsConfig(first_token_s=0.2))
        async with open_api(tmp_path, {"default": profile}) as url:
            with pytest.raises((openai.InternalServerError, anthropic.InternalServerError)) as caught:
                await ask(client, url, stream=True)

    assert caught.value.status_code == 504
