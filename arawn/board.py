"""What the parts of a runtime report to each other."""

from __future__ import annotations

import logging
from collections.abc import Callable

from actors.errors import shown
from actors.events import Crashed, DeadLetter, Event
from arawn.config.schema import Config
from arawn.errors import ArawnError
from arawn.interactions.health import LogHealth
from arawn.interactions.journal import Journal
from arawn.interactions.patience import Patience
from arawn.workstreams.store_actor import StoreHealth

__all__ = ["Board"]

_LOG = logging.getLogger("arawn.runtime")


class Board:
    """What the parts report to `status` and to each other: one writer each, read by anyone."""

    patience: Patience
    config: Callable[[], Config]  # in force

    def __init__(self) -> None:
        self.log_health: Callable[[], LogHealth] = LogHealth
        self.housekeeping_health: Callable[[], LogHealth] = LogHealth
        self.store_health = StoreHealth()
        self.journal: Journal | None = None

    def hear(self, event: Event) -> None:
        """Count records that the writer will never write; log crashes that nobody foresaw."""
        if isinstance(event, DeadLetter) and self.journal is not None:
            self.journal.lost(event)
        elif isinstance(event, Crashed) and not isinstance(event.error, ArawnError):  # those are told where they matter
            _LOG.error("`%s` crashed: %s", event.actor, shown(event.error))
            _LOG.debug("`%s` crashed", event.actor, exc_info=event.error)
