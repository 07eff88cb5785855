"""What is said to a model keeps its meaning in every form."""

from __future__ import annotations

import msgspec
import pytest

from arawn.backends.assembly import tool_use_from_text
from arawn.messages import ContentBlock, ToolUse


@pytest.mark.parametrize("text", ['{"at": ', "[]", "null", "at sea"])
def test_arguments_that_are_no_object_are_never_an_empty_one(text: str) -> None:
    """There are none, and what was written is beside them; also where it is read again, or changed elsewhere."""
    call = tool_use_from_text("1", "look", text)
    read = msgspec.json.decode(msgspec.json.encode(call), type=ContentBlock)

    assert (call.arguments, call.invalid_arguments) == (None, text)
    assert read == call
    assert msgspec.structs.replace(call, id="2").arguments is None


def test_what_earlier_versions_have_written_is_read_as_what_it_is() -> None:
    """They had an empty object beside the text."""
    line = {"type": "tool_use", "id": "1", "name": "look", "arguments": {}, "invalid_arguments": "{"}

    assert msgspec.convert(line, ContentBlock) == ToolUse("1", "look", None, "{")
    assert msgspec.json.decode(msgspec.json.encode(line), type=ContentBlock) == ToolUse("1", "look", None, "{")
