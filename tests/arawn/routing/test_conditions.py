from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from arawn.config.schema import RoutingConfig
from arawn.messages import CompletionRequest
from arawn.routing.conditions import CONDITION_KEYS, condition_problems, judged
from tests.arawn.routing.asking import CONFIGS, REQUESTS, asking, layered


def holds(text: str = "debug it", tools: int = 2, system: str | None = None, **condition: Any) -> bool:
    (clause,) = judged(condition, layered().features(asking(text, tools=tools, system=system)))
    return clause.holds


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"complexity": "moderate"}, True),
        ({"complexity": "simple"}, False),
        ({"has_tools": True}, True),
        ({"has_tools": False}, False),
        ({"has_system_prompt": False}, True),
        ({"keyword": "DEBUG"}, True),
        ({"keyword": "design"}, False),
        ({"message_length_gt": 7}, True),
        ({"message_length_gt": 8}, False),
        ({"message_length_lt": 9}, True),
        ({"message_length_lt": 8}, False),
        ({"message_count_gt": 0}, True),
        ({"message_count_lt": 2}, True),
        ({"tool_count_gt": 1}, True),
        ({"tool_count_lt": 2}, False),
    ],
)
def test_each_condition_is_held_against_its_feature(condition: dict[str, Any], expected: bool) -> None:
    """`_gt` and `_lt` leave the number itself out."""
    assert holds(**condition) is expected
    assert not list(condition_problems(condition))


@pytest.mark.parametrize(
    ("condition", "key", "words"),
    [
        ({}, None, "missing; "),
        ({"complexty": "simple"}, "complexty", "did you mean `complexity`?"),
        (
            {"complexity": "hard"},
            "complexity",
            'found the string `"hard"`; accepted: `simple`, `moderate` or `complex`',
        ),
        ({"has_tools": "yes"}, "has_tools", "accepted: `true` or `false`"),
        ({"keyword": " "}, "keyword", "accepted: a string that is not empty"),
        ({"tool_count_gt": True}, "tool_count_gt", "accepted: an integer, at least 0"),
        ({"tool_count_gt": -1}, "tool_count_gt", "accepted: an integer, at least 0"),
        ({"message_length_gt": 5, "message_length_lt": 6}, "message_length_lt", "can never match"),
        ({"tool_count_lt": 0}, "tool_count_lt", "can never match"),
        ({"message_length_lt": 0}, "message_length_lt", "can never match"),
        ({"message_count_lt": 1}, "message_count_lt", "can never match"),
        ({"has_tools": True, "tool_count_lt": 1}, "tool_count_lt", "can never match"),
        ({"has_tools": False, "tool_count_gt": 3}, "tool_count_gt", "can never match"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_found(condition: dict[str, Any], key: str | None, words: str) -> None:
    """One finding at the key, with what is accepted."""
    ((where, text),) = condition_problems(condition)

    assert where == key
    assert words in text


@settings(deadline=None)
@given(CONFIGS, REQUESTS)
def test_what_is_said_never_to_match_does_not(routing: RoutingConfig, request: CompletionRequest) -> None:
    """No rule is refused that a request can fulfil."""
    features = layered().features(request)
    for rule in routing.rules:
        if list(condition_problems(rule.condition)):
            assert not all(clause.holds for clause in judged(rule.condition, features))


def test_the_keys_are_those_that_the_documentation_lists() -> None:
    """None more, none less."""
    numbers = {f"{name}_{end}" for name in ("message_length", "message_count", "tool_count") for end in ("gt", "lt")}
    assert set(CONDITION_KEYS) == {"complexity", "has_tools", "has_system_prompt", "keyword", *numbers}
