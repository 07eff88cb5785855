"""What tools answered: known with the next call of the conversation, joined by a line of its own to who asked. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.call_ids import distinct_ids
from arawn.interactions.record import InteractionRecord, ToolResultLine, timestamp_text
from arawn.interactions.redact import Redactor
from arawn.interactions.shorten import cut_text
from arawn.messages import CallContext, CompletionRequest, ContentBlock, Text, ToolResult, ToolUse

__all__ = ["OpenToolCalls", "build_tool_result"]

_REMEMBERED = 65_536

_Key = tuple[str | None, str | None, str, str]  # workstream, session, distinct id of the call, tool


class OpenToolCalls:
    """Tool calls that have been asked for and not been answered; past 65,536 of them the oldest is forgotten.

    Providers number their calls as they like, some anew in every answer: so a result belongs to the latest call with
    its id, of the tool that the request says it was, in the same conversation.
    """

    def __init__(self) -> None:
        self._records: dict[_Key, str] = {}

    def asked(self, record: InteractionRecord) -> None:
        """Remember the tool calls in a record."""
        if not record.tool_calls:
            return
        ids = distinct_ids([call.tool_call_id for call in record.tool_calls])
        for own, call in zip(ids, record.tool_calls, strict=True):
            key = (record.workstream, record.session_id, own, call.tool_name)
            self._records.pop(key, None)
            self._records[key] = record.id
        while len(self._records) > _REMEMBERED:
            del self._records[next(iter(self._records))]

    def answered(self, request: CompletionRequest, context: CallContext) -> Iterator[tuple[str, ToolResult]]:
        """Yield each result that is new with this request, and the id of the record that it answers; forget those.

        New is what follows the last answer of the model, which names the tools. Each result has the id that its call
        has among those of the answer, `distinct_ids`.
        """
        if not self._records:
            return
        messages = request.messages
        last = next((place for place in reversed(range(len(messages))) if messages[place].role == "assistant"), None)
        if last is None:
            return
        calls = _calls(messages[last].content)
        for message in messages[last + 1 :]:
            for block in message.content:
                if isinstance(block, ToolResult) and calls.get(block.tool_use_id):
                    own, tool = calls[block.tool_use_id].popleft()
                    record_id = self._records.pop((context.workstream, context.session_id, own, tool), None)
                    if record_id is not None:
                        yield record_id, msgspec.structs.replace(block, tool_use_id=own)


def _calls(answer: Sequence[ContentBlock]) -> dict[str, deque[tuple[str, str]]]:
    """Return the calls of an answer by the ids that their results name: the id of its own and the tool of each."""
    uses = [block for block in answer if isinstance(block, ToolUse)]
    calls: dict[str, deque[tuple[str, str]]] = {}
    for use, own in zip(uses, distinct_ids([use.id for use in uses]), strict=True):
        calls.setdefault(use.id, deque()).append((own, use.name))
    return calls


def build_tool_result(
    interaction_id: str, result: ToolResult, *, at: datetime, config: InteractionLogConfig, secrets: Redactor
) -> ToolResultLine:
    """Return the line that joins a tool's answer to the call in `interaction_id` which asked for it.

    Args:
        interaction_id: The record whose response held the tool call.
        result: What the tool answered, as `answered` yields it; its text is cut, redacted or left out as `config` says.
        at: When it was known, with a time zone.
        config: As for `build_record`.
        secrets: As for `build_record`.
    """
    content, redactions = _text_of(result), list[str]()
    if config.redact_secrets:
        content, redactions = secrets.redact(content)
    kept, cut = cut_text(content, config.truncate_tool_results, "content")
    return ToolResultLine(
        interaction_id=interaction_id,
        tool_call_id=result.tool_use_id,
        success=not result.is_error,
        content=kept if config.include_messages else None,
        truncated=(cut,) if cut else (),
        redactions=tuple(redactions),
        timestamp=timestamp_text(at),
    )


def _text_of(result: ToolResult) -> str:
    """Return the text of a tool's answer; a picture is named, not kept."""
    return "\n".join(part.text if isinstance(part, Text) else "[image]" for part in result.content)
