"""From one attempt of one call to its record. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from operator import attrgetter
from typing import Any, cast

import msgspec
from msgspec.structs import asdict, astuple

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.call_ids import distinct_ids
from arawn.interactions.encode import fixed_json
from arawn.interactions.ready import ReadyMessage, ReadyTools, ready_messages, ready_tools
from arawn.interactions.record import (
    BodyDigest,
    ErrorRecord,
    InteractionRecord,
    Status,
    ToolCallRecord,
    Truncation,
    timestamp_text,
)
from arawn.interactions.redact import Redactor, rules_in
from arawn.interactions.said import Said, laid_out, said_in
from arawn.interactions.shorten import digest
from arawn.messages import (
    CallContext,
    CompletionRequest,
    CompletionResponse,
    Text,
    Thinking,
    ToolDefinition,
    ToolUse,
    Usage,
)

__all__ = ["AttemptFacts", "build_record"]

_MOST = 1 << 63
_NOTHING_COUNTED = Usage()
_are_counts = frozenset((int, type(None))).issuperset
_are_fixed = frozenset((Text, Thinking)).issuperset
_body_of, _rules_of, _cuts_of = attrgetter("body"), attrgetter("rules"), attrgetter("cuts")


class AttemptFacts(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one attempt of one call when it has ended.

    Attributes:
        record_id: The record's own UUIDv7, from `RecordIds`.
        call_id: The same for all attempts of one call; `attempt` counts from 1.
        profile, provider: The profile's name and its backend kind.
        request, context: What was asked, and where it came from.
        started: When the attempt began, with a time zone.
        duration_ms, ttft_ms, queue_ms: From the monotonic clock, in milliseconds; None where there is none.
        status: `partial` when a stream broke after content had arrived.
        response: The answer; for `partial` and `cancelled` what had arrived of it.
        error: What ended a call that is not `ok`.
        stream: Whether the answer was streamed.
        model_default: The profile's model, used when the request names none.
    """

    record_id: str
    call_id: str
    attempt: int
    profile: str
    provider: str
    request: CompletionRequest
    context: CallContext
    started: datetime
    duration_ms: float
    ttft_ms: float | None
    queue_ms: float | None
    status: Status
    response: CompletionResponse | None
    error: BaseException | None
    stream: bool
    model_default: str | None


def build_record(facts: AttemptFacts, *, config: InteractionLogConfig, secrets: Redactor) -> InteractionRecord:
    """Return the record of one attempt; `writer` and `seq` stay empty until it is written.

    Nothing in it changes with what its maker still has in hand: what could change is JSON already. Left out are values
    that a backend of one's own has put where a text belongs, and fields that it has added to a tool call.

    Args:
        facts: What happened.
        config: Which content is kept, and how much of a tool result.
        secrets: Knows every secret that the process holds; best one that lives as long as the backend.
    """
    request, context, rules = facts.request, facts.context, list[str]()
    said = said_in(request, context, facts.response, facts.error, model=request.model or facts.model_default)
    if config.redact_secrets and not secrets.are_clean(laid_out(said)):
        said, rules = secrets.redact(said)
    tools = ready_tools(request.tools, secrets, config)
    messages = ready_messages(request.messages, secrets, config)
    kept = _fixed(said)
    kept["response_content"], calls = _answer(said.response_content, config)
    if not config.include_messages:
        kept["system_prompt"] = None
    return InteractionRecord(
        id=facts.record_id,
        timestamp=timestamp_text(facts.started),
        status=facts.status,
        profile=facts.profile,
        provider=facts.provider,
        turn_id=None if context.turn_id is None else _count(context.turn_id),
        iteration=_count(context.iteration) or 1,
        call_id=facts.call_id,
        attempt=facts.attempt,
        stream=facts.stream,
        has_tool_use=bool(calls),
        tool_count=len(request.tools),
        tools_available=tools.names,
        tool_calls=_tool_calls(calls, config) if calls else (),
        truncated=_cuts(messages) if config.include_messages else (),
        redactions=_all_rules(rules, said.error, tools, messages),
        tools=cast("tuple[ToolDefinition, ...]", tools.bodies),  # their JSON, which the encoder copies
        messages=_kept_messages(said.system_prompt, messages, config),
        **kept,
        **_measured(facts),
    )


def _measured(facts: AttemptFacts) -> dict[str, Any]:
    """Return the times and the tokens."""
    usage = _sound(facts.response.usage) if facts.response else _NOTHING_COUNTED
    return {
        "duration_ms": _milliseconds(facts.duration_ms),
        "ttft_ms": None if facts.ttft_ms is None else _milliseconds(facts.ttft_ms),
        "queue_ms": None if facts.queue_ms is None else _milliseconds(facts.queue_ms),
        "total_input_tokens": usage.total_input_tokens,
        **asdict(usage),
    }


