"""The OpenAI chat completions dialect: what is sent. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Literal

import msgspec

from arawn.backends.openai_reply import OpenAIAssembler, ReasoningField, decode_reply
from arawn.backends.protocol import Assembler, EncodedRequest
from arawn.backends.turns import alternate, blocks_of, joined, plainly_named, require_called, unparted
from arawn.backends.unsaid import Unsaid
from arawn.messages import (
    CompletionRequest,
    CompletionResponse,
    ContentBlock,
    Image,
    Message,
    Text,
    Thinking,
    ToolDefinition,
    ToolResult,
    ToolUse,
)

__all__ = ["OpenAIDialect"]

_MISSES_REASONING = re.compile(rb"(?i)missing.{0,40}reasoning_content|reasoning_content.{0,80}(?:missing|passed back)")
_WANTS_NEW_LIMIT = re.compile(rb"(?i)\buse.{1,8}max_?completion_?tokens")
_NEW_LIMIT = re.compile(rb"\bmax_completion_tokens\b")
_UNKNOWN = re.compile(
    rb"(?i)unsupported|unknown|unexpected|unrecogni[sz]ed|not (?:supported|permitted|allowed)|forbidden"
)
_NONE = msgspec.Raw(b"null")
_REASONING_FIELDS: tuple[ReasoningField, ...] = ("reasoning_content", "reasoning")
_TEXT = attrgetter("text")
_THINKING_DROPPED = (
    "thinking blocks were dropped: in the openai dialect they are sent only with tool calls, to a server that has "
    "said reasoning itself"
)


class _Limits(msgspec.Struct):
    max_tokens: msgspec.Raw = _NONE
    max_completion_tokens: msgspec.Raw = _NONE


_LIMITS = msgspec.json.Decoder(_Limits)


class OpenAIDialect:
    """Chat completions, as OpenAI and most other servers speak it."""

    name = "openai"
    path = "/chat/completions"
    base_url_hint = "`base_url` should be the address up to and including `/v1`"

    def __init__(
        self,
        *,
        max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
        reasoning_field: ReasoningField | None = None,
    ) -> None:
        """Begin with what is known of the server.

        Args:
            max_tokens_field: Its name for the limit of an answer, until it refuses it for the other.
            reasoning_field: Its name for reasoning. Without it, it is the one of its last answer that had any.
        """
        self._max_tokens_field = max_tokens_field
        self._reasoning_field = reasoning_field

    def headers(self, key: str | None, *, bearer: bool) -> Mapping[str, str]:  # noqa: ARG002  # knows Bearer only
        """Return the key as a Bearer token."""
        return {} if key is None else {"authorization": f"Bearer {key}"}

    def encode(self, request: CompletionRequest, *, stream: bool) -> EncodedRequest:
        """Return the chat completions body; usage is always asked for."""
        unsaid = Unsaid()
        messages = self._messages(request, unsaid)
        if request.system:
            messages.insert(0, {"role": "system", "content": request.system})
        body: dict[str, Any] = {"model": request.model, "messages": messages}
        body |= _tools(request, unsaid)
        if request.max_tokens is not None:
            body[self._max_tokens_field] = request.max_tokens
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.top_p is not None:
            body["top_p"] = request.top_p
        if request.stop:
            body["stop"] = request.stop
        body |= request.extra
        body.pop("stream", None)
        if stream:
            body["stream"] = True
            body["stream_options"] = {**body.get("stream_options", {}), "include_usage": True}
        return unsaid.encoded(body)

    def decode(self, body: bytes) -> CompletionResponse:
        """Return the answer of a plain reply."""
        return decode_reply(body, self._note)

    def assembler(self) -> Assembler:
        """Return an assembler for one stream."""
        return OpenAIAssembler(self._note)

    def learns_from(self, sent: bytes, refusal: bytes, said: bytes | None = None) -> bool:
        """Take note of a server that has another name for the limit, or misses its reasoning, or refuses it.

        Behind one address there may be many models: only some reason, only newer ones refuse `max_tokens`. What was
        sent is looked at, not what is known: calls at the same time may have learnt it already.
        """
        if self._learns_limit(sent, refusal, said):
            return True
        return said is None and self._learns_reasoning(sent, refusal)

    def _learns_limit(self, sent: bytes, refusal: bytes, said: bytes | None) -> bool:
        """Take the name that the server asks for, or go back from one that it does not know, if the limit was ours."""
        limits = _LIMITS.decode(sent)
        if said is not None and _LIMITS.decode(said) == limits:
            return False
        old, new = limits.max_tokens != _NONE, limits.max_completion_tokens != _NONE
        if old == new:
            return False
        if _WANTS_NEW_LIMIT.search(refusal):
            self._max_tokens_field = "max_completion_tokens"
            return old
        if new and _NEW_LIMIT.search(refusal) and _UNKNOWN.search(refusal):
            self._max_tokens_field = "max_tokens"
            return True
        return False

    def _learns_reasoning(self, sent: bytes, refusal: bytes) -> bool:
        """Take note of a server that misses its reasoning in a conversation that began elsewhere, or refuses it."""
        field = next((name for name in _REASONING_FIELDS if f'"{name}":"'.encode() in sent), None)
        if _MISSES_REASONING.search(refusal) is not None:
            self._reasoning_field = "reasoning_content"
            return field != "reasoning_content"
        if field is None or re.search(rb"\b%s\b" % field.encode(), refusal) is None:
            return False
        self._reasoning_field = None
        return True

    def _note(self, field: ReasoningField) -> None:
        self._reasoning_field = field

    def _messages(self, request: CompletionRequest, unsaid: Unsaid) -> list[dict[str, Any]]:
        """Return the turns, made by the rules for the kinds of blocks that are in them."""
        kinds = set(map(type, blocks_of(request.messages)))
        if kinds <= {Text}:
            turns = joined(unparted(request.messages))
            return [{"role": turn.role, "content": "\n\n".join(map(_TEXT, turn.content))} for turn in turns]
        messages = plainly_named(request, unsaid) if ToolUse in kinds else request.messages
        messages = unparted([*messages])
        turns = alternate([_without_images(each, unsaid) for each in messages] if Image in kinds else messages)
        if ToolResult in kinds:
            require_called(turns)
        if Thinking in kinds:
            turns = joined(self._reasoned(turns, unsaid))
        said: list[dict[str, Any]] = []
        for turn in turns:
            said += _user(turn, unsaid) if turn.role == "user" else [self._assistant(turn, unsaid)]
        return said

    def _reasoned(self, turns: Sequence[Message], unsaid: Unsaid) -> list[Message]:
        """Return the turns, with thinking only where servers want it back: in what came of calling tools.

        Servers that reason refuse a call without its reasoning; others refuse the field. So only one that has said
        reasoning itself is sent any.
        """
        reasoned: list[Message] = []
        results_before = False
        for message in turns:
            kinds = set(map(type, message.content))
            calls = results_before or ToolUse in kinds
            results_before = ToolResult in kinds
            if Thinking not in kinds or (calls and len(kinds) > 1 and self._reasoning_field is not None):
                reasoned.append(message)
                continue
            unsaid.left_out("messages.thinking", _THINKING_DROPPED)
            said = tuple(block for block in message.content if not isinstance(block, Thinking))
            reasoned.append(Message(message.role, said))
        return reasoned

    def _assistant(self, message: Message, unsaid: Unsaid) -> dict[str, Any]:
        """Return the assistant's turn."""
        text = _joined(message.content)
        calls = [_tool_call(block, unsaid) for block in message.content if isinstance(block, ToolUse)]
        said: dict[str, Any] = {"role": "assistant", "content": (text or None) if calls else text}
        reasoning = "\n\n".join(block.text for block in message.content if isinstance(block, Thinking) and block.text)
        if reasoning or (calls and self._reasoning_field == "reasoning_content"):  # missed also where it is empty
            assert self._reasoning_field is not None  # else no thinking is left
            said[self._reasoning_field] = reasoning
        return said | {"tool_calls": calls} if calls else said


