"""`arawn chat --tools`, when it is cut short and when a tool says odd things."""

from __future__ import annotations

import json

import pytest

from arawn.agent import ToolEnded, ToolStarted
from arawn.cli.chat import _tool_words
from tests.arawn.agent.turns import step
from tests.arawn.cli.place import PATIENCE, Place
from tests.arawn.cli.terminal import Terminal


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
        (ToolStarted("1", "lo\rok", {"at": "\x9b1A"}), '[lo ok {"at":" 1A"}]'),
        (ToolEnded("1", "look", "word " * 100_000, is_error=False), f"[look: {'word ' * 38}word]"),
    ],
)
def test_what_a_tool_says_moves_no_cursor(event: ToolStarted | ToolEnded, line: str) -> None:
    """Wherever stdout goes: these lines go to stderr."""
    said = _tool_words(event)

    assert said.isprintable()
    assert said[:190] == line[:190]
    assert len(said) <= 202
