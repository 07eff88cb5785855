"""One log record as a person reads it: settings, timings, tokens, conversation, tools with their results. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from typing import Any

from arawn.cli.record_view import moment
from arawn.cli.summary import reason_words
from arawn.cli.transcript import indented, logged_lines, logged_text
from arawn.interactions.counted import counted
from arawn.interactions.record import FeedbackLine, InteractionRecord, ToolCallRecord

__all__ = ["feedback_lines", "record_lines", "request_lines", "response_lines"]

_LONGEST_PARAM = 200  # characters; `--json` shows all
_SHORTEST_RATE_MS = 100  # of less, a rate says more of the clock than of the model


def record_lines(record: InteractionRecord, zone: tzinfo) -> Iterator[str]:
    """Yield everything that a record says."""
    yield from _settings(record, zone)
    yield from request_lines(record)
    yield from response_lines(record)


def feedback_lines(feedback: Sequence[FeedbackLine], zone: tzinfo) -> Iterator[str]:
    """Yield what was said of a call."""
    if feedback:
        yield from ("", "feedback:")
    for line in feedback:
        value = "" if line.value is None else f" {line.value:g}"
        at = datetime.fromisoformat(line.timestamp).astimezone(zone)
        yield f"  {at:%Y-%m-%d %H:%M:%S}  {line.label}{value}"
        yield from (f"    {text}" for text in (line.note or "").splitlines())


def request_lines(record: InteractionRecord) -> Iterator[str]:
    """Yield what was sent: system prompt, tools, conversation."""
    if record.system_prompt:
        yield from ("", "system:", *indented(record.system_prompt))
    if record.tools:
        yield from ("", "tools offered:")
        for tool in record.tools:
            yield f"  {tool.name}{': ' if tool.description else ''}{tool.description.partition(chr(10))[0]}"
    for message in record.messages:
        yield from logged_lines(message)


def response_lines(record: InteractionRecord) -> Iterator[str]:
    """Yield what came back: answer, tool calls with their results, error, what is not as it was said."""
    said = [block for block in record.response_content if block.get("type") != "tool_use" or "sha256" in block]
    if said:
        yield from ("", "answer:")
        for block in said:
            yield from indented(logged_text(block))
    for call in record.tool_calls:
        yield from _tool_call(call, in_turn=record.turn_id is not None)
    if record.error is not None:
        yield from ("", f"{_error_title(record)}:", *indented(record.error.message))
        if record.error.retryable is not None:
            yield f"  (another try is {'' if record.error.retryable else 'not '}worth it)"
    if record.truncated:
        yield from ("", "cut in the log:")
        yield from (f"  {cut.where}, of {counted(cut.length, 'character')}" for cut in record.truncated)
    if record.warnings:
        yield from ("", "warnings:", *(f"  {text}" for text in record.warnings))
    if record.redactions:
        yield from ("", "redacted in the log:", *(f"  {name}" for name in record.redactions))


def _settings(record: InteractionRecord, zone: tzinfo) -> Iterator[str]:
    asked, used = record.model_requested, record.model_used
    model = used or asked if None in (used, asked) or used == asked else f"{used} (asked for: {asked})"
    rows = (
        ("id", record.id),
        ("time", f"{moment(record, zone):%Y-%m-%d %H:%M:%S.%f %Z}"),
        ("status", f"{record.status}{_attempt(record)}"),
        ("profile", record.profile + _routing(record)),
        ("features", _features(record)),
        ("provider", record.provider + (f", request {record.request_id}" if record.request_id else "")),
        ("model", model or ""),
        ("params", _json(_params(record.params)) if record.params else ""),
        ("workstream", record.workstream or ""),
        ("session", record.session_id or ""),
        ("turn", _turn(record)),
        ("tags", " ".join(f"{key}={value}" for key, value in record.tags.items())),
        ("took", _timings(record)),
        ("tokens", _tokens(record)),
        ("stopped", _stop(record)),
    )
    yield from (f"{name:<11} {text}" for name, text in rows if text)


def _attempt(record: InteractionRecord) -> str:
    return f", attempt {record.attempt} of call {record.call_id}" if record.attempt > 1 else ""


def _params(params: dict[str, Any]) -> dict[str, Any]:
    """Return the settings; of tools their names, and of anything else that is long its beginning."""
    short = {name: _beginning(value) for name, value in params.items() if name != "extra"}
    extra = params.get("extra")
    if isinstance(extra, dict):
        tools = extra.get("tools")
        names = {"tools": [_tool_name(tool) for tool in tools]} if isinstance(tools, list) else {}
        return short | {"extra": {name: _beginning(value) for name, value in (extra | names).items()}}
    return short if extra is None else short | {"extra": _beginning(extra)}


def _tool_name(tool: Any) -> str:
    """Return what a tool is called, in either dialect; its type if it has no name."""
    match tool:
        case {"name": str(name)} | {"function": {"name": str(name)}} | {"type": str(name)}:
            return name
    return "?"


def _beginning(value: Any) -> Any:
    text = _json(value)
    return value if len(text) <= _LONGEST_PARAM else f"{text[:_LONGEST_PARAM]}… ({counted(len(text), 'character')})"


def _turn(record: InteractionRecord) -> str:
    if record.turn_id is None:
        return ""
    has_iterations = record.iteration > 1 or record.tool_count > 0  # a turn with tools goes on after its first call
    return f"{record.turn_id}" + (f", iteration {record.iteration}" if has_iterations else "")


def _routing(record: InteractionRecord) -> str:
    if record.routing is None:
        return ""
    sure = f", confidence {record.routing.confidence:.2f}" if record.routing.confidence < 1 else ""
    return f" ({reason_words(record.routing, record.workstream)}{sure})"


def _features(record: InteractionRecord) -> str:
    """Return what the choice of the profile was made from, in words; what was not found is left out."""
    found = record.routing.features if record.routing else {}
    return ", ".join(_feature(name.replace("_", " "), value) for name, value in found.items() if value)


def _feature(name: str, value: Any) -> str:
    if value is True:
        return name
    return f"{name} {', '.join(map(str, value)) if isinstance(value, list | tuple) else value}"


def _timings(record: InteractionRecord) -> str:
    parts = [f"{record.duration_ms} ms"]
    if record.queue_ms:
        parts.append(f"waited {record.queue_ms} ms")
    if record.ttft_ms is not None:
        parts.append(f"first token after {record.ttft_ms} ms")
    writing = record.duration_ms - (record.ttft_ms or 0)
    if record.output_tokens and writing >= _SHORTEST_RATE_MS:
        parts.append(f"{record.output_tokens / writing * 1000:.0f} tokens/s")
    return ", ".join(parts)


def _tokens(record: InteractionRecord) -> str:
    read = _known(record.total_input_tokens)
    parts = [
        f"{_known(count)} {name}"
        for count, name in (
            (record.input_tokens, "new"),
            (record.cache_read_tokens, "from the cache"),
            (record.cache_write_tokens, "into the cache"),
        )
        if count
    ]
    split = f" ({', '.join(parts)})" if len(parts) > 1 else ""
    reasoning = f" ({record.reasoning_tokens} of reasoning)" if record.reasoning_tokens else ""
    return f"{read} in{split}, {_known(record.output_tokens)} out{reasoning}"


def _known(count: int | None) -> str:
    return "?" if count is None else str(count)


def _stop(record: InteractionRecord) -> str:
    reason, raw = record.stop_reason, record.stop_reason_raw
    return (reason or "") + (f" (`{raw}`)" if raw and raw != reason else "")


def _error_title(record: InteractionRecord) -> str:
    assert record.error is not None
    error = record.error
    facts = [error.type, *(str(fact) for fact in (error.status, error.code) if fact is not None)]
    return f"error ({' '.join(facts)})"


def _tool_call(call: ToolCallRecord, *, in_turn: bool) -> Iterator[str]:
    yield from ("", f"tool {call.tool_name} ({call.tool_call_id}):")
    yield f"  {_json(call.arguments)}"
    if call.result_success is None:
        why = ": the turn ended at its limit of calls, was cut short, or still goes on" if in_turn else ""
        yield f"  (no result in the log{why})"
        return
    verdict = "answered" if call.result_success else "failed"
    if call.result_content is None:
        yield f"  {verdict} (not logged)"
        return
    first, *rest = call.result_content.removeprefix(f"`{call.tool_name}` failed: ").splitlines() or [""]
    yield from (f"  {verdict}: {first}", *(f"  {line}" for line in rest))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
