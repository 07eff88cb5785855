"""SIGKILL in a loop under load: what was acknowledged is in the log, and what was bound stays bound."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Iterator

import httpx
import msgspec
import pytest

from tests.arawn.cli.place import Place
from tests.system.daemons import Daemon, running
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture

pytestmark = pytest.mark.slow  # real processes

CONFIG = """
[llm]
backend = "scripted"

[llm_profiles.other]
backend = "scripted"

[server]
listen = "127.0.0.1:0"
"""
ROUNDS = int(os.environ.get("TEST_KILLS", "20"))  # CI's long job takes 200
CLIENTS = 4


class _Line(msgspec.Struct):
    id: str = ""


def _load(daemon: Daemon, number: int, answered: list[str], over: threading.Event) -> None:
    """Call until the daemon is gone; note the record of each answer, and see that the binding holds."""
    headers = {"x-api-key": daemon.token}
    with httpx.Client(base_url=daemon.url, headers=headers, timeout=10) as client:
        while not over.is_set():
            asked = {"message": "hello " * 20, "workstream": "bound"} if number == 0 else {"message": "hi"}
            try:
                reply = client.post("/chat", json=asked).json()
            except (httpx.HTTPError, json.JSONDecodeError):
                return  # killed in the middle of it
            answered.append(reply["interaction_id"])
            assert reply["profile"] == ("other" if number == 0 else "default")


def _killed_under_load(daemon: Daemon, answered: list[str], seconds: float) -> None:
    over = threading.Event()
    clients = [threading.Thread(target=_load, args=(daemon, number, answered, over)) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    time.sleep(seconds)
    daemon.child.kill()
    over.set()
    for client in clients:
        client.join()


def _ids(place: Place) -> Iterator[str]:
    """Yield the ids of all records, one line in memory at a time: each of `bound` holds all that was said there."""
    for path in place.log.glob("*.jsonl"):
        with path.open("rb") as lines:
            yield from (found for line in lines if (found := msgspec.json.decode(line, type=_Line).id))


@pytest.mark.slow
def test_no_kill_takes_a_record_that_was_acknowledged(place: Place) -> None:
    """After every kill the daemon starts again, the log has every answer, each line of it is whole."""
    place.configure(CONFIG)
    with running(place):
        assert place.run("workstreams", "bind", "bound", "other").returncode == 0
    answered: list[str] = []
    chance = random.Random(7)
    for _ in range(ROUNDS):
        with running(place) as daemon:
            _killed_under_load(daemon, answered, chance.uniform(0.05, 0.6))

    with running(place):
        shown = json.loads(place.run("workstreams", "show", "bound", "--json").stdout)
        verified = place.run("interactions", "verify")
    written = set(_ids(place))
    assert len(answered) > ROUNDS
    assert set(answered) <= written
    assert shown["profile"] == "other"
    assert verified.returncode == 0, verified.stdout
