from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.config.schema import RoutingConfig
from arawn.errors import UnknownProfile
from arawn.messages import CompletionRequest
from arawn.routing.conditions import judged
from arawn.routing.decision import metadata_of
from arawn.routing.explain import explained
from arawn.routing.layered import LayeredPolicy
from tests.arawn.routing.asking import CONFIGS, NAMES, PROFILES, REQUESTS, asking, layered, policy_of, rule

HI = asking("hi")


def test_the_layers_decide_in_order() -> None:
    """Hint, binding, first rule, default; each says who it is."""
    policy = layered(rule("short", "fast", message_length_lt=10), rule("all", "capable", tool_count_lt=9))

    assert policy.decide(HI, hint="capable", bound="default").reason == "CallerHint"
    assert policy.decide(HI, bound="capable").reason == "Workstream"
    assert (policy.decide(HI).profile, policy.decide(HI).reason) == ("fast", "HeuristicRule(short)")
    assert policy.decide(asking("x" * 10)).reason == "HeuristicRule(all)"
    assert policy.decide(asking("x" * 10, tools=9)).reason == "Default"


def test_without_enabled_no_rule_is_asked() -> None:
    """`routing.enabled = false` leaves `routing.rules` alone."""
    policy = layered(rule("all", "fast", tool_count_lt=9), enabled=False)

    assert (policy.decide(HI).profile, policy.decide(HI).features) == ("default", None)


@pytest.mark.parametrize(("hint", "bound"), [("nope", None), (None, "nope"), ("nope", "fast")])
def test_a_name_that_is_not_there_is_never_passed_over(hint: str | None, bound: str | None) -> None:
    """The error lists the names there are."""
    with pytest.raises(UnknownProfile, match="`capable`, `default`, `fast`"):
        layered().decide(HI, hint=hint, bound=bound)


def test_a_decision_is_logged_with_its_features() -> None:
    """Whoever trains on the log has the numbers that decided."""
    logged = metadata_of(layered(rule("short", "fast", message_length_lt=10)).decide(HI), ("fast", "slow"))

    assert (logged.profile, logged.reason, logged.features["message_length"]) == ("fast", "HeuristicRule(short)", 2)
    assert logged.features["candidates"] == ("fast", "slow")


@settings(deadline=None)
@given(CONFIGS, REQUESTS)
def test_the_first_rule_that_matches_decides(routing: RoutingConfig, request: CompletionRequest) -> None:
    """No rule before it matches; it does; and without any the default is taken."""
    policy = policy_of(routing)
    decision = policy.decide(request)

    matching = [
        one for one in routing.rules if all(clause.holds for clause in judged(one.condition, policy.features(request)))
    ]
    assert decision.rule == (matching[0].name if matching else None)
    assert decision.profile == (matching[0].profile if matching else "default")


@settings(deadline=None)
@given(CONFIGS, REQUESTS, st.sampled_from(PROFILES), NAMES)
def test_a_hint_beats_all(routing: RoutingConfig, request: CompletionRequest, hint: str, bound: str | None) -> None:
    """Whatever the rules and the workstream say."""
    decision = policy_of(routing).decide(request, hint=hint, bound=bound)

    assert (decision.profile, decision.reason) == (hint, "CallerHint")


@settings(deadline=None)
@given(CONFIGS, REQUESTS, NAMES, NAMES)
def test_a_decision_is_a_function_of_its_inputs(
    routing: RoutingConfig, request: CompletionRequest, hint: str | None, bound: str | None
) -> None:
    """Asked again, by the same policy or by another made alike, with other requests in between."""
    policy = policy_of(routing)
    first = policy.decide(request, hint=hint, bound=bound)
    policy.decide(asking("something else", tools=5))

    assert policy.decide(request, hint=hint, bound=bound) == first
    assert policy_of(routing).decide(request, hint=hint, bound=bound) == first


@settings(deadline=None)
@given(CONFIGS, REQUESTS, NAMES, st.sampled_from(PROFILES))
def test_routing_on_or_off_never_moves_a_bound_workstream(
    routing: RoutingConfig, request: CompletionRequest, hint: str | None, bound: str
) -> None:
    """A binding is the user's word; rules are for those who gave none."""
    on = policy_of(routing).decide(request, hint=hint, bound=bound)
    off = policy_of(routing, enabled=False).decide(request, hint=hint, bound=bound)

    assert on == off
    assert on.profile == (hint or bound)


@settings(deadline=None)
@given(CONFIGS, REQUESTS, NAMES, NAMES, st.booleans())
def test_an_explanation_agrees_with_the_route(
    routing: RoutingConfig, request: CompletionRequest, hint: str | None, bound: str | None, enabled: bool
) -> None:
    """The same profile; `decides` on the rule that decided and on no other; every rule has what decided it."""
    policy: LayeredPolicy = policy_of(routing, enabled=enabled)
    decision = policy.decide(request, hint=hint, bound=bound)
    told = explained(policy, request, decision, hint=hint, bound=bound)

    assert (told.profile, told.reason) == (decision.profile, decision.reason)
    passing = [verdict.name for verdict in told.rules if verdict.verdict != "fails"]
    asked = hint is None and bound is None and enabled
    assert [verdict.name for verdict in told.rules if verdict.verdict == "decides"] == (passing[:1] if asked else [])
    for verdict in told.rules:
        assert {clause.holds for clause in verdict.decided_by} == {verdict.verdict != "fails"}
