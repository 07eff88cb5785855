"""How a backend is: a state that anyone can wait for. Pure data."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

__all__ = ["BackendHealth"]


class BackendHealth(msgspec.Struct, frozen=True):
    """`starting`; `ready`; `degraded`: the last call failed; `unavailable`: asks fail at once. Why, and since when."""

    state: Literal["starting", "ready", "degraded", "unavailable"] = "starting"
    reason: str | None = None
    since: datetime | None = None
