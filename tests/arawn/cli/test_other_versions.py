"""A command line and a daemon of different versions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.cli.daemon_bodies import encoded
from arawn.cli.daemon_client import DaemonClient
from arawn.cli.door import DaemonFault, Door
from arawn.errors import BadInput
from arawn.server.native import ChatRequest
from arawn.server.workstreams import WorkstreamChange, WorkstreamSettings
from arawn.version import VERSION
from arawn.wire.asgi import Receive, Scope, Send
from arawn.workstreams.store import WorkstreamStore
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import Place
from tests.serving import serving

REFUSAL = {"error": {"type": "invalid_request", "message": "the request body does not fit: unknown: `tools`"}}
TEXTS = st.text(st.characters(codec="utf-8"), max_size=3)
BODIES = {
    ChatRequest: st.builds(
        ChatRequest,
        message=TEXTS.filter(bool),
        workstream=st.none() | TEXTS,
        tags=st.dictionaries(TEXTS, TEXTS, max_size=1),
        tools=st.lists(TEXTS, max_size=2).map(tuple),
        stream=st.booleans(),
    ),
    WorkstreamChange: st.builds(
        WorkstreamChange, profile=st.none() | TEXTS | st.just(msgspec.UNSET), archived=st.booleans()
    ),
    WorkstreamSettings: st.builds(WorkstreamSettings, name=TEXTS, profile=st.none() | TEXTS),
}


@asynccontextmanager
async def old_daemon(refusal: object = REFUSAL) -> AsyncIterator[DaemonClient]:
    """Yield a client of a daemon that knows nothing of tools, or refuses with another 422."""

    async def app(scope: Scope, _: Receive, send: Send) -> None:
        of_status = scope["path"] == "/status"
        body = {"version": "0.0.9", "what": "else"} if of_status else refusal
        await send({"type": "http.response.start", "status": 200 if of_status else 422, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    async with serving(app) as served, httpx.AsyncClient(base_url=served.url) as http:
        yield DaemonClient(http, Door(None, "", ()), "arawn.sock")


async def unheard(_: object) -> None:
    raise AssertionError("nothing was answered")


@pytest.mark.parametrize("kind", BODIES)
@given(data=st.data())
def test_what_is_sent_is_what_was_meant(kind: type[msgspec.Struct], data: st.DataObject) -> None:
    """What is left out is what whoever reads it takes for granted."""
    body = data.draw(BODIES[kind])

    assert msgspec.json.decode(encoded(body), type=kind) == body


def test_nothing_is_sent_that_need_not_be() -> None:
    """A daemon that knows no tools takes a question that asks for none."""
    assert json.loads(encoded(ChatRequest(message="hi", stream=True))) == {"message": "hi", "stream": True}
    assert json.loads(encoded(WorkstreamChange(profile=None))) == {"profile": None}


@pytest.mark.parametrize("way", ["chat", "call"])
async def test_a_body_that_an_older_daemon_refuses_is_explained(way: str) -> None:
    """Both versions are named, and what to do."""
    request = ChatRequest(message="hi", workstream="w", tools=("x",))
    async with old_daemon() as daemon:
        with pytest.raises(BadInput) as refused:
            await (daemon.chat(request, unheard) if way == "chat" else daemon.call("POST", "/chat", request))

    assert str(refused.value) == (
        "the request body does not fit: unknown: `tools`; the daemon was started from other code than this command "
        f"(version 0.0.9, here {VERSION}): `arawn stop && arawn start` brings it up to date"
    )


@pytest.mark.parametrize("way", ["chat", "call"])
async def test_what_a_provider_refuses_is_no_matter_of_versions(way: str) -> None:
    """Many providers say 422 of a wrong parameter, and the daemon passes it on."""
    refusal = {"error": {"type": "bad_request", "message": "the provider refused the request (422)", "status": 422}}
    request = ChatRequest(message="hi")
    async with old_daemon(refusal) as daemon:
        with pytest.raises(DaemonFault) as refused:
            await (daemon.chat(request, unheard) if way == "chat" else daemon.call("POST", "/chat", request))

    assert str(refused.value) == "the provider refused the request (422)"


@pytest.mark.parametrize(
    "arguments", [["start"], ["ask", "-w", "talk", "hi"], ["chat"], ["workstreams", "list"], ["doctor"]], ids=" ".join
)
def test_a_database_of_a_newer_version_is_refused_everywhere(
    command: Command, place: Place, arguments: list[str]
) -> None:
    """In the same words, and nothing in it is changed."""
    path = place.directory / "state" / "workstreams.db"
    with closing(WorkstreamStore(path)):
        pass
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    before = path.read_bytes()

    done = command(*arguments, piped="hi\n")

    assert done.code == 1
    assert f"`{path}` was written by a newer Arawn (schema 99, this one knows 1); upgrade Arawn" in done.out + done.err
    assert path.read_bytes() == before


@pytest.mark.parametrize("reader", ["list", "tail", "stats", "search budget", "sql", "export -f router -o rows"])
def test_a_line_of_a_newer_version_is_told_by_readers_as_verify_tells_it(
    command: Command, place: Place, reader: str
) -> None:
    """It is skipped, and whoever reads that learns who can read it; a line that was cut is no such line."""
    command("ask", "hi")
    (file,) = place.log.glob("*.jsonl")
    newer = '{"kind":"budget","v":1,"writer":"0123abcd-00000000","seq":1,"timestamp":"2026-01-01T00:00:00.000000Z"}'
    with file.open("a") as log:
        log.write(f"{newer}\n{newer[:40]}\n")

    said = command("interactions", *reader.split(), *(["SELECT 1"] if reader == "sql" else [])).err

    words = "written by a newer Arawn (kind `budget`), which can read it"
    assert f": skipped: {words}\n" in said
    assert (said.count("newer Arawn"), said.count(": skipped: ")) == (1, 2)
    assert words in command("interactions", "verify").out