def _sound(usage: Usage) -> Usage:
    """Return `usage` without what is no count."""
    counts = astuple(usage)
    known = list(filter(None, counts))
    if _are_counts(map(type, counts)) and (not known or (min(known) > 0 and max(known) < _MOST)):
        return usage
    return Usage(*map(_count, counts))


def _count(value: Any) -> int | None:
    """Return a count that every reader takes, below 2**63; None for what is no whole number of 0 or more.

    Structs made in Python check no types: a float, or a number that no column holds, would cost readers the line.
    """
    if type(value) is int:
        return value if 0 <= value < _MOST else None
    return _count(int(value)) if isinstance(value, float) and value.is_integer() else None


def _milliseconds(value: float) -> int:
    return max(0, round(value))


def _fixed(said: Said) -> dict[str, Any]:
    """Return what was said, by name; what could change as JSON."""
    kept = asdict(said)
    params, routing = said.params, said.routing
    if params:
        kept["params"] = dict(zip(params, map(fixed_json, params.values()), strict=True))
    if routing is not None:
        features = fixed_json(routing.features) if routing.features else {}  # not the caller's own empty one
        kept["routing"] = msgspec.structs.replace(routing, features=features)
    if type(said.warnings) is not tuple:
        kept["warnings"] = fixed_json(said.warnings)
    return kept


def _answer(blocks: Any, config: InteractionLogConfig) -> tuple[Any, list[ToolUse]]:
    """Return what is kept of the blocks of an answer, and the tool calls among them; what could change as JSON."""
    if not isinstance(blocks, tuple | list):  # of a backend of one's own: nobody has searched what it would yield
        blocks = () if blocks is None else (blocks,)
    if not config.include_responses:
        calls = [block for block in blocks if isinstance(block, ToolUse)]
        return tuple(map(_block_digest, blocks)), calls
    if type(blocks) is tuple and _are_fixed(map(type, blocks)):
        return blocks, []
    kept = tuple(map(_fixed_block, blocks))
    return kept, [block for block in kept if isinstance(block, ToolUse)]


def _block_digest(block: Any) -> BodyDigest:
    return digest(block, kind=str(block.__struct_config__.tag) if isinstance(block, msgspec.Struct) else None)


def _fixed_block(block: Any) -> Any:
    if isinstance(block, ToolUse):
        return msgspec.structs.replace(block, arguments=fixed_json(block.arguments))
    return block if _are_fixed((type(block),)) else fixed_json(block)


def _tool_calls(calls: Sequence[ToolUse], config: InteractionLogConfig) -> tuple[ToolCallRecord, ...]:
    """Return the calls, each by an id of its own, to which its result is joined; the answer keeps the ids given."""
    ids = distinct_ids([call.id for call in calls])
    told = _told if config.include_responses else _untold
    return tuple(
        ToolCallRecord(tool_name=call.name, tool_call_id=own, arguments=told(call))
        for call, own in zip(calls, ids, strict=True)
    )


def _told(call: ToolUse) -> Any:
    return call.arguments if call.invalid_arguments is None else call.invalid_arguments


def _untold(_call: ToolUse) -> None:
    return None


def _kept_messages(
    system: str | None, messages: Sequence[ReadyMessage], config: InteractionLogConfig
) -> tuple[msgspec.Raw | BodyDigest, ...]:
    """Return the messages as JSON, or their digests led by one for the system prompt."""
    bodies = tuple(map(_body_of, messages))
    if config.include_messages or system is None:
        return bodies
    return (digest(system, role="system"), *bodies)


def _cuts(messages: Sequence[ReadyMessage]) -> tuple[Truncation, ...]:
    """Return what was cut, placed in the record."""
    if not any(map(_cuts_of, messages)):
        return ()
    return tuple(
        msgspec.structs.replace(cut, where=f"messages[{index}]{cut.where}")
        for index, message in enumerate(messages)
        for cut in message.cuts
    )


def _all_rules(
    said: Sequence[str], error: ErrorRecord | None, tools: ReadyTools, messages: Sequence[ReadyMessage]
) -> tuple[str, ...]:
    """Return every rule that found something, once; an error's message was redacted where the error was made."""
    shown = () if error is None else rules_in(str(error.message))
    return tuple(dict.fromkeys(chain(said, shown, tools.rules, *map(_rules_of, messages))))
