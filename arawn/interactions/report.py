"""What is asked of the figures of a log in words, and the figures as JSON: for command and route alike. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from arawn.config.describe import ticked
from arawn.errors import BadInput
from arawn.interactions.fields import field_values
from arawn.interactions.stats import DIMENSIONS, Dimension, Figures, NamedReport, Percentiles

__all__ = [
    "FIGURES",
    "ChosenReport",
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


class ChosenReport(msgspec.Struct, frozen=True):
    """A report with the figures that were asked for alone, by their paths."""

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


def largest(report: NamedReport, limit: int | None) -> NamedReport:
    """Return the report with the rows of the most calls, at most `limit`, in their order."""
    places = sorted(range(len(report.rows)), key=lambda place: -report.rows[place].calls)[:limit]
    return msgspec.structs.replace(report, rows=tuple(report.rows[place] for place in sorted(places)))


def report_values(report: NamedReport, paths: Sequence[str]) -> dict[str, Any]:
    """Return the report in plain values, or with `paths` a `ChosenReport` of the figures at these."""
    values: dict[str, Any] = msgspec.to_builtins(report)

    def chosen(row: dict[str, Any]) -> dict[str, Any]:
        return {**field_values(row, paths), "by": row["by"]} if paths else row

    return {"by": report.by, "rows": [chosen(row) for row in values["rows"]], "total": chosen(values["total"])}
