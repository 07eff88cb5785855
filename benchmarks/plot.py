"""Results as bars in an SVG that is small enough to read as text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from benchmarks.measure import Comparison, Figure, Result

__all__ = ["bars"]

_WIDTH, _NAMES, _NUMBERS = 900, 380, 170
_LINE = 22
_OURS, _THEIRS = "#2a6f97", "#b8c4cc"
_VERDICT = {True: "met", False: "missed", None: "no target"}


def bars(title: str, results: Sequence[Result]) -> str:
    """Return one group of bars for each result: its medians, each with a line for the spread."""
    shapes: list[str] = []
    y = 10
    for result in results:
        y += _LINE
        verdict = f"{result.target}: {_VERDICT[result.met]}"
        shapes.append(_text(10, y, result.question, "font-weight='bold'"))
        y += _LINE - 5
        shapes.append(_text(10, y, _ratio(result) + verdict, "fill='#555'"))
        y += 6
        for _, group in groupby(_figures(result), key=lambda figure: figure.unit):
            figures = list(group)
            longest = max(figure.high for figure in figures) or 1.0
            for place, figure in enumerate(figures):
                shapes += _bar(figure, y, longest, _THEIRS if place else _OURS)
                y += _LINE
    head = f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{y + 20}' font-family='sans-serif'"
    body = "\n".join(shapes)
    paper = "<rect width='100%' height='100%' fill='white'/>"
    return f"{head} font-size='13'>\n<title>{escape(title)}</title>\n{paper}\n{body}\n</svg>\n"


def _ratio(result: Result) -> str:
    if not isinstance(result, Comparison):
        return ""
    return f"ratio {result.ratio:.2f} ({result.ratio_low:.2f} to {result.ratio_high:.2f}); "


def _figures(result: Result) -> Iterator[Figure]:
    if isinstance(result, Comparison):
        for row in result.rows:
            yield Figure(f"{row.name} ({row.cpu_us:,.0f} µs CPU)", row.per_second, row.slowest, row.fastest, "/s")
    else:
        yield from result.figures


def _bar(figure: Figure, y: float, longest: float, colour: str) -> Iterator[str]:
    """Yield the name, the bar, its spread and its number; what is below nothing is drawn as nothing."""
    space = _WIDTH - _NAMES - _NUMBERS
    length, low, high = (max(0.0, value) / longest * space for value in (figure.median, figure.low, figure.high))
    yield _text(20, y + 15, figure.name)
    yield f"<rect x='{_NAMES}' y='{y + 4}' width='{length:.1f}' height='14' fill='{colour}'/>"
    if figure.high > figure.low:
        yield (f"<line x1='{_NAMES + low:.1f}' x2='{_NAMES + high:.1f}' y1='{y + 11}' y2='{y + 11}' stroke='black'/>")
    yield _text(_NAMES + space + 10, y + 15, f"{_number(figure.median)} {figure.unit}")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f"<text x='{x}' y='{y}' {more}>{escape(text)}</text>"
