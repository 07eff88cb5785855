"""What somebody says of one call goes into the log of a running runtime, and it is known whether it got there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import trio

from actors import Stopped
from arawn.config.schema import InteractionLogConfig
from arawn.errors import BadInput, LogWriteFailed
from arawn.interactions.feedback import Judgement, feedback_line
from arawn.interactions.health import perhaps_unwritten
from arawn.interactions.journal import Journal
from arawn.interactions.reader import NoSuchCall
from arawn.interactions.record import FeedbackLine
from arawn.interactions.secret_set import SecretSet

__all__ = ["write_feedback"]

_STOPPED = "the feedback was not written: the runtime has stopped, or is stopping; give it to one that runs"
_OVERTAKEN = (
    "the feedback may not be written: the runtime is stopping, which writes it if it can; look for it afterwards"
)


async def write_feedback(
    journal: Journal,
    directory: Path | None,
    interaction: str,
    judgement: Judgement,
    *,
    config: InteractionLogConfig,
    secrets: SecretSet | Iterable[str],
    is_stopping: Callable[[], bool],
) -> FeedbackLine:
    """Find the call, write the line and return it; see `Runtime.give_feedback`.

    Arguments as for `feedback_line`; `directory` is None while the log is off, and `is_stopping` says whether the
    runtime, whose part the journal is, has begun to stop.

    Raises:
        BadInput: There is no such call, the log is off, or the judgement is none that a line can hold.
        Stopped: The runtime has ended, or is ending; the line may be written.
        LogWriteFailed: Nothing was written, since the log cannot be read, or is degraded and may get the call yet; or
            something was lost while it was being written, perhaps this; or it was not written within
            `answer_wait_ms`, and may be later. Give it again: the last judgement of a call counts.

    Checkpoint: always.
    If cancelled: the line may be written.
    """
    if is_stopping():
        raise Stopped(_STOPPED)
    if directory is None:
        raise BadInput("the interaction log is off; set `logging.interactions.enabled` to judge calls")
    make = partial(feedback_line, at=datetime.now(UTC), config=config, secrets=secrets)
    try:
        line = await trio.to_thread.run_sync(make, directory, interaction, judgement, abandon_on_cancel=True)
    except NoSuchCall as error:
        if not journal.is_behind:
            raise
        raise perhaps_unwritten(journal.health()) from error
    except OSError as error:
        where = f"the interaction log at `{error.filename or directory}` cannot be read: {error.strerror}"
        raise LogWriteFailed(f"the feedback was not written, since {where}; give it again") from error
    lost_before = journal.health().count
    if await journal.record(line):
        return line
    health = journal.health()
    is_lost = health.state == "lost" and health.count > lost_before
    if is_stopping():
        raise Stopped(_STOPPED if is_lost else _OVERTAKEN)
    if is_lost:
        raise LogWriteFailed(f"the feedback is not in the interaction log: {health.reason}; give it again")
    raise LogWriteFailed(
        f"the feedback is not in the interaction log yet: {health.reason or 'the disk is slow'}; "
        "it may be written later, and giving it again does no harm"
    )
