"""Finding text in the log."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.errors import BadInput
from arawn.interactions import needle_lines as needle_lines_module
from arawn.interactions.encode import encode_line
from arawn.interactions.filters import Filters
from arawn.interactions.hits import Hit, TextSearch
from arawn.interactions.needle_lines import needle_lines
from arawn.interactions.raw_lines import forward_lines
from arawn.interactions.record import ErrorRecord, FeedbackLine
from arawn.interactions.scan import Damage
from arawn.interactions.search import Place, Query
from arawn.messages import (
    CallContext,
    CompletionRequest,
    CompletionResponse,
    RoutingMetadata,
    ToolDefinition,
    ToolUse,
    user,
)
from tests.arawn.interactions.samples import record
from tests.arawn.interactions.test_reader import result

ODD_LETTERS = 'kKsSiI\u017f\u212a\u0130\u0131\u00df"\\/\n\t\x07é\u2028\ud83d😀 a'
TEXTS = st.text(st.sampled_from(ODD_LETTERS), max_size=8)


@given(TEXTS.filter(bool), st.lists(TEXTS, max_size=4), st.booleans())
def test_the_quick_look_never_misses(text: str, texts: list[str], ignore_case: bool) -> None:
    """What is found in the texts of a line, in whatever case and escape, the bytes of the line do not rule out."""
    query, line = Query(text, ignore_case=ignore_case), encode_line({"x": texts})
    flags = re.IGNORECASE if ignore_case else 0

    found = list(query.places(line))

    assert bool(found) == any(re.search(re.escape(text), one, flags) for one in msgspec.json.decode(line)["x"])
    assert query.may_be_in(line) or not found
    assert query.find_in(bytearray(b"..." + line), 3, 3 + len(line)) >= 3 or not found


@given(st.text("abK\u017f", max_size=30), st.text("abK", min_size=1, max_size=3), st.integers(1, 6))
def test_a_long_line_is_looked_through_in_pieces(text: str, looked_for: str, piece: int) -> None:
    """Wherever the pieces end."""
    query, line = Query(looked_for.lower(), ignore_case=True), encode_line({"x": text})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("arawn.interactions.search._PIECE", piece)
        assert query.may_be_in(line) or not list(query.places(line))


@given(TEXTS.filter(bool))
def test_lines_of_other_programs_are_searched_too(text: str) -> None:
    """Python's own JSON escapes all that is not ASCII."""
    line = json.dumps({"x": text}).encode()

    assert Query(text).may_be_in(line)


@settings(deadline=None)
@given(
    st.lists(st.text("abn", max_size=12).map(str.encode), max_size=12),
    st.text("abn", min_size=1, max_size=3).map(str.encode),
    st.integers(4, 40),
)
def test_lines_with_a_needle_are_those_of_a_plain_loop(lines: Sequence[bytes], needle: bytes, block: int) -> None:
    """Whatever the blocks cut through; with and without a last newline."""

    def find_in(data: bytes | bytearray, start: int, end: int) -> int:
        return data.find(needle, start, end)

    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(needle_lines_module, "_BLOCK", block)
        path = Path(name) / "x.jsonl"
        path.write_bytes(b"\n".join(lines))

        found = list(needle_lines(path, 0, find_in=find_in, width=len(needle)))

        assert found == [(offset, line) for offset, line in forward_lines(path) if needle in line]


def full_record() -> Any:
    """Return a record with a different word in every place that holds text."""
    return msgspec.structs.replace(
        record(
            1,
            request=CompletionRequest(
                messages=(user("first line\nthe heron here\nlast line"),),
                system="a kestrel",
                tools=(ToolDefinition("look", "finds a wren", {"properties": {"bittern": {"type": "string"}}}),),
                temperature=0.5,
            ),
            context=CallContext(workstream="research", session_id="s", tags={"plover": "dunlin"}),
            response=CompletionResponse(content=(ToolUse("t1", "look", {"for": "an avocet"}),), model="llama"),
        ),
        writer="w",
        seq=1,
    )


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("heron", "messages[0].content[0].text"),
        ("kestrel", "system_prompt"),
        ("wren", "tools[0].description"),
        ("bittern", "tools[0].parameters.properties.bittern"),
        ("avocet", "tool_calls[0].arguments.for"),
        ("plover", "tags.plover"),
        ("dunlin", "tags.plover"),
        ("llama", "model_used"),
    ],
)
def test_every_text_is_searched(text: str, where: str) -> None:
    """Messages, system prompt, tools with their schemas, tool calls, tags; the log's own keys are no text."""
    line = encode_line(full_record())

    assert where in [place.where for place in Query(text).places(line)]
    assert list(Query("response_content").places(line)) == []


