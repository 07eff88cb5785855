"""`arawn interactions stats`: counts, tokens, error rates and latencies, as a table, JSON or bars."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from arawn.cli.bars import bars
from arawn.cli.log_filters import fields_option, filter_options, filters_of, zone_of
from arawn.cli.log_reading import ProgressLine, required_log
from arawn.cli.options import config_option, json_option, quiet_option
from arawn.cli.output import note, print_json, print_table, printable
from arawn.errors import BadInput
from arawn.interactions.fields import field_values
from arawn.interactions.reader import LogReader
from arawn.interactions.stats import DIMENSIONS, Dimension, Report, Row, Stats

__all__ = ["stats"]

_COLUMNS = {
    "calls": "calls",
    "errors": "errors",
    "error %": "error_rate",
    "tokens in": "total_input_tokens",
    "from cache": "cache_read_tokens",
    "tokens out": "output_tokens",
    "ms p50": "duration_ms.p50",
    "p95": "duration_ms.p95",
    "p99": "duration_ms.p99",
    "first token p50": "ttft_ms.p50",
    "ttft p95": "ttft_ms.p95",
}
_PLOTS = {
    "calls": "calls",
    "errors": "errors",
    "tokens": "total_input_tokens",
    "output": "output_tokens",
    "latency": "duration_ms.p95",
    "ttft": "ttft_ms.p95",
}


@click.command()
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
@click.option("-n", "--limit", type=click.IntRange(min=1), help="The groups with the most calls, at most this many.")
@fields_option
@json_option
@quiet_option
@config_option
def stats(
    *,
    by: str,
    plot: str | None,
    limit: int | None,
    fields: str | None,
    as_json: bool,
    quiet: bool,
    config_file: Path | None,
    **options: Any,
) -> None:
    """Count calls, tokens and errors, and how long calls took.

    Milliseconds are percentiles: half, 95 and 99 of a hundred calls took no longer. An error is a call that failed, or
    whose stream broke; grouped by tool, calls are those of the tool, and errors the results that say so.
    """
    dimensions = _dimensions(by)
    columns = _columns(fields)
    zone = zone_of(options["tz"])
    counted = Stats(dimensions, filters_of(options, limit=None), zone)
    directory = required_log(config_file)
    with ProgressLine(quiet=quiet) as progress:
        reader = LogReader(directory, on_damage=progress.damage, on_progress=progress.update)
        for _, _, head in reader.lines(counted.wanted):
            counted.add(head)
    report = _largest(counted.report(), limit)
    if not report.total.calls and not quiet:
        note(f"no call in the interaction log at `{directory}` is one of those asked for")
    if as_json:
        print_json(_as_json(report))
    elif plot:
        _draw(report, plot)
    else:
        _print_report(report, columns)


def _dimensions(by: str) -> tuple[Dimension, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in by.split(",")))
    try:
        return msgspec.convert(names, tuple[Dimension, ...])
    except msgspec.ValidationError as error:
        wrong = ", ".join(f"`{name}`" for name in names if name not in DIMENSIONS)
        raise BadInput(f"calls cannot be grouped by {wrong}; give some of {', '.join(DIMENSIONS)}") from error


def _columns(fields: str | None) -> dict[str, str]:
    """Return header -> path into a row."""
    if fields is None:
        return _COLUMNS
    paths = [path.strip() for path in fields.split(",")]
    known = Row.__struct_fields__
    for path in paths:
        if path.partition(".")[0] not in known:
            raise BadInput(f"the figures have no field `{path}`; the fields are {', '.join(known)}")
    return {path: path for path in paths}


def _largest(report: Report, limit: int | None) -> Report:
    kept = {row.key for row in sorted(report.rows, key=lambda row: -row.calls)[:limit]}
    return msgspec.structs.replace(report, rows=tuple(row for row in report.rows if row.key in kept))


def _as_json(report: Report) -> Any:
    plain = msgspec.to_builtins(report)
    for row in (*plain["rows"], plain["total"]):
        key = row.pop("key")
        row |= {"by": dict(zip(report.by, key, strict=False))}
    return plain


def _print_report(report: Report, columns: dict[str, str]) -> None:
    rows = [_cells(row.key, row, columns) for row in report.rows]
    if len(rows) > 1:
        rows.append(_cells(("all", *(" " for _ in report.by[1:])), report.total, columns))
    print_table((*report.by, *columns), rows)


def _cells(key: Sequence[str], row: Row, columns: dict[str, str]) -> tuple[str, ...]:
    values = field_values(msgspec.to_builtins(row), list(columns.values()))
    return (*(text or "(none)" for text in key), *(_cell(path, values[path]) for path in columns.values()))


def _cell(path: str, value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.1%}" if path == "error_rate" else str(value)


def _draw(report: Report, plot: str) -> None:
    path = _PLOTS[plot]
    labels = [" ".join(text or "(none)" for text in row.key) for row in report.rows]
    values = [field_values(msgspec.to_builtins(row), [path])[path] or 0 for row in report.rows]
    for line in bars(labels, values):
        click.echo(printable(line))
