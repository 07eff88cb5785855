"""Requests, rules and records, as tests of routing need them; and any of them, for properties."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from arawn.config.schema import RoutingConfig, RoutingRule
from arawn.messages import CompletionRequest, Message, Text, ToolDefinition, ToolResult, user
from arawn.routing.layered import LayeredPolicy

PROFILES = ("default", "fast", "capable")


def asking(text: str, *, tools: int = 0, system: str | None = None) -> CompletionRequest:
    """Return a request of one message."""
    offered = tuple(ToolDefinition(f"tool{number}") for number in range(tools))
    return CompletionRequest(messages=(user(text),), system=system, tools=offered)


def rule(name: str, profile: str, **condition: Any) -> RoutingRule:
    return RoutingRule(name, condition, profile)


def layered(*rules: RoutingRule, enabled: bool = True, **more: Any) -> LayeredPolicy:
    return LayeredPolicy(RoutingConfig(enabled=enabled, rules=rules, **more), default="default", known=PROFILES)


_TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["Debug this", "please explain WHY", "x" * 501, "x" * 2001, "İ" * 30]),
)
_BLOCKS = st.one_of(_TEXTS.map(Text), st.just(ToolResult("t", (Text("debug"),))))
_MESSAGES = st.builds(
    Message,
    st.sampled_from(["user", "assistant"]),
    st.lists(_BLOCKS, max_size=3).map(tuple),
)
REQUESTS = st.builds(
    CompletionRequest,
    messages=st.lists(_MESSAGES, min_size=1, max_size=4).map(tuple),
    system=st.none() | st.just("Be brief."),
    tools=st.integers(0, 5).map(lambda count: tuple(ToolDefinition(f"t{number}") for number in range(count))),
)
_NUMBERS = st.sampled_from([0, 1, 3, 4, 500, 2000])
_CONDITIONS = st.dictionaries(
    st.sampled_from(
        (
            *("complexity", "has_tools", "has_system_prompt", "keyword"),
            *("message_length_gt", "message_length_lt", "message_count_lt", "tool_count_gt"),
        )
    ),
    st.none(),
    min_size=1,
    max_size=3,
).flatmap(
    lambda keys: st.fixed_dictionaries(
        {
            key: st.booleans()
            if key.startswith("has_")
            else st.sampled_from(["simple", "moderate", "complex"])
            if key == "complexity"
            else st.sampled_from(["debug", "İ", "tea"])
            if key == "keyword"
            else _NUMBERS
            for key in keys
        }
    )
)
CONFIGS = st.lists(st.tuples(_CONDITIONS, st.sampled_from(PROFILES)), max_size=5).map(
    lambda pairs: RoutingConfig(
        enabled=True,
        rules=tuple(RoutingRule(f"r{number}", condition, to) for number, (condition, to) in enumerate(pairs)),
    )
)
NAMES = st.none() | st.sampled_from(PROFILES)


def policy_of(routing: RoutingConfig, *, enabled: bool = True) -> LayeredPolicy:
    switched = msgspec.structs.replace(routing, enabled=enabled)
    return LayeredPolicy(switched, default="default", known=PROFILES)
