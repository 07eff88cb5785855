"""Any value gives one valid JSON line."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.interactions.encode import MAX_DEPTH, clean_text, encode_line, encode_strictly, with_text_keys
from arawn.messages import Message, Text, ToolUse
from tests.arawn.interactions.samples import record

any_text = st.text(st.characters(exclude_categories=[]))  # surrogates too
ordinary = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | any_text
    | st.binary()
    | st.complex_numbers()
    | st.dates(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(
            any_text | st.integers() | st.none() | st.booleans() | st.binary() | st.tuples(st.integers()), inner
        )
    ),
)


def line_of(value: Any) -> Any:
    line = encode_line(value)
    assert line.endswith(b"\n")
    assert len(line.decode().splitlines()) == 1  # no other line end that Python knows either
    return json.loads(line)


@given(anything)
def test_any_value_is_one_line(value: Any) -> None:
    """Never an exception, never a second line, always JSON."""
    line_of(value)


@given(ordinary)
def test_ordinary_values_are_what_msgspec_makes_of_them(value: Any) -> None:
    """The guard costs nothing and changes nothing, but for escapes of unusual line ends."""
    fast = msgspec.json.encode(value)
    for end in ("\x85", "\u2028", "\u2029"):
        fast = fast.replace(end.encode(), f"\\u{ord(end):04x}".encode())
    assert encode_line(value) == fast + b"\n"


@given(ordinary)
def test_the_guarded_path_agrees_with_the_fast_one(value: Any) -> None:
    """One bad text in a line changes no other value of it."""
    assert line_of(["\ud800", value]) == ["\ufffd", line_of(value)]


class Key:
    """No repr of it may ever be written."""

    def __repr__(self) -> str:
        return "a secret"


@pytest.mark.parametrize(
    "key", [None, True, 7, -(2**70), 1.5, 1e30, b"secret", (1, 2), Key(), date(2026, 1, 28), 1j], ids=repr
)
def test_a_key_of_any_type_is_written_alike_on_both_paths(key: Any) -> None:
    """Bytes are base64, and objects never their repr, beside a text that takes the guarded path as well."""
    assert line_of(["\ud800", {key: 1}]) == ["\ufffd", line_of({key: 1})]
    assert line_of(with_text_keys({key: 1})) == line_of({key: 1})
    assert "secret" not in encode_line(["\ud800", {key: 1}]).decode()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (math.nan, None),
        (-math.inf, None),
        ("\ud800x", "\ufffdx"),
        ("\ud83d\ude00", "😀"),
        ("\0\u2028", "\0\u2028"),
        (b"\xff\0", "/wA="),
        (10**30, 10**30),
        ({None: 1, True: 2, (1, 2): 3}, {"None": 1, "True": 2, "[unloggable tuple]": 3}),
        (object(), "[unloggable object]"),
        ({"a": "\udc00", "b": object()}, {"a": "\ufffd", "b": "[unloggable object]"}),
    ],
)
def test_what_json_has_no_word_for(value: Any, written: Any) -> None:
    """Each such value is written by a fixed rule."""
    assert line_of(value) == written


@pytest.fixture
def digit_limit() -> Iterator[Callable[[int], None]]:
    """Set how many digits of an integer Python prints, as any program may."""
    before = sys.get_int_max_str_digits()
    yield sys.set_int_max_str_digits
    sys.set_int_max_str_digits(before)


@pytest.mark.parametrize("limit", [0, 640, 4_300, 100_000])
def test_an_integer_of_too_many_digits_is_hexadecimal_text(limit: int, digit_limit: Callable[[int], None]) -> None:
    """Whether or not Python would print it: no reader takes more than 4,300 digits. A text keeps its digits."""
    digit_limit(limit)
    kept = 10 ** (639 if limit == 640 else 4_299)
    value = {"n": -(16**5000), "kept": kept, "text": "1" * 5_000, "deep": [{"m": 10**4_300}]}

    line = encode_line(value)

    assert json.loads(line) == {**value, "n": hex(-(16**5000)), "deep": [{"m": hex(10**4_300)}]}
    assert msgspec.json.decode(line) == json.loads(line)
    assert encode_strictly(value) is None
    assert encode_strictly({"kept": kept}) is not None


@given(anything)
def test_with_text_keys_no_key_stands_twice(value: Any) -> None:
    """Every value keeps a key of its own, and what has such keys stays the same object."""
    keyed = with_text_keys(value)
    line = encode_line(keyed)

    assert keyed is value or with_text_keys(keyed) is keyed
    read = json.loads(line, object_pairs_hook=lambda pairs: len(pairs) if len(dict(pairs)) == len(pairs) else None)
    assert not isinstance(value, dict) or read == len(value)


def test_deep_nesting_and_cycles_end() -> None:
    """Nesting beyond the limit and objects inside themselves become a word."""
    deep: Any = "bottom"
    for _ in range(20_000):
        deep = [deep]
    cycle: list[Any] = []
    cycle += [cycle, cycle]

    assert encode_line(deep).count(b"[") == MAX_DEPTH + 1
    assert line_of(cycle) == ["[cycle]", "[cycle]"]


def test_a_struct_keeps_its_shape_on_the_guarded_path() -> None:
    """Tags, order and left-out defaults are those of the fast path."""
    message = Message("assistant", (Text("fine"), ToolUse("1", "search", {"q": "x"})))
    plain = record(response=None)

    for value in (message, plain):
        guarded = encode_line([value, "\ud800"])[1:].partition(b',"\xef\xbf\xbd"]')[0]
        assert guarded + b"\n" == encode_line(value)


def test_a_huge_text_is_one_line() -> None:
    """64 MB of text is written whole."""
    assert len(encode_line("x" * (64 << 20))) == (64 << 20) + 3


@given(any_text)
def test_clean_text_is_encodable_and_idempotent(text: str) -> None:
    """Cleaning leaves good text alone and makes the rest good."""
    cleaned = clean_text(text)

    assert clean_text(cleaned) == cleaned
    cleaned.encode()