@pytest.mark.parametrize("text", ["user", "tool_use", "text", "interaction", "2026-01-2", "t1", "w"])
def test_what_nobody_said_is_not_found(text: str) -> None:
    """Types, roles, kinds, times and ids say how a text stands in the log; the text they stand beside is looked at."""
    line = encode_line(full_record())

    wheres = {place.where.rpartition(".")[2] for place in Query(text).places(line)}
    assert not wheres & {"kind", "id", "writer", "timestamp", "call_id", "tool_call_id", "type", "role"}


@pytest.mark.parametrize("text", ["end_turn", "groq", "partial", "temperature", "0.5", "by hand"])
def test_what_the_log_says_of_a_call_is_not_found(text: str) -> None:
    """How it ended, who answered it, with which settings, why there: `search turn` is about what was said."""
    routing = RoutingMetadata("fast", "by hand", 1.0, {})
    said = {"status": "partial", "routing": routing, "stop_reason_raw": "end_turn"}
    line = encode_line(msgspec.structs.replace(full_record(), **said))
    assert text.encode() in line

    assert list(Query(text).places(line)) == []


def test_what_a_caller_wrote_into_the_settings_is_found() -> None:
    """Whoever has to find all that holds a name finds it there too; `arawn interactions rm` begins with that."""
    params = {"tool_choice": "auto", "temperature": 0.5, "stop": ["grebe"], "extra": {"user": "alice", "smew": 1}}
    line = encode_line(msgspec.structs.replace(full_record(), params=params))

    def wheres(text: str) -> list[str]:
        return [place.where for place in Query(text).places(line)]

    assert wheres("grebe") == ["params.stop[0]"]
    assert wheres("alice") == ["params.extra.user"]
    assert wheres("smew") == ["params.extra.smew"]
    assert wheres("temperature") == wheres("auto") == []


def test_a_note_of_feedback_is_found(searched: Path) -> None:
    """The hit names the call that was judged; filters ask that call; a label is no text."""
    first = next(TextSearch(searched, Query("question 1"), Filters(), on_damage=lambda _: None).oldest_first())
    line = FeedbackLine(interaction_id=first.id, label="meh", note="the tern", timestamp=first.timestamp)
    with (searched / "interactions-2026-01-28.jsonl").open("wb") as file:
        file.write(encode_line(msgspec.structs.replace(line, writer="w", seq=9)))

    def found(text: str, wanted: Filters) -> list[tuple[str, str]]:
        hits = TextSearch(searched, Query(text), wanted, on_damage=lambda _: None).oldest_first()
        return [(hit.id, hit.places[0].where) for hit in hits]

    assert found("tern", Filters()) == [(first.id, "feedback.note")]
    assert found("tern", Filters(session="s-2")) == [(first.id, "feedback.note")]
    assert found("tern", Filters(session="s-1")) == []
    assert found("meh", Filters()) == []


def test_the_type_of_an_error_is_found() -> None:
    """It is a word that people look for."""
    error = ErrorRecord(type="rate_limit", status=429, code=None, message="slow down", retryable=True)
    line = encode_line(msgspec.structs.replace(full_record(), error=error))

    assert [place.where for place in Query("rate_limit").places(line)] == ["error.type"]


def test_a_place_shows_the_line_around_the_match() -> None:
    """That line of the text alone."""
    (place,) = Query("HERON", ignore_case=True).places(encode_line(full_record()))

    assert (place.before, place.match, place.after) == ("the ", "heron", " here")


