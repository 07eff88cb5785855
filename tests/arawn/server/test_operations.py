"""The routes that only look, on a real runtime over a real socket, against what the commands show."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trio.lowlevel
import trio.testing

from arawn.errors import LogWriteFailed
from arawn.interactions.health import LogHealth
from arawn.interactions.reader import OnDamage
from arawn.running_backends import drain
from arawn.runtime_door import Runtime
from arawn.server.auth import Door
from arawn.server.log_door import LogDoor
from tests.runtimes import ECHO, configured, lines, running, scripted
from tests.serving import OPEN, app_of, serving


@asynccontextmanager
async def client_of(runtime: Runtime, door: Door = OPEN) -> AsyncIterator[httpx.AsyncClient]:
    app = app_of(runtime, door)
    async with serving(app) as served, httpx.AsyncClient(base_url=served.url) as client:
        yield client


@asynccontextmanager
async def served(directory: Path, *messages: str, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Serve a runtime that has been asked `messages`, each in a workstream of its own name."""
    async with running(configured(directory, **settings)) as runtime:
        for message in messages:
            await runtime.workstream(message).send(message)
        async with client_of(runtime) as client:
            yield client


async def test_the_backends_are_those_of_the_status(tmp_path: Path) -> None:
    """One array, equal to what `/status` says."""
    profiles = {"default": ECHO, "fast": ECHO}
    async with served(tmp_path, profiles=profiles) as client:
        listed, status = await client.get("/backends"), await client.get("/status")

    assert [one["profile"] for one in listed.json()] == ["default", "fast"]
    assert listed.json() == status.json()["backends"]


async def test_feedback_takes_the_names_that_the_log_takes(tmp_path: Path) -> None:
    """An id, the beginning of one, or `latest`; what no call has is not found."""
    async with running(configured(tmp_path)) as runtime:
        reply = await runtime.workstream("w").send("hi")
        app = app_of(runtime)
        async with serving(app) as served, httpx.AsyncClient(base_url=served.url) as client:
            latest = await client.post("/interactions/latest/feedback", json={"label": "good"})
            unknown = await client.post("/interactions/ffff/feedback", json={"label": "good"})

    assert (latest.status_code, latest.json()["interaction_id"]) == (201, reply.interaction_id)
    assert (unknown.status_code, unknown.json()["error"]["type"]) == (404, "not_found")


async def test_the_latest_call_is_not_judged_while_a_newer_may_wait(tmp_path: Path) -> None:
    """The judgement would be of the call before; by its id that one can be judged."""
    async with running(configured(tmp_path)) as runtime:
        reply = await runtime.workstream("w").send("hi")
        assert runtime.log_path is not None
        log = LogDoor(runtime.log_path, lambda: LogHealth("degraded", "the disk is full"), lambda: True)

        with pytest.raises(LogWriteFailed, match="may not be written yet: the log is degraded"):
            await log.id_of("latest")
        assert await log.id_of(reply.interaction_id or "") == reply.interaction_id


async def test_an_old_backend_is_counted_until_it_is_done(tmp_path: Path) -> None:
    """After a reload a call that it still has is in the status and in the metrics, under the profile's name."""
    slow = {"default": scripted(tmp_path, [{"delay_s": 0.5}], model="old")}
    config = configured(tmp_path, slow)
    async with running(config) as runtime, client_of(runtime) as client, trio.open_nursery() as nursery:
        nursery.start_soon(runtime.workstream("w").send, "hi")
        while not runtime.status().backends[0].in_hand:  # noqa: ASYNC110
            await trio.lowlevel.checkpoint()
        followed = await runtime.follow(configured(tmp_path, {"default": ECHO}))
        for ref in followed.retired:
            nursery.start_soon(drain, ref)
        status = (await client.get("/status")).json()
        metrics = (await client.get("/metrics")).text

    assert [(one["profile"], one["in_hand"]) for one in status["backends"]] == [("default", 0)]
    assert [(one["profile"], one["model"], one["in_hand"]) for one in status["draining"]] == [("default", "old", 1)]
    assert 'arawn_calls_in_flight{profile="default"} 1\n' in metrics


async def test_the_metrics_are_text_for_prometheus(tmp_path: Path) -> None:
    """With the content type that says so, and behind the token like everything that tells something."""
    async with running(configured(tmp_path)) as runtime, client_of(runtime, Door(token="t", hosts=())) as client:
        refused = await client.get("/metrics")
        answered = await client.get("/metrics", headers={"x-api-key": "t"})

    assert (refused.status_code, answered.status_code) == (401, 200)
    assert answered.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'arawn_queue_depth{profile="default"} 0\n' in answered.text


async def test_interactions_are_listed_the_newest_last(tmp_path: Path) -> None:
    """Without their bodies."""
    async with served(tmp_path, "one", "two", "three") as client:
        listed = await client.get("/interactions")
        last = await client.get("/interactions", params={"limit": "2"})

    assert [one["workstream"] for one in listed.json()] == ["one", "two", "three"]
    assert [one["workstream"] for one in last.json()] == ["two", "three"]
    assert "messages" not in listed.json()[0]


async def test_the_list_has_twenty_interactions_unless_more_are_asked_for(tmp_path: Path) -> None:
    """The newest ones."""
    async with served(tmp_path, *map(str, range(22))) as client:
        listed = await client.get("/interactions")
        more = await client.get("/interactions", params={"limit": "1000"})

    assert [one["workstream"] for one in listed.json()] == [str(number) for number in range(2, 22)]
    assert len(more.json()) == 22


