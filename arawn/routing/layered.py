"""The policy of the configuration: hint, binding, rules in order, default. Pure."""

from __future__ import annotations

from collections.abc import Collection

from arawn.config.schema import RoutingConfig
from arawn.messages import CompletionRequest
from arawn.routing.conditions import judged
from arawn.routing.decision import RoutingDecision
from arawn.routing.features import FeatureScanner, RequestFeatures
from arawn.routing.policy import choose_profile, require_profile

__all__ = ["LayeredPolicy"]


class LayeredPolicy:
    """The caller's hint, else the workstream's binding, else the first rule that matches, else the default.

    The decision is a function of the request, the two names and what the policy was made with.
    """

    def __init__(self, routing: RoutingConfig, *, default: str | None, known: Collection[str]) -> None:
        """Make the policy.

        Args:
            routing: Its rules, keywords and thresholds, as they passed every check. Not enabled, it has no rules.
            default: The profile when nothing else decides.
            known: The profiles there are.
        """
        self.routing = routing
        self._default = default
        self.known = known
        self._scanner = FeatureScanner(routing)

    def features(self, request: CompletionRequest) -> RequestFeatures:
        """Return what the rules look at."""
        return self._scanner.features(request)

    def decide(
        self, request: CompletionRequest, *, hint: str | None = None, bound: str | None = None
    ) -> RoutingDecision:
        """Return the decision for one call.

        Args:
            request: What is asked.
            hint: The profile named on the call itself.
            bound: The profile that the workstream is bound to.

        Raises:
            UnknownProfile: The name that decides is not configured.
        """
        features = None
        if hint is None and bound is None and self.routing.enabled:
            features = self.features(request)
            for rule in self.routing.rules:
                if all(clause.holds for clause in judged(rule.condition, features)):
                    profile = require_profile(rule.profile, self.known)
                    return RoutingDecision(profile, f"HeuristicRule({rule.name})", features=features, rule=rule.name)
        chosen = choose_profile(hint=hint, bound=bound, default=self._default, known=self.known)
        return RoutingDecision(chosen.profile, chosen.reason, features=features)

    def route(self, request: CompletionRequest, /) -> RoutingDecision:
        """Return the decision for a call without hint and binding; see `decide`."""
        return self.decide(request)
