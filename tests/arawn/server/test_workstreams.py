"""`/workstreams` over a real socket, on a real runtime."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from arawn.config.schema import Config, InteractionLogConfig, LoggingConfig, Profile, WorkstreamsConfig
from arawn.runtime import start_runtime
from arawn.runtime_door import Runtime
from arawn.server.app import build_app
from arawn.server.auth import Door
from arawn.server.workstreams import workstream_routes
from tests.serving import serving_with_lifespan


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Runtime]]:
    """Serve a runtime whose files are in `directory`, and yield a client of it."""
    config = Config(
        profiles={"default": Profile(backend="scripted"), "fast": Profile(backend="scripted")},
        workstreams=WorkstreamsConfig(database=str(directory / "workstreams.db")),
        logging=LoggingConfig(InteractionLogConfig(enabled=False)),
    )
    async with start_runtime(config, {}) as runtime:
        app = build_app(runtime, door=Door(token=None, hosts=()), more=workstream_routes(runtime))
        async with serving_with_lifespan(app) as served, httpx.AsyncClient(base_url=served.url) as client:
            yield client, runtime


async def test_a_workstream_is_made_shown_and_listed(tmp_path: Path) -> None:
    """The answer to the making is the workstream as it is stored; odd names travel percent-encoded."""
    async with serving(tmp_path) as (client, _):
        made = await client.post("/workstreams", json={"name": "a b?é", "profile": "fast", "tags": {"k": "v"}})
        shown = await client.get("/workstreams/a%20b%3F%C3%A9")
        listed = await client.get("/workstreams")

    assert (made.status_code, shown.status_code) == (201, 200)
    assert made.json() == shown.json()
    assert (shown.json()["name"], shown.json()["profile"], shown.json()["tags"]) == ("a b?é", "fast", {"k": "v"})
    assert [one["name"] for one in listed.json()] == ["a b?é"]


async def test_a_change_reaches_the_conversation_in_memory(tmp_path: Path) -> None:
    """Binding, archiving and deleting go through the actor, in order with what is said."""
    async with serving(tmp_path) as (client, _):
        await client.post("/chat", json={"message": "one", "workstream": "x"})
        bound = await client.patch("/workstreams/x", json={"profile": "fast"})
        after_binding = await client.post("/chat", json={"message": "two", "workstream": "x"})
        await client.patch("/workstreams/x", json={"archived": True})
        while_archived = await client.post("/chat", json={"message": "three", "workstream": "x"})
        removed = await client.delete("/workstreams/x")
        afresh = await client.post("/chat", json={"message": "four", "workstream": "x"})
        state = (await client.get("/workstreams/x")).json()

    assert bound.json()["profile"] == "fast"
    assert after_binding.json()["profile"] == "fast"
    assert (while_archived.status_code, while_archived.json()["error"]["type"]) == (400, "bad_input")
    assert removed.json() == {"removed": "x"}
    assert afresh.json()["profile"] == "default"
    assert (state["turns"], state["archived"], state["profile"]) == (1, False, None)


async def test_null_binds_to_none_and_silence_changes_nothing(tmp_path: Path) -> None:
    """A key that is not given is not a null."""
    async with serving(tmp_path) as (client, _):
        await client.post("/workstreams", json={"name": "x", "profile": "fast"})
        kept = await client.patch("/workstreams/x", json={"archived": False})
        loosed = await client.patch("/workstreams/x", json={"profile": None})

    assert kept.json()["profile"] == "fast"
    assert loosed.json()["profile"] is None


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind"),
    [
        ("GET", "/workstreams/nobody", None, 404, "not_found"),
        ("DELETE", "/workstreams/nobody", None, 404, "not_found"),
        ("PATCH", "/workstreams/nobody", {"archived": True}, 404, "not_found"),
        ("PATCH", "/workstreams/x", {"profile": "nope"}, 400, "unknown_profile"),
        ("PATCH", "/workstreams/x", {"profil": "fast"}, 422, "invalid_request"),
        ("PATCH", "/workstreams/nobody", {"profile": None}, 404, "not_found"),
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
    """Each with its status and kind, nothing is changed, and a name that nobody has leaves nothing in memory."""
    async with serving(tmp_path) as (client, runtime):
        await client.post("/workstreams", json={"name": "x"})
        response = await client.request(method, path, json=body)
        stored = await runtime.workstreams()
        active = runtime.status().active_workstreams

    assert (response.status_code, response.json()["error"]["type"]) == (status, kind)
    assert [(one.name, one.profile, one.archived) for one in stored] == [("x", None, False)]
    assert "arawn workstreams" not in response.text
    assert status != 404 or set(active) <= {"x"}


async def test_an_unknown_field_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    """Of the body at hand, with the nearest one."""
    async with serving(tmp_path) as (client, _):
        made = await client.post("/workstreams", json={"name": "x", "system": "be brief"})
        changed = await client.patch("/workstreams/x", json={"archive": True})

    assert "`system`" in made.json()["error"]["message"]
    assert "accepted: `name`, `profile`, `system_prompt`, `tags`" in made.json()["error"]["message"]
    wanted = "unknown: `archive` (did you mean `archived`?); accepted: `profile`, `archived`"
    assert wanted in changed.json()["error"]["message"]
