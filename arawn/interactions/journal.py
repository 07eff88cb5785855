"""How a backend hands its records to the writer actor: a call is answered only once its record is written."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Literal

import msgspec
import trio

from actors import ActorError, NotStarted, OutcomeUnknown, Ref, Reply, Request
from actors.events import DeadLetter
from arawn.interactions.health import LogHealth
from arawn.interactions.patience import Patience
from arawn.interactions.record import GapLine, LogLine, MarkLine, timestamp_text
from arawn.interactions.room import Room
from arawn.interactions.shed import weigh, without_bodies

__all__ = ["Append", "Journal", "write_appends"]

_LOG = logging.getLogger("arawn.log")
_ROOM_BYTES = 64 << 20  # between the calls and the writer; what the writer keeps has a bound of its own
_KEPT_FROM_BODIES = 8  # one part in so many, where bodies may be dropped


def _nothing() -> None:
    """Release what took no room."""


class Append(msgspec.Struct, Request[None], frozen=True):
    """Ask the writer to write one line; its reply means that `write(2)` took every byte.

    `release` gives back the line's room; whoever ends the line calls it, once: the writer, or the journal on a failure.
    """

    line: LogLine
    release: Callable[[], None] = _nothing


async def write_appends(write: Callable[[Sequence[LogLine]], Awaitable[object]], batch: Sequence[Append]) -> list[None]:
    """Have the lines of `batch` written, and give back the room that they took.

    Checkpoint: as `write`.
    If cancelled: as `write`; the room is given back by the journal, which hears of every line that failed.
    """
    await write([append.line for append in batch])
    for append in batch:
        append.release()
    return [None] * len(batch)


class Journal:
    """The door to the log. It never fails a call, and never is silent: see `health`.

    One task at a time need not own it: every method changes its state without a checkpoint in between.
    `undeclared` counts the records that are lost of which the log does not say so yet; without those in the writer's
    hands.
    """

    def __init__(
        self,
        writer: Ref[Append] | None,
        *,
        patience: Patience,
        writer_health: Callable[[], LogHealth],
        housekeeping_health: Callable[[], LogHealth] = LogHealth,
        overflow: Literal["block", "shed_bodies"] = "block",
        room: Room | None = None,
    ) -> None:
        """Make the door.

        Args:
            writer: The writer actor; None when the log is switched off.
            patience: How long an answer waits for its record, `answer_wait_ms` / 1000 seconds; 0 waits not at all.
            writer_health: Returns what the writer says of itself; its reason is the cause of what it never came to.
            housekeeping_health: Returns what housekeeping says of itself, for when all else is well.
            overflow: When there is no room: `block` makes calls wait, `shed_bodies` writes records without bodies.
            room: The bytes that lines may take between the calls and the writer; None takes 64 MiB.
        """
        self._writer = writer
        self._patience = patience
        self._writer_health = writer_health
        self._housekeeping_health = housekeeping_health
        self._sheds = overflow == "shed_bodies"
        self._room = room or Room(_ROOM_BYTES)
        self._kept_free = self._room.limit // _KEPT_FROM_BODIES if self._sheds else 0
        self._late: LogHealth | None = None
        self._lost: LogHealth | None = None
        self.undeclared = 0

    @property
    def enabled(self) -> bool:
        """Whether calls are logged at all."""
        return self._writer is not None

    def health(self) -> LogHealth:
        """Return the state of the log: what is lost weighs most, then the writer's word, what is late, the rest."""
        writer = self._writer_health()
        if self._lost is not None:
            unwritten = writer.count if writer.state == "lost" else 0
            return msgspec.structs.replace(self._lost, count=self._lost.count + unwritten)
        if writer.state != "ok":
            return writer
        late = self._late if self._room.held else None  # nothing is late where nothing is on its way
        return self._housekeeping_health() if late is None else late

    @property
    def is_behind(self) -> bool:
        """Whether records may be on their way that readers do not find yet."""
        return self._writer_health().state == "degraded" or bool(self._late and self._room.held)

    async def record(self, line: LogLine) -> bool:
        """Have `line` written, and wait for that as long as the patience lasts; say whether it is.

        Where the patience is 0, what is handed to a writer that is well counts as written.

        Without room it waits, however long that takes: calls feel the back-pressure of a slow disk. With
        `overflow = "shed_bodies"` it first drops the line's bodies, which nearly always makes it fit.

        Checkpoint: always, unless the log is off.
        If cancelled: while it waits for room, it tries as long again and then counts the line as lost;
            later, the line is written all the same.
        """
        if self._writer is None:
            return False
        try:
            append, reply = await self._submit(self._writer, line)
        except ActorError as error:
            self._judge(error)
            return False
        is_written = await self._is_written(append, reply)
        if is_written and append.line is line:
            self._late = None
            if self._lost is not None and self.undeclared:
                await self._confess(self._writer, self._lost.reason or "")
        return is_written

    async def _is_written(self, append: Append, reply: Reply[None]) -> bool:
        """Wait for the line to be written, but not for ever; say whether it was."""
        if not self._patience.seconds:
            return await self._leave(append, reply) and self._writer_health().state == "ok"
        try:
            in_time = await self._patience.wait(reply)
        except ActorError as error:
            append.release()
            self._judge(error)
            return False
        if not in_time:
            self._degrade(f"an answer went out {self._patience.seconds:g} s before its record was written")
        return in_time

    async def _leave(self, append: Append, reply: Reply[None]) -> bool:
        """Do not wait for the line; whoever ends it gives its room back. Say whether it has not failed already."""
        if not reply.done:
            reply.abandon()
            return True
        try:
            await reply.wait()
        except ActorError as error:
            append.release()
            self._judge(error)
            return False
        return True

    def _judge(self, error: ActorError) -> None:
        """Count a line as lost, unless the writer was stopped with it in hand: it writes it at its end, or says so."""
        if not isinstance(error, OutcomeUnknown):
            self.lose(self._cause(error))

    def _cause(self, error: ActorError) -> str:
        """Return why a line is lost: where the writer never came to it, what ails the writer, if anything does."""
        ails = self._writer_health().reason if isinstance(error, NotStarted) else None
        return ails or str(error)

    def _degrade(self, reason: str) -> None:
        if self._late is None:
            _LOG.warning("interaction log degraded: %s", reason)
            self._late = LogHealth("degraded", reason, datetime.now(UTC))

    async def _submit(self, writer: Ref[Append], line: LogLine) -> tuple[Append, Reply[None]]:
        """Hand the line over; a call that is cancelled meanwhile tries a little longer."""
        try:
            return await self._enqueue(writer, line)
        except trio.Cancelled:
            with trio.move_on_after(self._patience.seconds, shield=True):
                await self._leave(*await self._enqueue(writer, line))
                raise
            ails = self._writer_health().reason
            self.lose("its call was cancelled while the log had no room" + (f": {ails}" if ails else ""))
            raise

    async def _enqueue(self, writer: Ref[Append], line: LogLine) -> tuple[Append, Reply[None]]:
        size = weigh(line)
        if not self._room.take_nowait(size, leaving=self._kept_free):
            line, size = await self._make_room(line, size)
        append = Append(line, partial(self._room.give_back, size))
        try:
            return append, await writer.submit(append)
        except BaseException:
            append.release()
            raise

    async def _make_room(self, line: LogLine, size: int) -> tuple[LogLine, int]:
        """Return the line, without its bodies if these may be dropped, and how much room was taken for it."""
        if self._sheds:
            line = without_bodies(line)
            size = weigh(line)
            self._degrade("records are written without their bodies: the disk is slower than the calls")
        await self._room.take(size)
        return line, size

    def lost(self, letter: DeadLetter) -> None:
        """Count what the writer took and will not write: its dead letters."""
        message, error = letter.message, letter.error
        if not isinstance(message, Append):
            return
        message.release()
        if isinstance(error, OutcomeUnknown):
            return  # it was in the hands of a writer that was stopped, which writes it at its end, or says so
        if isinstance(message.line, GapLine):
            self.undeclared += message.line.count
        elif not isinstance(message.line, MarkLine):  # no record: the log's word about itself
            self.lose(self._cause(error) if isinstance(error, ActorError) else letter.reason)

    def lose(self, why: str) -> None:
        """Count one record as lost."""
        count = 1 if self._lost is None else self._lost.count + 1
        self._lost = LogHealth("lost", why, datetime.now(UTC), count)
        if not self.undeclared:
            _LOG.error("interaction log: a record is lost: %s", why)
        self.undeclared += 1

    async def _confess(self, writer: Ref[Append], reason: str) -> None:
        """Write how many lines were lost, once lines are being written again."""
        gap = GapLine(count=self.undeclared, reason=reason, timestamp=timestamp_text(datetime.now(UTC)))
        self.undeclared = 0
        try:
            await writer.tell(Append(gap))
        except ActorError:
            self.undeclared += gap.count
        except BaseException:
            self.undeclared += gap.count
            raise
