"""What another configuration would have done with the calls of a log: counted, never asked. Pure."""

from __future__ import annotations

import msgspec

from arawn.errors import UnknownProfile
from arawn.interactions.record import InteractionRecord
from arawn.routing.layered import LayeredPolicy
from arawn.routing.logged import logged_request, said_of_profile

__all__ = ["Change", "Counted", "Replay", "ReplayReport"]


class Counted(msgspec.Struct, frozen=True):
    """Calls, and the tokens of all their attempts."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def plus(self, record: InteractionRecord) -> Counted:
        """Return this with one more attempt; the first one of a call counts as the call."""
        return Counted(
            self.calls + (record.attempt == 1),
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
    """Counts; what it keeps grows with the pairs of profiles, not with the log."""

    def __init__(self, policy: LayeredPolicy) -> None:
        """Begin to count what `policy` would do."""
        self._policy = policy
        self._seen = Counted()
        self._changed = Counted()
        self._not_logged = 0
        self._changes: dict[tuple[str, str | None], Change] = {}

    def add(self, record: InteractionRecord) -> None:
        """Judge one attempt of one call: with the hint or the binding that it had, else by the rules."""
        request = logged_request(record)
        if request is None:
            self._not_logged += record.attempt == 1
            return
        hint, bound = said_of_profile(record)
        now: str | None
        try:
            decision = self._policy.decide(request, hint=hint, bound=bound)
            now, reason = decision.profile, decision.reason
        except UnknownProfile:
            now, reason = None, "UnknownProfile"
        self._seen = self._seen.plus(record)
        if now != record.profile:
            self._changed = self._changed.plus(record)
            old = self._changes.get((record.profile, now))
            counted = (old.counted if old else Counted()).plus(record)
            change = Change(was=record.profile, now=now, counted=counted, reason=reason, example=record.id)
            self._changes[record.profile, now] = change

    def report(self) -> ReplayReport:
        """Return what was found so far."""
        changes = sorted(self._changes.values(), key=lambda change: (-change.counted.calls, change.was))
        return ReplayReport(seen=self._seen, changed=self._changed, not_logged=self._not_logged, changes=tuple(changes))
