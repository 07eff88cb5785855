"""The input items of the responses dialect as neutral turns. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from arawn.backends.assembly import tool_use_from_text
from arawn.messages import Image, Message, Text, Thinking, ToolResult, ToolUse, user
from arawn.server.v1.body import odd
from arawn.server.v1.openai_turns import image_of
from arawn.server.v1.responses_search import call_from, found_text
from arawn.server.v1.responses_tools import Tools

__all__ = ["turns"]


def turns(items: str | Sequence[dict[str, Any]], tools: Tools) -> tuple[str | None, tuple[Message, ...]]:
    """Return the system prompt and the other messages; system and developer messages become one prompt.

    Args:
        items: The input.
        tools: By their names the model knows what was called.

    Raises:
        Refused: An item or a part of it has no form here (400).
    """
    if isinstance(items, str):
        return None, (user(items),)
    prompts: list[str] = []
    said: list[Message] = []
    answered: dict[str, int] = {}
    for position, item in enumerate(items):
        place = f"`$.input[{position}]`"
        match item:
            case {"role": "system" | "developer", "content": content}:
                prompts.extend(_prompts(content, place))
            case {"role": "user", "content": content}:
                said.append(Message("user", tuple(_parts(content, place))))
            case {"role": "assistant", "content": content}:
                said.append(Message("assistant", tuple(_parts(content, place))))
            case {"type": "additional_tools"}:  # they are offered with the others
                pass
            case {"type": "tool_search_call" | "tool_search_output", "execution": "server"} if (
                item.get("call_id") is None
            ):
                pass  # such a search has no call that it answers; what it found is offered with the others
            case {"type": "tool_search_output", "call_id": str(call_id)}:
                _answer(ToolResult(call_id, (Text(found_text(tools.found(item))),)), said, answered)
            case {
                "type": "function_call_output" | "custom_tool_call_output",
                "call_id": str(call_id),
                "output": output,
            }:
                _answer(ToolResult(call_id, tuple(_parts(output, place))), said, answered)
            case _:
                said.append(_item(item, place, tools))
    return "\n\n".join(prompts) or None, tuple(said)


def _prompts(content: object, place: str) -> Iterator[str]:
    """Yield the texts of a message that can hold nothing else."""
    for part in _parts(content, place):
        if isinstance(part, Image):
            raise odd(f"{place} holds an image; this role holds text alone")
        yield part.text


def _answer(result: ToolResult, said: list[Message], answered: dict[str, int]) -> None:
    """Add what a tool answered to `said`; more of one call, which only this dialect has, to what was answered first.

    `answered` holds where that is.
    """
    call_id = result.tool_use_id
    if call_id not in answered:
        answered[call_id] = len(said)
        said.append(Message("user", (result,)))
        return
    (first,) = said[answered[call_id]].content
    assert isinstance(first, ToolResult)
    whole = ToolResult(call_id, (*first.content, *result.content))
    said[answered[call_id]] = Message("user", (whole,))


def _item(item: dict[str, Any], place: str, tools: Tools) -> Message:
    namespace = item.get("namespace")
    match item:
        case {"type": "function_call", "call_id": str(call_id), "name": str(name), "arguments": str(arguments)}:
            return Message("assistant", (tool_use_from_text(call_id, tools.said_as(name, namespace), arguments),))
        case {"type": "custom_tool_call", "call_id": str(call_id), "name": str(name), "input": str(text)}:
            return Message("assistant", (ToolUse(call_id, tools.said_as(name, namespace), {"input": text}),))
        case {"type": "tool_search_call", "call_id": str(call_id), "arguments": arguments}:
            search = tools.search.said if tools.search else "tool_search"
            return Message("assistant", (call_from(call_id, search, arguments),))
        case {"type": "reasoning"}:
            text = "\n\n".join(_reasoning(item))
            return Message("assistant", (Thinking(text),) if text else ())
    calls = "calls of functions, of custom tools and of `tool_search`, their outputs"
    kinds = f"messages, {calls}, `additional_tools`, `reasoning`"
    raise odd(f"{place} is an item of type `{item.get('type')}` that has no form here; what has is {kinds}")


def _reasoning(item: dict[str, Any]) -> Iterator[str]:
    parts = item.get("content") or item.get("summary")
    for part in parts if isinstance(parts, list) else ():
        match part:
            case {"text": str(text)} if text:
                yield text


def _parts(content: object, place: str) -> Iterator[Text | Image]:
    if isinstance(content, str):
        yield Text(content)
        return
    for part in content if isinstance(content, list) else [content]:
        match part:
            case {"type": "input_text" | "output_text" | "text", "text": str(text)}:
                yield Text(text)
            case {"type": "refusal", "refusal": str(text)}:
                yield Text(text)
            case {"type": "input_image", "image_url": str(url)}:
                yield image_of(url)
            case {"type": "input_image"}:
                raise odd(f"{place} holds a picture without `image_url`; no files are kept here: send it as a data URL")
            case _:
                kind = part.get("type") if isinstance(part, dict) else type(part).__name__
                raise odd(f"{place} holds a part of type `{kind}` that has no form here; text and `input_image` have")
