"""What is asked of the figures of a log in words, and the figures as JSON: for command and route alike. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from arawn.config.describe import ticked
from arawn.errors import BadInput
from arawn.interactions.fields import field_values
from arawn.interactions.stats import DIMENSIONS, Dimension, Figures, Percentiles, Report, Row

__all__ = [
    "FIGURES",
    "ChosenReport",
    "NamedReport",
    "NamedRow",
    "dimensions_of",
    "figures_of",
    "largest",
    "report_values",
]

_PERCENTILES = {"duration_ms", "ttft_ms"}
FIGURES = tuple(
    path
    for name in Figures.__struct_fields__
    for path in ([f"{name}.{part}" for part in Percentiles.__struct_fields__] if name in _PERCENTILES else [name])
)


class NamedRow(Figures, frozen=True, kw_only=True):
    """The figures of one group; `by` has what it has in common, by the names of what calls are grouped by."""

    by: dict[str, str | None]


class NamedReport(msgspec.Struct, frozen=True):
    """A report whose rows name the parts of their keys; nothing is in common in `total`."""

    by: tuple[Dimension, ...]
    rows: tuple[NamedRow, ...]
    total: NamedRow


class ChosenReport(msgspec.Struct, frozen=True):
    """The same with the figures that were asked for alone, by their paths."""

    by: tuple[Dimension, ...]
    rows: tuple[dict[str, Any], ...]
    total: dict[str, Any]


def dimensions_of(text: str) -> tuple[Dimension, ...]:
    """Return what calls are grouped by, each once, from a comma-separated list.

    Raises:
        BadInput: Calls cannot be grouped by one of them.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    try:
        return msgspec.convert(names, tuple[Dimension, ...])
    except msgspec.ValidationError as error:
        wrong = ", ".join(ticked(name) for name in names if name not in DIMENSIONS)
        raise BadInput(f"calls cannot be grouped by {wrong}; give some of {', '.join(DIMENSIONS)}") from error


def figures_of(text: str) -> tuple[str, ...]:
    """Return the figures in a comma-separated list, each once.

    Raises:
        BadInput: One is none of `FIGURES`.
    """
    paths = tuple(dict.fromkeys(path.strip() for path in text.split(",")))
    for path in paths:
        if path not in FIGURES:
            raise BadInput(f"there is no figure {ticked(path)}; the figures are {', '.join(FIGURES)}")
    return paths


def largest(report: Report, limit: int | None) -> Report:
    """Return the report with the rows of the most calls, at most `limit`, in their order."""
    kept = {row.key for row in sorted(report.rows, key=lambda row: -row.calls)[:limit]}
    return msgspec.structs.replace(report, rows=tuple(row for row in report.rows if row.key in kept))


def report_values(report: Report, paths: Sequence[str]) -> dict[str, Any]:
    """Return a `NamedReport` in plain values, or with `paths` a `ChosenReport` of the figures at these."""

    def named(row: Row) -> NamedRow:
        figures = {name: getattr(row, name) for name in Figures.__struct_fields__}
        return NamedRow(**figures, by=dict(zip(report.by, row.key, strict=False)))

    def chosen(row: Row) -> dict[str, Any]:
        values: dict[str, Any] = msgspec.to_builtins(named(row))
        return field_values(values, paths) | {"by": values["by"]} if paths else values

    return {"by": report.by, "rows": [chosen(row) for row in report.rows], "total": chosen(report.total)}
