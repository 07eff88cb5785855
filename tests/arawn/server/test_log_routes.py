"""The search and the counts of the log over HTTP, and `fields`: bounds, refusals, clients that leave meanwhile."""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path, PosixPath
from typing import Any

import httpx
import pytest
import trio
from jsonschema import Draft202012Validator

from arawn.wire.asgi import Event, Receive, Scope, Send
from tests.memory_runtime import MemoryRuntime
from tests.runtimes import configured, running
from tests.serving import app_of, serving

PAGE = Path("docs/http-api.md").read_text("utf-8")
EXAMPLES = re.findall(r'^curl "?\$URL(/interactions[^" ]*)"? -H "x-api-key: \$TOKEN"$', PAGE, re.MULTILINE)
SEARCH, STATS = "/interactions/search", "/interactions/stats"


@asynccontextmanager
async def served(directory: Path, *messages: str, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Serve a runtime that has been asked `messages`, each in a workstream of its own name."""
    async with running(configured(directory, **settings)) as runtime:
        for message in messages:
            await runtime.workstream(message).send(message)
        async with serving(app_of(runtime)) as at, httpx.AsyncClient(base_url=at.url) as client:
            yield client


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (f"{STATS}?by=colour", "calls cannot be grouped by `colour`; give some of day, profile"),
        (f"{STATS}?by=", "calls cannot be grouped by ``"),
        (f"{STATS}?fields=cost", "there is no figure `cost`; the figures are calls"),
        (f"{STATS}?limit=10001", "from 1 to 10000"),
        (f"{STATS}?bye=day", "there is no filter `bye` (did you mean `by`?); accepted: `date`"),
        (f"{STATS}?by=day&by=model", "`by` is given twice"),
        (f"{STATS}?q=x", "there is no filter `q`"),
        (f"{SEARCH}?q=", "nothing to search for"),
        (f"{SEARCH}?q=a&q=a", "`q` is given twice"),
        (f"{SEARCH}?q=x&ignore_case=yes", "`ignore_case` is `yes`; it must be one of `true`, `false`"),
        (f"{SEARCH}?ignore_case=true", "needs a text to search for"),
        (f"{SEARCH}?q=x&limit=1001", "from 1 to 1000"),
        (f"{SEARCH}?q=x&fields=colour", "no record has a field `colour`"),
        (f"{SEARCH}?q=x&regex=true", "there is no filter `regex`"),
        ("/interactions?fields=id,,x", "no record has a field ``"),
        ("/interactions?tag=job=1&tag=job=2", "the tag `job` is asked for twice"),
        ("/interactions?by=day", "there is no filter `by`"),
        ("/interactions/latest?foo=1", "`foo` cannot be asked of one call; accepted: `fields`"),
        ("/interactions/latest?fields=colour", "no record has a field `colour`"),
        ("/interactions/latest?fields=id&fields=id", "`fields` is given twice"),
    ],
)
async def test_a_wrong_question_is_named(tmp_path: Path, question: str, said: str) -> None:
    """In the usual envelope, with what would be right."""
    async with served(tmp_path) as client:
        refused = await client.get(question)

    error = refused.json()["error"]
    assert (refused.status_code, error["type"]) == (400, "bad_input")
    assert said in error["message"]


async def test_fields_of_one_call(tmp_path: Path) -> None:
    """As of many, and what was said of it afterwards, too."""
    async with served(tmp_path, "tea") as client:
        await client.post("/interactions/latest/feedback", json={"label": "good"})
        found = await client.get("/interactions/latest", params={"fields": "workstream,feedback.label,messages"})

    assert found.json() == {
        "workstream": "tea",
        "feedback.label": ["good"],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "tea"}]}],
    }


@pytest.mark.parametrize("path", ["/interactions", "/interactions/latest"])
async def test_of_a_log_that_is_off_nothing_can_be_asked(tmp_path: Path, path: str) -> None:
    """That is no matter of the call which is asked for: it is not said to be missing."""
    async with served(tmp_path, enabled=False) as client:
        refused = await client.get(path)

    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "bad_input")


@pytest.mark.parametrize("enabled", [True, False])
async def test_where_nothing_was_logged_nothing_is_found(tmp_path: Path, enabled: bool) -> None:
    """A log to come is empty; one that is off is refused, saying how to have one."""
    async with served(tmp_path, enabled=enabled) as client:
        found, counted = await client.get(SEARCH, params={"q": "x"}), await client.get(STATS)

    if enabled:
        assert (found.json(), counted.json()["rows"], counted.json()["total"]["calls"]) == ([], [], 0)
    else:
        assert [one.status_code for one in (found, counted)] == [400, 400]
        assert "logging.interactions.enabled" in found.json()["error"]["message"]


async def test_twenty_hits_are_found_unless_more_are_asked_for(tmp_path: Path) -> None:
    """The newest, the newest last."""
    async with served(tmp_path, *(f"word {number}" for number in range(22))) as client:
        some = await client.get(SEARCH, params={"q": "word", "fields": "workstream"})
        more = await client.get(SEARCH, params={"q": "word", "limit": "1000"})

    assert [hit["workstream"] for hit in some.json()] == [f"word {number}" for number in range(2, 22)]
    assert len(more.json()) == 22


async def test_an_answer_has_a_largest_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question for more is refused, whatever the calls hold: the daemon's memory is for calls."""
    monkeypatch.setattr("arawn.server.log_door._ANSWER_BYTES", 600)
    async with served(tmp_path, *(f"{number}{'x' * 150}" for number in range(3))) as client:
        whole = [await client.get(path) for path in (f"{SEARCH}?fields=messages", "/interactions?fields=messages")]
        fewer = await client.get(f"{SEARCH}?fields=messages&limit=1")

    assert [(one.status_code, one.json()["error"]["type"]) for one in whole] == [(400, "bad_input")] * 2
    assert "ask for fewer with `limit` and the filters" in whole[0].json()["error"]["message"]
    assert fewer.status_code == 200


async def test_counts_have_a_largest_number_of_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where few of them are asked for: all are held until the largest are known."""
    monkeypatch.setattr("arawn.server.interactions._MOST_GROUPS", 2)
    async with served(tmp_path, "one", "two", "three") as client:
        many = await client.get(STATS, params={"by": "workstream", "limit": "1"})
        fewer = await client.get(STATS, params={"by": "profile"})

    assert many.status_code == 400
    assert "by workstream there are more than 2 groups; group by less" in many.json()["error"]["message"]
    assert fewer.json()["rows"][0]["calls"] == 3


async def test_what_a_search_could_not_read_is_counted(tmp_path: Path) -> None:
    """A damaged line, and a piece that was set aside, in which no call can be found."""
    async with served(tmp_path, "one") as client:
        (tmp_path / "log" / "interactions-2020-01-01.jsonl").write_text('{"one": nonsense\n')
        (tmp_path / "log" / "interactions-2020-01-02.jsonl.damaged-20200103T000000Z").write_text("one\n")
        found, every = await client.get(f"{SEARCH}?q=one"), await client.get(SEARCH)

    assert len(found.json()) == len(every.json()) == 1
    assert (found.headers["x-arawn-log-skipped"], every.headers["x-arawn-log-skipped"]) == ("2", "1")


async def test_messages_that_cannot_be_read_are_missing_and_counted(tmp_path: Path) -> None:
    """One damaged call hides no other, as in the command."""
    async with served(tmp_path, "one", "two") as client:
        await client.get("/interactions")
        (file,) = (tmp_path / "log").glob("*.jsonl")
        file.write_bytes(file.read_bytes().replace(b'"text":"two"', b'"text":"t\xffo"'))
        listed = await client.get("/interactions?fields=workstream,messages")

    assert [(one["workstream"], one["messages"] is None) for one in listed.json()] == [("one", False), ("two", True)]
    assert listed.headers["x-arawn-log-skipped"] == "1"


@pytest.mark.parametrize("question", EXAMPLES)
async def test_every_question_of_the_page_is_answered(tmp_path: Path, question: str) -> None:
    """As it stands there, with an answer that the document describes."""
    async with served(tmp_path, "harbour") as client:
        answered = await client.get(question)
        described = (await client.get("/openapi.json")).json()

    path = question.partition("?")[0].replace("latest", "{id}")
    answer = described["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answered.status_code == 200
    Draft202012Validator({**answer, "components": described["components"]}).validate(answered.json())


def test_the_page_asks_for_all_there_is() -> None:
    """Each route that reads the log has an example."""
    assert {question.partition("?")[0] for question in EXAMPLES} == {
        "/interactions",
        "/interactions/latest",
        SEARCH,
        STATS,
    }


class Awaited(PosixPath):
    """The directory of a log that is not looked at before the test says so."""

    begun = threading.Event()
    go_on = threading.Event()

    def iterdir(self) -> Any:
        self.begun.set()
        assert self.go_on.wait(5)
        return super().iterdir()


@pytest.mark.parametrize("path", ["/interactions", SEARCH, STATS, "/interactions/latest"])
async def test_a_client_that_leaves_ends_the_read(tmp_path: Path, path: str) -> None:
    """The log is not read on for nobody, and who waits for the reader has it."""
    (tmp_path / "interactions-2026-01-28.jsonl").write_text("{}\n")
    Awaited.begun, Awaited.go_on = threading.Event(), threading.Event()
    runtime, sent, ended = MemoryRuntime(), list[Event](), trio.Event()
    runtime.log_path = Awaited(tmp_path)
    app = app_of(runtime)

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def seen(event: Event) -> None:
            sent.append(event)
            await send(event)

        try:
            await app(scope, receive, seen)
        finally:
            ended.set()

    async with serving(watched) as at:
        async with trio.open_nursery() as nursery, httpx.AsyncClient(base_url=at.url) as client:
            nursery.start_soon(client.get, path)
            await trio.to_thread.run_sync(Awaited.begun.wait, 5)
            nursery.cancel_scope.cancel()
        with trio.move_on_after(0.05):
            await ended.wait()
        Awaited.go_on.set()
        await ended.wait()

    assert sent == []
