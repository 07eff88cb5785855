"""Every configuration key of the conversations and the log changes what is kept: one test each."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from arawn.config.schema import NamedWorkstream, Profile
from arawn.messages import CompletionRequest, Message, Text, ToolResult, user
from tests.arawn.shown_keys import shows
from tests.fake_provider import FakeProvider, Reply, openai_reply
from tests.runtimes import configured, custom, lines, records, running, scripted

ASK = CompletionRequest(messages=(user("hello there"),))


@shows("workstreams.database")
async def test_the_database_is_where_it_was_put(tmp_path: Path) -> None:
    """Conversations are kept in the file that is named."""
    async with running(configured(tmp_path)) as runtime:
        await runtime.workstream("talk").send("one")

    assert (tmp_path / "state" / "workstreams.db").exists()


@shows("workstreams.idle_after_s")
@pytest.mark.parametrize("seconds", [10.0, 100.0])
async def test_idle_workstreams_leave_memory_in_time(tmp_path: Path, autojump_clock: MockClock, seconds: float) -> None:
    """A conversation is in memory until `idle_after_s`, and not longer."""
    async with running(configured(tmp_path, idle_after_s=seconds)) as runtime:
        await runtime.workstream("talk").send("one")
        await trio.sleep(seconds - 1)
        before = runtime.status().active_workstreams
        await trio.sleep(2)
        after = runtime.status().active_workstreams

    assert (before, after) == (("talk",), ())


@shows("workstreams.named.*.profile", "workstreams.named.*.system_prompt", "workstreams.named.*.tags")
async def test_named_workstreams_have_standing_settings(tmp_path: Path) -> None:
    """Profile, system prompt and tags of the configuration are in the record of the workstream's calls."""
    standing = NamedWorkstream(profile="fast", system_prompt="Be brief.", tags={"team": "search"})
    profiles = {"default": Profile(backend="scripted"), "fast": Profile(backend="scripted")}
    async with running(configured(tmp_path, profiles, named={"talk": standing})) as runtime:
        await runtime.workstream("talk").send("one")

    (record,) = records(tmp_path)
    assert (record["profile"], record["system_prompt"], record["tags"]["team"]) == ("fast", "Be brief.", "search")


@shows("logging.interactions.enabled", "logging.interactions.path")
@pytest.mark.parametrize("enabled", [True, False])
async def test_the_log_is_written_where_and_only_if_wanted(tmp_path: Path, enabled: bool) -> None:
    """`enabled = false` writes nothing at all."""
    async with running(configured(tmp_path, enabled=enabled)) as runtime:
        await runtime.complete(ASK)

    assert bool(lines(tmp_path)) is enabled


@shows("logging.interactions.include_messages", "logging.interactions.include_responses")
@pytest.mark.parametrize("responses", [False, True])
@pytest.mark.parametrize("messages", [False, True])
async def test_content_can_be_left_out(tmp_path: Path, messages: bool, responses: bool) -> None:
    """Without content the record keeps roles, sizes and hashes, and no word of what was said: question, or answer."""
    profile = scripted(tmp_path, [{"text": "good day"}])
    config = configured(tmp_path, {"default": profile}, include_messages=messages, include_responses=responses)
    async with running(config) as runtime:
        await runtime.complete(ASK)

    (record,) = records(tmp_path)
    assert ("hello there" in json.dumps(record)) is messages
    assert ("good day" in json.dumps(record)) is responses
    assert ({"size", "sha256"} <= set(record["messages"][0])) is not messages
    assert ({"size", "sha256"} <= set(record["response_content"][0])) is not responses


@shows("logging.interactions.truncate_tool_results")
@pytest.mark.parametrize(("limit", "kept"), [(10, 10), (0, 100)])
async def test_long_tool_results_are_cut(tmp_path: Path, limit: int, kept: int) -> None:
    """So many characters of a tool result are kept; 0 keeps all."""
    result = Message("user", (ToolResult("t1", (Text("x" * 100),)),))
    request = CompletionRequest(messages=(user("go"), result))
    async with running(configured(tmp_path, truncate_tool_results=limit)) as runtime:
        await runtime.complete(request)

    (record,) = records(tmp_path)
    assert len(record["messages"][1]["content"][0]["content"][0]["text"]) == kept
    assert len(record["truncated"]) == (1 if limit else 0)


