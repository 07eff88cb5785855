"""What the SDKs offer beside the plain question: schemas, tools in turn, images, lists, counts, embeddings."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.arawn.server.sdk.clients import anthropic, openai  # skips without the SDKs
from tests.arawn.server.sdk.doors import TOKEN, beside, open_api
from tests.arawn.server.sdk.upstreams import KINDS, MODEL, Answer, Upstream, upstream
from tests.fake_provider import FakeProvider, Reply
from tests.runtimes import ECHO, custom, records

pytestmark = pytest.mark.slow  # hundreds of cases; CI runs them

pydantic: Any = pytest.importorskip("pydantic")

City: Any = pydantic.create_model("City", name=(str, ...), people=(int, ...))
SAID: Any = [{"role": "user", "content": "hi"}]
SERVERS = ("openai", "anthropic")


PARIS = Answer('{"name": "Paris", "people": 2000000}')


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
async def test_openai_parses_an_answer_by_its_schema(
    kind: str, stream: bool, tmp_path: Path, opened: ExitStack
) -> None:
    """The schema reaches the backend in its own words; the answer becomes an object."""

    def work(url: str) -> Any:
        client = opened.enter_context(openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0))
        if not stream:
            return client.chat.completions.parse(model="auto", messages=SAID, response_format=City)
        with client.chat.completions.stream(model="auto", messages=SAID, response_format=City) as events:
            return events.get_final_completion()

    with upstream(kind, tmp_path, PARIS, stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            answer = await beside(lambda: work(url))

    assert answer.choices[0].message.parsed == City(name="Paris", people=2_000_000)
    assert _schema_sent(up) == {"name", "people"}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
async def test_anthropic_parses_an_answer_by_its_schema(
    kind: str, stream: bool, tmp_path: Path, opened: ExitStack
) -> None:
    """The schema reaches the backend in its own words; the answer becomes an object."""

    def work(url: str) -> Any:
        client = opened.enter_context(anthropic.Anthropic(base_url=url, api_key=TOKEN, max_retries=0))
        asked: Any = {"model": "auto", "max_tokens": 64, "messages": SAID, "output_format": City}
        if not stream:
            return client.messages.parse(**asked)
        with client.messages.stream(**asked) as events:
            return events.get_final_message()

    with upstream(kind, tmp_path, PARIS, stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            answer = await beside(lambda: work(url))

    assert answer.parsed_output == City(name="Paris", people=2_000_000)
    assert _schema_sent(up) == {"name", "people"}


def _schema_sent(up: Upstream) -> set[str]:
    """Return the names of the properties in the schema that the provider was sent."""
    if up.provider is None:
        return {"name", "people"}
    sent = up.sent()
    openai_form = sent.get("response_format", {}).get("json_schema", {}).get("schema")
    schema = openai_form or sent["output_config"]["format"]["schema"]
    return set(schema["properties"])


@pytest.mark.parametrize("kind", KINDS)
async def test_openai_calls_a_tool_and_says_what_it_answered(kind: str, tmp_path: Path, opened: ExitStack) -> None:
    """Two calls of the client: the second holds the first answer and the tool's."""
    said = (Answer(calls=(("look", {"at": "map"}),), stop="tool_use"), Answer("On the map."))
    tools: Any = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]

    def work(url: str) -> Any:
        client = opened.enter_context(openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0))
        first = client.chat.completions.create(model="auto", messages=SAID, tools=tools).choices[0].message
        assert first.tool_calls is not None
        result = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "a map"}
        return client.chat.completions.create(model="auto", messages=[*SAID, first, result], tools=tools)

    with upstream(kind, tmp_path, *said, stream=False) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            answer = await beside(lambda: work(url))

    assert answer.choices[0].message.content == "On the map."
    assert up.provider is None or "a map" in json.dumps(up.sent()["messages"][-1])
    assert len(records(tmp_path)) == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_anthropic_calls_a_tool_and_says_what_it_answered(kind: str, tmp_path: Path, opened: ExitStack) -> None:
    """Two calls of the client, thinking included: the second holds the first answer and the tool's."""
    said = (Answer("", "hm", (("look", {"at": "map"}),), "tool_use"), Answer("On the map."))
    tools: Any = [{"name": "look", "input_schema": {"type": "object"}}]

    def work(url: str) -> Any:
        client = opened.enter_context(anthropic.Anthropic(base_url=url, api_key=TOKEN, max_retries=0))
        asked: Any = {"model": "auto", "max_tokens": 64, "tools": tools}
        first = client.messages.create(messages=SAID, **asked)
        result = {"type": "tool_result", "tool_use_id": first.content[-1].id, "content": "a map"}
        turns = [*SAID, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        return client.messages.create(messages=turns, **asked)

    with upstream(kind, tmp_path, *said, stream=False) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            answer = await beside(lambda: work(url))

    assert answer.content[0].text == "On the map."
    assert up.provider is None or "a map" in json.dumps(up.sent()["messages"][-1])


@pytest.mark.parametrize("kind", SERVERS)
async def test_images_of_either_sdk_reach_the_backend(kind: str, tmp_path: Path, opened: ExitStack) -> None:
    """Both SDKs' forms of the same picture arrive in the backend's own form."""

    def work(url: str) -> None:
        picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
        asked: Any = [{"role": "user", "content": [picture]}]
        opened.enter_context(openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN)).chat.completions.create(
            model="auto", messages=asked
        )
        source = {"type": "base64", "media_type": "image/png", "data": "aGk="}
        asked = [{"role": "user", "content": [{"type": "image", "source": source}]}]
        opened.enter_context(anthropic.Anthropic(base_url=url, api_key=TOKEN)).messages.create(
            model="auto", max_tokens=9, messages=asked
        )

    with upstream(kind, tmp_path, Answer("A picture."), stream=False) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            await beside(lambda: work(url))

        assert up.provider is not None
        first, second = [received.json()["messages"] for received in up.provider.received]
    assert first == second
    assert "aGk=" in json.dumps(first)


