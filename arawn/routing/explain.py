"""A decision told so that a person can check it: every rule, its verdict, and the value that decided it. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

from arawn.config.schema import RoutingRule
from arawn.messages import CompletionRequest
from arawn.routing.conditions import Clause, judged
from arawn.routing.decision import RoutingDecision
from arawn.routing.features import RequestFeatures
from arawn.routing.layered import LayeredPolicy

__all__ = ["Explanation", "RuleVerdict", "Verdict", "explained"]

Verdict = Literal["decides", "matches", "fails"]


class RuleVerdict(msgspec.Struct, frozen=True):
    """One rule, held against one request.

    Attributes:
        name, profile: The rule's.
        verdict: `decides`; or `matches`, but something before it decided; or `fails`.
        decided_by: The parts of the condition that settle it: the first that does not hold, or all of them.
    """

    name: str
    profile: str
    verdict: Verdict
    decided_by: tuple[Clause, ...]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Which profile takes a call and why, and what the rules say of it.

    Attributes:
        profile, reason, confidence: The decision, as a call would get it.
        enabled: Whether routing is on; without it no rule is asked.
        hint, bound: The profile named on the call, and the one that its workstream is bound to.
        features: What the rules look at.
        rules: Every rule in order.
        recorded: For a call of the log: what was decided then.
    """

    profile: str
    reason: str
    confidence: float
    enabled: bool
    hint: str | None
    bound: str | None
    features: RequestFeatures
    rules: tuple[RuleVerdict, ...]
    recorded: str | None = None


def explained(
    policy: LayeredPolicy,
    request: CompletionRequest,
    decision: RoutingDecision,
    *,
    hint: str | None = None,
    bound: str | None = None,
) -> Explanation:
    """Return `decision` on `request` with what every rule says."""
    features = policy.features(request)
    return Explanation(
        profile=decision.profile,
        reason=decision.reason,
        confidence=decision.confidence,
        enabled=policy.routing.enabled,
        hint=hint,
        bound=bound,
        features=features,
        rules=tuple(_verdict(rule, features, decision) for rule in policy.routing.rules),
    )


def _verdict(rule: RoutingRule, features: RequestFeatures, decision: RoutingDecision) -> RuleVerdict:
    clauses = judged(rule.condition, features)
    failing = next((clause for clause in clauses if not clause.holds), None)
    if failing is not None:
        return RuleVerdict(rule.name, rule.profile, "fails", (failing,))
    return RuleVerdict(rule.name, rule.profile, "decides" if rule.name == decision.rule else "matches", clauses)
