"""Which record asked for a tool, until the next call of the conversation brings what the tool answered."""

from __future__ import annotations

from collections.abc import Iterator

from arawn.interactions.record import InteractionRecord
from arawn.messages import CallContext, CompletionRequest, ToolResult, ToolUse

__all__ = ["OpenToolCalls"]

_REMEMBERED = 65_536

_Key = tuple[str | None, str | None, str, str]  # workstream, session, the provider's id of the call, the tool


class OpenToolCalls:
    """Tool calls that have been asked for and not been answered; past 65,536 of them the oldest is forgotten.

    Providers number their calls as they like, some anew in every answer: so a result belongs to the latest call with
    its id, of the tool that the request says it was, in the same conversation.
    """

    def __init__(self) -> None:
        self._records: dict[_Key, str] = {}

    def asked(self, record: InteractionRecord) -> None:
        """Remember the tool calls in a record."""
        for call in record.tool_calls:
            key = (record.workstream, record.session_id, call.tool_call_id, call.tool_name)
            self._records.pop(key, None)
            self._records[key] = record.id
        while len(self._records) > _REMEMBERED:
            del self._records[next(iter(self._records))]

    def answered(self, request: CompletionRequest, context: CallContext) -> Iterator[tuple[str, ToolResult]]:
        """Yield each result that is new with this request, and the id of the record that it answers; forget those.

        New is what follows the last answer of the model, which names the tools.
        """
        if not self._records:
            return
        last = next((place for place in reversed(range(len(request.messages))) if _is_answer(request, place)), None)
        if last is None:
            return
        tools = {block.id: block.name for block in request.messages[last].content if isinstance(block, ToolUse)}
        for message in request.messages[last + 1 :]:
            for block in message.content:
                if isinstance(block, ToolResult) and block.tool_use_id in tools:
                    key = (context.workstream, context.session_id, block.tool_use_id, tools[block.tool_use_id])
                    record_id = self._records.pop(key, None)
                    if record_id is not None:
                        yield record_id, block


def _is_answer(request: CompletionRequest, place: int) -> bool:
    return request.messages[place].role == "assistant"
