"""Who may come in."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from arawn.config.schema import ServerConfig
from arawn.errors import ConfigError
from arawn.server.auth import Door, ensure_token, open_door, read_token

TOKEN = "t0ken"


def scope(path: str = "/chat", port: int | None = 8470, /, **headers: str) -> dict[str, Any]:
    fields = {"host": "127.0.0.1:8470", **{name.replace("_", "-"): value for name, value in headers.items()}}
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in fields.items()]
    return {"type": "http", "path": path, "headers": encoded, "server": ("x", port)}


def refused(door: Door, asked: dict[str, Any]) -> int | None:
    reply = door.refuse(asked)
    return None if reply is None else reply.status


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {TOKEN}"},
        {"authorization": f"bearer {TOKEN}"},
        {"x_api_key": TOKEN},
        {"authorization": "Bearer wrong", "x_api_key": TOKEN},
    ],
)
def test_the_token_opens_the_door(headers: dict[str, str]) -> None:
    """As Bearer or as `x-api-key`."""
    assert refused(Door(token=TOKEN, hosts=()), scope(**headers)) is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": TOKEN},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": "Bearer "},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"x_api_key": ""},
        {"x_api_key": "tök"},
    ],
)
def test_anything_else_does_not(headers: dict[str, str]) -> None:
    """A missing or wrong token is a 401 that says how to send it and does not show it."""
    reply = Door(token=TOKEN, hosts=()).refuse(scope(**headers))

    assert reply is not None
    assert reply.status == 401
    assert (b"www-authenticate", b"Bearer") in reply.headers
    assert json.loads(reply.body)["error"]["type"] == "unauthorized"
    assert TOKEN.encode() not in reply.body


def test_the_unix_socket_needs_no_token_and_no_host() -> None:
    """Its file mode has decided."""
    assert refused(Door(token=TOKEN, hosts=()), scope("/chat", None, host="whatever")) is None


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz"])
def test_the_probes_need_no_token_and_no_known_host(path: str) -> None:
    """A balancer of loads may ask by any address whether Arawn lives; a web page elsewhere may not."""
    door = Door(token=TOKEN, hosts=())

    assert refused(door, scope(path, host="10.1.2.3:8470")) is None
    assert refused(door, scope(path, origin="https://evil.example")) == 403
    assert refused(door, scope(f"{path}/", host="10.1.2.3:8470")) == 403


@pytest.mark.parametrize("listed", ["2001:DB8:0::7", "[2001:db8::7]"])
def test_an_address_is_known_in_every_spelling(listed: str) -> None:
    """What is listed and what is asked for may be written in two ways."""
    door = Door(token=None, hosts=(listed,))

    assert refused(door, scope(host="[2001:db8::0:7]:8470")) is None
    assert refused(door, scope(host="[2001:db8::8]:8470")) == 403


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:8470", "127.0.0.1", "127.1.2.3:1", "[::1]:8470", "box.lan:8470", "10.0.0.7:8470"],
)
def test_known_hosts_come_in(host: str) -> None:
    """Loopback names, the host that is listened on, and those that are allowed."""
    door = open_door(ServerConfig(listen="10.0.0.7:8470", allowed_hosts=("box.lan",), auth="none"), None)

    assert refused(door, scope(host=host)) is None


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "10.0.0.8", "", "127.0.0.1.evil.example"])
def test_foreign_hosts_do_not(host: str) -> None:
    """DNS rebinding: a page whose name was pointed at this machine is refused, with the right token too."""
    assert refused(Door(token=TOKEN, hosts=()), scope(host=host, x_api_key=TOKEN)) == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:3000", None),
        ("http://127.0.0.1", None),
        ("http://[::1]:5173", None),
        ("https://evil.example", 403),
        ("null", 403),
        ("", 403),
        ("http://[", 403),
        ("http://localhost.evil.example", 403),
    ],
)
def test_the_origin_must_be_known_too(origin: str, status: int | None) -> None:
    """A web page elsewhere cannot use a browser to reach Arawn."""
    assert refused(Door(token=None, hosts=()), scope(origin=origin)) == status


def test_a_page_elsewhere_is_told_that_there_is_no_cors() -> None:
    """What would be right is a proxy that serves the page too; a preflight has no token."""
    door = Door(token=TOKEN, hosts=())
    said = door.refuse(scope(origin="https://evil.example"))

    assert said is not None
    assert b"if a proxy serves the page and this API at one address" in said.body
    assert b"no CORS headers" in said.body
    assert refused(door, {**scope(origin="http://localhost:3000"), "method": "OPTIONS"}) == 401


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "origin", "host"])
@pytest.mark.parametrize("values", [("right", "right"), ("wrong", "right"), ("right", "wrong")], ids="-".join)
def test_no_header_that_decides_comes_twice(name: str, values: tuple[str, str]) -> None:
    """Of two, a proxy before the door may have looked at the other one; which one counts is not guessed."""
    right = {"authorization": f"Bearer {TOKEN}", "x-api-key": TOKEN, "origin": "http://localhost", "host": "localhost"}
    lines = [(name.encode(), (right[name] if value == "right" else "wrong").encode()) for value in values]
    others = [(other.encode(), value.encode()) for other, value in right.items() if other != name]

    reply = Door(token=TOKEN, hosts=()).refuse({**scope(), "headers": [*others, *lines]})

    assert reply is not None
    assert reply.status == 400
    assert json.loads(reply.body)["error"]["message"] == f"this request has more than one `{name}` header; send one"


def test_other_headers_may_come_twice() -> None:
    """They are one list."""
    twice = [(b"accept", b"a/b"), (b"accept", b"c/d"), (b"x-api-key", TOKEN.encode())]

    assert refused(Door(token=TOKEN, hosts=()), {**scope(), "headers": [*scope()["headers"], *twice]}) is None


def test_no_authentication_asks_for_no_token() -> None:
    """`auth = "none"` turns the token off and leaves the checks of the host."""
    door = open_door(ServerConfig(auth="none"), TOKEN)

    assert refused(door, scope()) is None
    assert refused(door, scope(host="evil.example")) == 403


def test_the_first_start_makes_a_token(tmp_path: Path) -> None:
    """32 random bytes in a file of mode 0600, whatever the umask; the next start finds the same."""
    before = os.umask(0)
    try:
        token = ensure_token(tmp_path / "state", {})
    finally:
        os.umask(before)

    file = tmp_path / "state" / "token"
    assert len(token) == 43
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in file.parent.iterdir()] == ["token"]
    assert ensure_token(tmp_path / "state", {}) == token == read_token(tmp_path / "state", {})


def test_two_starts_at_once_agree(tmp_path: Path) -> None:
    """However many processes start together, one token is made and all use it."""
    tokens: list[str] = []
    threads = [threading.Thread(target=lambda: tokens.append(ensure_token(tmp_path, {}))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(tokens) == 8
    assert len(set(tokens)) == 1


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    """`ARAWN_TOKEN` is used as it is and no file is made."""
    assert ensure_token(tmp_path, {"ARAWN_TOKEN": "mine"}) == "mine"
    assert list(tmp_path.iterdir()) == []


def test_reading_makes_nothing(tmp_path: Path) -> None:
    """A command that looks for the token does not make one."""
    assert read_token(tmp_path / "none", {}) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("token", ["", "two words", "tök", "a\nb"])
def test_a_token_that_no_header_can_carry_is_refused(tmp_path: Path, token: str) -> None:
    """An empty or unsendable token is an error at the start, not a door nobody can open, or anybody."""
    with pytest.raises(ConfigError, match="visible ASCII"):
        ensure_token(tmp_path, {"ARAWN_TOKEN": token})


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o601])
def test_a_token_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """The group is others too; the error says what to run."""
    (tmp_path / "token").write_text("abc")
    (tmp_path / "token").chmod(mode)

    with pytest.raises(ConfigError, match="chmod 600"):
        ensure_token(tmp_path, {})


def test_a_token_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """A link could point at anything."""
    (tmp_path / "token").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ConfigError, match="cannot be read"):
        read_token(tmp_path, {})


def test_a_state_directory_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    """The error names the directory."""
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="file"):
        ensure_token(tmp_path / "file" / "state", {})
