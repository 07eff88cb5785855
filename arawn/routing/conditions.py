"""The conditions of rules: what may stand in them, and whether they hold. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, get_args

import msgspec

from arawn.config.describe import any_of, found, suggestion
from arawn.routing.features import Complexity, RequestFeatures, folded

__all__ = ["CONDITION_KEYS", "Clause", "condition_problems", "judged"]

_FEATURE: Mapping[str, str] = MappingProxyType(
    {
        "complexity": "estimated_complexity",
        "has_tools": "has_tools",
        "has_system_prompt": "has_system_prompt",
        "keyword": "keyword_signals",
        **{f"{name}_{end}": name for name in ("message_length", "message_count", "tool_count") for end in ("gt", "lt")},
    }
)
CONDITION_KEYS = tuple(_FEATURE)


class Clause(msgspec.Struct, frozen=True):
    """One part of a condition, held against one request.

    Attributes:
        key: The key in the condition.
        wanted: The value in the condition.
        found: The feature that it was held against.
        holds: Whether it holds.
    """

    key: str
    wanted: Any
    found: Any
    holds: bool


def judged(condition: Mapping[str, Any], features: RequestFeatures) -> tuple[Clause, ...]:
    """Return every part of a checked condition with what was found."""
    return tuple(_clause(key, wanted, getattr(features, _FEATURE[key])) for key, wanted in condition.items())


def _clause(key: str, wanted: Any, value: Any) -> Clause:
    if key.endswith("_gt"):
        return Clause(key, wanted, value, value > wanted)
    if key.endswith("_lt"):
        return Clause(key, wanted, value, value < wanted)
    if key == "keyword":
        return Clause(key, wanted, value, folded(wanted) in value)
    return Clause(key, wanted, value, value == wanted)


def condition_problems(condition: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    """Yield what is wrong in a condition: the key it is wrong at (None: the whole), and the words for it."""
    if not condition:
        text = "missing; `routing.default` names the profile of every other request"
        yield None, f"{text}; accepted: a table with some of {any_of(CONDITION_KEYS)}"
    for key, value in condition.items():
        if key not in _FEATURE:
            yield key, f"unknown condition; accepted: {any_of(CONDITION_KEYS)}{suggestion(key, CONDITION_KEYS)}"
        elif (accepted := _misfit(key, value)) is not None:
            yield key, f"found {found(value, ())}; accepted: {accepted}"
    yield from _never(condition)


def _never(condition: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what no request can fulfil, whatever else it is."""
    least = {"message_length": 0, "message_count": 1, "tool_count": int(condition.get("has_tools") is True)}
    for name, lowest in least.items():
        above, below = condition.get(f"{name}_gt"), condition.get(f"{name}_lt")
        if type(above) is int and type(below) is int and below - above < 2:
            yield f"{name}_lt", f"no whole number is above {above} and below {below}, so the rule can never match"
        elif type(below) is int and 0 <= below <= lowest:
            yield f"{name}_lt", f"no request that fits the rest has fewer than {below}, so the rule can never match"
    above = condition.get("tool_count_gt")
    if condition.get("has_tools") is False and type(above) is int and above >= 0:
        yield "tool_count_gt", "no request without tools has more than none, so the rule can never match"


def _misfit(key: str, value: object) -> str | None:
    """Return what `key` accepts if it does not accept `value`."""
    if key.startswith("has_"):
        return None if isinstance(value, bool) else "`true` or `false`"
    if key == "complexity":
        return None if value in get_args(Complexity) else any_of(get_args(Complexity))
    if key == "keyword":
        return None if isinstance(value, str) and value.strip() else "a string that is not empty"
    return None if type(value) is int and value >= 0 else "an integer, at least 0"
