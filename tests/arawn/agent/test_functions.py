"""Python functions as tools: what the model is shown, and how its arguments become the function's own."""

from __future__ import annotations

import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, AnyStr, Literal, assert_type

import jsonschema
import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from arawn.agent import tool
from arawn.agent.functions import function_tool, tools_by_name
from arawn.agent.sendable import sendable
from arawn.agent.tool import BadArguments, ToolAnswer, as_answer
from arawn.errors import BadInput
from arawn.messages import Image, Text
from arawn.threads import RunInThread
from tests.runtimes import in_place


class Place(msgspec.Struct):
    lat: float
    lon: float = 0.0


class Other(msgspec.Struct):
    name: str


def forecast(
    city: Annotated[str, msgspec.Meta(description="Its name.")],
    days: Annotated[int, msgspec.Meta(ge=1, le=14)] = 3,
    unit: Literal["C", "F"] = "C",
    near: Place | None = None,
    on: date = date(2026, 1, 1),
) -> str:
    """Return the weather.

    Made up.
    """
    return f"{city} {days} {unit} {near} {on}"


async def run(function: Callable[..., object], thread: RunInThread = in_place, /, **arguments: Any) -> ToolAnswer:
    return await function_tool(function).run(arguments, thread)


def said(answer: ToolAnswer) -> str:
    (block,) = answer.content
    assert isinstance(block, Text)
    return block.text


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


class Opaque:
    pass


@pytest.mark.parametrize(
    ("value", "text"),
    [("plain", "plain"), (None, "null"), ({"a": [1]}, '{"a":[1]}'), (Place(1.0), '{"lat":1.0,"lon":0.0}'), ([], "[]")],
)
def test_what_is_no_text_is_json(value: object, text: str) -> None:
    """A model reads both."""
    assert said(as_answer(value)) == text


def test_pictures_and_texts_are_blocks_as_they_are() -> None:
    """One alone or several."""
    picture = Image(media_type="image/png", data="aGk=")

    assert as_answer(picture).content == (picture,)
    assert as_answer([Text("see"), picture]).content == (Text("see"), picture)
    assert as_answer(["see", picture, ""]).content == (Text("see"), picture, Text(""))


@pytest.mark.parametrize("place", [lambda it: {"shot": it}, lambda it: [it, 5], lambda it: {"shots": [("a", it)]}])
def test_a_picture_within_other_values_is_refused(place: Callable[[Image], object]) -> None:
    """A model can do nothing with its bytes as JSON; the error says what would be right."""
    value = place(Image(media_type="image/png", data="aGk="))

    with pytest.raises(TypeError, match="a picture is returned by itself, or in a list of texts and pictures"):
        as_answer(value)


def test_a_list_of_strings_is_json() -> None:
    """Only beside a picture or a text are they blocks."""
    assert said(as_answer(["a", "b"])) == '["a","b"]'


def test_a_list_within_itself_is_an_error_as_any_other() -> None:
    """No JSON holds it, and nothing else dies of it."""
    endless: list[object] = []
    endless.append(endless)

    with pytest.raises(TypeError, match="an object of type `list`"):
        as_answer(endless)


def test_what_json_cannot_hold_is_an_error_that_says_so() -> None:
    """The loop turns it into an error result."""
    with pytest.raises(TypeError, match="it returned an object of type `Opaque`, which JSON cannot hold"):
        as_answer(Opaque())


@given(st.text(st.characters(), max_size=40))
def test_every_answer_can_be_sent_and_stored(text: str) -> None:
    """Half characters too: they become whole ones."""
    sent = sendable(as_answer(text).content, 1_000)
    stored = msgspec.json.decode(msgspec.json.encode(sent), type=tuple[Text | Image, ...])

    assert stored == sent


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


async def test_what_a_tool_leaves_to_be_awaited_is_awaited() -> None:
    """Whether the function is async itself or not."""

    async def slow(at: str) -> str:
        await trio.lowlevel.checkpoint()
        return at

    def plain(at: str) -> object:
        return slow(at)

    async def twice(at: str) -> object:
        return slow(at)

    assert said(await run(plain, at="last")) == "last"
    assert said(await run(twice, at="last")) == "last"


async def test_a_wrapped_async_function_runs_on_trio() -> None:
    """A decorator hides that it is one; what it returns tells."""

    def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def around(**arguments: Any) -> Any:
            return function(**arguments)

        return around

    @wrapped
    async def slow(at: str) -> str:
        await trio.lowlevel.checkpoint()
        return at

    assert said(await run(slow, at="last")) == "last"


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
