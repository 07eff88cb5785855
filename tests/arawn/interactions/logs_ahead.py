"""Logs whose clock was ahead for a moment, and the repair of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from arawn.interactions.opening import open_day_log
from arawn.interactions.repair import Repaired, repair
from tests.arawn.interactions.mending_logs import CONFIG
from tests.arawn.interactions.samples import NOON, Clock, record

FAR = datetime(2038, 1, 19, 3, tzinfo=UTC)
AHEAD = "interactions-2038-01-19.jsonl"


def write(log: Path, *times: datetime) -> None:
    """Have a process for each time write a call at it."""
    for at in times:
        one = open_day_log(log, CONFIG, clock=Clock(at))
        one.append([record(1, at)])
        one.close()


def days(*offsets: float) -> list[datetime]:
    return [NOON + timedelta(days=offset) for offset in offsets]


def mended(log: Path, at: datetime) -> Repaired:
    return repair(log, CONFIG, today=at.date(), clock=lambda: at)
