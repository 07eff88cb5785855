"""Durations in words. Pure."""

from __future__ import annotations

from datetime import datetime

__all__ = ["duration_words", "since_words"]


def duration_words(seconds: float) -> str:
    """Return a duration in its two largest units."""
    whole = int(seconds)
    days, hours, minutes = whole // 86_400, whole // 3_600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def since_words(since: datetime | None, now: datetime) -> str:
    """Return for how long something has been so; a clock that was set back makes it no less than 0."""
    return "" if since is None else f"for {duration_words(max(0.0, (now - since).total_seconds()))}"