async def test_two_reads_of_the_log_go_on_at_a_time(tmp_path: Path) -> None:
    """A third waits until one of them has ended."""
    log, reading, go_on = LogDoor(tmp_path, LogHealth, lambda: False), threading.Semaphore(0), threading.Event()

    def look(_: OnDamage) -> bool:
        reading.release()
        return go_on.wait(5)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(log.read, look)
        two = [await trio.to_thread.run_sync(reading.acquire, True, 5) for _ in range(2)]
        await trio.testing.wait_all_tasks_blocked(0.05)
        third = reading.acquire(blocking=False)
        go_on.set()

    assert (two, third) == ([True, True], False)
    assert reading.acquire(blocking=False)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"workstream": "two"}, 1),
        ({"profile": "default", "status": "ok"}, 3),
        ({"profile": "nope"}, 0),
        ({"status": "error"}, 0),
        ({"has_error": "true"}, 0),
        ({"since": "1h", "tz": "UTC"}, 3),
        ({"since": "1h", "tz": "+02:00"}, 3),
        ({"until": "1h"}, 0),
        ({"tag": "team=x"}, 0),
        ({"min_duration": "3600000"}, 0),
    ],
)
async def test_filters_narrow_the_list(tmp_path: Path, query: dict[str, str], found: int) -> None:
    """They are the options of `arawn interactions list`."""
    async with served(tmp_path, "one", "two", "three") as client:
        listed = await client.get("/interactions", params=query)

    assert (listed.status_code, len(listed.json())) == (200, found)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("profil=x", "did you mean `profile`?"),
        ("limit=0", "from 1 to 1000"),
        ("limit=1001", "from 1 to 1000"),
        ("limit=%C2%B2", "from 1 to 1000"),
        ("status=fine", "`ok`, `error`, `cancelled`, `partial`"),
        ("has_error=maybe", "`true`, `false`"),
        ("tag=x", "`tag` is `x`; it must be `key=value`"),
        ("profile=a&profile=b", "given twice"),
        ("since=soon", "`since` is `soon`, which is no time; write it as `2026-01-28`"),
        ("tz=Nowhere/Land", "Europe/Berlin"),
        ("tz=../../etc/passwd", "Europe/Berlin"),
        ("workstream=%FF", "the query of this request"),
    ],
)
async def test_a_wrong_filter_is_named(tmp_path: Path, query: str, said: str) -> None:
    """With what would be right; nothing is guessed."""
    async with served(tmp_path) as client:
        refused = await client.get(f"/interactions?{query}")

    assert refused.status_code == 400
    assert said in refused.json()["error"]["message"]


async def test_one_interaction_is_shown_whole(tmp_path: Path) -> None:
    """By its id, by the beginning of it, or as the latest: the line of the log, bodies and all."""
    async with served(tmp_path, "one", "two") as client:
        (one, two) = (await client.get("/interactions")).json()
        shown = [(await client.get(f"/interactions/{name}")).json() for name in (one["id"], two["id"][:-1], "latest")]

    assert [value["workstream"] for value in shown] == ["one", "two", "two"]
    line = next(line for line in lines(tmp_path) if line.get("id") == one["id"])
    assert shown[0] == {**line, "feedback": []}


@pytest.mark.parametrize("name", ["0190-nope", "latest"])
async def test_an_interaction_that_is_not_there_is_a_404(tmp_path: Path, name: str) -> None:
    """With a word that says so."""
    async with served(tmp_path) as client:
        missing = await client.get(f"/interactions/{name}")

    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "not_found")


async def test_without_a_log_there_is_nothing_to_list(tmp_path: Path) -> None:
    """And the answer says how to have one."""
    async with served(tmp_path, enabled=False) as client:
        refused = await client.get("/interactions")

    assert refused.status_code == 400
    assert "logging.interactions.enabled" in refused.json()["error"]["message"]


async def test_a_damaged_line_is_counted_and_skipped(tmp_path: Path) -> None:
    """In a header: the list is what can be read."""
    async with served(tmp_path, "one") as client:
        (tmp_path / "log" / "interactions-2020-01-01.jsonl").write_text("{nonsense\n")
        listed = await client.get("/interactions")

    assert [one["workstream"] for one in listed.json()] == ["one"]
    assert listed.headers["x-arawn-log-skipped"] == "1"


async def test_a_record_with_a_damaged_byte_is_refused(tmp_path: Path) -> None:
    """Also where it stands inside a message: what is sent as JSON would be none, and no client could read it."""
    async with served(tmp_path, "one", "two") as client:
        (one, two) = (await client.get("/interactions")).json()
        (file,) = (tmp_path / "log").glob("*.jsonl")
        file.write_bytes(file.read_bytes().replace(b'"text":"two"', b'"text":"t\xffo"'))
        damaged, whole = [await client.get(f"/interactions/{call['id']}") for call in (two, one)]

    assert (damaged.status_code, damaged.json()["error"]["type"]) == (500, "log_unreadable")
    assert "can't decode byte 0xff" in damaged.json()["error"]["message"]
    assert (whole.status_code, whole.json()["workstream"]) == (200, "one")


async def test_a_read_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is told how to narrow it."""
    monkeypatch.setattr("arawn.server.log_door._READ_SECONDS", 0.0)
    async with served(tmp_path, "one") as client:
        refused = await client.get("/interactions")

    assert (refused.status_code, refused.json()["error"]["type"]) == (503, "log_too_long")
