"""How a backend is: a state that anyone can wait for. Pure data."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

__all__ = ["BackendHealth"]


class BackendHealth(msgspec.Struct, frozen=True):
    """How it is, why, and since when.

    `starting`; `ready`; `degraded`: the last call failed; `open`: too many did in a row, so calls fail at once but for
    one probe at a time; `unavailable`: calls fail at once.
    """

    state: Literal["starting", "ready", "degraded", "open", "unavailable"] = "starting"
    reason: str | None = None
    since: datetime | None = None
