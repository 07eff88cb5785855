"""The events of an answer as the events of the Anthropic dialect. Pure."""

from __future__ import annotations

from typing import Any, assert_never

from arawn.backends.anthropic_reply import REDACTED
from arawn.backends.assembly import can_grow
from arawn.messages import (
    Completed,
    CompletionResponse,
    StreamEvent,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolUseDelta,
    ToolUseStart,
    Usage,
)
from arawn.server.reply import Failure
from arawn.server.streaming import KEEP_ALIVE, encode_event
from arawn.server.v1.anthropic_messages_out import stop_reason, usage_value
from arawn.server.v1.envelope import error_in_stream

__all__ = ["MessageEvents"]


class MessageEvents:
    """Says one streamed answer.

    Blocks are numbered as they begin and end before the next begins, but for two kinds that stay open until the end
    of the answer: a tool call whose arguments are not whole by then, for some backends mix calls, and with `signed`
    thinking, whose signature is known only then; where it goes on as a new block, that one stays open in its place.
    """

    def __init__(self, *, answer_id: str, model: str, signed: bool) -> None:
        """Begin with nothing said.

        Args:
            answer_id: Becomes the id of the message.
            model: What the model is called until an answer names it.
            signed: Whether thinking may come with signatures.
        """
        self._answer_id = answer_id
        self._model = model
        self._signed = signed
        self._begun = False
        self._count = 0
        self._open: int | None = None  # the backend's index of the block that grows
        self._numbers: dict[int, int] = {}  # the backend's index -> the number of the block that says it
        self._late: dict[int, int] = {}  # the same, for blocks that stay open until the end
        self._arguments: dict[int, list[str]] = {}  # of each tool call

    @property
    def keep_alive(self) -> bytes:
        """A comment; once the message has begun, a `ping`."""
        return _event("ping", {}) if self._begun else KEEP_ALIVE

    def name_model(self, model: str) -> None:
        """Call the model that answers so."""
        self._model = model

    def encode(self, event: StreamEvent) -> bytes:
        """Return the events that say `event`; the first ones begin the message."""
        begin = b"" if self._begun else self._message_start()
        match event:
            case TextDelta():
                block = {"type": "text", "text": ""}
                return begin + self._grow(event.index, block, {"type": "text_delta", "text": event.text})
            case ThinkingDelta():
                block = {"type": "thinking", "thinking": "", "signature": ""}
                return begin + self._grow(event.index, block, {"type": "thinking_delta", "thinking": event.text})
            case ToolUseStart():
                call: dict[str, Any] = {"type": "tool_use", "id": event.id, "name": event.name, "input": {}}
                self._arguments[event.index] = []
                return begin + self._start(event.index, call)
            case ToolUseDelta():
                return begin + self._grow_call(event.index, event.partial_json)
            case Completed():
                return begin + self._end(event.response)
            case _:
                assert_never(event)

    def fail(self, failure: Failure, request_id: str) -> bytes:
        """Return the end of a stream that broke: an `error`, and no `message_stop`."""
        return b"event: error\ndata: %b\n\n" % error_in_stream(failure, "anthropic", request_id)

    def end_after(self, passed: bytes) -> bytes:  # noqa: ARG002  # an error is the end of it
        """Return nothing."""
        return b""

    def _message_start(self) -> bytes:
        self._begun = True
        message: dict[str, Any] = {
            "id": f"msg_{self._answer_id}",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_value(Usage()),
        }
        return _event("message_start", {"message": message})

    def _grow(self, index: int, block: dict[str, Any], delta: dict[str, Any]) -> bytes:
        start = b"" if index == self._open else self._start(index, block)
        return start + self._delta(self._numbers[index], delta)

    def _grow_call(self, index: int, piece: str) -> bytes:
        if index not in self._late and not piece.strip():  # it was whole
            return b""
        self._arguments[index].append(piece)
        return self._delta(self._numbers[index], {"type": "input_json_delta", "partial_json": piece})

    def _start(self, index: int, block: dict[str, Any]) -> bytes:
        """Begin a block; one that goes on after another has begun goes on as a new one."""
        end = self._stop()
        if (earlier := self._late.pop(index, None)) is not None:
            end += _event("content_block_stop", {"index": earlier})
        number = self._numbers[index] = self._count
        self._open = index
        self._count += 1
        if block["type"] == "tool_use" or (block["type"] == "thinking" and self._signed):
            self._late[index] = number
        return end + _event("content_block_start", {"index": number, "content_block": block})

    def _stop(self) -> bytes:
        index, self._open = self._open, None
        if index in self._arguments and not can_grow("".join(self._arguments[index])):
            self._late.pop(index, None)
        if index is None or index in self._late:
            return b""
        return _event("content_block_stop", {"index": self._numbers[index]})

    def _delta(self, number: int, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", {"index": number, "delta": delta})

    def _end(self, response: CompletionResponse) -> bytes:
        said = [self._stop()]
        for index, number in self._late.items():
            block = response.content[index] if index < len(response.content) else None
            if isinstance(block, Thinking) and block.signature and not block.signature.startswith(REDACTED):
                said.append(self._delta(number, {"type": "signature_delta", "signature": block.signature}))
            said.append(_event("content_block_stop", {"index": number}))
        delta = {"stop_reason": stop_reason(response), "stop_sequence": None}
        said.append(_event("message_delta", {"delta": delta, "usage": usage_value(response.usage)}))
        said.append(_event("message_stop", {}))
        return b"".join(said)


def _event(name: str, value: dict[str, Any]) -> bytes:
    return encode_event(name, {"type": name, **value})