@pytest.mark.parametrize("text", ["", "(", "*", "(?P<x", "a{99999999999}"])
def test_what_cannot_be_searched_is_refused(text: str) -> None:
    """With the reason."""
    with pytest.raises(BadInput, match=r"not empty|no regular expression: "):
        Query(text, regex=True)


@pytest.fixture
def searched(tmp_path: Path) -> Path:
    """Two days, one of them compressed: calls 1 to 4 of sessions s-1 and s-2, a tool result for call 1, a double."""
    calls = [
        msgspec.structs.replace(
            record(number, context=CallContext(session_id=f"s-{1 + number % 2}")), writer="w", seq=number
        )
        for number in range(1, 5)
    ]
    found = msgspec.structs.replace(result(calls[0].id, "t1", "question of a heron"), writer="w", seq=5)
    old = b"".join(map(encode_line, calls[:2]))
    (tmp_path / "interactions-2026-01-27.jsonl.zst").write_bytes(zstandard.compress(old))
    new = b"".join(map(encode_line, [*calls[2:], calls[3], found]))
    (tmp_path / "interactions-2026-01-28.jsonl").write_bytes(new + b"{broken question\n" + encode_line(calls[3])[:-9])
    return tmp_path


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.id[-1] for hit in hits]


def shown(hit: Hit) -> tuple[str, str, object, tuple[Place, ...]]:
    assert hit.entry is not None
    return hit.id, hit.timestamp, hit.entry.head.status, hit.places


@pytest.mark.parametrize(
    ("query", "wanted", "found"),
    [
        (Query("question"), Filters(), ["1", "2", "3", "4"]),
        (Query("QUESTION", ignore_case=True), Filters(), ["1", "2", "3", "4"]),
        (Query("quest.on [12]", regex=True), Filters(), ["1", "2"]),
        (Query("question"), Filters(session="s-2"), ["1", "3"]),
        (Query("heron"), Filters(session="s-2"), ["1"]),
        (Query("heron"), Filters(session="s-1"), []),
        (Query("heron"), Filters(start="2026-01-28T00:00:00.000000Z"), ["1"]),
    ],
)
def test_calls_and_tool_results_are_found_once(searched: Path, query: Query, wanted: Filters, found: list[str]) -> None:
    """In plain and compressed files; filters ask the call that a tool result belongs to; the same from either end."""
    damages: list[Damage] = []

    forwards = list(TextSearch(searched, query, wanted, on_damage=damages.append).oldest_first())
    backwards = list(TextSearch(searched, query, wanted, on_damage=damages.append).newest_first())

    assert ids(forwards) == found
    assert [shown(hit) for hit in backwards] == [shown(hit) for hit in forwards[::-1]]
    assert {damage.line for damage in damages} <= {5}


def test_a_limited_search_has_the_newest(searched: Path) -> None:
    """Calls, whatever was written of an older one since."""
    wanted = Filters(limit=2)

    found = list(TextSearch(searched, Query("question"), wanted, on_damage=lambda _: None).newest_first())

    assert ids(found) == ["4", "3"]


def test_a_call_is_found_once_with_all_its_places(searched: Path) -> None:
    """Those in its own line, in a result of its tools and in notes about it, as they were written."""
    first = next(TextSearch(searched, Query("question 1"), Filters(), on_damage=lambda _: None).oldest_first())
    line = FeedbackLine(interaction_id=first.id, label="meh", note="a good question", timestamp=first.timestamp)
    with (searched / "interactions-2026-01-29.jsonl").open("wb") as file:
        file.writelines(encode_line(msgspec.structs.replace(line, writer="w", seq=each)) for each in (9, 10))

    def found(wanted: Filters, text: str = "question") -> list[list[str]]:
        search = TextSearch(searched, Query(text), wanted, on_damage=lambda _: None)
        hits = search.newest_first() if wanted.limit else search.oldest_first()
        return [[place.where for place in hit.places] for hit in hits if hit.id == first.id]

    later = ["tool_calls[t1].result_content", "feedback.note", "feedback.note"]
    assert found(Filters()) == found(Filters(limit=4)) == [[*(place.where for place in first.places), *later]]
    assert found(Filters(limit=1), "good question") == found(Filters(), "good question") == [later[1:]]
