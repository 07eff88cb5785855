"""What a regular expression must find is looked for first: nothing that it finds may be ruled out."""

from __future__ import annotations

import json
import re
import warnings

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arawn.interactions import search
from arawn.interactions.required_text import required_text
from arawn.interactions.search import Query


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("timeout", "timeout"),
        (r"timeout after \d+ s", "timeout after "),
        (r"^error: .*refused$", "error: "),
        (r"v1\.2\.3", "v1.2.3"),
        ("colou?rfully", "rfully"),
        ("colou*", "colo"),
        ("colou+r", "colou"),
        ("ab{2}cdef", "cdef"),
        ("(?:grey|gray)hound", "hound"),
        ("(a(b|[)]c)\\))?hound", "hound"),
        ("[]a-z]known[^]\\]]", "known"),
        ("näher", "näher"),
        ("ab", ""),
        ("one|two", ""),
        ("(?i)error", ""),
        ("(?x) error", ""),
        ("(?=error)error", ""),
        ("err(?i:or)message", ""),
        (r"\x41bcdef", ""),
        (r"(a)\1bcdef", ""),
        ("abc{def", ""),
    ],
)
def test_the_longest_plain_run_outside_of_groups_is_required(pattern: str, text: str) -> None:
    """Where nothing is sure, nothing is required."""
    re.compile(pattern)

    assert required_text(pattern) == text


_PARTS = st.sampled_from(
    [
        *"abcKs.^$|()[]{}*+?-\\,:=!1",
        "abc",
        r"\d",
        r"\b",
        r"\.",
        r"\x61",
        "[ab]",
        "[^a]",
        "(?:",
        "(?i)",
        "{2}",
        "{1,}",
        "é",
    ]
)


@given(st.lists(_PARTS, max_size=12).map("".join), st.text("abcK\u212as\u017f.1é-\n|({", max_size=20), st.booleans())
@example("s/k", "\u017f/\u212a", True)
def test_what_an_expression_finds_is_never_ruled_out(pattern: str, text: str, ignore_case: bool) -> None:
    """For any expression that is one, any text, and either way of reading case."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what newer versions of `re` may read otherwise
        try:
            found = re.search(pattern, text, re.MULTILINE | (re.IGNORECASE if ignore_case else 0))
        except (re.error, OverflowError):
            return
    if found is None or not pattern:
        return
    line = json.dumps({"messages": [{"text": text}]}).encode() + b"\n"

    query = Query(pattern, regex=True, ignore_case=ignore_case)

    assert query.may_be_in(line)
    assert ignore_case or required_text(pattern) in text


@given(st.lists(st.text("ab ", max_size=60), max_size=12), st.integers(1, 100))
def test_a_text_that_was_looked_through_is_not_found_otherwise_the_second_time(texts: list[str], most: int) -> None:
    """However many are remembered: conversations repeat themselves with each call."""
    query = Query("a b|b  a", regex=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_SHORT", 2)
        patch.setattr(search, "_REMEMBERED", most)
        lines = [json.dumps({"messages": texts[: number + 1]}).encode() for number in range(len(texts))]
        found = [[place.where for place in query.places(line)] for line in lines]

    holding = [f"messages[{number}]" for number, text in enumerate(texts) if re.search("a b|b  a", text)]
    assert found == [[where for where in holding if int(where[9:-1]) <= number] for number in range(len(texts))]


def test_a_text_is_looked_through_once() -> None:
    """A call has all that was said before it: looked through anew each time, a long log takes minutes."""
    text, looked_at = "x" * 100, []
    query = Query(r"\d", regex=True)

    def look(text: str) -> None:
        looked_at.append(text)

    query._search._search = look
    for _ in range(3):
        list(query.places(json.dumps({"messages": [text]}).encode()))

    assert looked_at == [text]
