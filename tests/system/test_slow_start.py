"""A daemon whose default profile is slow to start: its doors are open meanwhile, and say so."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.arawn.cli.place import PATIENCE, Place
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture
from tests.system.daemons import records

pytestmark = pytest.mark.slow  # real processes

CONFIG = """
[llm]
backend = "custom"
dialect = "openai"
base_url = "http://127.0.0.1:9/v1"
model = "m"
api_key_command = ["sh", "-c", "while [ ! -e told ]; do sleep 0.05; done; cat told"]

[llm_profiles.other]
backend = "scripted"

[server]
listen = "127.0.0.1:0"
"""


@contextmanager
def starting(place: Place) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """Run a daemon whose default profile waits for its key, and yield it with a client that reaches its socket."""
    place.configure(CONFIG)
    child = place.popen("start")
    socket = Path(place.environ["ARAWN_RUNTIME_DIR"], "arawn.sock")
    transport = httpx.HTTPTransport(uds=str(socket))
    with httpx.Client(transport=transport, base_url="http://localhost", timeout=PATIENCE) as client:
        try:
            deadline = time.monotonic() + PATIENCE
            while not socket.exists():
                assert child.poll() is None, child.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield child, client
        finally:
            child.kill()
            child.communicate()


def test_the_doors_answer_before_it_is_ready(place: Place) -> None:
    """`/healthz` is well, `/readyz` says what is waited for, other profiles answer; then it is ready."""
    with starting(place) as (child, client):
        lives = client.get("/healthz")
        before = client.get("/readyz")
        other = client.post("/chat", json={"message": "hi", "routing_profile": "other"})
        status = client.get("/status").json()
        assert child.stderr is not None
        waiting = child.stderr.readline()
        (place.directory / "told").write_text("key-of-the-provider\n")
        assert child.stdout is not None
        said = [line.rstrip("\n") for line in iter(child.stdout.readline, "ready\n")]
        after = client.get("/readyz")

    assert (lives.status_code, before.status_code) == (200, 503)
    assert before.json()["error"]["message"] == "profile `default` is starting; calls wait for it"
    assert waiting.endswith("not ready yet: profile `default` is starting; calls wait for it\n")
    assert other.json()["text"] == "echo: hi"
    assert [backend["health"] for backend in status["backends"]] == ["starting", "ready"]
    assert any(line.startswith("profile ") and "default" in line for line in said)
    assert after.status_code == 200


def test_a_signal_ends_it_in_order(place: Place) -> None:
    """A daemon that is still starting ends with 0, says nothing of being ready, and keeps its log whole."""
    with starting(place) as (child, client):
        client.post("/chat", json={"message": "hi", "routing_profile": "other"})
        child.send_signal(signal.SIGTERM)
        out, err = child.communicate(timeout=PATIENCE)

    assert (child.returncode, out) == (0, "")
    assert all("not ready yet" in line for line in err.splitlines())  # a slow machine has it say so
    assert [record["status"] for record in records(place)] == ["ok"]


def test_a_default_profile_that_cannot_be_used_ends_it(place: Place) -> None:
    """With one message and code 1, although the doors were open."""
    with starting(place) as (child, _):
        (place.directory / "told").write_text("not a key\n")
        out, err = child.communicate(timeout=PATIENCE)

    assert (child.returncode, out) == (1, "")
    (said,) = (line for line in err.splitlines() if "not ready yet" not in line)
    assert "has a key that cannot be sent" in said
