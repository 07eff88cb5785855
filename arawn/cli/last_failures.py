"""What the log says of the last call of each profile: a failure that no look from outside finds."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from datetime import datetime, timedelta

from arawn.backends.failures import is_spent
from arawn.cli.checkup import Finding
from arawn.cli.durations import duration_words
from arawn.config.paths import interactions_dir
from arawn.config.schema import Config
from arawn.interactions.filters import Filters
from arawn.interactions.reader import LogReader
from arawn.interactions.record import InteractionHead, timestamp_text
from arawn.interactions.scan import Damage

__all__ = ["last_failures"]

_RECENT = timedelta(days=1)
_CALLS = 1_000  # looked at, the newest first
_CALLERS_DOING = ("BadRequest", "ContextTooLong", "CallCancelled", "ReaderGone")  # these say nothing of the profile


def last_failures(
    config: Config, environ: Mapping[str, str], now: datetime, *, told: Container[str]
) -> Iterator[Finding]:
    """Yield a finding for every profile whose last call of the last 24 hours failed, by what is in the log.

    A wrong key or a quota that is used up is only known to who asks; doctor does not ask, and the log remembers.

    Args:
        config: With the profiles and the place of the log.
        environ: The process environment.
        now: The time, with its zone.
        told: The findings (`what`) that say already why a profile fails.

    Raises:
        OSError: The log cannot be read.
    """
    directory = interactions_dir(config, environ)
    if not config.logging.interactions.enabled or not directory.is_dir():
        return
    wanted = Filters(start=timestamp_text(now - _RECENT), limit=_CALLS)
    seen: set[str] = set()
    passed_over: set[str] = set()
    for entry in LogReader(directory, on_damage=_skip).newest_first(wanted):
        head = entry.head
        if head.profile in seen:
            continue
        if _is_callers_doing(head):
            passed_over.add(head.profile)
            continue
        seen.add(head.profile)
        what = f"profile {head.profile}"
        if head.error is not None and head.profile in config.profiles and what not in told:
            which = "its last call that tells how it is" if head.profile in passed_over else "its last call"
            yield Finding(what, False, f"{which}, {_words(head, now)}")


def _is_callers_doing(head: InteractionHead) -> bool:
    """Say whether the caller left, perhaps in the middle of a stream, or asked for what cannot be."""
    error = head.error
    wrong = error is not None and error.type in _CALLERS_DOING and not is_spent(error.status, error.code)
    return head.status == "cancelled" or wrong


def _words(head: InteractionHead, now: datetime) -> str:
    assert head.error is not None
    ago = duration_words((now - datetime.fromisoformat(head.timestamp)).total_seconds())
    again = f"`arawn backends test {head.profile}` asks it again"
    return f"{ago} ago, failed: {head.error.message}; {again}"


def _skip(_: Damage) -> None:
    """What is damaged in the log is told by `arawn interactions verify`."""
