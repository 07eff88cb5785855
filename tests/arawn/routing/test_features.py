from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from arawn.config.schema import RoutingConfig
from arawn.messages import CompletionRequest, Message, Text, ToolResult, user
from arawn.routing.features import SCANNED_CHARACTERS, FeatureScanner, RequestFeatures
from tests.arawn.routing.asking import REQUESTS, asking, layered, rule

DEFAULTS = FeatureScanner(RoutingConfig())


def features(text: str, tools: int = 0, **settings: Any) -> RequestFeatures:
    return FeatureScanner(RoutingConfig(**settings)).features(asking(text, tools=tools))


def test_a_request_is_measured_as_the_requirement_says() -> None:
    """Length of the last user message, messages, tools, system prompt, keywords, complexity."""
    request = CompletionRequest(
        messages=(user("Analyze this"), Message("assistant", (Text("Done."),)), user("Now DEBUG it step by step")),
        system="Be brief.",
        tools=asking("", tools=2).tools,
    )

    assert DEFAULTS.features(request) == RequestFeatures(
        message_length=25,
        message_count=3,
        has_tools=True,
        tool_count=2,
        has_system_prompt=True,
        keyword_signals=("debug", "step by step"),
        estimated_complexity="moderate",
    )


@pytest.mark.parametrize(
    ("length", "tools", "complexity"),
    [
        (0, 0, "simple"),
        (500, 0, "simple"),
        (501, 0, "moderate"),
        (2000, 3, "moderate"),
        (2001, 0, "complex"),
        (1, 3, "simple"),
        (1, 4, "complex"),
    ],
)
def test_complexity_changes_at_the_thresholds_of_the_requirement(length: int, tools: int, complexity: str) -> None:
    """More than 500 characters, more than 2000, more than 3 tools."""
    assert features("x" * length, tools).estimated_complexity == complexity


@pytest.mark.parametrize(
    ("settings", "complexity"),
    [
        ({"moderate_length_gt": 9}, "moderate"),
        ({"moderate_length_gt": 10}, "simple"),
        ({"moderate_length_gt": 5, "complex_length_gt": 9}, "complex"),
        ({"complex_tools_gt": 1}, "complex"),
        ({"keywords": ("XXX",)}, "moderate"),
    ],
)
def test_thresholds_and_keywords_are_settings(settings: dict[str, Any], complexity: str) -> None:
    """Each of them moves the same request."""
    assert features("x" * 10, 2, **settings).estimated_complexity == complexity


def test_results_of_tools_are_not_what_was_asked() -> None:
    """While tools run, the question that set them going counts, so that one turn stays on one profile."""
    result = Message("user", (ToolResult("t", (Text("debug " * 500),)),))
    request = CompletionRequest(messages=(user("hi"), Message("assistant", ()), result))

    assert DEFAULTS.features(request).message_length == 2
    assert DEFAULTS.features(request).estimated_complexity == "simple"


def test_only_the_beginning_of_a_long_message_is_scanned() -> None:
    """What a keyword costs does not grow with the message; its length is still the whole one."""
    inside = features("x" * (SCANNED_CHARACTERS - 5) + "debug", complex_length_gt=10**9)
    beyond = features("x" * (SCANNED_CHARACTERS - 4) + "debug", complex_length_gt=10**9)

    assert inside.keyword_signals == ("debug",)
    assert beyond.keyword_signals == ()
    assert beyond.message_length == SCANNED_CHARACTERS + 1


def test_a_word_that_only_a_rule_names_says_nothing_of_complexity() -> None:
    """It is found, and the request stays simple."""
    found = features("an INVOICE", rules=(rule("bills", "fast", keyword="Invoice"),))

    assert (found.keyword_signals, found.estimated_complexity) == (("invoice",), "simple")


@settings(deadline=None)
@given(REQUESTS)
def test_features_of_any_request_can_be_logged_and_read_again(request: CompletionRequest) -> None:
    """They are what their types say, whatever was asked."""
    found = DEFAULTS.features(request)

    assert msgspec.convert(msgspec.to_builtins(found), RequestFeatures) == found
    assert found.has_tools == (found.tool_count > 0)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("straße", "IN DER STRASSE"),
        ("STRASSE", "in der Straße"),
        ("λόγος", "ΛΌΓΟΣ"),
        ("café", "un CAFE\u0301"),
        ("cafe\u0301", "un café"),
    ],
)
def test_keywords_are_found_whatever_their_case_and_accents(keyword: str, text: str) -> None:
    """Full case folding, in composed form; in `routing.keywords` and in a rule."""
    assert features(text, keywords=(keyword,)).estimated_complexity == "moderate"
    assert layered(rule("k", "fast", keyword=keyword)).decide(asking(text)).reason == "HeuristicRule(k)"


@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_message_of_nothing_is_not_what_was_asked(blank: str) -> None:
    """The last one that holds text is."""
    request = CompletionRequest(messages=(user("a real question"), user(blank)))

    assert DEFAULTS.features(request).message_length == 15
