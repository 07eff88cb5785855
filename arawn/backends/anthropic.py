"""The Anthropic messages dialect: what is sent. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from arawn.backends.anthropic_reply import REDACTED, AnthropicAssembler, decode_reply
from arawn.backends.own_ids import with_own_ids
from arawn.backends.protocol import Assembler, EncodedRequest
from arawn.backends.turns import alternate, blocks_of, plainly_named, require_called, results_first
from arawn.backends.unsaid import Unsaid
from arawn.errors import BadInput
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

__all__ = ["AnthropicDialect", "tool_choice_value"]

_VERSION = "2023-06-01"
_MAX_TOKENS = 4096  # the dialect demands a limit; this one every model accepts


class AnthropicDialect:
    """Messages, as Anthropic speaks it."""

    name = "anthropic"
    path = "/v1/messages"
    base_url_hint = "`base_url` should be the address without `/v1`, such as `https://api.anthropic.com`"

    def headers(self, key: str | None, *, bearer: bool) -> Mapping[str, str]:
        """Return the version header and the key, as Bearer token or as `x-api-key`."""
        headers = {"anthropic-version": _VERSION}
        if key is not None:
            headers |= {"authorization": f"Bearer {key}"} if bearer else {"x-api-key": key}
        return headers

    def encode(self, request: CompletionRequest, *, stream: bool) -> EncodedRequest:
        """Return the messages body; without any limit on the answer it is 4,096 tokens."""
        unsaid = Unsaid()
        body: dict[str, Any] = {
            "model": request.model,
            "max_tokens": _MAX_TOKENS if request.max_tokens is None else request.max_tokens,
            "messages": _messages(request, unsaid),
        }
        if request.system:
            body["system"] = request.system
        body |= _tools(request, unsaid)
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.top_p is not None:
            body["top_p"] = request.top_p
        if request.stop:
            body["stop_sequences"] = request.stop
        body |= request.extra
        body.pop("stream", None)
        if stream:
            body["stream"] = True
        return unsaid.encoded(body)

    def decode(self, body: bytes) -> CompletionResponse:
        """Return the answer of a plain reply."""
        return decode_reply(body)

    def assembler(self) -> Assembler:
        """Return an assembler for one stream."""
        return AnthropicAssembler()

    def learns_from(self, sent: bytes, refusal: bytes, said: bytes | None = None) -> bool:  # noqa: ARG002  # all alike
        """Return False."""
        return False


def _tools(request: CompletionRequest, unsaid: Unsaid) -> dict[str, Any]:
    """Return `tools` and `tool_choice`; the dialect refuses a choice without tools."""
    if not request.tools:
        if request.tool_choice not in {None, "auto", "none"}:
            unsaid.left_out("tool_choice", "`tool_choice` was dropped: the request offers no tools")
        return {}
    fields: dict[str, Any] = {"tools": [_tool(tool) for tool in request.tools]}
    if request.tool_choice is not None:
        fields["tool_choice"] = tool_choice_value(request.tool_choice)
    return fields


def tool_choice_value(choice: str) -> dict[str, Any]:
    """Return the dialect's object for a neutral choice of tools."""
    kinds = {"auto": "auto", "none": "none", "required": "any"}
    return {"type": kinds[choice]} if choice in kinds else {"type": "tool", "name": choice}


def _tool(tool: ToolDefinition) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": tool.name}
    if tool.description:
        fields["description"] = tool.description
    fields["input_schema"] = tool.parameters or {"type": "object", "properties": {}}
    if tool.strict:
        fields["strict"] = True
    return fields


def _messages(request: CompletionRequest, unsaid: Unsaid) -> list[dict[str, Any]]:
    """Return the turns, without what the dialect cannot say.

    Raises:
        BadInput: Nothing is left of them.
    """
    messages: Iterable[Message] = request.messages
    blocks = (*blocks_of(messages),)
    kinds = set(map(type, blocks))
    if ToolUse in kinds:
        messages = plainly_named(request, unsaid)
    texts = [block.text for block in blocks if type(block) is Text]
    if Thinking in kinds or Image in kinds or "" in texts or any(map(str.isspace, texts)):
        messages = [_sayable(message, unsaid) for message in messages]
    turns = alternate([*messages])
    if request.messages and not turns:
        raise BadInput("the messages say nothing that the anthropic dialect can say: give one of them a text")
    if ToolResult in kinds:
        require_called(turns)
    if ToolUse in kinds or ToolResult in kinds:
        turns = [*with_own_ids(results_first(turns))]
    return [
        {
            "role": turn.role,
            "content": [
                {"type": "text", "text": block.text} if isinstance(block, Text) else _block(block, unsaid)
                for block in turn.content
            ],
        }
        for turn in turns
    ]


def _sayable(message: Message, unsaid: Unsaid) -> Message:
    return Message(message.role, tuple(block for block in message.content if _can_say(block, message, unsaid)))


def _can_say(block: ContentBlock, message: Message, unsaid: Unsaid) -> bool:
    """Say whether the dialect has a form for `block`; blank text says nothing and is refused by the provider."""
    if isinstance(block, Text):
        return not _is_blank(block.text)
    if isinstance(block, Thinking) and block.signature is None:
        unsaid.left_out(
            "messages.thinking",
            "thinking blocks without a signature were dropped: the anthropic dialect refuses them",
        )
        return False
    if isinstance(block, Image) and message.role == "assistant":
        unsaid.left_out(
            "messages.assistant.image",
            "images in assistant messages were dropped: the anthropic dialect cannot say them",
        )
        return False
    return True


def _is_blank(text: str) -> bool:
    return not text or text.isspace()


def _block(block: Thinking | Image | ToolUse | ToolResult, unsaid: Unsaid) -> dict[str, Any]:
    match block:
        case Thinking():
            return _thinking(block)
        case Image():
            return _image(block)
        case ToolUse():
            return _tool_use(block, unsaid)
        case ToolResult():
            return _tool_result(block)


def _thinking(block: Thinking) -> dict[str, Any]:
    if block.signature is not None and block.signature.startswith(REDACTED):
        return {"type": "redacted_thinking", "data": block.signature.removeprefix(REDACTED)}
    return {"type": "thinking", "thinking": block.text, "signature": block.signature}


def _image(block: Image) -> dict[str, Any]:
    if block.url is not None:
        return {"type": "image", "source": {"type": "url", "url": block.url}}
    return {"type": "image", "source": {"type": "base64", "media_type": block.media_type, "data": block.data}}


def _tool_use(call: ToolUse, unsaid: Unsaid) -> dict[str, Any]:
    arguments = call.arguments
    if call.invalid_arguments is not None:
        unsaid.changed("invalid tool arguments were sent inside an object: the anthropic dialect takes nothing else")
        arguments = {"invalid_arguments": call.invalid_arguments}
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments}


def _tool_result(result: ToolResult) -> dict[str, Any]:
    content = [
        _image(part) if isinstance(part, Image) else {"type": "text", "text": part.text}
        for part in result.content
        if isinstance(part, Image) or not _is_blank(part.text)
    ]
    fields: dict[str, Any] = {"type": "tool_result", "tool_use_id": result.tool_use_id, "content": content}
    if result.is_error:
        fields["is_error"] = True
    return fields
