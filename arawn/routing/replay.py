"""What another configuration would have done with the calls of a log: counted, never asked. Pure."""

from __future__ import annotations

import msgspec

from arawn.errors import UnknownProfile
from arawn.interactions.filters import FAILED
from arawn.interactions.record import InteractionRecord
from arawn.routing.layered import LayeredPolicy
from arawn.routing.logged import logged_request, said_of_profile

__all__ = ["Change", "Counted", "Replay", "ReplayReport"]


class Counted(msgspec.Struct, frozen=True):
    """Calls, and the tokens of all their attempts."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def plus(self, record: InteractionRecord, *, calls: int) -> Counted:
        """Return this with one more attempt, and as many more calls."""
        return Counted(
            self.calls + calls,
            self.input_tokens + (record.total_input_tokens or 0),
            self.output_tokens + (record.output_tokens or 0),
        )


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that went to one profile and would go to another; None: they would be refused.

    Attributes:
        was, now: The profiles.
        counted: How many, with their tokens.
        reason: Why the last of them would go there.
        example: The id of the last of them.
    """

    was: str
    now: str | None
    counted: Counted
    reason: str
    example: str


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found.

    Attributes:
        seen: Every call that was judged.
        changed: Those of them that would go elsewhere.
        not_logged: Calls whose messages the log does not hold: they cannot be judged.
        changes: The changed ones by the two profiles, most calls first.
    """

    seen: Counted
    changed: Counted
    not_logged: int
    changes: tuple[Change, ...]


class Replay:
    """Counts; what it keeps grows with the pairs of profiles and the calls that failed, not with the log."""

    def __init__(self, policy: LayeredPolicy) -> None:
        """Begin to count what `policy` would do."""
        self._policy = policy
        self._seen = Counted()
        self._changed = Counted()
        self._not_logged = 0
        self._changes: dict[tuple[str, str | None], Change] = {}
        self._failed: set[str] = set()

    def add(self, record: InteractionRecord) -> None:
        """Judge one attempt of one call: with the hint or the binding that it had, else by the rules."""
        calls = self._new_calls(record)
        request = logged_request(record)
        if request is None:
            self._not_logged += calls
            return
        hint, bound = said_of_profile(record)
        now: str | None
        try:
            decision = self._policy.decide(request, hint=hint, bound=bound)
            now, reason = decision.profile, decision.reason
        except UnknownProfile:
            now, reason = None, "UnknownProfile"
        self._seen = self._seen.plus(record, calls=calls)
        if now != record.profile:
            self._changed = self._changed.plus(record, calls=calls)
            old = self._changes.get((record.profile, now))
            counted = (old.counted if old else Counted()).plus(record, calls=calls)
            change = Change(was=record.profile, now=now, counted=counted, reason=reason, example=record.id)
            self._changes[record.profile, now] = change

    def _new_calls(self, record: InteractionRecord) -> int:
        """Return 1 for the first attempt that is seen of a call: earlier ones may have been filtered away."""
        known = record.attempt > 1 and record.call_id in self._failed
        if record.status in FAILED:  # only then there may be another
            self._failed.add(record.call_id)
        else:
            self._failed.discard(record.call_id)
        return 0 if known else 1

    def report(self) -> ReplayReport:
        """Return what was found so far."""
        changes = sorted(self._changes.values(), key=lambda change: (-change.counted.calls, change.was))
        return ReplayReport(seen=self._seen, changed=self._changed, not_logged=self._not_logged, changes=tuple(changes))
