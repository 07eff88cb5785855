"""The OpenAI chat completions dialect: what is sent. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from arawn.backends.openai_reply import OpenAIAssembler, decode_reply
from arawn.backends.protocol import Assembler, EncodedRequest
from arawn.backends.turns import alternate, plainly_named
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


class OpenAIDialect:
    """Chat completions, as OpenAI and most other servers speak it."""

    name = "openai"
    path = "/chat/completions"
    base_url_hint = "`base_url` should be the address up to and including `/v1`"

    def __init__(self, *, max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens") -> None:
        self._max_tokens_field = max_tokens_field

    def headers(self, key: str | None, *, bearer: bool) -> Mapping[str, str]:  # noqa: ARG002  # knows Bearer only
        """Return the key as a Bearer token."""
        return {} if key is None else {"authorization": f"Bearer {key}"}

    def encode(self, request: CompletionRequest, *, stream: bool) -> EncodedRequest:
        """Return the chat completions body; usage is always asked for."""
        warnings: list[str] = []
        messages = [{"role": "system", "content": request.system}] if request.system else []
        for message in alternate([_sayable(message, warnings) for message in plainly_named(request, warnings)]):
            messages.extend(_user(message, warnings) if message.role == "user" else _assistant(message, warnings))
        body: dict[str, Any] = {"model": request.model, "messages": messages}
        body |= _tools(request, warnings)
        limits = {
            self._max_tokens_field: request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "stop": request.stop or None,
        }
        body |= {name: value for name, value in limits.items() if value is not None}
        body |= request.extra
        body.pop("stream", None)
        if stream:
            body["stream"] = True
            body["stream_options"] = {**body.get("stream_options", {}), "include_usage": True}
        return EncodedRequest(body, tuple(dict.fromkeys(warnings)))

    def decode(self, body: bytes) -> CompletionResponse:
        """Return the answer of a plain reply."""
        return decode_reply(body)

    def assembler(self) -> Assembler:
        """Return an assembler for one stream."""
        return OpenAIAssembler()


def _tools(request: CompletionRequest, warnings: list[str]) -> dict[str, Any]:
    """Return `tools` and `tool_choice`; the dialect refuses a choice without tools."""
    if not request.tools:
        if request.tool_choice not in {None, "auto", "none"}:
            warnings.append("`tool_choice` was dropped: the request offers no tools")
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
    return {"type": "function", "function": function}


def _sayable(message: Message, warnings: list[str]) -> Message:
    """Return the message without the blocks for which the dialect has no form."""
    if message.role == "user":
        return message
    dropped = {Thinking: "thinking blocks", Image: "images in assistant messages"}
    for kind, name in dropped.items():
        if any(isinstance(block, kind) for block in message.content):
            warnings.append(f"{name} were dropped: the openai dialect cannot say them")
    kept = tuple(block for block in message.content if not isinstance(block, Thinking | Image))
    return Message("assistant", kept)


def _user(message: Message, warnings: list[str]) -> Iterable[dict[str, Any]]:
    """Yield one `tool` message for each tool result, then the rest as one user message.

    A `tool` message holds text alone, so the images of results come first in what the user says.
    """
    rest: list[ContentBlock] = []
    for block in message.content:
        if isinstance(block, ToolResult):
            yield {"role": "tool", "tool_call_id": block.tool_use_id, "content": _result_text(block, warnings)}
            rest.extend(_result_images(block))
        else:
            rest.append(block)
    if any(isinstance(block, Image) for block in rest):
        yield {"role": "user", "content": [_part(block) for block in rest]}
    elif rest:
        yield {"role": "user", "content": _joined(rest)}


def _result_text(result: ToolResult, warnings: list[str]) -> str:
    if result.is_error:
        warnings.append("the error mark of tool results was dropped: the openai dialect cannot say it")
    return _joined(result.content)


def _result_images(result: ToolResult) -> Iterable[Text | Image]:
    """Yield the images of a tool result, each behind a text that says whose it is."""
    for block in result.content:
        if isinstance(block, Image):
            yield Text(f"image of tool result {result.tool_use_id}")
            yield block


def _part(block: ContentBlock) -> dict[str, Any]:
    if isinstance(block, Image):
        url = block.url if block.url is not None else f"data:{block.media_type};base64,{block.data}"
        return {"type": "image_url", "image_url": {"url": url}}
    assert isinstance(block, Text)
    return {"type": "text", "text": block.text}


def _assistant(message: Message, warnings: list[str]) -> Iterable[dict[str, Any]]:
    """Yield the assistant's turn."""
    text = _joined(message.content)
    calls = [_tool_call(block, warnings) for block in message.content if isinstance(block, ToolUse)]
    if calls:
        yield {"role": "assistant", "content": text or None, "tool_calls": calls}
    else:
        yield {"role": "assistant", "content": text}


def _tool_call(call: ToolUse, warnings: list[str]) -> dict[str, Any]:
    arguments = call.arguments
    if call.invalid_arguments is not None:  # many servers read the arguments of a history, and refuse what is no JSON
        warnings.append(
            "invalid tool arguments were sent inside an object: servers of the openai dialect refuse others"
        )
        arguments = {"invalid_arguments": call.invalid_arguments}
    text = msgspec.json.encode(arguments).decode()
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": text}}


def _joined(blocks: Iterable[ContentBlock]) -> str:
    """Return the texts as one string: many servers of this dialect refuse a list of parts where text is enough."""
    return "\n\n".join(block.text for block in blocks if isinstance(block, Text))
