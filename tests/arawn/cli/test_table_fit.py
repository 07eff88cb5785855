"""Tables on terminals that are too narrow for them."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.cli.record_view import ELASTIC, HEADERS
from arawn.cli.table_fit import GAP, fitted
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


@pytest.mark.parametrize("how", ["size", "COLUMNS"])
@pytest.mark.parametrize("columns", [200, 80, 60, 30])
def test_ids_and_times_are_whole_at_any_width(command: Command, place: Place, columns: int, how: str) -> None:
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

    shown = [re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +([0-9a-f-]{12,}) ", line) for line in lines[1:]]
    assert len(shown) == 2
    assert all(shown), lines
    assert columns < 50 or all(len(line.rstrip()) <= columns for line in lines)
    for match in filter(None, shown):
        assert json.loads(command("interactions", "show", match[1], "--json").out)["id"].startswith(match[1])
    assert columns < 80 or "error Overloaded" in lines[-1]
    assert (MODEL in lines[1]) == (columns == 200)
