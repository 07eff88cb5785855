"""A call that its profile has no room for, in words for whoever made it."""

from __future__ import annotations

from actors import MailboxFull, Ref, Reply
from arawn.backends.actor import Call
from arawn.messages import CompletionResponse
from arawn.metrics.counts import Counts

__all__ = ["submit_at_once"]


def submit_at_once(backend: Ref[Call], profile: str, call: Call, counts: Counts) -> Reply[CompletionResponse]:
    """Put `call` into the mailbox of the backend of `profile`.

    Raises:
        MailboxFull: It has no room; the call is in no record, and counted as refused.
        NotStarted: It takes no mail.
    """
    try:
        return backend.submit_nowait(call)
    except MailboxFull as error:
        counts.of(profile).refused += 1
        raise MailboxFull(
            f"profile `{profile}` has as many calls waiting as its `mailbox` holds; this one was not taken, and is in "
            "no record; send it again later, send fewer at once, or raise `mailbox` or `max_concurrency` of the profile"
        ) from error
