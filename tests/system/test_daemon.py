"""The real daemon: a process of its own, real sockets, real signals, and what is on the disk afterwards."""

from __future__ import annotations

import json
import signal
import socket
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.arawn.cli.place import PATIENCE, SCRIPTED, Place
from tests.fake_provider import FakeProvider, Fault, Reply, events, openai_chunk, openai_stream, stream_reply
from tests.system.daemons import Daemon, records, running
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture

CONFIG = """
[llm]
backend = "custom"
dialect = "openai"
base_url = "{url}"
model = "fake-1"
retry = {{ attempts = 1 }}

[llm_profiles.other]
backend = "scripted"

[server]
listen = "127.0.0.1:0"
shutdown_grace_s = {grace}
"""
STALLED = stream_reply([*events(openai_chunk(content="begun")), Fault.STALL])


@contextmanager
def in_flight(daemon: Daemon, provider: FakeProvider) -> Iterator[Any]:
    """Make a call that the provider has received, and yield its future."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(daemon.chat, "hi", stream=True)
        deadline = time.monotonic() + PATIENCE
        while not provider.received:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield answer


@pytest.mark.slow
def test_a_call_over_tcp_needs_the_token_and_leaves_its_record(place: Place) -> None:
    """401 without, 200 with, and the line on the disk has the id of the answer."""
    with FakeProvider(stream_reply(openai_stream("Hel", "lo"))) as provider:
        place.configure(CONFIG.format(url=provider.address, grace=10))
        with running(place) as daemon:
            refused = httpx.post(f"{daemon.url}/chat", json={"message": "hi"})
            foreign = httpx.get(f"{daemon.url}/status", headers={"host": "evil.example", "x-api-key": daemon.token})
            ready = httpx.get(f"{daemon.url}/readyz")
            answered = daemon.chat("hi", stream=True)

            assert (refused.status_code, foreign.status_code, ready.status_code) == (401, 403, 200)
            assert answered.status_code == 200
            last = json.loads(answered.text.rstrip().rpartition("data: ")[2])["response"]
            assert last["text"] == "Hello"
            assert [record["id"] for record in records(place)] == [last["interaction_id"]]
            assert daemon.end(signal.SIGTERM) == (0, "")


@pytest.mark.slow
def test_what_the_server_refuses_has_the_words_of_the_dialect(place: Place) -> None:
    """Headers that are too long are a 431 with an id, which clients of Anthropic look for in three places."""
    place.configure(CONFIG.format(url="http://127.0.0.1:9", grace=10))
    with running(place) as daemon:
        refused = httpx.get(f"{daemon.url}/v1/messages", headers={"x-a": "a" * 70_000})

    assert (refused.status_code, refused.json()["type"]) == (431, "error")
    assert refused.json()["request_id"] == refused.headers["request-id"] == refused.headers["x-request-id"]


@pytest.mark.slow
def test_the_token_is_not_in_the_log(place: Place) -> None:
    """A token pasted into a message is redacted like any other secret that the daemon holds."""
    place.configure('[llm]\nbackend = "scripted"\n[server]\nlisten = "127.0.0.1:0"\n')
    with running(place) as daemon:
        daemon.chat(f"is {daemon.token} mine?")

        assert daemon.token not in "".join(file.read_text() for file in place.log.glob("*.jsonl"))
        assert records(place)[0]["redactions"]


@pytest.mark.slow
def test_the_token_is_nobody_elses(place: Place) -> None:
    """Nothing printed shows it; token and socket are for the owner alone; the socket goes with the daemon."""
    place.configure(CONFIG.format(url="http://127.0.0.1:9", grace=0))
    with running(place) as daemon:
        door = Path(place.environ["ARAWN_RUNTIME_DIR"]) / "arawn.sock"
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (place.directory / "state" / "token", door)]

        assert modes == [0o600, 0o600]
        assert daemon.token not in "\n".join(daemon.said)
        (command,) = (line for line in daemon.said if line.startswith("curl "))
        assert f"--unix-socket {door} http://localhost/chat" in command
        assert daemon.end(signal.SIGINT) == (0, "")
        assert not door.exists()


@pytest.mark.slow
def test_a_call_in_flight_is_finished_within_the_grace(place: Place) -> None:
    """After SIGTERM nothing is accepted, but what was begun is answered."""
    script = place.directory / "slow.toml"
    script.write_text("[[steps]]\ndelay_s = 1.0\n")
    place.configure(f'[llm]\nbackend = "scripted"\nscript = "{script}"\n[server]\nlisten = "127.0.0.1:0"\n')
    with running(place) as daemon, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(daemon.chat, "hi")
        time.sleep(0.4)
        ended = daemon.end(signal.SIGTERM)

        assert ended == (0, "")
        assert answer.result().json()["text"] == "echo: hi"
        assert [record["status"] for record in records(place)] == ["ok"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("grace", "signals"), [(0.3, [signal.SIGTERM]), (600, [signal.SIGTERM, signal.SIGTERM])], ids=["expired", "hurried"]
)
def test_what_outlives_the_grace_is_cancelled_and_recorded(
    place: Place, grace: float, signals: list[signal.Signals]
) -> None:
    """Whether the grace runs out or a second signal takes it away; the daemon still ends in order."""
    with FakeProvider(STALLED) as provider:
        place.configure(CONFIG.format(url=provider.address, grace=grace))
        with running(place) as daemon, in_flight(daemon, provider) as answer:
            began = time.monotonic()
            ended = daemon.end(*signals)

            assert ended == (0, "")
            assert time.monotonic() - began < 4  # the clean-up's own deadline, which drops calls, is later
            assert answer.exception() is not None or "completed" not in answer.result().text
            (record,) = records(place)
            assert record["status"] == "cancelled"
            assert provider.hung_up.wait(PATIENCE)


@pytest.mark.slow
def test_a_signal_during_the_start_ends_it(place: Place) -> None:
    """A daemon that waits for something is stopped as quickly as one that is ready."""
    place.configure('[llm]\nbackend = "openai"\nmodel = "m"\napi_key_command = ["sleep", "600"]\n')
    child = place.popen("start")
    deadline = time.monotonic() + PATIENCE
    while not (place.log / ".lock").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)

    child.terminate()

    _, err = child.communicate(timeout=8)
    assert (child.returncode, err) == (0, "")


@pytest.mark.slow
def test_nothing_answered_is_lost_when_it_is_killed(place: Place) -> None:
    """After SIGKILL: the binding and the conversation are there, the log is whole, and the next start works."""
    place.configure(CONFIG.format(url="http://127.0.0.1:9", grace=1))
    with running(place) as daemon:
        assert place.run("workstreams", "bind", "research", "other").returncode == 0
        answered = [daemon.chat(f"message {number}", workstream="research").json() for number in range(5)]
        daemon.child.kill()
        daemon.child.wait()

    with running(place) as daemon:
        again = daemon.chat("again", workstream="research").json()
        shown = json.loads(place.run("workstreams", "show", "research", "--json").stdout)
        assert daemon.end(signal.SIGTERM) == (0, "")

    assert again["profile"] == "other"
    assert (shown["profile"], shown["turns"]) == ("other", 6)
    assert [record["id"] for record in records(place)] == [reply["interaction_id"] for reply in [*answered, again]]


@pytest.mark.slow
def test_the_places_that_a_start_prints_hold_in_every_directory(place: Place) -> None:
    """Also where the directories are told as relative ones: what is printed is pasted elsewhere."""
    place.configure(SCRIPTED)
    place.environ |= {f"ARAWN_{name}_DIR": name.lower() for name in ("CONFIG", "STATE", "RUNTIME")}
    with running(place) as daemon:
        said = dict(line.split(maxsplit=1) for line in daemon.said if " " in line)
        keys = [line for line in daemon.said if "API_KEY=" in line]

    here = place.directory
    assert (said["configuration"], said["token"]) == (f"{here}/config/config.toml", f"{here}/state/token")
    assert (said["socket"], said["log"]) == (f"{here}/runtime/arawn.sock", f"{here}/config/interactions")
    assert f"curl --unix-socket {here}/runtime/arawn.sock " in "\n".join(daemon.said)
    assert all(f'"$(cat {here}/state/token)"' in key for key in keys)


@pytest.mark.slow
def test_ask_goes_through_the_daemon(place: Place) -> None:
    """With the daemon's profiles and log; what cannot apply to it is refused."""
    with FakeProvider(stream_reply(openai_stream("Hel", "lo"))) as provider:
        place.configure(CONFIG.format(url=provider.address, grace=1))
        with running(place):
            asked = place.run("ask", "hi")
            refused = [place.run("ask", *words, "hi") for words in (["--no-log"], ["--config", "x.toml"])]
            unknown = place.run("ask", "-p", "nope", "hi")
            status = json.loads(place.run("status", "--json").stdout)
            tested = place.run("backends", "test")

    assert (asked.returncode, asked.stdout) == (0, "Hello\n")
    assert f"record   {records(place)[0]['id']}" in asked.stderr
    assert f"log      {place.log}/interactions-" in asked.stderr
    assert [(one.returncode, one.stdout) for one in refused] == [(2, ""), (2, "")]
    assert "cannot apply" in refused[0].stderr
    assert (unknown.returncode, "`default`, `other`" in unknown.stderr) == (2, True)
    assert [backend["profile"] for backend in status["backends"]] == ["default", "other"]
    assert tested.returncode == 0


