"""What holds the daemon's socket and is no daemon of this user's gets nothing, and is told in one sentence."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import Place
from tests.strangers import give_away

COMMANDS = ["status", "ask hello", "stop", "reload", "workstreams list", "workstreams show a"]
ALIVE = {"status": "ok"}


class Impostor(HTTPServer):
    """Answers every `GET` of `/healthz` with one thing and everything else with another; keeps what was asked."""

    address_family = socket.AF_UNIX

    def __init__(self, path: Path, health: object, other: object) -> None:
        self.asked: list[str] = []
        self.answers = {"/healthz": json.dumps(health).encode()}
        self.other = json.dumps(other).encode()
        super().__init__(str(path), Answer)  # type: ignore[arg-type]  # a path, of this family

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "localhost", 0


class Answer(BaseHTTPRequestHandler):
    """One answer of an `Impostor`."""

    server: Impostor

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = self.server.answers.get(self.path, self.server.other)
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  # the name that `http.server` asks for

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def holding(place: Place, health: object, other: object = None) -> Iterator[tuple[Impostor, Path]]:
    path = Path(place.environ["ARAWN_RUNTIME_DIR"]) / "arawn.sock"
    with Impostor(path, health, other) as impostor:
        thread = Thread(target=impostor.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield impostor, path
        finally:
            impostor.shutdown()
            thread.join()


@pytest.mark.parametrize("arguments", [*COMMANDS, "doctor"])
@pytest.mark.parametrize("health", [{}, [], {"status": "up"}, "hello"], ids=str)
def test_what_is_alive_in_other_words_is_no_daemon(
    place: Place, command: Command, arguments: str, health: object
) -> None:
    """The message shows what it said; nothing but its health was asked."""
    with holding(place, health) as (impostor, path):
        said = command(*arguments.split())

    words = " ".join((said.out + said.err).split())
    assert said.code == 1
    assert f"what answers on `{path}` is no daemon of Arawn: status 200, " in words
    assert "unexpected" not in words
    assert set(impostor.asked) == {"/healthz"}


@pytest.mark.parametrize("arguments", [*COMMANDS, "doctor"])
@pytest.mark.parametrize("other", [{"pid": 1}, ["hello"], {"text": "x"}, None], ids=str)
def test_an_answer_of_another_form_is_told(place: Place, command: Command, arguments: str, other: object) -> None:
    """Whoever gave it: an impostor, or a daemon of another version."""
    with holding(place, ALIVE, other):
        said = command(*arguments.split())

    words = " ".join((said.out + said.err).split())
    assert said.code == 1
    assert "is no daemon of Arawn, or one of another version than" in words or "ended its answer too early" in words
    assert "unexpected" not in words


@pytest.mark.parametrize("arguments", [*COMMANDS, "doctor"])
def test_the_socket_of_another_user_is_not_spoken_to(
    place: Place, command: Command, arguments: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one byte: who holds it would read the prompt. The message says whose it is and what to do."""
    with holding(place, ALIVE) as (impostor, path):
        owner = give_away(path, monkeypatch)
        said = command(*arguments.split())

    words = " ".join((said.out + said.err).split())
    assert said.code == 1
    assert f"`{path}` is not spoken to, since it belongs to {owner}, and you are another one; run this" in words
    assert impostor.asked == []


def test_nor_one_that_a_link_of_another_user_leads_to(
    place: Place, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who made the link chose where it leads."""
    link = Path(place.environ["ARAWN_RUNTIME_DIR"]) / "arawn.sock"
    with holding(place, ALIVE) as (impostor, path):
        real = path.rename(path.with_name("real.sock"))
        link.symlink_to(real)
        give_away(link, monkeypatch)
        said = command("status")

    assert said.code == 1
    assert f"`{link}` is not spoken to" in said.err
    assert impostor.asked == []
