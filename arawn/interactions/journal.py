"""How a backend hands its records to the writer actor: a call is answered only once its record is written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import trio

from actors import ActorError, Ref, Reply, Request
from arawn.interactions.health import LogHealth
from arawn.interactions.record import GapLine, LogLine, timestamp_text

__all__ = ["Append", "Journal"]


class Append(msgspec.Struct, Request[None], frozen=True):
    """Ask the writer to write one line; its reply means that `write(2)` took every byte."""

    line: LogLine


class Journal:
    """The door to the log. It never fails a call, and never is silent: see `health`.

    One task at a time need not own it: every method changes its state without a checkpoint in between.
    """

    def __init__(
        self, writer: Ref[Append] | None, *, answer_wait: float, writer_health: Callable[[], LogHealth]
    ) -> None:
        """Make the door.

        Args:
            writer: The writer actor; None when the log is switched off.
            answer_wait: Seconds that an answer waits for its record, `answer_wait_ms` / 1000.
            writer_health: Returns what the writer says of itself.
        """
        self._writer = writer
        self._answer_wait = answer_wait
        self._writer_health = writer_health
        self._late: str | None = None
        self._lost = 0
        self._lost_unsaid = 0
        self._lost_why = ""

    @property
    def enabled(self) -> bool:
        """Whether calls are logged at all."""
        return self._writer is not None

    def health(self) -> LogHealth:
        """Return the state of the log: what was lost weighs most, then what is late, then the writer's own word."""
        if self._lost:
            return LogHealth("lost", self._lost_why, count=self._lost)
        writer = self._writer_health()
        if writer.state == "ok" and self._late:
            return LogHealth("degraded", self._late)
        return writer

    async def record(self, line: LogLine) -> None:
        """Have `line` written, and wait for that at most `answer_wait` seconds.

        A full mailbox makes it wait for room however long that takes: calls feel the back-pressure of a slow disk.

        Checkpoint: always, unless the log is off.
        If cancelled: while it waits for room, it tries `answer_wait` seconds more and then counts the line as lost;
            later, the line is written all the same.
        """
        if self._writer is None:
            return
        try:
            reply = await self._submit(self._writer, line)
            with trio.move_on_after(self._answer_wait) as scope:
                await reply.wait()
        except ActorError as error:
            self._lose(line, str(error))
            return
        if scope.cancelled_caught:
            self._late = f"an answer went out {self._answer_wait:g} s before its record was written"
        else:
            self._late = None
            await self._confess(self._writer)

    async def _submit(self, writer: Ref[Append], line: LogLine) -> Reply[None]:
        try:
            return await writer.submit(Append(line))
        except trio.Cancelled:
            with trio.move_on_after(self._answer_wait, shield=True):
                await writer.submit(Append(line))
                raise
            self._lose(line, "its call was cancelled while the log had no room")
            raise

    def lost(self, line: Any, why: str) -> None:
        """Count a line that the writer took and will not write (its dead letter)."""
        if isinstance(line, Append):
            self._lose(line.line, why)

    def _lose(self, line: LogLine, why: str) -> None:
        if isinstance(line, GapLine):
            self._lost_unsaid += line.count
            return
        self._lost += 1
        self._lost_unsaid += 1
        self._lost_why = why

    async def _confess(self, writer: Ref[Append]) -> None:
        """Write how many lines were lost, once lines are being written again."""
        if not self._lost_unsaid:
            return
        gap = GapLine(count=self._lost_unsaid, reason=self._lost_why, timestamp=timestamp_text(datetime.now(UTC)))
        self._lost_unsaid = 0
        try:
            await writer.tell(Append(gap))
        except ActorError:
            self._lost_unsaid += gap.count
