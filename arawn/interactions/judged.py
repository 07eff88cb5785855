"""Which calls were judged as asked for: by the last feedback of each, which stands in any later file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from arawn.interactions.filters import Filters
from arawn.interactions.heads import head_or_none
from arawn.interactions.record import FeedbackLine
from arawn.interactions.scan import LogScan, OnProgress, wanted_files

__all__ = ["with_judged"]

_NEEDLE = b'"feedback"'


def with_judged(directory: Path, wanted: Filters, *, on_progress: OnProgress | None = None) -> Filters:
    """Return `wanted` with the calls in `directory` whose last feedback has one of its labels, if it asks for any.

    Damage is passed over: whoever reads the calls names it. Without labels nothing is read.

    Raises:
        OSError: The directory cannot be read.
    """
    if not wanted.labels:
        return wanted
    latest: dict[str, str] = {}
    scan = LogScan(directory, on_damage=lambda _: None, on_progress=on_progress)
    files = wanted_files(directory, Filters(start=wanted.start))
    for _, (_, line) in scan.holding(files, lambda data, *span: data.find(_NEEDLE, *span), len(_NEEDLE)):
        if isinstance(head := head_or_none(line), FeedbackLine):
            latest[head.interaction_id] = head.label
    judged = frozenset(identity for identity, label in latest.items() if label in wanted.labels)
    return msgspec.structs.replace(wanted, judged=judged)
