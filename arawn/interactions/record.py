"""The lines of the interaction log: every kind, every key, in the order they are written. Pure data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from arawn.messages import RoutingMetadata, ToolDefinition

__all__ = [
    "BodyDigest",
    "ErrorRecord",
    "FeedbackLine",
    "GapLine",
    "InteractionHead",
    "InteractionRecord",
    "LogLine",
    "MarkLine",
    "Status",
    "ToolCallRecord",
    "ToolResultLine",
    "Truncation",
    "json_schema",
    "timestamp_text",
]

Status = Literal["ok", "error", "cancelled", "partial"]
MarkEvent = Literal[
    "start", "stop", "recovery", "new_part", "configuration", "retention", "compaction", "repair", "removal"
]


class ErrorRecord(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Why a call failed: the error's class, the provider's status and code, the message for a person."""

    type: str
    status: int | None = None
    code: str | None = None
    message: str
    retryable: bool | None = None


class ToolCallRecord(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One tool call asked for by the model.

    `arguments` is the object that was sent, the raw text where it was not a JSON object, or None where
    `include_responses` is off. The two results are None in the file; readers fill them from `tool_result` lines.
    """

    tool_name: str
    tool_call_id: str
    arguments: Any
    result_success: bool | None = None
    result_content: str | None = None


class Truncation(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One text that was cut: where it stands, its full length in characters, the SHA-256 of its full UTF-8 text."""

    where: str
    length: int
    sha256: str


class BodyDigest(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is kept of a message or block whose content is not logged: size in bytes and SHA-256 of its JSON."""

    role: str | None = None
    type: str | None = None
    size: int
    sha256: str


class InteractionHead(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="interaction"):
    """The scalar keys of an interaction: what a reader gets by cutting the line before its first body key."""

    v: int = 1
    id: str
    writer: str | None = None
    seq: int | None = None
    timestamp: str
    duration_ms: int
    ttft_ms: int | None
    queue_ms: int | None
    status: Status
    profile: str
    provider: str
    model_requested: str | None
    model_used: str | None
    stop_reason: str | None
    stop_reason_raw: str | None
    workstream: str | None
    session_id: str | None
    turn_id: int | None
    iteration: int
    call_id: str
    attempt: int
    stream: bool
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    total_input_tokens: int | None
    has_tool_use: bool
    tool_count: int
    request_id: str | None
    error: ErrorRecord | None
    routing: RoutingMetadata | None
    tags: dict[str, str]
    params: dict[str, Any]
    tools_available: tuple[str, ...]
    tool_calls: tuple[ToolCallRecord, ...]
    truncated: tuple[Truncation, ...]
    redactions: tuple[str, ...]
    warnings: tuple[str, ...] = ()


class InteractionRecord(InteractionHead, frozen=True, kw_only=True, tag_field="kind", tag="interaction"):
    """One attempt of one call to one backend, complete in itself. `writer` and `seq` are filled in when it is written.

    `response_content` holds content blocks and `messages` holds messages, or digests of them where the configuration
    leaves the content out.
    """

    system_prompt: str | None
    tools: tuple[ToolDefinition, ...]
    response_content: tuple[Any, ...]
    messages: tuple[Any, ...]


class ToolResultLine(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="tool_result"):
    """What a tool answered, known only after the record of its call was written."""

    v: int = 1
    interaction_id: str
    tool_call_id: str
    success: bool
    content: str | None
    truncated: tuple[Truncation, ...] = ()
    redactions: tuple[str, ...] = ()
    writer: str | None = None
    seq: int | None = None
    timestamp: str


class FeedbackLine(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="feedback"):
    """A judgement of one interaction, given later by a person or a program."""

    v: int = 1
    interaction_id: str
    label: str
    value: float | None = None
    note: str | None = None
    writer: str | None = None
    seq: int | None = None
    timestamp: str


class GapLine(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="gap"):
    """Records that were lost: how many and why."""

    v: int = 1
    count: int
    reason: str
    writer: str | None = None
    seq: int | None = None
    timestamp: str


class MarkLine(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="mark"):
    """An event in the life of the log itself."""

    v: int = 1
    event: MarkEvent
    detail: dict[str, Any] = {}
    writer: str | None = None
    seq: int | None = None
    timestamp: str


LogLine = InteractionRecord | ToolResultLine | FeedbackLine | GapLine | MarkLine


def timestamp_text(moment: datetime) -> str:
    """Return `moment` (with a time zone) as the log writes it: UTC, always six decimals, `Z`.

    Equal lengths make comparing texts the same as comparing times.
    """
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"  # a quarter of the time of `strftime`


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of one line of the log, as it is written now.

    It asks for counts of tokens of 0 or more. Decoding does not: older lines may have others, which count as unknown.
    """
    schema = msgspec.json.schema(LogLine)
    for name, value in schema["$defs"]["InteractionRecord"]["properties"].items():
        if name.endswith("_tokens"):
            value["anyOf"][0]["minimum"] = 0
    return schema
