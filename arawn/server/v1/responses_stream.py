"""The events of an answer as the events of the responses dialect. Pure."""

from __future__ import annotations

from typing import Any, Literal, assert_never, get_args

from arawn.backends.assembly import can_grow, is_whole_object
from arawn.backends.worded_refusal import RefusalDelta
from arawn.messages import (
    Completed,
    CompletionResponse,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolUseDelta,
    ToolUseStart,
)
from arawn.server.reply import Failure, error_body
from arawn.server.streaming import KEEP_ALIVE, encode_event
from arawn.server.v1.envelope import provider_error
from arawn.server.v1.known_errors import word_for
from arawn.server.v1.responses_custom import InputPieces
from arawn.server.v1.responses_out import (
    PREFIXES,
    Frame,
    call_item,
    cut_short,
    message_item,
    reasoning_item,
    text_part,
    why_incomplete,
)
from arawn.server.v1.responses_tools import Kind

__all__ = ["ResponseEvents"]

# Codex takes the first for final in a stream, after no other try; of a refusal it tries again before.
_ASKED_AGAIN = {"server_is_overloaded": "overloaded_error"}
_Said = Literal["text", "refusal", "thinking"]
_SAID = get_args(_Said)
_Kind = _Said | Kind


class _Item:
    """One output item while it grows."""

    def __init__(self, kind: _Kind, position: int, item_id: str) -> None:
        self.kind = kind
        self.position = position
        self.id = item_id
        self.pieces: list[str] = []
        self.call_id = ""
        self.called: dict[str, str] = {}
        self.input = InputPieces()
        self.closed = False
        self.is_cut = False

    def shown(self) -> dict[str, Any]:
        """Return the item as it stands at its end."""
        return cut_short(self.whole()) if self.is_cut else self.whole()

    def is_over(self) -> bool:
        """Say whether nothing more can come to it when another begins."""
        return self.kind in _SAID or not can_grow("".join(self.pieces))

    def is_broken_call(self) -> bool:
        return self.kind == "function" and any(self.pieces) and not is_whole_object("".join(self.pieces))

    def whole(self) -> dict[str, Any]:
        text = "".join(self.pieces)
        match self.kind:
            case "text" | "refusal":
                return message_item(self.id, text_part(text, self.kind))
            case "thinking":
                return reasoning_item(self.id, text)
            case "function" | "custom" | "tool_search":
                return call_item(self.kind, self.id, self.call_id, self.called, text)


