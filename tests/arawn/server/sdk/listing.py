"""The conformance cases as the table that `docs/compatibility.md` holds."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from math import prod
from typing import Any

MODULES = {
    "test_answers": "SDKs of OpenAI and Anthropic: answers",
    "test_errors": "SDKs of OpenAI and Anthropic: errors",
    "test_features": "SDKs of OpenAI and Anthropic: what else they offer",
    "test_responses": "SDK of OpenAI: responses",
    "test_libraries": "pydantic-ai, langchain-openai, llm",
}


def tables() -> str:
    """Return a heading and a table for each module, and the sum."""
    parts: list[str] = []
    total = 0
    for name, title in MODULES.items():
        rows = list(_rows(importlib.import_module(f"tests.arawn.server.sdk.{name}")))
        count = sum(cases for _, _, cases in rows)
        total += count
        lines = [f"| {promise} | {what} | {cases} |" for promise, what, cases in rows]
        parts.append(
            "\n".join([f"## {title}: {count} cases", "", "| promise | more | cases |", "| --- | --- | --- |", *lines])
        )
    return "\n\n".join([*parts, f"Together {total} cases."]) + "\n"


def _rows(module: Any) -> Iterator[tuple[str, str, int]]:
    for name, value in vars(module).items():
        if name.startswith("test_") and value.__module__ == module.__name__:
            promise = name.removeprefix("test_").replace("_", " ")
            yield promise, " ".join((value.__doc__ or "").split()), _cases(value)


def _cases(function: Callable[..., object]) -> int:
    marks = getattr(function, "pytestmark", ())
    return prod(len(mark.args[1]) for mark in marks if mark.name == "parametrize")


if __name__ == "__main__":
    print(tables(), end="")