async def test_both_sdks_list_the_profiles(tmp_path: Path, opened: ExitStack) -> None:
    """And show one of them."""

    def work(url: str) -> tuple[list[str], list[str], str, str]:
        first = opened.enter_context(openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN))
        second = opened.enter_context(anthropic.Anthropic(base_url=url, api_key=TOKEN))
        listed = [model.id for model in first.models.list()], [model.id for model in second.models.list(limit=1000)]
        return *listed, first.models.retrieve("fast").id, second.models.retrieve("fast").id

    async with open_api(tmp_path, {"default": ECHO, "fast": ECHO}) as url:
        shown = await beside(lambda: work(url))

    assert shown == (["default", "fast"], ["default", "fast"], "fast", "fast")


async def test_openai_embeds(tmp_path: Path, opened: ExitStack) -> None:
    """The provider's vectors arrive."""
    data = [{"object": "embedding", "index": 0, "embedding": [0.25, -1.0]}]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    body = json.dumps({"object": "list", "data": data, "model": "m", "usage": usage}).encode()

    def work(url: str) -> Any:
        client = opened.enter_context(openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN))
        return client.embeddings.create(model="default", input="hi", encoding_format="float")

    with FakeProvider(Reply(body=body)) as provider:
        async with open_api(tmp_path, {"default": custom(provider.address)}) as url:
            answer = await beside(lambda: work(url))

    assert answer.data[0].embedding == [0.25, -1.0]


async def test_anthropic_counts_tokens(tmp_path: Path, opened: ExitStack) -> None:
    """The provider's count arrives; a profile that has none says so."""

    def work(url: str, model: str) -> int:
        client = opened.enter_context(anthropic.Anthropic(base_url=url, api_key=TOKEN, max_retries=0))
        return int(client.messages.count_tokens(model=model, messages=SAID).input_tokens)

    with (
        upstream("anthropic", tmp_path, Answer(), stream=False) as up,
        FakeProvider(Reply(body=b'{"input_tokens": 42}')) as provider,
    ):
        counting = msgspec.structs.replace(up.profile, base_url=provider.address)
        async with open_api(tmp_path, {"default": ECHO, "counting": counting}) as url:
            counted = await beside(lambda: work(url, "counting"))
            with pytest.raises(anthropic.NotFoundError, match="nothing is estimated"):
                await beside(lambda: work(url, "default"))

    assert counted == 42


async def test_the_headers_of_a_stream_are_there_before_its_end(tmp_path: Path, opened: ExitStack) -> None:
    """Raw access shows who answers."""

    def work(url: str) -> tuple[str | None, str | None]:
        client = opened.enter_context(openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN))
        raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=SAID, stream=True)
        list(raw.parse())
        return raw.headers.get("x-arawn-profile"), raw.headers.get("x-arawn-route")

    with upstream("openai", tmp_path, Answer("Paris"), stream=True) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            assert await beside(lambda: work(url)) == ("default", "CallerHint")