class ResponseEvents:
    """Says one streamed answer.

    Items are said one after the other, but for tool calls whose arguments are not whole when the next item begins:
    some backends mix calls, so these end at the end.
    """

    keep_alive = KEEP_ALIVE

    def __init__(self, frame: Frame, model: str) -> None:
        """Begin with nothing said; `model` is what the model is called until the answer names it."""
        self._frame = frame
        self._model = model
        self._number = 0
        self._items: list[_Item] = []
        self._growing: dict[int, _Item] = {}  # the backend's index -> the item that says the block
        self._last: _Item | None = None  # the item that has begun last

    def name_model(self, model: str) -> None:
        """Call the model that answers so in every event."""
        self._model = model

    def encode(self, event: StreamEvent) -> bytes:
        """Return the events that say `event`; the first ones begin the response."""
        begin = self._begin() if self._number == 0 else b""
        match event:
            case TextDelta():
                kind: _Said = "refusal" if isinstance(event, RefusalDelta) else "text"
                return begin + self._grow(kind, event.index, event.text)
            case ThinkingDelta(text=""):  # of thinking that the provider hides there is nothing to say
                return begin
            case ThinkingDelta():
                return begin + self._grow("thinking", event.index, event.text)
            case ToolUseStart():
                return begin + self._start_call(event)
            case ToolUseDelta():
                return begin + self._grow_call(self._growing[event.index], event.partial_json)
            case Completed():
                return begin + self._end(event.response)
            case _:
                assert_never(event)

    def fail(self, failure: Failure, request_id: str) -> bytes:  # noqa: ARG002  # there is no word for it
        """Return the end of a stream that broke: `response.failed` with what had been said.

        Of one that was refused before it began clients learn by the event `error`, which OpenAI sends first: many pass
        over `response.failed`, and would show an empty answer. It has the error as OpenAI sends and as it documents it.
        """
        detail = error_body(failure).error
        known = word_for(detail, "openai").code
        ours = {"code": known or detail.code or detail.type, "message": detail.message}
        theirs = provider_error(failure, "openai") or {}
        error = ours | {name: said for name, said in theirs.items() if name not in ours or isinstance(said, str)}
        error |= {"code": _ASKED_AGAIN.get(known, known)} if known else {}
        output = [item.whole() if item.closed else cut_short(item.whole()) for item in self._items]
        failed = self._frame.value("failed", output, model=self._model, error=error)
        if self._number > 0:
            return self._event("response.failed", response=failed)
        flat = {"param": None} | {name: said for name, said in error.items() if name in {"code", "message", "param"}}
        told = self._begin() + self._event("error", error={**error, "type": error.get("type") or error["code"]}, **flat)
        return told + self._event("response.failed", response=failed)

    def end_after(self, passed: bytes) -> bytes:  # noqa: ARG002  # an error is the end of it
        """Return nothing."""
        return b""

    def _begin(self) -> bytes:
        begun = self._frame.value("in_progress", [], model=self._model)
        first = self._event("response.created", response=begun)
        return first + self._event("response.in_progress", response=begun)

    def _grow(self, kind: _Said, index: int, piece: str) -> bytes:
        item = self._growing.get(index)
        start = b""
        if item is None or item.closed or item.kind != kind:
            start = self._close_last()
            item = self._add(kind, index)
            self._last = item
            start += self._opening(item)
        item.pieces.append(piece)
        if kind == "thinking":
            return start + self._of(item, "response.reasoning_summary_text.delta", summary_index=0, delta=piece)
        if kind == "refusal":
            return start + self._of(item, "response.refusal.delta", content_index=0, delta=piece)
        return start + self._of(item, "response.output_text.delta", content_index=0, delta=piece, logprobs=[])

    def _start_call(self, event: ToolUseStart) -> bytes:
        end = self._close_last()
        item = self._add(self._frame.tools.kind_of(event.name), event.index)
        self._last = item
        item.call_id, item.called = event.id, self._frame.tools.called(event.name)
        shown = {**item.whole(), "status": "in_progress"}
        return end + self._event("response.output_item.added", output_index=item.position, item=shown)

    def _grow_call(self, item: _Item, piece: str) -> bytes:
        if item.closed and not piece.strip():  # it was whole
            return b""
        item.pieces.append(piece)
        if item.kind == "function":
            return self._of(item, "response.function_call_arguments.delta", delta=piece)
        return self._grow_input(item, item.input.read(piece)) if item.kind == "custom" else b""

    def _grow_input(self, item: _Item, text: str) -> bytes:
        return self._of(item, "response.custom_tool_call_input.delta", delta=text) if text else b""

    def _add(self, kind: _Kind, index: int) -> _Item:
        position = len(self._items)
        item = _Item(kind, position, f"{PREFIXES[kind]}_{position}_{self._frame.answer_id}")
        self._items.append(item)
        self._growing[index] = item
        return item

    def _opening(self, item: _Item) -> bytes:
        if item.kind == "thinking":
            shown = {**item.whole(), "summary": []}
            added = self._event("response.output_item.added", output_index=item.position, item=shown)
            part = {"type": "summary_text", "text": ""}
            return added + self._of(item, "response.reasoning_summary_part.added", summary_index=0, part=part)
        shown = {**item.whole(), "status": "in_progress", "content": []}
        added = self._event("response.output_item.added", output_index=item.position, item=shown)
        return added + self._of(
            item,
            "response.content_part.added",
            content_index=0,
            part=text_part("", "refusal" if item.kind == "refusal" else "text"),
        )

    def _close_last(self) -> bytes:
        item, self._last = self._last, None
        return b"" if item is None or not item.is_over() else self._close(item)

    def _close(self, item: _Item) -> bytes:
        item.closed = True
        said = b""
        if item.kind == "function" and not any(item.pieces):  # clients decode arguments as JSON
            said = self._grow_call(item, "{}")
        whole = item.shown()
        match item.kind:
            case "text" | "refusal":
                (part,) = whole["content"]
                if item.kind == "refusal":
                    said = self._of(item, "response.refusal.done", content_index=0, refusal=part["refusal"])
                else:
                    said = self._of(item, "response.output_text.done", content_index=0, text=part["text"], logprobs=[])
                said += self._of(item, "response.content_part.done", content_index=0, part=part)
            case "thinking":
                (part,) = whole["summary"]
                said = self._of(item, "response.reasoning_summary_text.done", summary_index=0, text=part["text"])
                said += self._of(item, "response.reasoning_summary_part.done", summary_index=0, part=part)
            case "function":
                names = {"name": item.called["name"], "arguments": whole["arguments"]}
                said += self._of(item, "response.function_call_arguments.done", **names)
            case "custom":
                said = self._grow_input(item, item.input.rest_of(whole["input"]))
                said += self._of(item, "response.custom_tool_call_input.done", input=whole["input"])
        return said + self._event("response.output_item.done", output_index=item.position, item=whole)

    def _end(self, response: CompletionResponse) -> bytes:
        if why_incomplete(response):
            for item in [item for item in self._items if item.is_broken_call()] or self._items[-1:]:
                item.is_cut = True
        said = b"".join(self._close(item) for item in self._items if not item.closed)
        ended = self._frame.ended(response, [item.shown() for item in self._items]) | {"model": self._model}
        return said + self._event(f"response.{ended['status']}", response=ended)

    def _of(self, item: _Item, name: str, /, **fields: Any) -> bytes:
        return self._event(name, item_id=item.id, output_index=item.position, **fields)

    def _event(self, name: str, /, **fields: Any) -> bytes:
        value = {"type": name, "sequence_number": self._number, **fields}
        self._number += 1
        return encode_event(name, value)
