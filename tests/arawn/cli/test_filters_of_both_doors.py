"""What `arawn interactions list`, `search` and `stats` can ask of the log, the routes can, and get the same answer."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import trio

from arawn.cli.interactions import list_interactions
from arawn.errors import RateLimited
from arawn.interactions.filters import FILTERS
from arawn.interactions.opening import open_day_log
from arawn.interactions.record import FeedbackLine, timestamp_text
from arawn.messages import CallContext, CompletionResponse, ToolUse
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import Place
from tests.arawn.interactions.samples import CONFIG, NOON, Clock, record
from tests.memory_runtime import MemoryRuntime
from tests.serving import app_of, serving

NOT_FILTERS = {"fields", "as_json", "quiet", "config_file"}  # how calls are shown, not which
ASKED = {
    "date": [("date", "2026-01-29")],
    "since": [("since", "2026-01-29T00:00Z")],
    "until": [("until", "2026-01-28")],
    "tz": [("date", "2026-01-29"), ("tz", "+14:00")],
    "workstream": [("workstream", "w")],
    "session": [("session", "s-2")],
    "call": [("call", "CALL-2")],
    "profile": [("profile", "big")],
    "model": [("model", "gpt")],
    "status": [("status", "error")],
    "tool": [("tool", "fetch")],
    "tag": [("tag", "team=a"), ("tag", "=empty key")],
    "min_duration": [("min_duration", "5000")],
    "has_error": [("has_error", "true")],
    "label": [("label", "good"), ("label", "fine")],
    "limit": [("limit", "1")],
}
WRONG = {
    "date": "someday",
    "since": "soon",
    "until": "9999-12-31",
    "tz": "Nowhere/Land",
    "status": "fine",
    "tag": "team",
    "min_duration": "-1",
    "limit": "0",
}

Query = list[tuple[str, str]]


@pytest.fixture
def log(place: Place) -> Path:
    """Three calls; the second one is unlike the others in everything that can be asked for, and was judged."""
    special = record(
        2,
        NOON + timedelta(days=1),
        context=CallContext(workstream="w", session_id="s-2", tags={"team": "a", "": "empty key"}),
        profile="big",
        status="error",
        duration_ms=5_000.0,
        response=CompletionResponse(content=(ToolUse("t1", "fetch"),), model="gpt"),
        error=RateLimited("no"),
    )
    judged = [
        FeedbackLine(interaction_id=one.id, label=label, timestamp=timestamp_text(NOON))
        for one, label in ((record(1), "good"), (special, "bad"), (record(1), "bad"), (special, "good"))
    ]
    with closing(open_day_log(place.log, CONFIG, clock=Clock())) as opened:
        opened.append([record(1), special, record(3, NOON + timedelta(days=2)), *judged])
    return place.log


def over_http(log: Path, query: Query, path: str = "/interactions") -> httpx.Response:
    async def ask() -> httpx.Response:
        runtime = MemoryRuntime()
        runtime.log_path = log
        async with serving(app_of(runtime)) as served, httpx.AsyncClient(base_url=served.url) as client:
            return await client.get(path, params=urlencode(query))

    return trio.run(ask)


def options_of(query: Query) -> list[str]:
    flags = [(f"--{name.replace('_', '-')}", value) for name, value in query]
    return [flag if flag == "--has-error" else f"{flag}={value}" for flag, value in flags]


def test_both_doors_have_the_same_filters() -> None:
    """An option that chooses calls is a name in a query, and is tried below."""
    options = {parameter.name for parameter in list_interactions.params} - NOT_FILTERS

    assert options == set(FILTERS) == set(ASKED)


@pytest.mark.parametrize("name", ASKED)
def test_both_doors_give_the_same_answer(log: Path, command: Command, name: str) -> None:
    """To each filter, which chooses some of the calls and not all."""
    listed = command("interactions", "list", "--json", *options_of(ASKED[name]))
    answered = over_http(log, ASKED[name])

    calls: list[dict[str, Any]] = answered.json()
    assert (listed.code, answered.status_code) == (0, 200)
    assert json.loads(listed.out) == calls
    assert 0 < len(calls) < 3


def test_all_filters_together_are_one_question(log: Path, command: Command) -> None:
    """Each holds beside the others."""
    query = [pair for name in ASKED if name not in ("date", "tz", "since", "until") for pair in ASKED[name]]
    query.append(("since", "2026-01-29"))

    listed = command("interactions", "list", "--json", *options_of(query))

    assert [call["call_id"] for call in json.loads(listed.out)] == ["call-2"]
    assert json.loads(listed.out) == over_http(log, query).json()


@pytest.mark.parametrize("name", WRONG)
def test_both_doors_refuse_the_same_values(log: Path, command: Command, name: str) -> None:
    """The filter is named, and what was found; wrong use in a shell is a 400 over HTTP."""
    query = [(name, WRONG[name])]
    listed = command("interactions", "list", *options_of(query))
    refused = over_http(log, query)

    said = refused.json()["error"]["message"]
    assert (listed.code, refused.status_code) == (2, 400)
    assert WRONG[name] in said
    assert name.replace("tz", "time zone") in said
    assert WRONG[name] in listed.err
    assert said in listed.err or f"'--{name.replace('_', '-')}'" in listed.err  # click has looked at it before


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("shown", ["search", "stats"])
def test_search_and_stats_have_these_filters_too(log: Path, command: Command, shown: str, name: str) -> None:
    """Each narrows what is found or counted, through both doors alike."""
    grouped = [("by", "profile")] if shown == "stats" else []
    printed = command("interactions", shown, "--json", *options_of([*grouped, *ASKED[name]]))
    answered = over_http(log, [*grouped, *ASKED[name]], f"/interactions/{shown}")

    assert (printed.code, answered.status_code) == (0, 200)
    assert in_json(printed.out, shown) == answered.json()
    assert answered.json() != over_http(log, grouped, f"/interactions/{shown}").json()


@pytest.mark.parametrize(
    ("shown", "options", "query"),
    [
        ("search", ["question"], [("q", "question")]),
        ("search", ["QUESTION 2", "-i"], [("q", "QUESTION 2"), ("ignore_case", "true")]),
        ("search", ["QUESTION"], [("q", "QUESTION"), ("ignore_case", "false")]),
        ("search", ["fetch", "-n2"], [("q", "fetch"), ("limit", "2")]),
        ("search", ["quest", "--fields=id,messages,tags.team"], [("q", "quest"), ("fields", "id,messages,tags.team")]),
        ("search", ["--fields=profile"], [("fields", "profile")]),
        ("stats", ["--by=profile,status"], [("by", "profile,status")]),
        ("stats", ["--by=tool"], [("by", "tool")]),
        ("stats", ["--by=day", "--tz=+14:00"], [("by", "day"), ("tz", "+14:00")]),
        ("stats", ["--fields=calls,duration_ms.p95"], [("fields", "calls,duration_ms.p95")]),
        ("list", ["--fields=id,tool_calls.tool_name,messages"], [("fields", "id,tool_calls.tool_name,messages")]),
    ],
    ids=str,
)
def test_what_is_asked_beside_filters_is_answered_alike(
    log: Path, command: Command, shown: str, options: list[str], query: Query
) -> None:
    """The text, what calls are grouped by, the fields: the same hits, figures and values."""
    path = "/interactions" if shown == "list" else f"/interactions/{shown}"
    printed, answered = command("interactions", shown, "--json", *options), over_http(log, query, path)

    assert (printed.code, answered.status_code) == (0, 200)
    assert in_json(printed.out, shown) == answered.json()


def in_json(printed: str, shown: str) -> Any:
    """Return what a command has printed; a search prints each hit as a line."""
    return [json.loads(line) for line in printed.splitlines()] if shown == "search" else json.loads(printed)
