"""The events of an answer as chat completion chunks. Pure."""

from __future__ import annotations

import re
from typing import Any, assert_never

import msgspec

from arawn.messages import (
    Completed,
    CompletionResponse,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolUseDelta,
    ToolUseStart,
)
from arawn.server.reply import Failure
from arawn.server.streaming import KEEP_ALIVE
from arawn.server.v1.envelope import error_in_stream
from arawn.server.v1.openai_chat_out import finish_reason, usage_value

__all__ = ["ChatChunks"]

_DONE = b"data: [DONE]\n\n"
_SAID_DONE = re.compile(rb"(?:\A|[\r\n])data:[ \t]*\[DONE\][ \t]*[\r\n]")
_TAIL = b',"logprobs":null,"finish_reason":null}]}\n\n'
_TAIL_WITH_USAGE = b',"logprobs":null,"finish_reason":null}],"usage":null}\n\n'


class ChatChunks:
    """Says one streamed answer. What every chunk has in common is encoded once."""

    keep_alive = KEEP_ALIVE

    def __init__(self, *, answer_id: str, created: int, model: str, with_usage: bool) -> None:
        """Begin with nothing said.

        Args:
            answer_id: The same in every chunk.
            created: When the answer began, in Unix seconds.
            model: What the model is called until an answer names it.
            with_usage: Whether the last chunk is to hold the token counts.
        """
        self._common: dict[str, Any] = {
            "id": f"chatcmpl-{answer_id}",
            "object": "chat.completion.chunk",
            "created": created,
        }
        self.name_model(model)
        self._tail = _TAIL_WITH_USAGE if with_usage else _TAIL
        self._with_usage = with_usage
        self._begun = False
        self._calls: dict[int, int] = {}  # index of the block -> index of the tool call
        self._silent: set[int] = set()  # blocks of tool calls of whose arguments nothing has been said

    def name_model(self, model: str) -> None:
        """Call the model that answers so in every chunk."""
        self._common["model"] = model
        self._head = b"data: " + msgspec.json.encode(self._common)[:-1] + b',"choices":[{"index":0,"delta":'

    def encode(self, event: StreamEvent) -> bytes:
        """Return the chunks that say `event`; the first ones begin with the role."""
        begin = b"" if self._begun else self._chunk({"role": "assistant", "content": ""})
        self._begun = True
        match event:
            case TextDelta():
                return begin + self._chunk({"content": event.text})
            case ThinkingDelta():
                return begin + self._chunk({"reasoning_content": event.text})
            case ToolUseStart():
                index = self._calls[event.index] = len(self._calls)
                self._silent.add(event.index)
                function = {"name": event.name, "arguments": ""}
                call = {"index": index, "id": event.id, "type": "function", "function": function}
                return begin + self._chunk({"tool_calls": [call]})
            case ToolUseDelta():
                if event.partial_json:
                    self._silent.discard(event.index)
                return begin + self._arguments(event.index, event.partial_json)
            case Completed():
                empty = [self._arguments(index, "{}") for index in sorted(self._silent)]  # clients decode them as JSON
                return begin + b"".join(empty) + self._end(event.response)
            case _:
                assert_never(event)

    def fail(self, failure: Failure, request_id: str) -> bytes:
        """Return the end of a stream that broke; it has no `finish_reason`, which could be taken for success."""
        return b"data: %b\n\n" % error_in_stream(failure, "openai", request_id) + _DONE

    def end_after(self, passed: bytes) -> bytes:
        """Return `[DONE]` if the provider has not said it after its error: clients read on until they find it."""
        return b"" if _SAID_DONE.search(passed) else _DONE

    def _end(self, response: CompletionResponse) -> bytes:
        choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": finish_reason(response)}
        if not self._with_usage:
            return self._data({**self._common, "choices": [choice]}) + _DONE
        last = self._data({**self._common, "choices": [choice], "usage": None})
        return last + self._data({**self._common, "choices": [], "usage": usage_value(response.usage)}) + _DONE

    def _arguments(self, index: int, more: str) -> bytes:
        return self._chunk({"tool_calls": [{"index": self._calls[index], "function": {"arguments": more}}]})

    def _chunk(self, delta: dict[str, Any]) -> bytes:
        return self._head + msgspec.json.encode(delta) + self._tail

    def _data(self, value: dict[str, Any]) -> bytes:
        return b"data: " + msgspec.json.encode(value) + b"\n\n"
