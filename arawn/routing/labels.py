"""From what people said of calls to the profile that should have taken each. Pure."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from arawn.interactions.record import FeedbackLine, InteractionRecord
from arawn.routing.features import asked_texts, beginning
from arawn.routing.layered import LayeredPolicy
from arawn.routing.logged import logged_request
from arawn.routing.prototypes import EMBEDDED_CHARACTERS

__all__ = ["Example", "example_of", "right_profile"]

_GOOD = frozenset({"good", "right", "yes", "up"})
_BAD = frozenset({"bad", "wrong", "no", "down"})


class Example(msgspec.Struct, frozen=True):
    """The text of a request, the profile that should take it, and the one that it gets by rules and default."""

    text: str
    profile: str
    now: str


def right_profile(record_profile: str, feedback: FeedbackLine, known: Collection[str]) -> str | None:
    """Return the profile that a judgement names; None if it names none.

    A label that is a profile's name is that profile. A good call was on the right one; with two profiles, a bad one
    should have gone to the other. A value counts where the label says neither: above 0 is good, below 0 is bad.
    """
    label, value = feedback.label.lower(), feedback.value or 0.0
    if feedback.label in known:
        return feedback.label
    good, bad = label in _GOOD, label in _BAD
    if good or (not bad and value > 0):
        return record_profile if record_profile in known else None
    others = [name for name in known if name != record_profile]
    if (bad or value < 0) and len(known) == 2 and len(others) == 1:
        return others[0]
    return None


def example_of(
    record: InteractionRecord | None, feedback: FeedbackLine, rules: LayeredPolicy, known: Collection[str]
) -> Example | None:
    """Return what can be learnt of one judged call; None if nothing can, or if there is no call."""
    request = None if record is None else logged_request(record)
    profile = None if record is None else right_profile(record.profile, feedback, known)
    if profile is None or request is None:
        return None
    text = beginning(asked_texts(request), EMBEDDED_CHARACTERS)
    return Example(text, profile, rules.decide(request).profile) if text.strip() else None
