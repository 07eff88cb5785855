"""Files of days to come, which a clock that was ahead has made. Pure.

All lines go into such a file until its day, since none goes into the file of an earlier day than the newest there is.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from arawn.interactions.files import DayFile, day_files

__all__ = ["files_ahead", "what_is_ahead"]


def files_ahead(names: Iterable[str], today: date) -> list[DayFile]:
    """Return the files of days after tomorrow, oldest first: that of tomorrow is right again before anybody acts."""
    return [file for file in day_files(names) if file.day > (today + timedelta(days=1)).isoformat()]


def what_is_ahead(file: DayFile, today: date) -> str:
    """Return what a file of a day to come means, and what to do."""
    return (
        f"{file.name} is of a day to come, today being {today} (UTC): the clock is behind, or was ahead once; until "
        "that day all records go there, and it is neither compressed nor deleted; if the clock is right by now, stop "
        "Arawn and run `arawn interactions repair --today` with the day it is, which moves them to their days"
    )