@shows("logging.interactions.redact_secrets")
@pytest.mark.parametrize("redact", [True, False])
async def test_secrets_are_redacted_if_wanted(tmp_path: Path, redact: bool) -> None:
    """A key pasted into a prompt is replaced and listed; with the switch off it stays."""
    key = "sk-ant-api03-" + "A1b2" * 20
    request = CompletionRequest(messages=(user(f"my key is {key}"),))
    async with running(configured(tmp_path, redact_secrets=redact)) as runtime:
        await runtime.complete(request)

    (record,) = records(tmp_path)
    assert (key in json.dumps(record)) is not redact
    assert bool(record["redactions"]) is redact


async def test_the_backends_own_key_is_redacted(tmp_path: Path) -> None:
    """A key of no known shape, known only from its command's output, is not in the log either."""
    body = json.loads(openai_reply("ok"))
    body["choices"][0]["message"]["content"] = "the key is plainsecretvalue"
    with FakeProvider(Reply(body=json.dumps(body).encode())) as fake:
        profile = custom(fake.address, api_key_command=("/bin/echo", "plainsecretvalue"))
        async with running(configured(tmp_path, {"default": profile})) as runtime:
            await runtime.complete(ASK)

    assert "plainsecretvalue" not in json.dumps(records(tmp_path))


@shows("logging.interactions.answer_wait_ms")
@pytest.mark.parametrize("milliseconds", [100, 5000])
async def test_an_answer_waits_that_long_for_its_record(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, milliseconds: int
) -> None:
    """With a disk that hangs, the answer goes out after `answer_wait_ms`, and the log is `degraded`."""
    from arawn.interactions.writer import Writer

    async def hang(_self: Writer, batch: object) -> list[None]:
        await trio.sleep(60)
        return [None]

    monkeypatch.setattr(Writer, "handle", hang)
    async with running(configured(tmp_path, answer_wait_ms=milliseconds)) as runtime:
        began = trio.current_time()
        await runtime.complete(ASK)
        waited = trio.current_time() - began
        health = runtime.status().log.health
        await trio.sleep(60)

    assert waited == pytest.approx(milliseconds / 1000)
    assert health.state == "degraded"


@shows("logging.interactions.overflow")
@pytest.mark.parametrize(("overflow", "waited", "bodies"), [("block", 60, 3), ("shed_bodies", 2, 2)])
async def test_what_happens_without_room(
    tmp_path: Path,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    overflow: str,
    waited: float,
    bodies: int,
) -> None:
    """With a disk that hangs for a minute and no room left, a call waits for it, or goes on without its bodies."""
    from arawn.interactions import journal
    from arawn.interactions.writer import Writer

    handle, first = Writer.handle, [60.0]

    async def hang_once(self: Writer, batch: typing.Any) -> object:
        await trio.sleep(first.pop() if first else 0)
        return await handle(self, batch)

    monkeypatch.setattr(Writer, "handle", hang_once)
    monkeypatch.setattr(journal, "_ROOM_BYTES", 60_000)
    request = CompletionRequest(messages=(user("x" * 10_000),))
    async with running(configured(tmp_path, overflow=overflow)) as runtime:
        for _ in range(2):
            with trio.move_on_after(0.1):
                await runtime.complete(request)
        began = trio.current_time()
        await runtime.complete(request)
        took = trio.current_time() - began
        health = runtime.status().log.health
        await trio.sleep(60)

    assert took == pytest.approx(waited, abs=0.5)
    assert health.state == ("ok" if overflow == "block" else "degraded")
    assert sum(bool(record["messages"]) for record in records(tmp_path)) == bodies
    assert len(records(tmp_path)) == 3


@shows("logging.interactions.retention_days", "logging.interactions.compact_after_days")
@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({"retention_days": 0, "compact_after_days": 0}, ["2001-01-01.jsonl", "2002-01-01.jsonl"]),
        ({"retention_days": 0, "compact_after_days": 1}, ["2001-01-01.jsonl.zst", "2002-01-01.jsonl.zst"]),
        ({"retention_days": 36_500, "compact_after_days": 36_500}, ["2001-01-01.jsonl", "2002-01-01.jsonl"]),
        ({"retention_days": 90}, []),
    ],
)
async def test_closed_days_are_kept_and_compressed_as_set(
    tmp_path: Path, autojump_clock: MockClock, settings: dict[str, Any], left: list[str]
) -> None:
    """Days past `retention_days` go, those past `compact_after_days` become `.jsonl.zst`, and 0 means never."""
    (tmp_path / "log").mkdir()
    for day in ("2001-01-01", "2002-01-01"):
        (tmp_path / "log" / f"interactions-{day}.jsonl").write_text("{}\n")

    async with running(configured(tmp_path, **settings)):
        await trio.sleep(60)

    names = sorted(path.name for path in (tmp_path / "log").glob("interactions-200*.jsonl*"))
    assert names == [f"interactions-{name}" for name in left]
