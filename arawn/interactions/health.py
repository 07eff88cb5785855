"""How the log is: a state that anyone can wait for. Pure data."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from arawn.errors import LogWriteFailed

__all__ = ["LogHealth", "perhaps_unwritten"]


class LogHealth(msgspec.Struct, frozen=True):
    """`ok`; `degraded` (nothing lost, calls wait; `reason`, `since`); `lost` (`count` lines will never be written)."""

    state: Literal["ok", "degraded", "lost"] = "ok"
    reason: str | None = None
    since: datetime | None = None
    count: int = 0


def perhaps_unwritten(health: LogHealth) -> LogWriteFailed:
    """Return what to say of a call that is not found in a log that is behind: it may be there later."""
    return LogWriteFailed(
        f"the record may not be written yet: the log is {health.state} ({health.reason}); try again later"
    )
