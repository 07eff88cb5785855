"""Which daemon without a socket is meant, and who is told the token: nobody that its file does not name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest

from arawn.cli.door import DaemonFault, Door, daemon_of
from arawn.running_daemons import RunningDaemon, announced
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import SCRIPTED, Place
from tests.strangers import give_away

ONE = RunningDaemon(1, None, ("/one.toml",), listen="127.0.0.1:8470")


class Listener(HTTPServer):
    """Says that it is alive, and knows nothing else; keeps what was asked, and with which token."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        super().__init__(("127.0.0.1", 0), Answer)


class Answer(BaseHTTPRequestHandler):
    """One answer of a `Listener`."""

    server: Listener

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("authorization")))
        body = json.dumps({"status": "ok"}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def listening(place: Place, **fields: Any) -> Iterator[Listener]:
    """Yield what listens where the file of a daemon says, and have the token in its file."""
    place.configure(f'{SCRIPTED}socket = ""\n')
    state = place.directory / "state"
    state.mkdir()
    (state / "token").write_text("secret\n")
    (state / "token").chmod(0o600)
    with Listener() as server:
        address = f"http://127.0.0.1:{server.server_port}"
        files = (str(place.directory / "config" / "config.toml"),)
        daemon = RunningDaemon(os.getpid(), None, files, address=address, guarded=True)
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with announced(Path(place.environ["ARAWN_RUNTIME_DIR"]), msgspec.structs.replace(daemon, **fields)):
                yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("guarded", "token"), [(True, "Bearer secret"), (False, None)])
def test_the_token_goes_to_what_is_alive_where_one_is_asked_for(
    place: Place, command: Command, guarded: bool, token: str | None
) -> None:
    """Whoever holds the port is asked for its health first, without it."""
    with listening(place, guarded=guarded) as server:
        command("status")

    assert server.asked == [("/healthz", None), ("/status", token)]


def test_the_file_of_another_user_names_no_daemon(
    place: Place, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the token nor a prompt goes where it says."""
    with listening(place) as server:
        (file,) = Path(place.environ["ARAWN_RUNTIME_DIR"]).glob("daemon-*.json")
        give_away(file, monkeypatch)
        said = command("status")

    assert (said.code, server.asked) == (1, [])
    assert said.err == "arawn: no daemon of this configuration is known; `arawn start` runs one\n"


def test_a_flag_that_cannot_apply_names_where_the_daemon_answers(place: Place, command: Command) -> None:
    """Not port 0 of the configuration, on which nothing can answer."""
    with listening(place) as server:
        said = command("ask", "--no-log", "hi")

    assert (said.code, said.out) == (2, "")
    assert f"`--no-log` cannot apply: the daemon on `http://127.0.0.1:{server.server_port}` answers" in said.err


@pytest.mark.parametrize("fields", [{"stopping": True}, {"files": ("/other.toml",)}, {"socket": "/run/a.sock"}])
def test_a_daemon_that_stops_or_is_not_meant_is_not_spoken_to(
    place: Place, command: Command, fields: dict[str, Any]
) -> None:
    """One that stops has closed its port, which anybody may have taken since."""
    with listening(place, **fields) as server:
        said = command("status")

    assert (said.code, server.asked) == (1, [])


def test_a_token_that_cannot_be_read_is_told_by_doctor(place: Place, command: Command) -> None:
    """In its row, and the others are there."""
    with listening(place):
        (place.directory / "state" / "token").chmod(0o644)
        said = command("doctor", "--json")

    found = {one["what"]: one["found"] for one in json.loads(said.out) if not one["ok"]}
    assert "run `chmod 600" in found["daemon"]


def test_a_daemon_is_known_by_its_address_or_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it may have been started with `--listen`, or in another directory; where two are meant, none is taken."""
    monkeypatch.setenv("ARAWN_RUNTIME_DIR", str(tmp_path))
    two = msgspec.structs.replace(ONE, pid=2, files=("/two.toml",), listen="127.0.0.1:9")

    with announced(tmp_path, ONE), announced(tmp_path, two):
        assert daemon_of(Door(None, "127.0.0.1:8470", ())) == ONE
        assert daemon_of(Door(None, "127.0.0.1:1", ("/two.toml",))) == two
        assert daemon_of(Door(None, "127.0.0.1:1", ())) is None
        with pytest.raises(DaemonFault, match="processes 1 and 2"):
            daemon_of(Door(None, "127.0.0.1:8470", ("/two.toml",)))


def test_port_0_is_no_address_and_no_files_are_no_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two daemons may have either in common; who has both means the same one."""
    monkeypatch.setenv("ARAWN_RUNTIME_DIR", str(tmp_path))
    any_port = msgspec.structs.replace(ONE, listen="127.0.0.1:0")
    no_files = msgspec.structs.replace(ONE, pid=2, files=())

    with announced(tmp_path, any_port), announced(tmp_path, no_files):
        assert daemon_of(Door(None, "127.0.0.1:0", ("/two.toml",))) is None
        assert daemon_of(Door(None, "127.0.0.1:0", ("/one.toml",))) == any_port
        assert daemon_of(Door(None, "127.0.0.1:9", ())) is None
        assert daemon_of(Door(None, "127.0.0.1:8470", ())) == no_files
