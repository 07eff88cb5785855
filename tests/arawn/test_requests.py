"""What is refused at the door, before a provider or a line of the log meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from arawn.errors import BadInput
from arawn.interactions.encode import encode_line
from arawn.interactions.heads import decode_line
from arawn.messages import (
    CompletionRequest,
    Image,
    Message,
    Text,
    Thinking,
    ToolDefinition,
    ToolResult,
    ToolUse,
    user,
)
from arawn.requests import _FIELDS, require_request, require_session_id
from tests.arawn.interactions.samples import record
from tests.runtimes import configured, running

ASKED = (user("hello"),)
EVERYTHING = CompletionRequest(
    messages=(
        Message("user", (Text("a"), Image(media_type="image/png", data="AA=="), Image(url="http://x"))),
        Message("assistant", (Thinking("b", "s"), Thinking("c"), ToolUse("1", "t", {"n": object()}))),
        Message("assistant", (ToolUse("2", "t", invalid_arguments="{"),)),
        Message("user", (ToolResult("1", (Text("d"), Image(url="http://y"))), ToolResult("2", is_error=True))),
        Message("user", [Text("in a list")]),  # type: ignore[arg-type]  # does no harm
    ),
    system="e",
    tools=(ToolDefinition("t", "f", {"type": "object"}),),
    tool_choice="t",
    model="m",
    max_tokens=1,
    temperature=0,
    top_p=0.5,
    stop=("g",),
    extra={"h": object()},
)


def said(*blocks: Any) -> dict[str, Any]:
    return {"messages": (*ASKED, Message("user", blocks))}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"model": 5}, "`request.model` is a int; it must be a str or None"),
    ({"system": 7}, "`request.system` is a int"),
    ({"tools": (ToolDefinition(5),)}, r"`request.tools\[0\].name` is a int; it must be a str"),  # type: ignore[arg-type]
    ({"tools": (ToolDefinition("t", "d", []),)}, "parameters` is a list"),  # type: ignore[arg-type]
    ({"tools": ("search",)}, r"`request.tools\[0\]` is a str; it must be a ToolDefinition"),
    ({"tools": "search"}, "`request.tools` is a str"),
    ({"stop": (1,)}, r"`request.stop\[0\]` is a int"),
    ({"stop": "end"}, "`request.stop` is a str; it must be a tuple or list or None"),
    ({"max_tokens": 1.5}, "`request.max_tokens` is a float"),
    ({"max_tokens": 0}, "at least 1"),
    ({"max_tokens": True}, "`max_tokens` is True; it must be a finite number"),
    ({"temperature": float("nan")}, "`temperature` is nan; it must be a finite number"),
    ({"top_p": float("inf")}, "`top_p` is inf"),
    ({"tool_choice": "nosuch"}, "`nosuch`, which is no tool of the request"),
    ({"temperature": "hot"}, "`request.temperature` is a str"),
    ({"extra": None}, "`request.extra` is a NoneType"),
    ({"messages": "hello"}, "`request.messages` is a str"),
    ({"messages": ("hello",)}, r"`request.messages\[0\]` is a str; it must be a Message"),
    ({"messages": (Message("system", (Text("x"),)),)}, "role` is 'system'; it must be `user` or `assistant`"),  # type: ignore[arg-type]
    ({"messages": (Message("user", "x"),)}, "content` is a str"),  # type: ignore[arg-type]
    (said(Text(5)), r"`request.messages\[1\].content\[0\].text` is a int"),  # type: ignore[arg-type]
    (said(Text("x"), "y"), r"content\[1\]` is a str; it must be a Text or Thinking or Image or ToolUse or ToolResult"),
    (said(ToolUse(1, "n")), "id` is a int"),  # type: ignore[arg-type]
    (said(ToolUse("1", "n", "{}")), "arguments` is a str; it must be a dict"),  # type: ignore[arg-type]
    (said(ToolUse("1", "n", None)), "arguments` is a NoneType; it must be a dict, unless `invalid_arguments`"),
    (said(ToolResult(1)), "tool_use_id` is a int"),  # type: ignore[arg-type]
    (said(ToolResult("1", "text")), "content` is a str"),  # type: ignore[arg-type]
    (said(ToolResult("1", (Text(5),))), "text` is a int"),  # type: ignore[arg-type]
    (said(ToolResult("1", is_error="no")), "is_error` is a str"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("fields", "why"), WRONG)
def test_a_field_of_the_wrong_type_is_refused(fields: dict[str, Any], why: str) -> None:
    """The message says where it stands, what was found and what would be right."""
    request = CompletionRequest(**({"messages": ASKED} | fields))

    with pytest.raises(BadInput, match=why):
        require_request(request)


def test_what_fits_is_taken_as_it_is() -> None:
    """Every kind of content; what arguments and options hold is the caller's affair."""
    assert require_request(EVERYTHING) is EVERYTHING


def test_a_tool_of_the_provider_may_be_chosen() -> None:
    """It stands in `extra`, of which only the provider knows what it means."""
    asked = CompletionRequest(messages=ASKED, extra={"tools": [{"type": "web_search"}]}, tool_choice="web_search")

    assert require_request(asked) is asked


def test_what_is_taken_makes_a_line_that_can_be_read() -> None:
    """Whatever passes the door is no damage in the log."""
    line = encode_line(msgspec.structs.replace(record(1, request=EVERYTHING), writer="w", seq=1))

    assert decode_line(line).seq == 1


def test_every_field_is_looked_at() -> None:
    """A field that is added later is not forgotten."""
    assert {kind: [name for name, _ in fields] for kind, fields in _FIELDS.items()} == {
        kind: list(kind.__struct_fields__) for kind in _FIELDS if issubclass(kind, msgspec.Struct)
    }


async def test_the_runtime_asks_at_its_door(tmp_path: Path) -> None:
    """Nothing was sent, nothing is in the log."""
    async with running(configured(tmp_path)) as runtime:
        with pytest.raises(BadInput, match="session_id"):
            await runtime.complete(CompletionRequest(messages=ASKED), session_id=7)  # type: ignore[arg-type]
        with pytest.raises(BadInput, match="tags are texts"):
            await runtime.complete(CompletionRequest(messages=ASKED), tags={"a": 1})  # type: ignore[dict-item]
        with pytest.raises(BadInput, match="`tags` is a Mapping, found int"):
            await runtime.complete(CompletionRequest(messages=ASKED), tags=5)  # type: ignore[arg-type]
        with pytest.raises(BadInput, match="one has an empty key"):
            await runtime.complete(CompletionRequest(messages=ASKED), tags={"": "x"})
        with pytest.raises(BadInput, match="one has an empty key"):
            await runtime.workstream("a").create(tags={"": "x"})
        with pytest.raises(BadInput, match=r"request\.model"):
            await runtime.complete(CompletionRequest(messages=ASKED, model=5))  # type: ignore[arg-type]

    assert require_session_id(None) is None
