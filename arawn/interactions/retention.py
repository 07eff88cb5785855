"""Which files are past their time. Pure: decides by the date in the name, deletes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from arawn.interactions.files import day_of_name

__all__ = ["expired"]


def expired(names: Iterable[str], today: date, retention_days: int, last_run_day: date | None) -> list[str]:
    """Return the names of all files that belong to days older than `retention_days`, sorted.

    Nothing has expired when the clock has jumped ahead by more than `retention_days` since the last run: a wrong clock
    must not empty the log.

    Args:
        names: The names in the log directory; those of other files are passed over.
        today: The present UTC day; it and later days are always kept.
        retention_days: How many days before today are kept; 0 keeps all.
        last_run_day: When this was last decided; None for the first time.
    """
    if retention_days <= 0:
        return []
    if last_run_day is not None and (today - last_run_day).days > retention_days:
        return []
    return sorted(
        name for name in names if (day := day_of_name(name)) is not None and (today - day).days > retention_days
    )
