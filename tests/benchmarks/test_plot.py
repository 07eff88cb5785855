"""The plots of results."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec

from benchmarks.measure import Comparison, Figure, Finding, Result, Row
from benchmarks.plot import bars
from benchmarks.saving import save

RESULTS: list[Result] = [
    Comparison("a & b?", ">= 2 x", (Row("a <fast>", 200, 150, 300, 5), Row("b", 100, 90, 110, 9)), 2.0, 1.5, 3.0, True),
    Finding("how long?", "<= 1 ms", (Figure("p99", 2.0, -1.0, 3.0, "ms"), Figure("lost", 0, 0, 0, "events")), False),
]
SVG = "{http://www.w3.org/2000/svg}"


def test_a_plot_has_a_bar_for_each_figure_and_says_what_was_met() -> None:
    """It is valid XML whatever the names hold."""
    plot = ET.fromstring(bars("title", RESULTS))

    texts = [text.text or "" for text in plot.iter(f"{SVG}text")]
    assert len(list(plot.iter(f"{SVG}rect"))) == 1 + 4  # the paper, and the bars
    assert ">= 2 x: met" in texts[1]
    assert any(text.startswith("<= 1 ms: missed") for text in texts)


def test_results_are_saved_with_the_machine_and_a_plot(tmp_path: Path) -> None:
    """Figures without their machine are worth nothing."""
    save("both", RESULTS, tmp_path)

    saved = msgspec.json.decode((tmp_path / "both.json").read_bytes())
    assert "CPython" in saved["machine"]
    assert [result["met"] for result in saved["results"]] == [True, False]
    assert (tmp_path / "both.svg").read_text().startswith("<svg")