def _tools(request: CompletionRequest, unsaid: Unsaid) -> dict[str, Any]:
    """Return `tools` and `tool_choice`; the dialect refuses a choice without tools."""
    if not request.tools:
        if request.tool_choice not in {None, "auto", "none"}:
            unsaid.left_out("tool_choice", "`tool_choice` was dropped: the request offers no tools")
        return {}
    fields: dict[str, Any] = {"tools": [_tool(tool) for tool in request.tools]}
    if request.tool_choice in {"auto", "none", "required"}:
        fields["tool_choice"] = request.tool_choice
    elif request.tool_choice is not None:
        fields["tool_choice"] = {"type": "function", "function": {"name": request.tool_choice}}
    return fields


def _tool(tool: ToolDefinition) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    if tool.strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _without_images(message: Message, unsaid: Unsaid) -> Message:
    """Return an assistant's message without images, for which the dialect has no form there."""
    if message.role == "user" or not any(isinstance(block, Image) for block in message.content):
        return message
    unsaid.left_out(
        "messages.assistant.image", "images in assistant messages were dropped: the openai dialect cannot say them"
    )
    return Message("assistant", tuple(block for block in message.content if not isinstance(block, Image)))


def _user(message: Message, unsaid: Unsaid) -> list[dict[str, Any]]:
    """Return one `tool` message for each tool result, then the rest as one user message.

    A `tool` message holds text alone, so the images of results come first in what the user says.
    """
    results = [block for block in message.content if isinstance(block, ToolResult)]
    said: list[dict[str, Any]] = [
        {"role": "tool", "tool_call_id": result.tool_use_id, "content": _result_text(result, unsaid)}
        for result in results
    ]
    rest: list[ContentBlock] = [image for result in results for image in _result_images(result)]
    rest += [block for block in message.content if not isinstance(block, ToolResult)]
    if Image in map(type, rest):
        said.append({"role": "user", "content": [_part(block) for block in rest]})
    elif rest:
        said.append({"role": "user", "content": _joined(rest)})
    return said


