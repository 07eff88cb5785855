"""What is asked is UTF-8, or is refused: no byte is altered on its way to a model."""

from __future__ import annotations

import pytest

from arawn.cli.utf8 import from_utf8
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import PATIENCE, Place
from tests.arawn.cli.terminal import Terminal

REMEDY = "is not UTF-8 (byte 0xe9 at 3); convert it first, for example with `iconv -f latin1 -t utf-8`"
WRONG = "caf\udce9"  # how Python shows an argument with the byte 0xe9


def test_what_is_piped_in_is_refused_when_it_is_not_utf8(command: Command, place: Place) -> None:
    """With the first wrong byte, its place and a remedy; nothing is asked."""
    result = command("ask", "Translate", piped=b"caf\xe9")

    assert (result.code, result.out, result.err) == (2, "", f"arawn: what is piped in {REMEDY}\n")
    assert not place.log.exists()


def test_what_is_cut_in_the_middle_of_a_character_is_refused(command: Command) -> None:
    """As `head -c` may leave it."""
    assert "(byte 0xc3 at 3)" in command("ask", piped="café".encode()[:-1]).err


def test_a_byte_order_mark_is_taken_off() -> None:
    """Only where it begins the text."""
    assert from_utf8(b"\xef\xbb\xbfa\xef\xbb\xbf", "x") == "a\ufeff"


def test_a_conversation_ends_at_a_piped_line_that_is_not_utf8(command: Command) -> None:
    """The line is named; those before it are answered, none after it is."""
    result = command("chat", "-q", piped=b"one\ncaf\xe9\ntwo\n")

    assert (result.code, result.out) == (2, "echo: one\n")
    assert result.err == f"arawn: line 2 of what is piped in {REMEDY}\n"


@pytest.mark.slow
@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_a_person_is_told_and_goes_on(place: Place, errors: str) -> None:
    """Whether or not Python is strict with what a terminal says. In other locales the line editor drops the byte."""
    place.environ |= {"LC_ALL": "C", "PYTHONIOENCODING": f"utf-8:{errors}"}
    terminal = Terminal(place, "chat")

    terminal.wait_for("> ")
    terminal.type(f"{WRONG}\n")
    terminal.wait_for("arawn: the line is not UTF-8 (byte 0xe9 at 3)")
    terminal.wait_for("> ")
    terminal.type("again\n")
    terminal.wait_for("echo: again")
    terminal.wait_for("> ")
    terminal.type("\x04")

    assert terminal.child.wait(PATIENCE) == 0


@pytest.mark.parametrize("option", ["--system", "--session", "--profile", "--tag", "--tools"])
def test_an_argument_is_refused_in_the_same_words(command: Command, place: Place, option: str) -> None:
    """The option is named."""
    result = command("ask", "-w", "x", option, WRONG, "hi")

    assert (result.code, result.out, result.err) == (2, "", f"arawn: `{option}` {REMEDY}\n")
    assert not place.log.exists()


def test_a_question_of_the_command_line_is_refused_too(command: Command) -> None:
    """Each of its words is looked at."""
    result = command("ask", "what", "is", WRONG)

    assert (result.code, result.out, result.err) == (2, "", f"arawn: `PROMPT` {REMEDY}\n")
