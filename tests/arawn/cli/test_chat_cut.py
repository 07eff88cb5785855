"""`arawn chat --tools`, when it is cut short and when a tool says odd things."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import pytest
import trio
from trio.testing import MockClock

from arawn.agent import ToolEnded, ToolStarted
from arawn.agent.events import Emit
from arawn.cli.group import with_quiet
from arawn.cli.turn_notes import answered, tool_words
from arawn.errors import BadInput
from arawn.messages import CompletionResponse, TextDelta
from arawn.server.native import ChatRequest
from tests.arawn.agent.turns import step
from tests.arawn.cli.place import PATIENCE, Place
from tests.arawn.cli.terminal import Terminal


@pytest.mark.slow
def test_a_cancelled_turn_says_what_stays(place: Place) -> None:
    """Not that nothing has happened: a tool had run, and the conversation knows it."""
    steps = [step({"name": "shout", "arguments": {"text": "tea"}}), {"hang": True}]
    script = place.directory / "script.json"
    script.write_text(json.dumps({"steps": steps}))
    place.configure(
        f'[llm]\nbackend = "scripted"\nscript = "{script}"\n'
        '[tools.voices]\npython = "tests.arawn.agent.my_tools:voices"\n'
    )
    terminal = Terminal(place, "chat", "--tools", "voices")

    terminal.wait_for("> ")
    terminal.type("hello\n")
    terminal.wait_for("[shout: TEA]")
    terminal.type("\x03")
    terminal.wait_for("cancelled; what was said and done by tools until then stays in the conversation")
    terminal.wait_for("> ")
    terminal.type("\x04")

    assert terminal.child.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (ToolEnded("1", "look", "a\x1b[2J\nb\u202ec\x00", is_error=False), "[look: a [2J b c]"),
        (ToolEnded("1", "look", "no", is_error=True), "[look failed: no]"),
        (ToolStarted("1", "look", None), "[look]"),
        (ToolStarted("1", "lo\rok", {"at": "\x9b1A"}), '[lo ok {"at":" 1A"}]'),
        (ToolEnded("1", "look", "`look` failed: KeyError('x')", is_error=True), "[look failed: KeyError('x')]"),
        (ToolEnded("1", "look", "word " * 100_000, is_error=False), f"[look: {'word ' * 38}word …]"),
        (ToolEnded("1", "look", " " * 5_000 + "far", is_error=False), "[look: …]"),
    ],
)
def test_what_a_tool_says_moves_no_cursor(event: ToolStarted | ToolEnded, line: str) -> None:
    """Wherever stdout goes: these lines go to stderr. What is cut has a mark."""
    said = tool_words(event)

    assert said.isprintable()
    assert said == line
    assert len(said) <= 204


RUDE = str(Path(__file__).parents[1] / "agent" / "rude_server.py")


@pytest.mark.slow
def test_a_tool_server_that_hangs_is_told_of_and_can_be_left(place: Place) -> None:
    """After a few seconds, not after its minute; Ctrl-C leads back to the prompt at once, and the program can end."""
    place.configure(
        '[llm]\nbackend = "scripted"\nmodel = "echo"\n'
        f"[tools.hang]\ncommand = {json.dumps([sys.executable, RUDE, 'hangs at the start'])}\n"
    )
    terminal = Terminal(place, "chat", "--tools", "hang")

    terminal.wait_for("> ")
    terminal.type("hello\n")
    terminal.wait_for("waiting for the tools `hang`")
    terminal.wait_for("a tool server has 60 s to start; Ctrl-C ends the wait")
    terminal.type("\x03")
    terminal.wait_for("cancelled; ")
    terminal.wait_for("> ")
    terminal.type("\x04")

    assert terminal.child.wait(PATIENCE) == 0


class Late:
    """Answers after a while, or fails."""

    def __init__(self, first: float, last: float, failure: Exception | None = None) -> None:
        self._times = first, last
        self._failure = failure

    async def ask(self, question: ChatRequest, emit: Emit) -> CompletionResponse:
        first, last = self._times
        await trio.sleep(first)
        if self._failure is not None:
            raise self._failure
        await emit(TextDelta(0, "a"))
        await trio.sleep(last)
        return CompletionResponse(content=(), model="m")


async def read(_: object) -> None:
    await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    ("late", "tools", "told", "noted"),
    [
        (Late(2.9, 60), ("a", "b"), True, False),
        (Late(3.1, 0), ("a", "b"), True, True),
        (Late(3.1, 0), (), True, False),
        (Late(3.1, 0), ("a", "b"), False, False),
    ],
)
async def test_a_silence_before_the_first_word_is_explained(
    late: Late,
    tools: tuple[str, ...],
    told: bool,
    noted: bool,
    autojump_clock: MockClock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Once, if there are tools whose servers may be starting, and a person to be told."""
    with with_quiet(click.Command("chat")).make_context("chat", [] if told else ["--quiet"]):
        await answered(late.ask, ChatRequest("go", tools=tools), read)

    assert capsys.readouterr().err.count("waiting for the tools `a`, `b`") == noted


async def test_a_failure_behind_the_explanation_comes_out_bare(autojump_clock: MockClock) -> None:
    """The command line tells errors apart by their types."""
    with pytest.raises(BadInput, match="no"):
        await answered(Late(9, 0, BadInput("no")).ask, ChatRequest("go", tools=("a",)), read)
