"""Tables on terminals that are too narrow for them."""

from __future__ import annotations

import io
import json
import re
import sys
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.cli.output import print_table
from arawn.cli.record_view import ELASTIC, HEADERS
from arawn.cli.table_fit import GAP, evenly, fitted, shortened, text_width
from arawn.interactions.record import InteractionRecord
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import Place
from tests.arawn.cli.terminal import Terminal

MODEL = "a-model-with-a-very-long-name-of-its-own"
FAILING = """
[llm]
backend = "scripted"
model = "{model}"
script = "{script}"
retry = {{ attempts = 1 }}
"""
rows = st.lists(st.lists(st.text("ab", max_size=30), min_size=8, max_size=8), max_size=4)


@given(rows=rows, columns=st.integers(1, 300))
def test_what_cannot_give_way_keeps_its_width(rows: list[list[str]], columns: int) -> None:
    """The table fits, or nothing more can be left out of it; no other column is cut."""
    headers, kept, widths = fitted(HEADERS, rows, columns, ELASTIC)

    taken = sum(widths) + GAP * (len(widths) - 1)
    assert taken <= columns or not set(headers) & set(ELASTIC)
    assert [len(row) for row in kept] == [len(headers)] * len(rows)
    for name, width, *cells in zip(headers, widths, *kept, strict=True):
        longest = max(map(len, (name, *cells)))
        assert width >= min(longest, ELASTIC.get(name, longest))
    assert {"time", "id", "ms"} <= set(headers)


def test_a_wide_terminal_shows_everything() -> None:
    """Nothing is cut without need."""
    row = ["x" * 12] * len(HEADERS)

    assert fitted(HEADERS, [row], 200, ELASTIC) == (HEADERS, [row], [12] * len(HEADERS))


@given(rows=rows, columns=st.integers(1, 300))
def test_columns_that_somebody_chose_are_cut_alike(rows: list[list[str]], columns: int) -> None:
    """The table fits with all its columns, or it is said that it does not; equal names do not matter."""
    headers = ("a", "a", *HEADERS[2:])
    elastic = evenly(headers, rows, columns, least=8)

    if elastic is None:
        assert sum(min(8, max(map(len, cells))) for cells in zip(headers, *rows, strict=True)) > columns - 7 * GAP
        return
    kept, _, widths = fitted(headers, rows, columns, elastic)
    assert kept == headers
    assert sum(widths) + 7 * GAP <= columns


@given(st.text("a東\u0301🦩", max_size=12), st.integers(1, 20))
def test_a_text_is_cut_to_what_a_terminal_shows(text: str, columns: int) -> None:
    """Wide letters take two columns, accents none; what is cut ends in an ellipsis."""
    short = shortened(text, columns)

    assert text_width(short) <= columns
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))


class Screen(io.StringIO):
    """What a terminal shows."""

    def isatty(self) -> bool:
        return True


