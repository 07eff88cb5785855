"""Python functions as tools: what the model is shown, and how its arguments reach them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Literal, assert_type

import jsonschema
import pytest

from arawn.agent import tool
from arawn.agent.functions import function_tool
from arawn.agent.tool import BadArguments
from tests.arawn.agent.plain_tools import Place, forecast, run, said


def test_the_model_is_shown_name_docstring_and_types() -> None:
    """The schema is a JSON Schema object at the root, with what the hints say of each parameter."""
    shown = function_tool(forecast).definition

    assert (shown.name, shown.description) == ("forecast", "Return the weather.\n\nMade up.")
    jsonschema.Draft202012Validator.check_schema(shown.parameters)
    properties = shown.parameters["properties"]
    assert (shown.parameters["type"], shown.parameters["required"]) == ("object", ["city"])
    assert shown.parameters["additionalProperties"] is False
    assert properties["city"] == {"type": "string", "description": "Its name."}
    assert (properties["days"]["minimum"], properties["days"]["default"]) == (1, 3)
    assert properties["unit"]["enum"] == ["C", "F"]
    assert "Place" in shown.parameters["$defs"]


async def test_arguments_become_what_the_hints_say() -> None:
    """Structs and dates are made of JSON, and defaults are the function's own."""
    answer = await run(forecast, city="Oslo", near={"lat": 1.5})

    assert said(answer) == "Oslo 3 C Place(lat=1.5, lon=0.0) 2026-01-01"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"city": 1}, "Expected `str`, got `int` - at `$.city`"),
        ({"city": "x", "days": 99}, "Expected `int` <= 14 - at `$.days`"),
        ({}, "missing required field `city`"),
        ({"city": "x", "wind": 1}, "unknown field `wind`"),
    ],
)
async def test_arguments_that_do_not_fit_never_reach_the_function(arguments: dict[str, Any], words: str) -> None:
    """The reason is msgspec's own, which names the place."""
    with pytest.raises(BadArguments, match=words.replace("$", r"\$")):
        await run(forecast, **arguments)


async def test_a_plain_function_runs_in_the_thread_and_an_async_one_does_not() -> None:
    """What may block never runs on the event loop."""
    seen: list[object] = []

    async def counting(work: Callable[[], Any], /) -> Any:
        seen.append(work)
        return work()

    async def asleep() -> int:
        return threading.get_ident()

    def awake() -> int:
        return threading.get_ident()

    await run(asleep, counting)
    assert not seen
    await run(awake, counting)
    assert len(seen) == 1


def test_a_mark_leaves_the_function_as_it_is() -> None:
    """It can still be called, and tested, as before."""

    @tool(name="sum", read_only=True, deadline_s=2.0)
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    made = function_tool(add)

    assert add(1, 2) == 3
    assert (made.name, made.read_only, made.deadline) == ("sum", True, 2.0)


def test_a_mark_needs_no_parentheses() -> None:
    """Nothing more is said then; and what is said may stand beside the function, such as a lambda."""

    @tool
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    made, named = function_tool(add), function_tool(tool(add, name="sum", read_only=True))

    assert_type(add(1, 2), int)
    assert (made.name, made.read_only, made.deadline, made.definition.description) == ("add", False, None, "Add.")
    assert (named.name, named.read_only) == ("sum", True)


async def test_names_of_an_object_become_keys_of_the_type_that_is_hinted() -> None:
    """JSON has text for names only."""

    def pages(names: dict[int, str]) -> int:
        return sum(names)

    assert said(await run(pages, names={"1": "one", "41": "forty-one"})) == "42"


async def test_none_as_default_means_that_null_is_taken() -> None:
    """As Python's users write it; the schema says so too."""

    def limited(most: int = None) -> str:  # type: ignore[assignment]  # noqa: RUF013
        return str(most)

    shown = function_tool(limited).definition.parameters["properties"]["most"]

    assert shown == {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}
    assert said(await run(limited, most=None)) == "None"


async def test_a_tool_may_have_the_name_of_a_type_that_it_takes() -> None:
    """And every reference in its schema leads somewhere."""

    @tool(name="Place")
    def go(to: Place) -> float:
        return to.lat

    shown = function_tool(go).definition.parameters

    jsonschema.Draft202012Validator(shown).validate({"to": {"lat": 1.0}})
    assert said(await run(go, to={"lat": 2.5})) == "2.5"


async def test_a_default_that_does_not_fit_its_hint_is_not_shown() -> None:
    """A schema that contradicts itself helps no model; the function has its own default all the same."""

    def until(seconds: int = "soon", unit: Literal["s", "m"] = "h") -> str:  # type: ignore[assignment]
        return f"{seconds} {unit}"

    shown = function_tool(until).definition.parameters

    assert shown["properties"] == {"seconds": {"type": "integer"}, "unit": {"enum": ["m", "s"]}}
    assert shown["required"] == []
    assert said(await run(until)) == "soon h"


def test_a_default_that_json_cannot_say_is_not_shown() -> None:
    """The schema goes to the model as JSON."""

    def until(seconds: float = float("inf")) -> None:
        pass

    assert function_tool(until).definition.parameters["properties"]["seconds"] == {"type": "number"}
