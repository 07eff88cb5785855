"""Characters that are not seen: one table for names, terminals, JSON and the daemon's log."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.errors import BadInput
from arawn.requests import require_session_id
from arawn.unseen import UNSEEN, json_escaped, one_line, without_unseen
from arawn.workstreams.names import require_new_name

HARMFUL = "\x00\x07\x08\t\n\r\x1b\x7f\x85\x9b\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069"


@given(st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from(HARMFUL))))
def test_nothing_of_the_table_is_left(text: str) -> None:
    """Not in one line, and of many lines only what ends them; all other characters stay as they were."""
    assert not UNSEEN.search(one_line(text).replace("\t", ""))
    assert not UNSEEN.search(without_unseen(text).replace("\n", "").replace("\t", ""))
    assert without_unseen(text).replace(" ", "") == "".join(
        letter for letter in text if letter in "\n\t" or not UNSEEN.match(letter)
    ).replace(" ", "")


@given(st.dictionaries(st.text(st.sampled_from(HARMFUL + "aé\U0001f600")), st.text(st.sampled_from(HARMFUL + 'aé"\\'))))
def test_json_stays_the_same_json(value: dict[str, str]) -> None:
    """Each is written by its number, so a program reads what it would have read."""
    text = json.dumps(value, ensure_ascii=False)

    assert json.loads(json_escaped(text)) == value
    assert not UNSEEN.search(json_escaped(text))


@pytest.mark.parametrize("letter", HARMFUL, ids=ascii)
def test_what_a_terminal_would_not_show_is_no_name_and_no_session(letter: str) -> None:
    """Names and session ids stand in tables and logs of others."""
    with pytest.raises(BadInput):
        require_new_name(f"a{letter}b")
    with pytest.raises(BadInput, match=f"`session_id` holds U\\+{ord(letter):04X}"):
        require_session_id(f"a{letter}b")


@pytest.mark.parametrize("session", ["", "a b", "né\u00a0e", "日本", "a" * 5000])
def test_any_other_session_is_taken(session: str) -> None:
    """As before: it is the caller's."""
    assert require_session_id(session) == session
