"""Logs of whole conversations for the tests of exports."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from arawn.interactions.export.export import OnCalls, Order, export
from arawn.interactions.export.manifest import ExportManifest
from arawn.interactions.export.parquet import ParquetRows, newest_day
from arawn.interactions.export.rows import LineRows
from arawn.interactions.export.rules import Choice, Format, chosen_drops
from arawn.interactions.filters import Filters
from arawn.interactions.opening import open_day_log
from arawn.interactions.reader import Damage
from arawn.interactions.record import InteractionRecord, LogLine
from arawn.messages import (
    CallContext,
    CompletionRequest,
    CompletionResponse,
    ContentBlock,
    Message,
    Text,
    ToolDefinition,
    ToolResult,
    ToolUse,
    Usage,
    user,
)
from tests.arawn.interactions.samples import CONFIG, NOON, Clock, record

SEARCH = ToolDefinition(
    "search", "Look it up", {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
)
ASKED = (user("what is it?"),)
LOOKED = Message("assistant", (Text("let me see"), ToolUse("t1", "search", {"q": "it"})))
FOUND = Message("user", (ToolResult("t1", (Text("a thing"),)),))
ANSWERED = Message("assistant", (Text("a thing"),))


def call(
    number: int,
    history: tuple[Message, ...],
    answer: Message | None = ANSWERED,
    *,
    at: datetime = NOON,
    tools: tuple[ToolDefinition, ...] = (SEARCH,),
    system: str | None = "be brief",
    workstream: str | None = "research",
    session: str | None = "s-1",
    stop: str = "end_turn",
    **changes: Any,
) -> InteractionRecord:
    """Return the record of one call; without an answer it has failed."""
    return record(
        number,
        at,
        request=CompletionRequest(messages=history, system=system, tools=tools),
        context=changes.pop("context", CallContext(workstream=workstream, session_id=session)),
        status=changes.pop("status", "error" if answer is None else "ok"),
        error=RuntimeError("no") if answer is None else None,
        response=None if answer is None else reply(answer.content, stop),
        **changes,
    )


def reply(content: tuple[ContentBlock, ...], stop: str = "end_turn") -> CompletionResponse:
    return CompletionResponse(content=content, model="llama", stop_reason=stop, usage=Usage(5, 7, 1))


def turns(count: int, first: int = 1, *, size: int = 10, **changes: Any) -> list[InteractionRecord]:
    """Return the calls of one conversation of so many questions, each with the whole history."""
    history: tuple[Message, ...] = ()
    calls = []
    for turn in range(count):
        history = (*history, user(f"question {first} {turn} {'x' * size}"))
        answer = Message("assistant", (Text(f"answer {first} {turn}"),))
        calls.append(call(first + turn, history, answer, at=NOON + timedelta(seconds=turn), **changes))
        history = (*history, answer)
    return calls


def write_log(directory: Path, lines: Iterable[LogLine]) -> None:
    log = open_day_log(directory, CONFIG, clock=Clock())
    log.append(list(lines))
    log.close()


class Made(msgspec.Struct, frozen=True):
    """An export in memory."""

    data: bytes
    manifest: ExportManifest
    damages: list[Damage]

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(line) for line in self.data.splitlines()]


def made(
    log: Path,
    export_format: Format,
    *,
    wanted: Filters | None = None,
    per_call: bool = False,
    keep: Iterable[Choice] = (),
    drop: Iterable[Choice] = (),
    on_calls: OnCalls = lambda _: None,
) -> Made:
    """Export lines."""
    pieces: list[bytes] = []
    damages: list[Damage] = []
    order = _order(export_format, wanted, per_call=per_call, keep=keep, drop=drop)
    rows = LineRows("out.jsonl", pieces.append)
    manifest = export(log, order, rows, on_damage=damages.append, on_calls=on_calls)
    return Made(b"".join(pieces), manifest, damages)


def made_parquet(log: Path, target: Path, *, wanted: Filters | None = None) -> ExportManifest:
    """Export Parquet below `target`, which is made."""
    target.mkdir()
    scratch = target.with_name(f"{target.name}-scratch")
    scratch.mkdir()
    rows = ParquetRows(target, scratch, empty_day=newest_day(log))
    order = _order("parquet", wanted, per_call=False, keep=(), drop=())
    return export(log, order, rows, on_damage=lambda _: None, on_calls=lambda _: None)


def _order(
    export_format: Format,
    wanted: Filters | None,
    *,
    per_call: bool,
    keep: Iterable[Choice],
    drop: Iterable[Choice],
) -> Order:
    drops = chosen_drops(export_format, keep=tuple(keep), drop=tuple(drop))
    return Order(format=export_format, wanted=wanted or Filters(), drop=drops, per_call=per_call)


def made_to_disk(log: Path, export_format: Format, target: Path) -> ExportManifest:
    """Export to a file or directory, as the command does."""
    if export_format == "parquet":
        return made_parquet(log, target)
    order = _order(export_format, None, per_call=False, keep=(), drop=())
    with target.open("wb") as file:
        rows = LineRows(target.name, file.write)
        return export(log, order, rows, on_damage=lambda _: None, on_calls=lambda _: None)
