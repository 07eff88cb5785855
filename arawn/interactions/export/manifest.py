"""What stands beside an export: what it was asked for, what it kept, dropped and left out, and hashes of both ends."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

import msgspec

from arawn.interactions.export.rules import Format, Reason
from arawn.interactions.export.sources import Source
from arawn.interactions.filters import Filters
from arawn.version import VERSION

__all__ = ["ExportManifest", "Output", "Tally", "filters_said", "read_export_manifest"]


class Output(msgspec.Struct, frozen=True):
    """One file of the export."""

    file: str
    rows: int
    bytes: int
    sha256: str


class ExportManifest(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="export"):
    """The manifest of one export; the same log, filters and version give the same bytes.

    `rows` and what is `dropped` add up to `conversations`, or to `interactions` where that is None. Calls that a later
    one goes on from are rows of no kind of their own. `answered_calls_dropped` counts the calls with a whole answer in
    conversations that were dropped because their last call had none. `damages` counts places in the log that
    could not be read.
    """

    v: int = 1
    arawn: str = VERSION
    format: Format
    row: Literal["interaction", "conversation"]
    filters: dict[str, Any]
    drop: tuple[str, ...]
    interactions: int
    conversations: int | None
    rows: int
    dropped: dict[str, int]
    answered_calls_dropped: int = 0
    left_out: dict[str, int]
    damages: int
    sources: tuple[Source, ...]
    outputs: tuple[Output, ...]
    features: dict[str, Any] | None = None


class Tally(msgspec.Struct):
    """The counts of an export that is being made: rows `dropped` by reason, parts of rows `left_out` by kind."""

    interactions: int = 0
    rows: int = 0
    damages: int = 0
    answered_calls_dropped: int = 0
    dropped: Counter[Reason] = msgspec.field(default_factory=Counter)
    left_out: Counter[str] = msgspec.field(default_factory=Counter)


def filters_said(wanted: Filters) -> dict[str, Any]:
    """Return the filters that ask for something, as they were asked for."""
    nothing = Filters()
    said = msgspec.structs.asdict(msgspec.structs.replace(wanted, judged=nothing.judged))
    return {name: value for name, value in sorted(said.items()) if value != getattr(nothing, name)}


def read_export_manifest(data: bytes) -> ExportManifest | None:
    """Return the manifest in `data`; None if it is something else."""
    try:
        return msgspec.json.decode(data, type=ExportManifest)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
