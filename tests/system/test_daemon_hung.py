"""A daemon that takes connections and says nothing: it is named, asked to end, and never killed."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.arawn.cli.place import PATIENCE, SCRIPTED, Place
from tests.fake_provider import events, openai_chunk
from tests.system.daemons import Daemon, running
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture

SLOW = """
[llm]
backend = "custom"
dialect = "openai"
base_url = "http://127.0.0.1:{port}"
model = "m"
timeouts = {{ idle_s = 1 }}

[server]
listen = "127.0.0.1:0"
"""
pytestmark = pytest.mark.slow  # real processes, and limits of several seconds


@contextmanager
def suspended(place: Place) -> Iterator[Daemon]:
    place.configure(SCRIPTED)
    with running(place) as daemon:
        daemon.child.send_signal(signal.SIGSTOP)
        yield daemon


def test_a_stop_asks_it_to_end_and_says_that_it_has_not(place: Place) -> None:
    """SIGTERM waits for it: told to go on, it ends in order."""
    with suspended(place) as daemon:
        stop = place.run("stop")
        waited = daemon.child.poll()
        daemon.child.send_signal(signal.SIGCONT)
        code = daemon.child.wait(PATIENCE)

    pid = daemon.child.pid
    assert (stop.returncode, waited, code) == (1, None, 0)
    assert stop.stderr.startswith(f"arawn: the daemon, process {pid}, does not answer, was asked to end (SIGTERM)")
    assert "has not ended within 10 s" in stop.stderr
    assert f"`kill -CONT {pid}`" in stop.stderr
    assert f"`kill -KILL {pid}`" in stop.stderr


def test_a_stop_ends_well_if_it_goes_on_in_time(place: Place) -> None:
    """Then it is as with any other daemon."""
    with suspended(place) as daemon:
        stop = place.popen("stop")
        time.sleep(7.0)  # it has given up to be answered, and has asked
        daemon.child.send_signal(signal.SIGCONT)
        _, said = stop.communicate(timeout=PATIENCE)

        assert (stop.returncode, daemon.child.wait(PATIENCE)) == (0, 0)
        assert said == f"process {daemon.child.pid} has ended\n"


def test_what_a_provider_says_meanwhile_is_read_when_it_goes_on(place: Place) -> None:
    """Its deadlines stood still with it, so no call fails for a silence that was its own."""
    with socket.create_server(("127.0.0.1", 0)) as door, ThreadPoolExecutor() as threads:
        door.settimeout(PATIENCE)
        place.configure(SLOW.format(port=door.getsockname()[1]))
        with running(place) as daemon:
            answer = threads.submit(daemon.chat, "hi", stream=True)
            provider, _ = door.accept()
            with provider:
                provider.recv(65536)
                provider.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
                provider.sendall(b"".join(events(openai_chunk(content="one "))))
                time.sleep(0.3)  # it has read that
                daemon.child.send_signal(signal.SIGSTOP)
                provider.sendall(b"".join(events(openai_chunk(content="two"), openai_chunk("stop"), "[DONE]")))
                time.sleep(2.5)
                daemon.child.send_signal(signal.SIGCONT)
                said = answer.result(PATIENCE).text

    assert said.rpartition("event: ")[2].startswith("completed\n")
    assert '"text":"one two"' in said
