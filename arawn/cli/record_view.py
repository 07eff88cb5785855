"""Log records as a person reads them: one as a row of a table, or all of one. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from itertools import pairwise
from types import MappingProxyType

import msgspec

from arawn.cli.summary import reason_words, tokens_words
from arawn.cli.transcript import block_text, logged_lines
from arawn.interactions.record import InteractionHead, InteractionRecord, ToolCallRecord
from arawn.messages import ContentBlock

__all__ = ["ELASTIC", "HEADERS", "id_length", "record_lines", "row", "short_row"]

HEADERS = ("time", "id", "profile", "model", "status", "tokens", "ms", "workstream")
# What gives way on a narrow terminal, and down to how many characters; time and id never do.
ELASTIC = MappingProxyType({"workstream": 8, "model": 8, "tokens": 20, "profile": 8, "status": 16})

_SHORTEST_ID = 13  # the first thirteen characters of an id are its millisecond


def id_length(ids: Sequence[str]) -> int:
    """Return how many characters tell the ids apart, at least those that say the millisecond."""
    return max((_common(one, other) + 1 for one, other in pairwise(sorted(ids))), default=0)


def _common(one: str, other: str) -> int:
    return next((place for place, pair in enumerate(zip(one, other, strict=False)) if len(set(pair)) > 1), len(one))


def row(head: InteractionHead, zone: tzinfo, id_characters: int) -> tuple[str, ...]:
    """Return the cells of one interaction."""
    return (
        f"{_moment(head, zone):%Y-%m-%d %H:%M:%S}",
        head.id[: max(id_characters, _SHORTEST_ID)],
        head.profile,
        head.model_used or head.model_requested or "",
        head.status if head.error is None or head.status != "error" else f"error {head.error.type}",
        f"{_count(head.total_input_tokens)}+{_count(head.output_tokens)}",
        str(head.duration_ms),
        head.workstream or "",
    )


def short_row(head: InteractionHead, zone: tzinfo) -> str:
    """Return one interaction as a line that stands alone."""
    return "  ".join(cell for cell in row(head, zone, len(head.id)) if cell)


def record_lines(record: InteractionRecord, zone: tzinfo) -> Iterator[str]:
    """Yield everything that a record says: settings, conversation, tool calls, answer, timings, tokens, error."""
    yield from _settings(record, zone)
    if record.system_prompt:
        yield from ("", "system:", *(f"  {line}" for line in record.system_prompt.splitlines()))
    for message in record.messages:
        yield from logged_lines(message)
    yield from _answer(record)
    for call in record.tool_calls:
        yield from _tool_call(call)
    if record.error is not None:
        status = f" {record.error.status}" if record.error.status else ""
        yield from ("", f"error ({record.error.type}{status}):")
        yield from (f"  {line}" for line in record.error.message.splitlines())


def _settings(record: InteractionRecord, zone: tzinfo) -> Iterator[str]:
    asked, used = record.model_requested, record.model_used
    model = asked if used in (None, asked) else f"{used} (asked for: {asked})"
    attempt = f", attempt {record.attempt} of call {record.call_id}" if record.attempt > 1 else ""
    first = "" if record.ttft_ms is None else f", first token after {record.ttft_ms} ms"
    waited = f", waited {record.queue_ms} ms" if record.queue_ms else ""
    cache = "".join(
        f", {count} {name}"
        for count, name in (
            (record.cache_read_tokens, "from the cache"),
            (record.cache_write_tokens, "into the cache"),
            (record.reasoning_tokens, "of reasoning"),
        )
        if count
    )
    rows = (
        ("id", record.id),
        ("time", f"{_moment(record, zone):%Y-%m-%d %H:%M:%S.%f %Z}"),
        ("status", f"{record.status}{attempt}"),
        ("profile", f"{record.profile} ({reason_words(record.routing, record.workstream)})" if record.routing else ""),
        ("provider", record.provider),
        ("model", model or ""),
        ("params", json.dumps(record.params, ensure_ascii=False) if record.params else ""),
        ("tools", ", ".join(record.tools_available)),
        ("workstream", record.workstream or ""),
        ("session", record.session_id or ""),
        ("turn", str(record.turn_id) if record.turn_id else ""),
        ("tags", " ".join(f"{key}={value}" for key, value in record.tags.items())),
        ("took", f"{record.duration_ms} ms{first}{waited}"),
        ("tokens", tokens_words(record.total_input_tokens, record.output_tokens) + cache),
        ("stopped", record.stop_reason or ""),
        ("redacted", ", ".join(record.redactions)),
        ("cut", ", ".join(f"{cut.where} ({cut.length} characters)" for cut in record.truncated)),
    )
    yield from (f"{name:<11} {text}" for name, text in rows if text)


def _answer(record: InteractionRecord) -> Iterator[str]:
    if not record.response_content:
        return
    yield from ("", "answer:")
    for block in record.response_content:
        if "sha256" in block:
            yield f"  ({block['size']} bytes, not logged)"
            continue
        for line in block_text(msgspec.convert(block, ContentBlock)).splitlines():
            yield f"  {line}"


def _tool_call(call: ToolCallRecord) -> Iterator[str]:
    yield from ("", f"tool {call.tool_name} ({call.tool_call_id}):")
    yield f"  {json.dumps(call.arguments, ensure_ascii=False)}"
    if call.result_success is None:
        yield "  (no result in the log)"
    else:
        yield f"  {'answered' if call.result_success else 'failed'}: {call.result_content or ''}"


def _moment(head: InteractionHead, zone: tzinfo) -> datetime:
    return datetime.fromisoformat(head.timestamp).astimezone(zone)


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else str(tokens)
