"""How the log is: a state that anyone can wait for. Pure data."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

__all__ = ["LogHealth"]


class LogHealth(msgspec.Struct, frozen=True):
    """`ok`; `degraded` (nothing lost, calls wait; `reason`, `since`); `lost` (`count` lines will never be written)."""

    state: Literal["ok", "degraded", "lost"] = "ok"
    reason: str | None = None
    since: datetime | None = None
    count: int = 0
