"""Behind the API stand servers that others have written: llama.cpp with a real model, and two mock servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arawn.config.discover import LOCAL_PROFILE
from arawn.config.schema import Profile
from tests.arawn.server.sdk.clients import CLIENTS, anthropic, ask, openai  # skips without the SDKs
from tests.arawn.server.sdk.doors import open_api
from tests.arawn.server.sdk.mock_servers import (
    LOOK_TEXT,
    LOOKED,
    REFUSED,
    REFUSED_TEXT,
    SERVERS,
    TEXT,
    profile_of,
)
from tests.runtimes import records

pytestmark = pytest.mark.slow  # servers in processes of their own

DIALECTS = ("openai", "anthropic")
STREAM = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
MOCKS = pytest.mark.parametrize("server", ["fakellm", "aimock"], indirect=True)
LLAMA = pytest.mark.parametrize("server", ["llama.cpp"], indirect=True)
FRANCE = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address and the key of the named server, which runs as long as cases ask for it."""
    with SERVERS[request.param](tmp_path_factory.mktemp("server")) as served:
        yield served


@STREAM
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("client", CLIENTS)
@MOCKS
async def test_a_mock_answers(client: str, dialect: str, stream: bool, server: tuple[str, str], tmp_path: Path) -> None:
    """With the text that it was told to say; one that counts no tokens in streams is no worse for it."""
    async with open_api(tmp_path, {"default": profile_of(dialect, server)}) as url:
        understood = await ask(client, url, stream=stream)

    assert (understood.text, understood.stop, understood.model) == (TEXT, "end_turn", "smol")
    assert [record["status"] for record in records(tmp_path)] == ["ok"]


@STREAM
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("client", CLIENTS)
@MOCKS
async def test_a_mock_calls_a_tool(
    client: str, dialect: str, stream: bool, server: tuple[str, str], tmp_path: Path
) -> None:
    """The call has its name and its arguments."""
    async with open_api(tmp_path, {"default": profile_of(dialect, server)}) as url:
        asked: dict[str, Any] = {"messages": [{"role": "user", "content": LOOK_TEXT}], "tools": tools(client)}
        understood = await ask(client, url, stream=stream, **asked)

    assert (understood.calls, understood.stop) == ((("look", LOOKED),), "tool_use")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("client", CLIENTS)
@MOCKS
async def test_a_mock_refuses(client: str, dialect: str, server: tuple[str, str], tmp_path: Path) -> None:
    """With the class of error that the status means, and the server's own sentence."""
    async with open_api(tmp_path, {"default": profile_of(dialect, server)}) as url:
        with pytest.raises((openai.RateLimitError, anthropic.RateLimitError), match=REFUSED):
            await ask(client, url, stream=False, messages=[{"role": "user", "content": REFUSED_TEXT}])


@STREAM
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("client", CLIENTS)
@LLAMA
async def test_a_real_model_answers(
    client: str, dialect: str, stream: bool, server: tuple[str, str], tmp_path: Path
) -> None:
    """What llama.cpp says arrives, with the tokens that it counted, and is in the record."""
    profile = profile_of(dialect, server, temperature=0)
    async with open_api(tmp_path, {"default": profile}) as url:
        understood = await ask(client, url, stream=stream, messages=FRANCE)

    (record,) = records(tmp_path)
    assert "Paris" in understood.text
    assert understood.stop == "end_turn"
    counted = "total_input_tokens" if client.startswith("openai") else "input_tokens"  # without those from a cache
    assert understood.usage == (record[counted], record["output_tokens"])
    assert record["response_content"][0]["text"] == understood.text


@STREAM
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("client", CLIENTS)
@LLAMA
async def test_a_real_model_is_cut_short(
    client: str, dialect: str, stream: bool, server: tuple[str, str], tmp_path: Path
) -> None:
    """After as many tokens as it was allowed, and that is said."""
    async with open_api(tmp_path, {"default": profile_of(dialect, server, temperature=0)}) as url:
        understood = await ask(client, url, stream=stream, messages=FRANCE, max_tokens=3)

    assert (understood.stop, understood.usage[1]) == ("max_tokens", 3)


@STREAM
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_local_profile_answers(client: str, stream: bool, tmp_path: Path) -> None:
    """The same model, started and stopped by Arawn itself."""
    pytest.importorskip("xllamacpp", reason="the `local` extra is not installed")
    profile: Profile = msgspec.structs.replace(LOCAL_PROFILE, temperature=0)
    async with open_api(tmp_path, {"default": profile}) as url:
        understood = await ask(client, url, stream=stream, messages=FRANCE)

    assert "Paris" in understood.text
    assert [record["provider"] for record in records(tmp_path)] == ["local"]


def tools(client: str) -> list[dict[str, Any]]:
    schema = {"type": "object", "properties": {"at": {"type": "string"}}}
    if client.startswith("openai"):
        return [{"type": "function", "function": {"name": "look", "parameters": schema}}]
    return [{"name": "look", "input_schema": schema}]
