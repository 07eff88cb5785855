"""The packages for node work unchanged: `openai`, `@anthropic-ai/sdk`, and `ai` with its three providers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.arawn.server.sdk.doors import open_api, recorded
from tests.arawn.server.sdk.faults import seen_status
from tests.arawn.server.sdk.node_clients import CLIENTS, SCRIPTS, beside_modules, done_by, needs_node
from tests.arawn.server.sdk.upstreams import KINDS, MODEL, Answer, Refusal, upstream
from tests.fake_provider import FakeProvider, Fault, openai_stream, stream_reply
from tests.runtimes import ECHO, custom, records

pytestmark = pytest.mark.slow  # a process a case

ANSWERS = {
    "text": Answer("Paris é it is\n\nsurely 🗼"),
    "tools": Answer("Looking.", "", (("look", {"at": "map", "deep": {"n": [1, 2.5, None]}}), ("find", {})), "tool_use"),
}
STOPS = ("end_turn", "max_tokens", "refusal")
ADDED = (Answer(calls=(("add", {"a": 2, "b": 3}),), stop="tool_use"), Answer("It is 5."))

RAISED = {
    400: "BadRequestError",
    401: "AuthenticationError",
    404: "NotFoundError",
    429: "RateLimitError",
}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs beside the packages that they need."""
    needs_node()
    return beside_modules(tmp_path_factory.mktemp("node") / "clients", *SCRIPTS.glob("*.mjs"))


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("client", CLIENTS)
async def test_the_answer_is_understood(
    client: str, answer: str, kind: str, stream: bool, tmp_path: Path, scripts: Path
) -> None:
    """Text, tool calls, the reason for the end, the counts and the model are those of the backend."""
    said = ANSWERS[answer]
    tools = ["look", "find"] if said.calls else []
    with upstream(kind, tmp_path, said, stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            understood = await done_by(client, url, scripts, "ask", stream=stream, tools=tools)

    calls = [[name, arguments] for name, arguments in said.calls]
    whole = {"text": said.text, "calls": calls, "stop": said.stop, "usage": [*said.usage], "model": MODEL}
    assert understood == {"said": whole}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("client", CLIENTS)
async def test_an_answer_is_parsed_by_its_schema(
    client: str, kind: str, stream: bool, tmp_path: Path, scripts: Path
) -> None:
    """A schema of zod; the answer becomes an object."""
    with upstream(kind, tmp_path, Answer('{"name": "Paris", "people": 2}'), stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            understood = await done_by(client, url, scripts, "parse", stream=stream)

    assert understood == {"said": {"name": "Paris", "people": 2}}
    assert up.provider is None or b'"people"' in up.provider.received[-1].body


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_tool_is_run_and_answers(client: str, kind: str, stream: bool, tmp_path: Path, scripts: Path) -> None:
    """The client's own loop: it runs the tool, sends what came out, and gets the second answer."""
    with upstream(kind, tmp_path, *ADDED, stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            understood = await done_by(client, url, scripts, "run", stream=stream)

    assert understood == {"said": {"text": "It is 5.", "ran": [[2, 3]]}}
    assert len(records(tmp_path)) == 2


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("client", CLIENTS)
async def test_the_reason_for_the_end_is_understood(client: str, stop: str, tmp_path: Path, scripts: Path) -> None:
    """Also when an answer is cut short, or refused."""
    with upstream("scripted", tmp_path, Answer("Par", stop=stop), stream=True) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            understood = await done_by(client, url, scripts, "ask", stream=True)

    assert (understood["said"]["text"], understood["said"]["stop"]) == ("Par", stop)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [400, 401, 404, 429])
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_fault_is_raised_as_its_kind(
    client: str, status: int, kind: str, tmp_path: Path, scripts: Path
) -> None:
    """The class, the status, the provider's sentence, and the id of the record."""
    seen = seen_status(CLIENTS[client], kind, status)
    with upstream(kind, tmp_path, Refusal(status), stream=False) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            error = (await done_by(client, url, scripts, "ask"))["error"]

    raised = "APICallError" if client.startswith("ai-") else RAISED.get(seen, "InternalServerError")
    assert (error["status"], error["kind"]) == (seen, raised)
    assert "the provider's own words" in error["message"]
    assert error["request_id"] == records(tmp_path)[0]["id"]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("client", CLIENTS)
async def test_what_passes_is_tried_again(client: str, stream: bool, tmp_path: Path, scripts: Path) -> None:
    """After a refusal that asks for a wait, the second answer counts."""
    said = (Refusal(429, retry_after=0), Answer("Paris"))
    with upstream("scripted", tmp_path, *said, stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            understood = await done_by(client, url, scripts, "ask", stream=stream, retries=1)

    assert understood["said"]["text"] == "Paris"
    assert [record["status"] for record in records(tmp_path)] == ["error", "ok"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_stream_that_breaks_is_raised(client: str, kind: str, tmp_path: Path, scripts: Path) -> None:
    """It is never taken for a whole answer."""
    with upstream(kind, tmp_path, Answer("one two three"), stream=True, cut=True) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            understood = await done_by(client, url, scripts, "ask", stream=True)

    assert understood["error"]["message"]
    assert [record["status"] for record in records(tmp_path)] == ["partial"]


@pytest.mark.parametrize("client", CLIENTS)
async def test_an_abort_reaches_the_provider(client: str, tmp_path: Path, scripts: Path) -> None:
    """The client leaves at the first word: the provider's connection is closed and what had come is recorded."""
    pieces: list[bytes | Fault] = [*openai_stream("first", "second")[:2], Fault.STALL]
    with FakeProvider(stream_reply(pieces)) as provider:
        async with open_api(tmp_path, {"default": custom(provider.address)}) as url:
            understood = await done_by(client, url, scripts, "abort")
            await recorded(tmp_path)
        assert provider.hung_up.is_set()

    assert understood == {"said": "left"}
    assert [record["status"] for record in records(tmp_path)] == ["cancelled"]


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_model_that_is_not_there_is_not_found(client: str, tmp_path: Path, scripts: Path) -> None:
    """With the names that there are."""
    async with open_api(tmp_path, {"fast": ECHO, "slow": ECHO}) as url:
        error = (await done_by(client, url, scripts, "ask", model="gpt-9"))["error"]

    assert error["status"] == 404
    assert "`fast`, `slow`" in error["message"]
