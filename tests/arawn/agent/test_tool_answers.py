"""What a tool's function returns: texts and pictures as they are, the rest as JSON; what cannot be sent is told."""

from __future__ import annotations

import base64
import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from arawn.agent import ToolEnded
from arawn.agent.sendable import sendable
from arawn.agent.tool import as_answer
from arawn.messages import Image, Text, ToolResult
from tests.arawn.agent.plain_tools import Place, run, said
from tests.arawn.agent.turns import history, playing, results, step


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


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["a", "b\udcff.txt"], '["a","b?.txt"]'),
        ({"\udcff": [Place(1.0)], 2: "é"}, '{"?":[{"lat":1.0,"lon":0.0}],"2":"é"}'),
        ([math.nan, -math.inf, "\udcff"], '[null,null,"?"]'),
    ],
)
def test_half_characters_within_other_values_are_told_too(value: object, text: str) -> None:
    """Names of files that are no UTF-8, in a list of them: the call went well, and the model sees all the rest."""
    told = "[changed: 1 x `?` stands for half a character or a byte that is no UTF-8]"

    assert sendable(as_answer(value).content, 1_000) == (Text(text), Text(told))


@given(st.text(st.characters(), max_size=40))
def test_every_answer_can_be_sent_and_stored(text: str) -> None:
    """Half characters too: they become whole ones, and the model is told."""
    sent = sendable(as_answer(text).content, 1_000)
    halves = sum("\ud800" <= letter <= "\udfff" for letter in text)
    stored = msgspec.json.decode(msgspec.json.encode(sent), type=tuple[Text | Image, ...])

    assert stored == sent
    assert (halves > 0) == any(isinstance(part, Text) and f"[changed: {halves} x `?`" in part.text for part in sent[1:])


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


PICTURE = base64.b64encode(b"\x89PNG").decode()


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (Image(media_type="image/svg+xml", data=PICTURE), "[a picture was left out: its type is `image/svg+xml`"),
        (Image(media_type="image/png", data="no base64!"), "[a picture was left out: it is no base64]"),
        (Image(media_type="image/png", data="A" * 5_000_004), "[a picture was left out: it has 5,000,004 bytes"),
        (Image(), "[a picture was left out: it has neither data nor address]"),
    ],
)
async def test_a_picture_that_providers_refuse_is_left_out_by_name(
    tmp_path: Path, autojump_clock: MockClock, picture: Image, words: str
) -> None:
    """One such in the history would make every later call fail."""

    async def shot() -> list[Text | Image]:
        return [picture, Image(media_type="image/png", data=PICTURE)]

    async with playing(tmp_path, step("shot"), {"text": "ok"}) as runtime:
        await runtime.workstream("w").send("go", tools=[shot])
        kept = await history(runtime)

    (result,) = kept[2].content
    assert isinstance(result, ToolResult)
    said, shown = result.content
    assert isinstance(said, Text)
    assert said.text.startswith(words)
    assert shown == Image(media_type="image/png", data=PICTURE)


async def test_a_result_that_is_too_long_is_cut_and_says_so(tmp_path: Path, autojump_clock: MockClock) -> None:
    """For the model, the history, the reader and the log alike."""

    async def flood() -> str:
        return "é" * 10_000_000

    async with playing(tmp_path, step("flood"), {"text": "ok"}) as runtime:
        async with runtime.workstream("w").stream("go", tools=[flood]) as events:
            (told,) = [event.text async for event in events if isinstance(event, ToolEnded)]
        ((is_error, kept),) = results(await history(runtime))

    assert not is_error
    assert (
        kept
        == told
        == "é" * 131_072 + "[cut: this answer has 20,000,000 bytes of text, of which you see the first 262,144]"
    )
