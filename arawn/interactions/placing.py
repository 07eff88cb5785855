"""Which whole lines may stand in a part: none of a later day than the part's own, none twice."""

from __future__ import annotations

from arawn.interactions.files import DayFile, parse_name
from arawn.interactions.line_check import CheckedLine
from arawn.interactions.line_numbers import SeenLines
from arawn.interactions.record import MarkLine

__all__ = ["MOVED", "Placing"]

MOVED = "moved"


class Placing:
    """Takes the whole lines of one part in their order.

    Lines that `repair` moved here from a file of a day that was still to come stand behind a mark that names that file:
    a clock that was ahead has dated some of them up to that day.
    """

    def __init__(self, file: DayFile) -> None:
        self._latest = file.day
        self._seen = SeenLines()

    def misfit(self, checked: CheckedLine) -> str | None:
        """Return why a line should not stand where it does; note it."""
        self._latest = max(self._latest, _moved_from(checked))
        if checked.line.timestamp[:10] > self._latest:
            return f"it is of {checked.line.timestamp[:10]}, a later day than its file's"
        if not self._seen.is_new(checked.writer, checked.seq):
            return f"number {checked.seq} of writer {checked.writer} stands in this file already"
        return None


def _moved_from(checked: CheckedLine) -> str:
    line = checked.line
    name = line.detail.get(MOVED) if isinstance(line, MarkLine) and line.event == "repair" else None
    file = parse_name(name) if isinstance(name, str) else None
    return "" if file is None else file.day