def _result_text(result: ToolResult, unsaid: Unsaid) -> str:
    if result.is_error:
        unsaid.left_out(
            "messages.tool_result.is_error",
            "the error mark of tool results was dropped: the openai dialect cannot say it",
        )
    return _joined(result.content)


def _result_images(result: ToolResult) -> Iterable[Text | Image]:
    """Return the images of a tool result, each behind a text that says whose it is."""
    if Image not in map(type, result.content):
        return ()
    named = Text(f"image of tool result {result.tool_use_id}")
    return [part for block in result.content if isinstance(block, Image) for part in (named, block)]


def _part(block: ContentBlock) -> dict[str, Any]:
    if isinstance(block, Image):
        url = block.url if block.url is not None else f"data:{block.media_type};base64,{block.data}"
        return {"type": "image_url", "image_url": {"url": url}}
    assert isinstance(block, Text)
    return {"type": "text", "text": block.text}


def _tool_call(call: ToolUse, unsaid: Unsaid) -> dict[str, Any]:
    arguments = call.arguments
    if call.invalid_arguments is not None:  # many servers read the arguments of a history, and refuse what is no JSON
        unsaid.changed("invalid tool arguments were sent inside an object: servers of the openai dialect refuse others")
        arguments = {"invalid_arguments": call.invalid_arguments}
    text = msgspec.json.encode(arguments).decode()
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": text}}


def _joined(blocks: Iterable[ContentBlock]) -> str:
    """Return the texts as one string: many servers of this dialect refuse a list of parts where text is enough."""
    return "\n\n".join([block.text for block in blocks if isinstance(block, Text)])
