"""From what people said of calls to the profile that should have taken each. Pure."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from arawn.interactions.record import FeedbackLine, InteractionHead, InteractionRecord
from arawn.routing.features import asked_texts, beginning
from arawn.routing.layered import LayeredPolicy
from arawn.routing.logged import logged_request
from arawn.routing.prototypes import EMBEDDED_CHARACTERS

__all__ = ["Example", "example_of", "names_a_profile", "right_profile"]

_GOOD, _BAD = "good", "bad"


class Example(msgspec.Struct, frozen=True):
    """The text of a request, the profile that should take it, and the one that it gets by rules and default.

    `group` is its workstream or session, whose requests depend on each other; None: it stands alone.
    """

    text: str
    profile: str
    now: str
    group: str | None = None


def names_a_profile(label: str, known: Collection[str]) -> bool:
    """Say whether a judgement with this label is one of the choice of profile; others judge something else."""
    return label in known or label.lower() in (_GOOD, _BAD)


def right_profile(record_profile: str, feedback: FeedbackLine, known: Collection[str]) -> str | None:
    """Return the profile that a judgement names; None if it names none.

    A label that is a profile's name is that profile. A `good` call was on the right one; with two profiles, a `bad` one
    should have gone to the other. No other label counts, and no value.
    """
    label = feedback.label.lower()
    if feedback.label in known:
        return feedback.label
    if label == _GOOD:
        return record_profile if record_profile in known else None
    others = [name for name in known if name != record_profile]
    if label == _BAD and len(known) == 2 and len(others) == 1:
        return others[0]
    return None


def example_of(
    record: InteractionRecord | None, feedback: FeedbackLine, rules: LayeredPolicy, known: Collection[str]
) -> Example | None:
    """Return what can be learnt of one judged call; None if nothing can, or if there is no call."""
    if record is None:
        return None
    request = logged_request(record)
    profile = right_profile(record.profile, feedback, known)
    if request is None or profile is None:
        return None
    text = beginning(asked_texts(request), EMBEDDED_CHARACTERS)
    if not text.strip():
        return None
    return Example(text, profile, rules.decide(request).profile, _conversation(record))


def _conversation(head: InteractionHead) -> str | None:
    if head.workstream is not None:
        return f"workstream {head.workstream}"
    return None if head.session_id is None else f"session {head.session_id}"