def test_a_path_is_folded_and_never_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a narrow terminal all of it can be read: two that begin alike are told apart."""
    paths = [f"/somewhere/in/a/deep/directory/of/many/names/{name}.toml" for name in "ab"]
    monkeypatch.setattr(sys, "stdout", screen := Screen())
    monkeypatch.setenv("COLUMNS", "40")

    print_table(("check", "result", "found"), [("configuration", "wrong", " and ".join(paths))])

    _, *lines = screen.getvalue().splitlines()
    assert max(map(text_width, lines)) <= 40
    found = "".join(line[lines[0].index("/") :].strip() for line in lines)
    assert all(path in found for path in paths), lines


@pytest.fixture
def long_names(command: Command, place: Place) -> None:
    """A log of calls with names of every length."""
    place.configure(f'[llm]\nbackend = "scripted"\nmodel = "{MODEL}"\n')
    command("ask", "-w", "東京の鷺について", "hi\tthere\nyou")
    command("ask", "-w", "a-conversation-about-many-things", "hi")


def shown_by(place: Place, columns: int, *arguments: str) -> list[str]:
    """Return the lines that a terminal of that width shows in the end: that of a progress has been cleared."""
    text = re.sub(r"[^\n]*\r\x1b\[2K", "", Terminal(place, "interactions", *arguments, columns=columns).rest())
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", text).splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.usefixtures("long_names")
def test_figures_fit_the_terminal(place: Place, columns: int) -> None:
    """Each group is one row; what calls are grouped by, and how many they are, is never left out."""
    lines = shown_by(place, columns, "stats", "--by", "model,workstream,status")
    bars = shown_by(place, columns, "stats", "--by", "model", "--plot")

    assert all(text_width(line) <= columns for line in (*lines, *bars))
    assert lines[0].split()[:4] == ["model", "workstream", "status", "calls"]
    assert [line.split()[3:4] for line in lines[1:-1]] == [["1"], ["1"]]
    assert ("tokens out" in lines[0]) == (columns > 60)


@pytest.mark.slow
@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.usefixtures("long_names")
def test_answers_of_sql_fit_the_terminal(place: Place, columns: int) -> None:
    """A row is one line; of too many columns, a value is one."""
    table = shown_by(place, columns, "sql", "SELECT seq, seq, id, workstream, messages FROM interactions ORDER BY seq")
    blocks = shown_by(place, columns, "sql", "SELECT * FROM interactions")
    fields = shown_by(place, columns, "list", "--fields", "id,messages,workstream")

    assert all(text_width(line) <= columns for line in (*table, *blocks, *fields))
    assert len(fields) == 3
    if columns > 60:  # an id is never cut, so beside it there is no room for four more
        assert len(table) == 3
        assert table[0].split() == ["seq", "seq", "id", "workstream", "messages"]
    else:
        assert [line for line in table if line.startswith("row ")] == ["row 1", "row 2"]
    assert [line for line in blocks if line.startswith("row ")] == ["row 1", "row 2"]
    assert len(blocks) == 2 * (1 + len(InteractionRecord.__struct_fields__))
    assert any(line.split() == ["model_requested", MODEL] for line in blocks)


@pytest.mark.parametrize(
    ("columns", "how"),
    [
        (30, "size"),
        (80, "COLUMNS"),
        *(
            pytest.param(columns, how, marks=pytest.mark.slow)
            for columns, how in product([200, 80, 60, 30], ["size", "COLUMNS"])
            if (columns, how) not in {(30, "size"), (80, "COLUMNS")}
        ),
    ],
)
def test_ids_are_usable_at_any_width(command: Command, place: Place, columns: int, how: str) -> None:
    """Each call is one row; the id that is shown finds it; what does not fit ends in an ellipsis or is left out."""
    script = place.directory / "fault.toml"
    script.write_text('[[steps]]\nerror = { status = 503, message = "busy" }\n')
    place.configure(FAILING.format(model=MODEL, script=script))
    command("ask", "-w", "a-conversation-about-many-things", "hi")
    command("ask", "hi")
    if how == "COLUMNS":
        place.environ["COLUMNS"] = str(columns)

    terminal = Terminal(place, "interactions", "list", columns=columns if how == "size" else 80)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", terminal.rest()).splitlines()

    shown = [re.match(r"(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d +([0-9a-f-]{13,}) ", line) for line in lines[1:]]
    assert len(shown) == 2
    assert all(shown), lines
    assert columns < 50 or all(len(line.rstrip()) <= columns for line in lines)
    for match in filter(None, shown):
        assert json.loads(command("interactions", "show", match[1], "--json").out)["id"].startswith(match[1])
    assert columns < 60 or "error Overloaded" in lines[-1]
    assert (MODEL in lines[1]) == (columns == 200)


@pytest.mark.parametrize("columns", [60, *(pytest.param(columns, marks=pytest.mark.slow) for columns in (80, 120))])
@pytest.mark.parametrize("arguments", [["tail"], ["search", "question"], ["tail", "--fields", "profile,messages"]])
def test_no_line_is_wider_than_the_terminal(command: Command, place: Place, columns: int, arguments: list[str]) -> None:
    """Calls to come, and matches with what stands around them, take one line each, as in a listing."""
    asked = command("ask", "--workstream", "a-workstream-with-a-long-name", f"a question {'and so on ' * 20}")
    assert asked.code == 0, asked.err

    shown = re.sub(r"\x1b\[[0-9;]*[mK]", "", Terminal(place, "interactions", *arguments, columns=columns).rest())

    lines = shown.replace("\r", "\n").splitlines()
    assert any(line.strip() for line in lines)
    assert max(map(text_width, lines)) <= columns, lines


@pytest.mark.slow
def test_a_shown_id_is_a_usable_one(command: Command, place: Place) -> None:
    """On a terminal its beginning, which `show` takes; with `--fields id` the whole, never cut."""
    for number in range(3):
        assert command("ask", f"question {number}").code == 0
    ids = [call["id"] for call in json.loads(command("interactions", "list", "--json").out)]

    listed = Terminal(place, "interactions", "list").rest()
    chosen = Terminal(place, "interactions", "list", "--fields", "id,profile,model_used,messages", columns=60).rest()

    assert all(identity[:23] in listed for identity in ids)
    assert command("interactions", "show", ids[0][:23]).code == 0
    assert all(identity in chosen for identity in ids)


@given(st.lists(st.lists(st.text("ab", max_size=40), min_size=3, max_size=3), min_size=1), st.integers(1, 120))
def test_an_id_is_never_cut(cells: list[list[str]], columns: int) -> None:
    """Whatever else has to give way."""
    elastic = evenly(("id", "model_used", "text"), cells, columns, least=8)

    assert elastic is None or "id" not in elastic
