"""Functions that no model can be told of are refused where they are written, and by name."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any, AnyStr

import msgspec
import pytest

from arawn.agent import tool
from arawn.agent.functions import function_tool, tools_by_name
from arawn.errors import BadInput
from tests.arawn.agent.plain_tools import Place, forecast


class Other(msgspec.Struct):
    name: str


class Opaque:
    pass


def no_hint(text) -> None:  # type: ignore[no-untyped-def]
    pass


def many(*texts: str) -> None:
    pass


def strange(what: Opaque) -> None:
    pass


def unknown(what: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821
    pass


def private(_hidden: int, class_: Annotated[int, msgspec.Meta(pattern="x")]) -> None:
    pass


def mangled(__x: int) -> None:  # noqa: PYI063
    pass


def counts(to: int) -> Iterator[int]:
    yield to


async def counts_slowly(to: int) -> AsyncIterator[int]:
    yield to


def unsayable(text: str = "\ud800") -> None:
    pass


def two_kinds(where: Place | Other) -> None:
    pass


class CallIt:
    def __call__(self, text: str) -> str:
        return text


def on_disk(path: Path) -> None:
    pass


def any_of_both(value: AnyStr) -> AnyStr:
    return value


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (no_hint, "parameter `text`: has no type hint"),
        (many, "parameter `texts`: a model gives arguments by name"),
        (private, "parameter `class_`: its type hint has no JSON Schema"),
        (
            strange,
            "`strange`, parameter `what`: its type hint has no JSON Schema: nothing says how `Opaque` is written",
        ),
        (strange, r"accepted: what JSON can say, such as `str`, `list\[int\]`, a dataclass or a `msgspec.Struct`$"),
        (two_kinds, "parameter `where`: its type hint has no JSON Schema.* must be tagged"),
        (mangled, "`mangled`: its parameters cannot be described"),
        (counts, "`counts` yields; a tool returns its answer"),
        (counts_slowly, "`counts_slowly` yields; a tool returns its answer"),
        (unsayable, "`unsayable`: JSON cannot hold its description, a default or a name"),
        (unknown, "`unknown`: its type hints cannot be read"),
        (lambda: 1, r"`<lambda>` cannot name a tool; .*; give it one with `@arawn.agent.tool\(name=…\)`$"),
        (functools.partial(forecast), "a tool is a function, found partial; write one with `def` that calls it"),
        (CallIt(), "a tool is a function, found CallIt; write one with `def` that calls it"),
        (Place, "a tool is a function, found the class `Place`; write one that makes it"),
        (on_disk, "parameter `path`: its type hint has no JSON Schema: nothing says how `Path` .*, such as `str`"),
        (any_of_both, "parameter `value`: its type hint has no JSON Schema: .*TypeVar"),
        (7, "a tool is a function or a `Tool`, found int"),
    ],
)
def test_a_function_that_no_model_can_be_told_of_is_refused(function: Any, words: str) -> None:
    """At once, and by name."""
    with pytest.raises(BadInput, match=words):
        function_tool(function)


def test_two_tools_of_one_name_are_refused() -> None:
    """A model could not say which it means."""
    with pytest.raises(BadInput, match="two tools are called `forecast`"):
        tools_by_name([forecast, function_tool(forecast)])


@pytest.mark.parametrize(
    ("given", "kind"), [(forecast, "function"), (function_tool(forecast), "Tool"), (None, "NoneType")]
)
def test_tools_that_are_no_list_are_refused(given: Any, kind: str) -> None:
    """A single one has to stand in a list."""
    with pytest.raises(BadInput, match=rf"tools are given as a list, found {kind}; .*`tools=\[it\]`"):
        tools_by_name(given)


@pytest.mark.parametrize("given", ["house", ["house"]])
def test_a_name_of_the_configuration_is_no_tool_yet(given: Any) -> None:
    """In Python it is looked up first; over HTTP and on the command line it is the name that is given."""
    with pytest.raises(BadInput, match=r"found the text `house`; .*`await runtime.tools\('house'\)`"):
        tools_by_name(given)


def test_a_mark_is_for_functions_of_ones_own() -> None:
    """What cannot be marked is refused, and so is what is no name."""
    with pytest.raises(BadInput, match="`tool` is for a function of your own, found builtin_function_or_method"):
        tool()(len)
    with pytest.raises(BadInput, match="`tool` is for a function of your own, found str"):
        tool("add")  # type: ignore[call-overload]
    with pytest.raises(BadInput, match="`7` cannot name a tool"):
        tool(name=7)  # type: ignore[call-overload]


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "x"])
def test_a_deadline_that_is_none_is_refused(seconds: Any) -> None:
    """Where it is written."""
    with pytest.raises(BadInput, match="a deadline above 0 s"):
        tool(deadline_s=seconds)
