"""`/workstreams` over a real socket, on a real runtime."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio

from arawn.config.schema import Config, InteractionLogConfig, LoggingConfig, Profile, WorkstreamsConfig
from arawn.runtime import start_runtime
from arawn.runtime_door import Runtime
from arawn.workstreams import store
from tests.runtimes import scripted
from tests.serving import app_of, serving


@asynccontextmanager
async def serving_in(
    directory: Path, default: Profile | None = None
) -> AsyncIterator[tuple[httpx.AsyncClient, Runtime]]:
    """Serve a runtime whose files are in `directory`, and yield a client of it."""
    config = Config(
        profiles={"default": default or Profile(backend="scripted"), "fast": Profile(backend="scripted")},
        workstreams=WorkstreamsConfig(database=str(directory / "workstreams.db")),
        logging=LoggingConfig(InteractionLogConfig(enabled=False)),
    )
    async with start_runtime(config, {}) as runtime:
        app = app_of(runtime)
        async with serving(app) as served, httpx.AsyncClient(base_url=served.url) as client:
            yield client, runtime


async def test_a_workstream_is_made_shown_and_listed(tmp_path: Path) -> None:
    """The answer to the making is the workstream as it is stored; odd names travel percent-encoded."""
    async with serving_in(tmp_path) as (client, _):
        made = await client.post("/workstreams", json={"name": "a b?é", "profile": "fast", "tags": {"k": "v"}})
        shown = await client.get("/workstreams/a%20b%3F%C3%A9")
        listed = await client.get("/workstreams")

    assert (made.status_code, shown.status_code) == (201, 200)
    assert made.json() == shown.json()
    assert (shown.json()["name"], shown.json()["profile"], shown.json()["tags"]) == ("a b?é", "fast", {"k": "v"})
    assert [one["name"] for one in listed.json()] == ["a b?é"]


async def test_a_workstream_in_its_first_call_is_deleted_after_it(tmp_path: Path) -> None:
    """It is not stored yet, and there all the same: nothing of it is left behind."""
    async with serving_in(tmp_path, scripted(tmp_path, [{"text": "a", "delay_s": 0.1}])) as (client, runtime):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(runtime.workstream("new").send, "hi")
            await trio.testing.wait_all_tasks_blocked()
            removed = await client.delete("/workstreams/new")
        listed = await client.get("/workstreams")

    assert (removed.status_code, removed.json()) == (200, {"removed": "new"})
    assert listed.json() == []


async def test_the_list_comes_in_pages(tmp_path: Path) -> None:
    """Each one begins behind the last name of the one before; what is made or deleted meanwhile shifts no page."""
    names = ["B", "a", "b c", "zé", "é", "\U0001f600"]
    async with serving_in(tmp_path) as (client, _):
        for name in reversed(names):
            await client.post("/workstreams", json={"name": name})
        page = (await client.get("/workstreams", params={"limit": 2})).json()
        first = [one["name"] for one in page]
        await client.delete("/workstreams/a")
        await client.post("/workstreams", json={"name": "A"})
        found = list(first)
        while page:
            page = (await client.get("/workstreams", params={"limit": 2, "after": found[-1]})).json()
            found += [one["name"] for one in page]
        rest = (await client.get("/workstreams", params={"after": "gone"})).json()

    assert (first, found) == (names[:2], names)
    assert [one["name"] for one in rest] == names[3:]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("limit=0", "`limit` is `0`; it must be a whole number from 1 to 1000"),
        ("limit=1001", "it must be a whole number from 1 to 1000"),
        ("after=a&after=b", "`after` is given twice"),
        ("archived=true", "no filter `archived`; it takes `limit` or `after`"),
    ],
)
async def test_a_wrong_page_is_refused(tmp_path: Path, query: str, said: str) -> None:
    """Nothing that is asked is passed over."""
    async with serving_in(tmp_path) as (client, _):
        response = await client.get(f"/workstreams?{query}")

    assert (response.status_code, response.json()["error"]["type"]) == (400, "bad_input")
    assert said in response.json()["error"]["message"]


async def test_a_change_reaches_the_conversation_in_memory(tmp_path: Path) -> None:
    """Binding, archiving and deleting go through the actor, in order with what is said; archived ones are listed."""
    async with serving_in(tmp_path) as (client, _):
        await client.post("/chat", json={"message": "one", "workstream": "x"})
        bound = await client.patch("/workstreams/x", json={"profile": "fast"})
        after_binding = await client.post("/chat", json={"message": "two", "workstream": "x"})
        await client.patch("/workstreams/x", json={"archived": True})
        while_archived = await client.post("/chat", json={"message": "three", "workstream": "x"})
        listed = await client.get("/workstreams")
        removed = await client.delete("/workstreams/x")
        afresh = await client.post("/chat", json={"message": "four", "workstream": "x"})
        state = (await client.get("/workstreams/x")).json()

    assert bound.json()["profile"] == "fast"
    assert after_binding.json()["profile"] == "fast"
    assert (while_archived.status_code, while_archived.json()["error"]["type"]) == (400, "bad_input")
    assert [(one["name"], one["archived"]) for one in listed.json()] == [("x", True)]
    assert removed.json() == {"removed": "x"}
    assert afresh.json()["profile"] == "default"
    assert (state["turns"], state["archived"], state["profile"]) == (1, False, None)


async def test_null_binds_to_none_and_silence_changes_nothing(tmp_path: Path) -> None:
    """A key that is not given is not a null."""
    async with serving_in(tmp_path) as (client, _):
        await client.post("/workstreams", json={"name": "x", "profile": "fast"})
        kept = await client.patch("/workstreams/x", json={"archived": False})
        loosed = await client.patch("/workstreams/x", json={"profile": None})

    assert kept.json()["profile"] == "fast"
    assert loosed.json()["profile"] is None


async def test_tags_and_system_prompt_are_changed_and_take_effect(tmp_path: Path) -> None:
    """From the next message on; what is not given stays, tags are replaced as a whole, and null takes a prompt away."""
    async with serving_in(tmp_path) as (client, _):
        settings = {"name": "x", "profile": "fast", "system_prompt": "old", "tags": {"a": "1", "b": "2"}}
        await client.post("/workstreams", json=settings)
        await client.post("/chat", json={"message": "one", "workstream": "x"})
        changed = (await client.patch("/workstreams/x", json={"system_prompt": "new", "tags": {"b": "3"}})).json()
        said = await client.post("/chat", json={"message": "two", "workstream": "x"})
        shown = (await client.get("/workstreams/x")).json()
        bare = (await client.patch("/workstreams/x", json={"system_prompt": None, "tags": {}})).json()

    assert (changed["system_prompt"], changed["tags"], changed["profile"]) == ("new", {"b": "3"}, "fast")
    assert said.status_code == 200
    assert (shown["turns"], shown["system_prompt"], shown["tags"]) == (2, "new", {"b": "3"})
    assert (bare["system_prompt"], bare["tags"], bare["turns"]) == (None, {}, 2)


async def test_a_change_is_made_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    """A profile that is not there leaves the tags as they are; one that is there makes what is new, with all of it."""
    async with serving_in(tmp_path) as (client, _):
        await client.post("/workstreams", json={"name": "x", "tags": {"a": "1"}})
        refused = await client.patch("/workstreams/x", json={"tags": {}, "archived": True, "profile": "nope"})
        kept = (await client.get("/workstreams/x")).json()
        made = await client.patch("/workstreams/y", json={"tags": {"k": "v"}, "profile": "fast", "archived": True})

    assert refused.json()["error"]["type"] == "unknown_profile"
    assert (kept["tags"], kept["archived"]) == ({"a": "1"}, False)
    assert made.json() == {
        "name": "y",
        "profile": "fast",
        "system_prompt": None,
        "tags": {"k": "v"},
        "archived": True,
        "turns": 0,
        "history": [],
    }


async def test_an_empty_change_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is answered with the workstream, whose last change is as long ago as before."""
    times = iter(["first", "second"])
    monkeypatch.setattr(store, "_now", lambda: next(times))
    async with serving_in(tmp_path) as (client, runtime):
        await client.post("/workstreams", json={"name": "x"})
        same = await client.patch("/workstreams/x", json={})
        (unchanged,) = await runtime.workstreams()
        await client.patch("/workstreams/x", json={"tags": {}})
        (changed,) = await runtime.workstreams()

    assert (same.status_code, same.json()["name"]) == (200, "x")
    assert (unchanged.updated, changed.updated) == ("first", "second")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind"),
    [
        ("GET", "/workstreams/nobody", None, 404, "not_found"),
        ("DELETE", "/workstreams/nobody", None, 404, "not_found"),
        ("PATCH", "/workstreams/nobody", {"archived": True}, 404, "not_found"),
        ("PATCH", "/workstreams/x", {"profile": "nope"}, 400, "unknown_profile"),
        ("PATCH", "/workstreams/nobody", {"profile": "nope"}, 400, "unknown_profile"),
        ("POST", "/chat", {"message": "x", "workstream": "y", "routing_profile": "nope"}, 400, "unknown_profile"),
        ("PATCH", "/workstreams/x", {"profil": "fast"}, 422, "invalid_request"),
        ("PATCH", "/workstreams/nobody", {"profile": None}, 404, "not_found"),
        ("PATCH", "/workstreams/nobody", {"tags": {}}, 404, "not_found"),
        ("PATCH", "/workstreams/x", {"tags": None}, 422, "invalid_request"),
        ("PATCH", "/workstreams/x", {"tags": {"k": 1}}, 422, "invalid_request"),
        ("POST", "/workstreams", {"name": "x"}, 409, "already_exists"),
        ("POST", "/workstreams", {"name": "a/b"}, 400, "bad_input"),
        ("POST", "/workstreams", {"name": "y", "profile": "nope"}, 400, "unknown_profile"),
        ("GET", "/workstreams/%20x", None, 400, "bad_input"),
        ("GET", "/workstreams/a/b", None, 404, "not_found"),
        ("GET", "/workstreams/", None, 404, "not_found"),
        ("PUT", "/workstreams/x", {}, 405, "method_not_allowed"),
    ],
)
async def test_what_cannot_be_is_refused(
    tmp_path: Path, method: str, path: str, body: object, status: int, kind: str
) -> None:
    """Each with its status and kind, nothing is changed, and nothing is left in memory of a workstream that is none."""
    async with serving_in(tmp_path) as (client, runtime):
        await client.post("/workstreams", json={"name": "x"})
        response = await client.request(method, path, json=body)
        stored = await runtime.workstreams()
        active = runtime.status().active_workstreams

    assert (response.status_code, response.json()["error"]["type"]) == (status, kind)
    assert response.headers["x-should-retry"] == "false"
    assert [(one.name, one.profile, one.archived) for one in stored] == [("x", None, False)]
    assert "arawn workstreams" not in response.text
    assert set(active) <= {"x"}


async def test_an_unknown_field_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    """Of the body at hand, with the nearest one."""
    async with serving_in(tmp_path) as (client, _):
        made = await client.post("/workstreams", json={"name": "x", "system": "be brief"})
        changed = await client.patch("/workstreams/x", json={"archive": True})

    assert "`system`" in made.json()["error"]["message"]
    assert "accepted: `name`, `profile`, `system_prompt`, `tags`" in made.json()["error"]["message"]
    wanted = "unknown: `archive` (did you mean `archived`?); accepted: `profile`, `system_prompt`, `tags`, `archived`"
    assert wanted in changed.json()["error"]["message"]
