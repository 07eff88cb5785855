"""A logged call as the conversation it was: what the model was sent, then what it answered. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from typing import Any

import msgspec

from arawn.backends.turns import alternate, results_first, unparted
from arawn.errors import BadInput
from arawn.interactions.export.rules import Choice, Reason, unwanted
from arawn.interactions.record import InteractionRecord
from arawn.messages import ContentBlock, Image, Message, Text, Thinking, ToolDefinition, ToolResult, ToolUse

__all__ = ["Transcript", "is_digest", "transcript_of", "with_called_tools"]


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation that ends with the model's answer; roles alternate, tool results follow their calls.

    `id` is that of the call that answered.
    """

    id: str
    system: str | None
    tools: tuple[ToolDefinition, ...]
    messages: tuple[Message, ...]

    def blocks(self) -> Iterator[ContentBlock]:
        """Yield every block of every message; not what is inside tool results."""
        for message in self.messages:
            yield from message.content

    @property
    def has_images(self) -> bool:
        """Whether a picture is in a message or a tool result."""
        return any(isinstance(block, Image) for block in self.blocks()) or self.has_result_images

    @property
    def has_result_images(self) -> bool:
        """Whether a tool answered with a picture."""
        results = (block for block in self.blocks() if isinstance(block, ToolResult))
        return any(isinstance(part, Image) for result in results for part in result.content)

    @property
    def has_answer_images(self) -> bool:
        """Whether the model answered with a picture."""
        answers = (message for message in self.messages if message.role == "assistant")
        return any(isinstance(block, Image) for message in answers for block in message.content)

    def left_out(self) -> dict[str, int]:
        """Return how much of it chat formats have no words for: blocks of thinking, error marks of tool results."""
        return {
            "thinking": sum(isinstance(block, Thinking) for block in self.blocks()),
            "tool_error_marks": sum(isinstance(block, ToolResult) and block.is_error for block in self.blocks()),
        }


def transcript_of(record: InteractionRecord, drop: Collection[Choice], *, last: bool) -> Transcript | Reason:
    """Return the conversation up to and with the answer of `record`, or the first reason why there is none.

    Args:
        record: The call.
        drop: What is dropped by choice.
        last: Whether the conversation ends here: then tools that were called must have answered.
    """
    if record.status != "ok":
        return record.status
    if not record.messages or any(is_digest(part) for part in (*record.messages, *record.response_content)):
        return "not_logged"
    reason = unwanted(record, drop, has_tool_use=True)  # of the whole conversation, which is looked at below
    if reason is not None:
        return reason
    try:
        said = msgspec.convert(record.messages, tuple[Message, ...])
        answer = Message("assistant", msgspec.convert(record.response_content, tuple[ContentBlock, ...]))
        messages = tuple(results_first(alternate(unparted((*said, answer)))))
    except (msgspec.ValidationError, BadInput):
        return "malformed"
    transcript = Transcript(id=record.id, system=record.system_prompt, tools=record.tools, messages=messages)
    return _flaw(transcript, answer, record, drop, last=last) or transcript


def with_called_tools(transcript: Transcript, earlier: Iterable[Collection[ToolDefinition]]) -> Transcript:
    """Return the transcript with the tools that were called in it and that its last call did not offer any more.

    Args:
        transcript: A conversation, with the tools of its last call.
        earlier: What earlier calls of it offered, the first one first; the latest definition of a name counts.
    """
    offered = {tool.name for tool in transcript.tools}
    missing = {block.name for block in transcript.blocks() if isinstance(block, ToolUse)} - offered
    found = {tool.name: tool for tools in earlier for tool in tools if tool.name in missing}
    return msgspec.structs.replace(transcript, tools=(*transcript.tools, *found.values())) if found else transcript


def is_digest(part: Any) -> bool:
    """Say whether a logged message or block is only its size and hash."""
    return isinstance(part, dict) and "sha256" in part and "content" not in part


def _flaw(
    transcript: Transcript, answer: Message, record: InteractionRecord, drop: Collection[Choice], *, last: bool
) -> Reason | None:
    if not any(isinstance(block, ToolUse) or (isinstance(block, Text) and block.text) for block in answer.content):
        return "no_answer"
    if last and any(call.result_success is None for call in record.tool_calls):
        return "unfinished"
    calls = [block for block in transcript.blocks() if isinstance(block, ToolUse)]
    if any(call.invalid_arguments is not None for call in calls):
        return "invalid_arguments"
    if not _is_paired(transcript.messages):
        return "unpaired_tools"
    return "no_tools" if not calls and "no_tools" in drop else None


def _is_paired(messages: tuple[Message, ...]) -> bool:
    """Say whether every tool result follows its call, and every call but those of the answer has its result."""
    opening = messages[0].content
    if any(isinstance(block, ToolResult) for block in opening):
        return False
    return all(_uses(message) == _results(following) for message, following in pairwise(messages))


def _uses(message: Message) -> list[str]:
    return sorted(block.id for block in message.content if isinstance(block, ToolUse))


def _results(message: Message) -> list[str]:
    return sorted(block.tool_use_id for block in message.content if isinstance(block, ToolResult))
