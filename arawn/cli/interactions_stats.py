"""`arawn interactions stats`: counts, tokens, error rates and latencies, as a table, JSON or bars."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from arawn.cli.log_filters import filter_options, filters_of, label_option
from arawn.cli.log_reading import ProgressLine, Reader, none_found, required_log
from arawn.cli.options import config_option, json_option
from arawn.cli.output import emphasised, note, print_chosen, print_json, print_made, print_table, printable, say
from arawn.cli.table_fit import shortened, text_width
from arawn.errors import BadInput
from arawn.interactions.fields import field_values
from arawn.interactions.judged import with_judged
from arawn.interactions.report import FIGURES, dimensions_of, figures_of, largest, report_values
from arawn.interactions.stats import DIMENSIONS, Dimension, NamedReport, NamedRow, Stats
from arawn.interactions.zones import zone_of

__all__ = ["bars", "stats"]

_COLUMNS = {
    "calls": "calls",
    "errors": "errors",
    "no result": "unanswered",
    "error %": "error_rate",
    "tokens in": "total_input_tokens",
    "cached": "cache_read_tokens",
    "tokens out": "output_tokens",
    "ms p50": "duration_ms.p50",
    "p95": "duration_ms.p95",
    "p99": "duration_ms.p99",
    "ttft p50": "ttft_ms.p50",
    "ttft p95": "ttft_ms.p95",
}
# What is left out on a narrow terminal, in this order; up to three things that calls are grouped by are then cut.
_LEFT_OUT = (
    *("ttft p95", "ttft p50", "cached", "p99", "p95", "error %", "ms p50", "tokens out", "tokens in"),
    *("no result", "errors"),
)
_MOST_KEYS, _LEAST_KEY = 3, 16
_PLOTS = {  # the figure, and what stands above its bars
    "calls": ("calls", "calls"),
    "errors": ("errors", "errors"),
    "tokens": ("total_input_tokens", "tokens in"),
    "output": ("output_tokens", "tokens out"),
    "latency": ("duration_ms.p95", "duration in ms, p95"),
    "ttft": ("ttft_ms.p95", "time to the first token in ms, p95"),
}
_EIGHTHS = " ▏▎▍▌▋▊▉"
_LONGEST_LABEL = 40


@click.command(cls=Reader)
@click.option(
    "--by",
    metavar="WHAT,…",
    default="model",
    show_default=True,
    help=f"Group by these, separated by commas: {', '.join(DIMENSIONS)}.",
)
@click.option(
    "--plot",
    is_flag=False,
    flag_value="calls",
    type=click.Choice(list(_PLOTS)),
    help="Draw bars of this instead of the table; calls if nothing is named. Latency and ttft are their p95.",
)
@filter_options
@label_option
@click.option("-n", "--limit", type=click.IntRange(min=1), help="The groups with the most calls, at most this many.")
@click.option("--fields", metavar="FIGURE,…", help=f"Show these figures: {', '.join(FIGURES)}.")
@json_option
@config_option
def stats(
    *,
    by: str,
    plot: str | None,
    limit: int | None,
    fields: str | None,
    as_json: bool,
    config_file: Path | None,
    **options: Any,
) -> None:
    """Count calls, tokens and errors, and how long calls took.

    Each attempt counts as a call: what was answered at the second attempt is two calls and one error. Milliseconds are
    percentiles: half, 95 and 99 of a hundred took no longer. An error is an attempt that failed, or whose stream broke.
    Grouped by tool, calls are how often models called the tool, errors the results that say so, and `no result` the
    calls that have none, as those cut short; `error %` is of those that have one. Tokens and milliseconds are then of
    the calls to models that called it, each counted once in a row, and in the row `all` once. A narrow terminal has
    room for some of the figures alone: `--fields` names those to show.
    """
    if plot and (as_json or fields):
        raise BadInput(f"give `--plot` or `--{'json' if as_json else 'fields'}`, not both")
    dimensions = dimensions_of(by)
    columns = _columns(fields, dimensions)
    zone = zone_of(options["tz"])
    wanted = filters_of(options, limit=None)
    directory = required_log(config_file)
    counted = Stats(dimensions, with_judged(directory, wanted), zone)
    with ProgressLine() as progress:
        for _, _, head in progress.reader(directory).lines(counted.wanted):
            counted.add(head)
    report = largest(counted.report(), limit)
    if not report.total.calls:
        note(none_found(directory, wanted, "call of a tool" if "tool" in dimensions else "call"))
    if as_json:
        print_json(report_values(report, tuple(columns.values()) if fields else ()))
    elif plot:
        _draw(report, plot)
    else:
        _print_report(report, columns, chosen=fields is not None)


def _columns(fields: str | None, dimensions: Sequence[Dimension]) -> dict[str, str]:
    """Return header -> path into a row."""
    if fields is None:
        return {name: path for name, path in _COLUMNS.items() if path != "unanswered" or "tool" in dimensions}
    return {path: path for path in figures_of(fields)}


def _print_report(report: NamedReport, columns: dict[str, str], *, chosen: bool) -> None:
    rows = [_cells(row.by.values(), row, columns) for row in report.rows]
    if len(rows) > 1:
        rows.append(_cells(("all", *(" " for _ in report.by[1:])), report.total, columns))
    if chosen or len(report.by) > _MOST_KEYS:
        print_chosen((*report.by, *columns), rows)
        return
    headers, *rows = _flush_right([(*report.by, *columns), *rows], len(report.by))
    names = dict(zip(columns, headers[len(report.by) :], strict=True))
    elastic = {names[name]: len(names[name]) for name in _LEFT_OUT if name in names} | dict.fromkeys(
        report.by, _LEAST_KEY
    )
    print_table(headers, rows, elastic=elastic)


def _flush_right(rows: Sequence[Sequence[str]], begin: int) -> list[tuple[str, ...]]:
    """Return the rows with every column from the one at `begin` on moved to its right edge."""
    columns = list(zip(*rows, strict=True))
    flush = [[cell.rjust(max(map(len, cells))) for cell in cells] for cells in columns[begin:]]
    return list(zip(*columns[:begin], *flush, strict=True))


def _cells(key: Iterable[str | None], row: NamedRow, columns: dict[str, str]) -> tuple[str, ...]:
    values = field_values(msgspec.to_builtins(row), list(columns.values()))
    return (*(text or "(none)" for text in key), *(_cell(path, values[path]) for path in columns.values()))


def _cell(path: str, value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.1%}" if path == "error_rate" else f"{value:,}"


def _draw(report: NamedReport, plot: str) -> None:
    path, title = _PLOTS[plot]
    print_made(emphasised(f"{title}, by {', '.join(report.by)}"))
    labels = [" ".join(text or "(none)" for text in row.by.values()) for row in report.rows]
    values = [field_values(msgspec.to_builtins(row), [path])[path] or 0 for row in report.rows]
    for line in bars([printable(label) for label in labels], values):
        say(line)


def bars(labels: Sequence[str], values: Sequence[float]) -> Iterator[str]:
    """Yield a line for each value: its label, a bar as long as its share of the greatest, the value."""
    columns = shutil.get_terminal_size().columns
    labels = [shortened(label, min(_LONGEST_LABEL, columns // 2)) for label in labels]
    width = max(map(text_width, labels), default=0)
    figures = [f"{value:,.0f}" for value in values]
    digits = max(map(len, figures), default=0)
    room = max(1, columns - width - digits - 4)
    greatest = max(values, default=0) or 1
    for label, value, figure in zip(labels, values, figures, strict=True):
        yield f"{label}{' ' * (width - text_width(label))}  {_bar(value / greatest * room):<{room}}  {figure:>{digits}}"


def _bar(length: float) -> str:
    if not (sys.stdout.encoding or "").lower().startswith("utf"):
        return "#" * round(length)
    eighths = round(length * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
