"""What a policy is asked and what it answers. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Collection
from typing import Protocol

import msgspec

from arawn.errors import ArawnError
from arawn.messages import CompletionRequest, RoutingMetadata
from arawn.routing.features import RequestFeatures

__all__ = ["PolicyFailed", "RoutingDecision", "RoutingPolicy", "metadata_of"]


class RoutingDecision(msgspec.Struct, frozen=True):
    """The profile for a call, and why.

    Attributes:
        profile: The profile's name.
        reason: `CallerHint`, `Workstream`, `HeuristicRule(name)`, `Classifier(confidence)`, `Default`, or words of a
            policy's own. It goes into the record of the call.
        confidence: Within 0..1.
        features: What the decision was made from; None where nothing was looked at.
        rule: The name of the rule that decided, if one did.
    """

    profile: str
    reason: str
    confidence: float = 1.0
    features: RequestFeatures | None = None
    rule: str | None = None


class RoutingPolicy(Protocol):
    """Chooses a profile for a call that neither names one nor belongs to a workstream that is bound to one."""

    def route(self, request: CompletionRequest, /) -> RoutingDecision | Awaitable[RoutingDecision]:
        """Return the decision, at once or when it is awaited; a policy that waits bounds its own waiting."""
        ...


class PolicyFailed(ArawnError):
    """A policy raised, or answered with what is no decision. Nothing was sent; mend the policy, or name a profile."""


def metadata_of(decision: RoutingDecision, candidates: Collection[str]) -> RoutingMetadata:
    """Return the decision as records and answers show it; `candidates` are all profiles that there were to choose."""
    features = {} if decision.features is None else msgspec.structs.asdict(decision.features)
    features["candidates"] = tuple(candidates)
    return RoutingMetadata(decision.profile, decision.reason, decision.confidence, features)
