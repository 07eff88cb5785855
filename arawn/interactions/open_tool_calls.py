"""Which record asked for a tool, until the next call of the conversation brings what the tool answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import msgspec

from arawn.interactions.call_ids import distinct_ids
from arawn.interactions.record import InteractionRecord
from arawn.messages import CallContext, CompletionRequest, ContentBlock, ToolResult, ToolUse

__all__ = ["OpenToolCalls"]

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
