"""Which calls were judged as asked for: by the last feedback of each, which stands in any later file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from arawn.interactions.filters import Filters
from arawn.interactions.heads import head_or_none
from arawn.interactions.record import FeedbackLine
from arawn.interactions.scan import LogScan, OnProgress, wanted_files

__all__ = ["judged_by", "latest_labels", "with_judged"]

_NEEDLE = b'"feedback"'


def with_judged(directory: Path, wanted: Filters, *, on_progress: OnProgress | None = None) -> Filters:
    """Return `wanted` with the calls in `directory` whose last feedback has one of its labels, if it asks for any.

    Damage is passed over: whoever reads the calls names it. Without labels nothing is read.

    Raises:
        OSError: The directory cannot be read.
    """
    if not wanted.labels:
        return wanted
    return judged_by(latest_labels(directory, wanted, on_progress=on_progress), wanted)


def latest_labels(directory: Path, wanted: Filters, *, on_progress: OnProgress | None = None) -> dict[str, str]:
    """Return the last label of each call that has been judged since `wanted` begins; all else as for `with_judged`."""
    latest: dict[str, str] = {}
    scan = LogScan(directory, on_damage=lambda _: None, on_progress=on_progress)
    files = wanted_files(directory, Filters(start=wanted.start))
    for _, (_, line) in scan.holding(files, lambda data, *span: data.find(_NEEDLE, *span), len(_NEEDLE)):
        if isinstance(head := head_or_none(line), FeedbackLine):
            latest[head.interaction_id] = head.label
    return latest


def judged_by(latest: Mapping[str, str], wanted: Filters) -> Filters:
    """Return `wanted` with those of the judged calls that have one of its labels."""
    judged = frozenset(identity for identity, label in latest.items() if label in wanted.labels)
    return msgspec.structs.replace(wanted, judged=judged)
