"""Every answer says which profile was chosen and why, from the moment that one was: streams and errors too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from actors import MailboxFull
from arawn.config.schema import Config, Profile, RetryConfig, RoutingConfig, RoutingRule
from arawn.server import streaming
from tests.fake_provider import FakeProvider, Reply, openai_stream, stream_reply
from tests.memory_runtime import MemoryRuntime
from tests.runtimes import ECHO, configured, running
from tests.serving import app_of, serving

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
PATHS = (CHAT, RESPONSES, MESSAGES, "/chat")
EVERY_PATH = pytest.mark.parametrize("path", PATHS)
EVERY_WAY = pytest.mark.parametrize("stream", [False, True])
RULED = ("café", "HeuristicRule%28all%29")


def asked(path: str, **more: Any) -> dict[str, Any]:
    if path == "/chat":
        return {"message": "hi", **more}
    said = [{"role": "user", "content": "hi"}]
    return {"model": "auto", "max_tokens": 9, ("input" if path == RESPONSES else "messages"): said, **more}


def routed(directory: Path, chosen: Profile, name: str = "café") -> Config:
    """Return a configuration whose rule chooses `name` for everything."""
    rules = (RoutingRule("all", {"message_count_gt": 0}, name),)
    config = configured(directory, {"default": ECHO, name: chosen})
    return msgspec.structs.replace(config, routing=RoutingConfig(enabled=True, rules=rules))


async def answered(config: Config, path: str, **more: Any) -> httpx.Response:
    async with running(config, waits_for_room=False) as runtime:
        async with serving(app_of(runtime)) as served, httpx.AsyncClient() as client:
            return await client.post(served.url + path, json=asked(path, **more))


def named(response: httpx.Response) -> tuple[str | None, str | None]:
    return response.headers.get("x-arawn-profile"), response.headers.get("x-arawn-route")


def failing(address: str, dialect: str = "openai") -> Profile:
    settings: Any = {"dialect": dialect, "base_url": address, "retry": RetryConfig(1, 0.1, 0.2)}
    return Profile(backend="custom", model="m", **settings)


@EVERY_WAY
@EVERY_PATH
async def test_an_answer_says_what_a_rule_has_chosen(path: str, stream: bool, tmp_path: Path) -> None:
    """The head of a stream goes out with its first word, when that is known; the values are percent-encoded."""
    response = await answered(routed(tmp_path, ECHO), path, stream=stream)

    assert response.status_code == 200
    assert named(response) == ("caf%C3%A9", RULED[1])


@EVERY_WAY
@EVERY_PATH
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
async def test_a_refusal_says_who_was_asked(path: str, dialect: str, stream: bool, tmp_path: Path) -> None:
    """In the provider's own words, and in those of another dialect."""
    with FakeProvider(Reply(429, b'{"error":{"type":"slow","message":"slow down"}}')) as provider:
        response = await answered(routed(tmp_path, failing(provider.address, dialect), "p"), path, stream=stream)

    assert response.status_code == 429
    assert named(response) == ("p", RULED[1])


@EVERY_PATH
async def test_a_failure_of_our_own_says_who_was_to_be_asked(path: str, tmp_path: Path) -> None:
    """Nobody listens there, so nothing was asked."""
    response = await answered(routed(tmp_path, failing("http://127.0.0.1:9"), "p"), path)

    assert response.status_code == 502
    assert named(response) == ("p", RULED[1])


@pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
async def test_a_full_mailbox_says_whose(path: str) -> None:
    """The actor that refuses a call knows no profiles, but whoever asked it does."""
    runtime: Any = MemoryRuntime(fault=MailboxFull("full"))
    runtime.config = Config(profiles={"default": ECHO})
    async with serving(app_of(runtime)) as served, httpx.AsyncClient() as client:
        response = await client.post(served.url + path, json=asked(path))

    assert response.status_code == 503
    assert named(response) == ("default", "Default")


async def test_a_full_mailbox_says_whose_it_is_to_who_named_it() -> None:
    """The same for a message to `/chat` that names its profile."""
    runtime: Any = MemoryRuntime(fault=MailboxFull("full"))
    async with serving(app_of(runtime)) as served, httpx.AsyncClient() as client:
        response = await client.post(f"{served.url}/chat", json={"message": "hi", "routing_profile": "fast"})

    assert (response.status_code, named(response)) == (503, ("fast", "CallerHint"))


@pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
async def test_what_is_refused_before_names_nobody(path: str, tmp_path: Path) -> None:
    """No profile was chosen."""
    response = await answered(routed(tmp_path, ECHO), path, model="none")

    assert (response.status_code, named(response)) == (404, (None, None))


@EVERY_PATH
async def test_a_head_that_goes_out_before_the_choice_names_nobody(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of a stream which has to be kept alive before its first word."""
    monkeypatch.setattr(streaming, "KEEP_ALIVE_SECONDS", 0.03)
    with FakeProvider(Reply(503), stream_reply(openai_stream("hi"))) as provider:
        chosen = msgspec.structs.replace(failing(provider.address), retry=RetryConfig(2, 0.1, 0.2))
        response = await answered(routed(tmp_path, chosen, "p"), path, stream=True)

    assert (response.status_code, named(response)) == (200, (None, None))
