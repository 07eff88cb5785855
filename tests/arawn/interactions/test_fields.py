"""Parts of records by dotted paths."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.errors import BadInput
from arawn.interactions.encode import encode_line
from arawn.interactions.fields import BODY_FIELDS, field_values, need_bodies, parse_fields
from arawn.interactions.record import InteractionRecord
from tests.arawn.interactions.samples import record
from tests.arawn.interactions.test_reader import TOOL_USE


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kind", "interaction"),
        ("profile", "fast"),
        ("tags.team", "search"),
        ("tags.a.b", "dotted"),
        ("tool_calls.tool_name", ["search", "fetch"]),
        ("tool_calls.1.tool_name", "fetch"),
        ("tool_calls.2.tool_name", None),
        ("messages.0.content.text", ["question 1"]),
        ("error.type", None),
        ("profile.deeper", None),
    ],
)
def test_a_path_leads_to_its_value(path: str, value: object) -> None:
    """Through objects, lists and keys that hold dots; to nothing where nothing is."""
    plain = msgspec.json.decode(encode_line(record(1, response=TOOL_USE))) | {
        "tags": {"team": "search", "a.b": "dotted"}
    }

    assert field_values(plain, parse_fields(path)) == {path: value}


@pytest.mark.parametrize("text", ["", "id,", "idd", "Id", ".id", "tags.a,nothing.b"])
def test_a_path_that_no_record_has_is_refused(text: str) -> None:
    """With the fields there are."""
    with pytest.raises(BadInput, match=r"no record has a field `.*`; the fields are kind, v, id, "):
        parse_fields(text)


def test_bodies_are_read_for_bodies_alone() -> None:
    """`id` and `tags.x` need no body."""
    assert set(BODY_FIELDS) == {"system_prompt", "tools", "response_content", "messages"}
    assert need_bodies(("id", "messages.0.role"))
    assert not need_bodies(("id", "tags.messages", "tools_available"))


@given(st.sampled_from(InteractionRecord.__struct_encode_fields__), st.lists(st.sampled_from(["0", "1", "a", "x.y"])))
def test_any_path_has_a_value(first: str, rest: list[str]) -> None:
    """Perhaps None; never an error."""
    path = ".".join([first, *rest])

    assert list(field_values(msgspec.json.decode(encode_line(record(1))), parse_fields(path))) == [path]
