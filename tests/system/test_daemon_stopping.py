"""The end of the grace, as callers see it: each is told what became of its call, in the dialect that it speaks."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.arawn.cli.place import PATIENCE, Place
from tests.fake_provider import FakeProvider, Fault, events, openai_chunk, stream_reply
from tests.system.daemons import Daemon, records, running
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture

pytestmark = pytest.mark.slow  # real processes

CONFIG = """
[llm]
backend = "custom"
dialect = "openai"
base_url = "{url}"
model = "fake-1"
max_concurrency = {workers}

[server]
listen = "127.0.0.1:0"
shutdown_grace_s = {grace}
"""
SILENT = stream_reply([Fault.STALL])
BEGUN = stream_reply([*events(openai_chunk(content="begun")), Fault.STALL])
SAID = [{"role": "user", "content": "hi"}]
ASKED: dict[str, dict[str, Any]] = {
    "/chat": {"message": "hi"},
    "/v1/chat/completions": {"model": "auto", "messages": SAID},
    "/v1/messages": {"model": "auto", "max_tokens": 9, "messages": SAID},
    "/v1/responses": {"model": "auto", "input": "hi"},
}
Ask = tuple[str, dict[str, Any]]


def every(**more: object) -> list[Ask]:
    """Return a call of every dialect, and one in a workstream."""
    asks = [(path, {**body, **more}) for path, body in ASKED.items()]
    return [*asks, ("/chat", {"message": "hi", "workstream": "w", **more})]


@contextmanager
def in_flight(daemon: Daemon, provider: FakeProvider, asks: list[Ask]) -> Iterator[list[Future[httpx.Response]]]:
    """Make calls until the provider has received all that it will get, and yield their futures."""

    def ask(path: str, body: dict[str, Any]) -> httpx.Response:
        return httpx.post(daemon.url + path, json=body, headers={"x-api-key": daemon.token}, timeout=PATIENCE)

    with ThreadPoolExecutor(len(asks)) as pool:
        answers = [pool.submit(ask, *one) for one in asks]
        deadline = time.monotonic() + PATIENCE
        while len(provider.received) < len(asks):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.2)  # the first words of a stream are passed on
        yield answers


def ended(place: Place, provider: FakeProvider, asks: list[Ask], *, grace: float = 0.3) -> list[httpx.Response]:
    """Return what each call was answered by a daemon that was stopped meanwhile."""
    signals = [signal.SIGTERM] if grace < 60 else [signal.SIGTERM, signal.SIGTERM]
    place.configure(CONFIG.format(url=provider.address, grace=grace, workers=16))
    with running(place) as daemon, in_flight(daemon, provider, asks) as answers:
        began = time.monotonic()
        code = daemon.end(*signals)

        assert code == (0, "")
        assert time.monotonic() - began < 4
        return [answer.result() for answer in answers]


def kind(response: httpx.Response) -> str:
    error = response.json()["error"]
    return str(error.get("code") or error["type"])


@pytest.mark.parametrize("grace", [0.3, 600], ids=["expired", "hurried"])
def test_a_plain_call_is_answered_that_its_outcome_is_unknown(place: Place, grace: float) -> None:
    """With 500 in the envelope of its dialect; its record says that it was cancelled."""
    with FakeProvider(SILENT) as provider:
        answers = ended(place, provider, every(), grace=grace)

    assert [answer.status_code for answer in answers] == [500] * 5
    assert [kind(one) for one in answers] == [
        "outcome_unknown",
        "outcome_unknown",
        "api_error",
        "outcome_unknown",
        "outcome_unknown",
    ]
    assert [record["status"] for record in records(place)] == ["cancelled"] * 5


def test_a_stream_without_a_first_word_is_answered_with_a_status(place: Place) -> None:
    """Nothing was sent, so the error can have its own."""
    with FakeProvider(SILENT) as provider:
        answers = ended(place, provider, every(stream=True))

    assert [(answer.status_code, answer.headers["content-type"]) for answer in answers] == [
        (500, "application/json")
    ] * 5


def test_a_stream_under_way_ends_in_the_way_of_its_dialect(place: Place) -> None:
    """With an error, never as if it were whole; what had arrived is in the record."""
    with FakeProvider(BEGUN) as provider:
        chat, completion, message, response, workstream = ended(place, provider, every(stream=True))

    for native in (chat, workstream):
        assert native.text.rpartition("event: ")[2].startswith('error\ndata: {"error":{"type":"outcome_unknown"')
    *_, error, done = completion.text.strip().split("\n\n")
    assert (json.loads(error.removeprefix("data: "))["error"]["code"], done) == ("outcome_unknown", "data: [DONE]")
    last = message.text.strip().rpartition("\n\n")[2]
    assert last.startswith("event: error\n")
    assert json.loads(last.partition("data: ")[2])["request_id"] == message.headers["x-request-id"]
    assert response.text.rpartition("event: ")[2].startswith("response.failed\n")
    assert {record["status"] for record in records(place)} == {"cancelled"}


def test_a_call_that_still_waits_for_a_worker_may_be_sent_again(place: Place) -> None:
    """It is answered 503 `stopped`: the provider has not seen it."""
    with FakeProvider(SILENT) as provider:
        place.configure(CONFIG.format(url=provider.address, grace=0.3, workers=1))
        with running(place) as daemon, ThreadPoolExecutor(2) as pool:
            answers = [pool.submit(daemon.chat, f"message {number}") for number in range(2)]
            deadline = time.monotonic() + PATIENCE
            while not daemon_has_queued(daemon):
                assert time.monotonic() < deadline
            assert daemon.end(signal.SIGTERM) == (0, "")
            found = sorted((answer.result().status_code, kind(answer.result())) for answer in answers)

    assert found == [(500, "outcome_unknown"), (503, "stopped")]


def daemon_has_queued(daemon: Daemon) -> bool:
    (backend,) = httpx.get(f"{daemon.url}/backends", headers={"x-api-key": daemon.token}).json()
    return (backend["in_hand"], backend["queued"]) == (1, 1)