@pytest.mark.slow
def test_ask_through_the_daemon_says_why_and_keeps_the_system_prompt(place: Place) -> None:
    """What travels with the question arrives, and so does what comes back with the answer."""
    place.configure(CONFIG.format(url="http://127.0.0.1:9", grace=1))
    with running(place):
        words = ["-w", "research", "-p", "other", "-s", "be brief", "--session", "s1", "--tag", "k=v"]
        asked = place.run("ask", *words, "hi")

    (line,) = [line for line in next(place.log.glob("*.jsonl")).read_text().splitlines() if '"interaction"' in line]
    record = json.loads(line)
    assert "profile  other (asked for by name)" in asked.stderr
    assert (record["system_prompt"], record["session_id"], record["workstream"]) == ("be brief", "s1", "research")
    assert record["tags"]["k"] == "v"


@pytest.mark.slow
def test_an_error_reaches_ask_through_the_daemon(place: Place) -> None:
    """The same message as without a daemon; code 1."""
    with FakeProvider(Reply(status=401, body=b'{"error": {"message": "bad key"}}')) as provider:
        place.configure(CONFIG.format(url=provider.address, grace=1))
        alone = place.run("ask", "hi")
        with running(place):
            through = place.run("ask", "hi")

    assert (alone.returncode, alone.stdout) == (1, "")
    assert (through.returncode, through.stdout, through.stderr) == (1, "", alone.stderr)


