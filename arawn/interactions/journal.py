"""How a backend hands its records to the writer actor: a call is answered only once its record is written."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import trio

from actors import ActorError, OutcomeUnknown, Ref, Reply, Request
from arawn.interactions.health import LogHealth
from arawn.interactions.record import GapLine, LogLine, timestamp_text

__all__ = ["Append", "Journal"]

_LOG = logging.getLogger("arawn.log")


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
            answer_wait: Seconds that an answer waits for its record, `answer_wait_ms` / 1000; 0 waits not at all.
            writer_health: Returns what the writer says of itself.
        """
        self._writer = writer
        self._answer_wait = answer_wait
        self._writer_health = writer_health
        self._late: LogHealth | None = None
        self._lost: LogHealth | None = None
        self._lost_unsaid = 0

    @property
    def enabled(self) -> bool:
        """Whether calls are logged at all."""
        return self._writer is not None

    def health(self) -> LogHealth:
        """Return the state of the log: what was lost weighs most, then what is late, then the writer's own word."""
        writer = self._writer_health()
        if self._lost is not None or writer.state == "lost":
            return self._lost or writer
        return self._late if writer.state == "ok" and self._late is not None else writer

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
            if not self._answer_wait:
                return
            with trio.move_on_after(self._answer_wait) as scope:
                await reply.wait()
        except OutcomeUnknown:
            return  # the writer was stopped with the line in its hands: it writes it while it closes, or says otherwise
        except ActorError as error:
            self.lose(str(error))
            return
        if scope.cancelled_caught:
            self._be_late()
        elif self._late is not None or self._lost_unsaid:
            self._late = None
            await self._confess(self._writer)

    def _be_late(self) -> None:
        if self._late is None:
            reason = f"an answer went out {self._answer_wait:g} s before its record was written"
            _LOG.warning("interaction log degraded: %s", reason)
            self._late = LogHealth("degraded", reason, datetime.now(UTC))

    async def _submit(self, writer: Ref[Append], line: LogLine) -> Reply[None]:
        try:
            return await writer.submit(Append(line))
        except trio.Cancelled:
            with trio.move_on_after(self._answer_wait, shield=True):
                await writer.submit(Append(line))
                raise
            self.lose("its call was cancelled while the log had no room")
            raise

    def lost(self, message: object, why: str) -> None:
        """Count what the writer took and will not write: its dead letters."""
        if isinstance(message, Append) and isinstance(message.line, GapLine):
            self._lost_unsaid += message.line.count
        elif isinstance(message, Append):
            self.lose(why)

    def lose(self, why: str) -> None:
        """Count one record as lost."""
        count = 1 if self._lost is None else self._lost.count + 1
        self._lost = LogHealth("lost", why, datetime.now(UTC), count)
        if not self._lost_unsaid:
            _LOG.error("interaction log: a record is lost: %s", why)
        self._lost_unsaid += 1

    async def _confess(self, writer: Ref[Append]) -> None:
        """Write how many lines were lost, once lines are being written again."""
        if self._lost is None or not self._lost_unsaid:
            return
        reason = self._lost.reason or ""
        gap = GapLine(count=self._lost_unsaid, reason=reason, timestamp=timestamp_text(datetime.now(UTC)))
        self._lost_unsaid = 0
        try:
            await writer.tell(Append(gap))
        except ActorError:
            self._lost_unsaid += gap.count
