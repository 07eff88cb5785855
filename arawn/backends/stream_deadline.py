"""How long a stream may be silent: until its answer has begun, and then from piece to piece."""

from __future__ import annotations

import math
from typing import Literal

import trio

from arawn.config.schema import TimeoutsConfig

__all__ = ["StreamDeadline"]

_SLACK = 0.01  # of `idle_s`, by which it is late: to move a deadline costs as much as a token, so it is moved seldom


class StreamDeadline:
    """The scope that a stream is read in; its deadline moves, for a scope for each piece would cost as much as a piece.

    Attributes:
        scope: To be entered while the stream is read.
        which: The limit that counts now. `first_token_s` is not put off by comments.
    """

    def __init__(self, timeouts: TimeoutsConfig) -> None:
        """Begin to wait for the first token."""
        self.which: Literal["first_token", "idle"] = "first_token"
        self._first = trio.current_time() + timeouts.first_token_s
        self._idle_s = timeouts.idle_s
        self._good_until = -math.inf
        self.scope = trio.CancelScope(deadline=self._first)

    def suspend(self) -> None:
        """Wait without a limit: the reader of the events takes its time."""
        self.scope.deadline = math.inf
        self._good_until = -math.inf

    def piece_came(self, *, started: bool) -> None:
        """Wait for the next piece from now on; `started` says whether something of an answer has come."""
        if not started:
            self.scope.deadline = self._first
            return
        self.which = "idle"
        now = trio.current_time()
        if now >= self._good_until:
            slack = _SLACK * self._idle_s
            self._good_until = now + slack
            self.scope.deadline = now + self._idle_s + slack