@pytest.mark.slow
def test_stop_waits_until_it_is_gone(place: Place) -> None:
    """Afterwards there is none, and a new one can start."""
    place.configure(CONFIG.format(url="http://127.0.0.1:9", grace=1))
    with running(place) as daemon:
        stopped = place.run("stop")

        assert (stopped.returncode, stopped.stderr) == (0, f"process {daemon.child.pid} has ended\n")
        assert daemon.child.wait(PATIENCE) == 0
        assert place.run("status").returncode == 1


@pytest.mark.slow
def test_a_second_daemon_fails_at_once(place: Place) -> None:
    """It says which process holds the log."""
    place.configure(CONFIG.format(url="http://127.0.0.1:9", grace=1))
    with running(place) as daemon:
        second = place.run("start")

    assert (second.returncode, second.stdout) == (1, "")
    assert f"process {daemon.child.pid}, " in second.stderr


@pytest.mark.slow
def test_a_socket_path_that_cannot_be_is_named(place: Place) -> None:
    """What is in the way is left alone."""
    place.configure(CONFIG.format(url="http://127.0.0.1:9", grace=1))
    door = Path(place.environ["ARAWN_RUNTIME_DIR"]) / "arawn.sock"
    door.write_text("mine")

    failed = place.run("start")

    assert (failed.returncode, failed.stdout) == (1, "")
    assert f"cannot listen on the Unix socket `{door}`: a file that is no socket is in the way" in failed.stderr
    assert door.read_text() == "mine"


@pytest.mark.slow
def test_a_taken_address_is_named(place: Place) -> None:
    """With what to do; the log is let go again."""
    place.configure(CONFIG.format(url="http://127.0.0.1:9", grace=1))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        failed = place.run("start", "--listen", address)

    assert (failed.returncode, failed.stdout) == (1, "")
    assert f"cannot listen on `{address}`: another process listens there" in failed.stderr
    assert "`--listen`" in failed.stderr
