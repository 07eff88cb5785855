"""The clients and the conformance cases as the tables that `docs/compatibility.md` holds."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any

from tests.arawn.server.sdk.node_clients import versions

MODULES = {
    "test_answers": "SDKs of OpenAI and Anthropic: answers",
    "test_errors": "SDKs of OpenAI and Anthropic: errors",
    "test_features": "SDKs of OpenAI and Anthropic: what else they offer",
    "test_openai_asks": "SDK of OpenAI: what can be asked",
    "test_anthropic_asks": "SDK of Anthropic: what can be asked",
    "test_streams": "SDKs of OpenAI and Anthropic: streams, time-outs, cancellation",
    "test_responses": "SDK of OpenAI: responses",
    "test_libraries": "pydantic-ai, langchain-openai, llm",
    "test_library_tools": "pydantic-ai, langchain-openai, llm: what else they offer",
    "test_node": "Packages for node: openai, @anthropic-ai/sdk, ai",
    "test_providers": "SDKs of OpenAI and Anthropic: providers that others have written",
    "test_examples": "The scripts in examples/clients",
}
PYTHON = ("openai", "anthropic", "pydantic-ai-slim", "langchain-openai", "llm", "fakellm", "xllamacpp")


def python_versions() -> dict[str, str]:
    """Return the packages of PyPI that take part, with the versions that are installed."""
    return {name: importlib.metadata.version(name) for name in PYTHON}


def clients(packages: Mapping[str, str], source: str) -> str:
    """Return the rows of packages from one source."""
    return "".join(f"| `{name}` | {source} | {version} |\n" for name, version in packages.items())


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
    print(clients(python_versions(), "PyPI") + clients(versions(), "npm"))
    print(tables(), end="")
