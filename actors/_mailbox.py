"""A bounded mailbox: first in, first out, behind a gate, kept across restarts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar, cast

import trio

from actors._envelope import NO_MAIL, Mail, NoMail, about, content
from actors.errors import MailboxFull, NotStarted

M = TypeVar("M")

Refusal = Callable[[object], NotStarted]

_NONE_QUEUED = cast("deque[Any]", ())  # in place of an empty queue, which weighs 700 bytes, until there is mail


class Mailbox(Generic[M]):
    """Mail in the order it was sent, at most `bound` messages.

    A reader is woken, not handed a message: mail leaves the box only by `take_nowait`, so a reader that is cancelled
    in the same moment leaves it where it is. Senders wait only while the box is full, in the order they came.
    """

    __slots__ = (
        "_plain_below",
        "_queue",
        "_readers",
        "_refusal",
        "_senders",
        "bound",
        "finished",
        "owner",
        "peak",
    )

    def __init__(self, owner: str, bound: int) -> None:
        self.owner = owner
        self.bound = bound
        self.peak = 0
        self.finished = False
        self._plain_below = 0  # with less mail than that `offer` has but to queue; 0 is always right
        self._queue: deque[Mail[M]] = _NONE_QUEUED
        self._readers: dict[trio.lowlevel.Task, None] = {}
        self._senders: dict[trio.lowlevel.Task, Mail[M]] = {}
        self._refusal: Refusal | None = None

    # -- mail in ----------------------------------------------------------------------------------------------------

    def offer(self, mail: Mail[M]) -> bool:
        """Queue the mail and return True, unless mail is refused or the box is full."""
        if len(self._queue) < self._plain_below:  # most mail: no peak, no reader to wake, nothing refused
            self._queue.append(mail)
            return True
        if self._refusal is not None or len(self._queue) >= self.bound:
            return False
        if self._queue is _NONE_QUEUED:
            self._queue = deque()
        if self._readers:
            self._wake_reader()  # before anything is queued: it refuses other runs
        self._queue.append(mail)
        if len(self._queue) > self.peak:  # noqa: PLR1730  # a third of the price of `max`
            self.peak = len(self._queue)
        self._plain_below = 0 if self._readers else self.peak
        return True

    def put_nowait(self, mail: Mail[M]) -> None:
        """Queue the mail.

        Raises:
            MailboxFull: At its bound.
            NotStarted: Mail is refused.
        """
        if not self.offer(mail):
            raise self.refusal(content(mail))

    def refusal(self, message: object) -> NotStarted:
        """Return the error for a message that `offer` does not queue."""
        if self._refusal is not None:
            return self._refusal(message)
        return MailboxFull(about(self.owner, message, f"mailbox is full ({self.bound} waiting)"))

    async def put(self, mail: Mail[M]) -> None:
        """Queue the mail, waiting for room.

        Checkpoint: only when the mailbox is full (it then waits for room) or refuses mail.
        If cancelled: it was not queued.

        Raises:
            NotStarted: Mail is refused, or was while this waited for room.
        """
        if self.offer(mail):
            return
        if self._refusal is not None:
            refusal = self._refusal
            await trio.lowlevel.checkpoint()  # "safe to send again" must not become a loop that starves everything
            raise refusal(content(mail))
        task = trio.lowlevel.current_task()
        self._senders[task] = mail

        def abort(_raise_cancel: object) -> trio.lowlevel.Abort:
            del self._senders[task]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)
        if isinstance(refused := task.custom_sleep_data, NotStarted):  # else trio has cleared it
            raise refused

    # -- mail out ---------------------------------------------------------------------------------------------------

    def take_nowait(self) -> Mail[M] | NoMail:
        """Return the next mail, or `NO_MAIL` when there is none."""
        queue = self._queue
        if not queue:
            return NO_MAIL
        mail = queue.popleft()
        if self._senders:
            self._admit_sender()
        return mail

    async def wait_mail(self) -> bool:
        """Wait until there is mail (True), or none is left and none will come (False).

        Checkpoint: only when there is no mail.
        If cancelled: mail that has come meanwhile stays in the box.
        """
        while not self._queue:
            if self.finished:
                return False
            task = trio.lowlevel.current_task()
            self._readers[task] = None
            self._queue, self._plain_below = _NONE_QUEUED, 0
            await trio.lowlevel.wait_task_rescheduled(partial(self._forget_reader, task))
            await trio.lowlevel.checkpoint_if_cancelled()
        return True

    def _forget_reader(self, task: trio.lowlevel.Task, _raise_cancel: object) -> trio.lowlevel.Abort:
        del self._readers[task]
        return trio.lowlevel.Abort.SUCCEEDED

    @property
    def queued(self) -> int:
        """Messages in the box; never above `bound`."""
        return len(self._queue)

    @property
    def readers(self) -> int:
        """Readers that wait for mail."""
        return len(self._readers)

    @property
    def waiting(self) -> int:
        """Messages in the box, and those of senders still waiting for room."""
        return len(self._queue) + len(self._senders)

    # -- the gate ---------------------------------------------------------------------------------------------------

    def refuse(self, refusal: Refusal) -> None:
        """Refuse new mail, and senders still waiting for room, with what `refusal` makes of it; queued mail stays."""
        self._refusal, self._plain_below = refusal, 0
        senders, self._senders = self._senders, {}
        for task, mail in senders.items():
            trio.lowlevel.reschedule(task)
            task.custom_sleep_data = refusal(content(mail))

    def reopen(self) -> None:
        """Accept mail again after `refuse`, unless the box is finished."""
        if not self.finished:
            self._refusal = None

    def finish(self, refusal: Refusal) -> None:
        """Refuse new mail for good; readers get what is queued, then the end."""
        self.finished = True
        self.refuse(refusal)
        while self._readers:
            self._wake_reader()

    def _wake_reader(self) -> None:
        task = next(iter(self._readers))
        try:
            trio.lowlevel.reschedule(task)
        except AssertionError as error:  # so trio refuses the task of another run
            raise RuntimeError(
                f"`{self.owner}` belongs to another trio run: nothing was sent; threads use `trio.from_thread.run`"
            ) from error
        del self._readers[task]

    def _admit_sender(self) -> None:
        """Move the first waiting sender's mail into the room just made; a parked reader may be free for it."""
        task = next(iter(self._senders))
        self._queue.append(self._senders.pop(task))
        trio.lowlevel.reschedule(task)
        if self._readers:
            self._wake_reader()
