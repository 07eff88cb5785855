"""What others wrote, on a terminal: no escape of theirs arrives there. Piped, it stays as it is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

import arawn.cli
from arawn.cli.output import note, print_json_line, say
from arawn.cli.streams import complain
from arawn.cli.terminal_text import error_line, json_shown, line_shown
from arawn.unseen import UNSEEN
from tests.arawn.cli.place import Place
from tests.arawn.cli.terminal import Terminal

HOSTILE = "x\x1b]0;title\x07\x1b[2J\x9b31m\u202eabc\u200f\rOVER"
FORGED = "first\nforged\r\nmore"
PRINTERS = {"output.py", "streams.py"}  # all others print through these
OWN_WORDS = {"group.py", "root.py", "running.py", "log_reading.py"}  # help, version, a traceback, a frame
OWN_STYLES = re.compile(r"\x1b\[(?:\d*(?:;\d+)*m|\?25[hl]|K)")


def _hostile(place: Place, **step: object) -> None:
    """Configure a provider whose model and answer are hostile; `step` is what it does instead."""
    script = place.directory / "script.json"
    script.write_text(json.dumps({"steps": [step or {"text": HOSTILE}]}))
    quoted = json.dumps(HOSTILE).replace("\x7f", "\\u007f")
    place.configure(f'[llm]\nbackend = "scripted"\nscript = "{script}"\nmodel = {quoted}\n')


def _raw(shown: str) -> list[str]:
    """Return what of `shown` is none of our own styles, nor the line ends of a terminal."""
    return UNSEEN.findall(OWN_STYLES.sub("", shown).replace("\r\n", "").replace("\n", ""))


def _on_a_terminal(monkeypatch: pytest.MonkeyPatch, stream: str) -> None:
    monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True)


@pytest.mark.slow
def test_a_terminal_gets_none_of_the_escapes_of_others(place: Place) -> None:
    """The answer, the lines about it, the log in every form, the configuration: not one of them, on either stream."""
    _hostile(place)
    for arguments in (
        ["ask", "hi"],
        ["ask", "--json", "hi"],
        ["interactions", "show", "latest"],
        ["interactions", "list", "--json"],
        ["interactions", "search", "title", "--json"],
        ["config", "show"],
    ):
        shown = Terminal(place, *arguments, columns=200).rest()
        assert "OVER" in shown, arguments
        assert _raw(shown) == [], arguments


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        "interactions list",
        "interactions show latest --json",
        "interactions show latest --fields model_used,response_content",
        "interactions show latest --fields model_used --json",
        "interactions tail",
        "interactions tail --json",
        "interactions search title",
        "interactions stats --by model",
        "interactions export -f jsonl -o -",
        "config show --json",
    ],
)
def test_no_view_of_the_log_lets_one_through(place: Place, arguments: str) -> None:
    """Tables, lines and JSON."""
    _hostile(place)
    assert place.run("ask", "hi").returncode == 0

    shown = Terminal(place, *arguments.split(), columns=400).rest()
    assert "title" in shown
    assert _raw(shown) == []


@pytest.mark.slow
def test_what_is_piped_stays_as_it_was(place: Place) -> None:
    """Byte for byte, but for colours in the lines on stderr, which click has always left out there."""
    _hostile(place)

    done = place.run("ask", "hi")
    assert HOSTILE.replace("\r", "\n") in done.stdout  # how `text=True` reads it
    assert f"model    {click.unstyle(HOSTILE)}".replace("\r", "\n") in done.stderr


@pytest.mark.slow
def test_the_error_of_a_provider_is_no_line_of_its_own_and_no_command(place: Place) -> None:
    """Whatever its message holds."""
    _hostile(place, error={"status": 400, "message": f"{HOSTILE}\narawn: forged"})

    shown = Terminal(place, "ask", "hi", columns=200).rest()
    assert "OVER" in shown
    assert _raw(shown) == []
    assert not re.search("^arawn: forged", shown, re.MULTILINE)


def test_one_line_stays_one_line_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line end inside it is a space; what an error says below its first line is set off."""
    _on_a_terminal(monkeypatch, "stdout")
    _on_a_terminal(monkeypatch, "stderr")

    note(FORGED)
    complain(FORGED)
    say(FORGED)

    assert capsys.readouterr() == ("first forged  more\n", "first forged  more\nfirst\n  forged \n  more\n")


def test_each_stream_is_asked_for_itself(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`2>file` keeps what stderr says as it is, whatever stdout is."""
    _on_a_terminal(monkeypatch, "stdout")

    note(HOSTILE)
    complain(HOSTILE)
    say(HOSTILE)

    out, err = capsys.readouterr()
    assert err == click.unstyle(f"{HOSTILE}\n{HOSTILE}\n")
    assert _raw(out) == []


def test_json_on_a_terminal_says_the_same(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What would be obeyed is written by its number, so a program that reads the screen reads the same."""
    _on_a_terminal(monkeypatch, "stdout")
    document = json.dumps({"text": HOSTILE}, ensure_ascii=False).encode()

    print_json_line(document)

    out = capsys.readouterr().out
    assert json.loads(out) == {"text": HOSTILE}
    assert _raw(out) == []


def test_a_damaged_text_is_shown_on_a_terminal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of the log that the disk has spoiled; what is no character is one that stands for it."""
    _on_a_terminal(monkeypatch, "stdout")

    assert json_shown(b'"\xff\x9bx"') == '"\ufffd\ufffdx"'.encode()


def test_elsewhere_nothing_is_changed() -> None:
    """A file or a pipe gets the same text, not a copy of it."""
    with Path("/dev/null").open(encoding="utf-8") as file:
        assert line_shown(FORGED, file) is FORGED
    assert json_shown(b"{}") == b"{}"


def test_a_line_within_an_error_is_set_off_elsewhere_too() -> None:
    """What `arawn start` says on stderr is the log of the daemon; all else of the error stays as it is."""
    assert error_line(f"{FORGED}\n\n  of our own") == "first\n  forged\r\n  more\n\n  of our own"
    assert error_line(HOSTILE) == HOSTILE


def test_every_command_prints_through_one_place() -> None:
    """Nothing else in the command line prints by itself, so nothing is forgotten."""
    files = Path(arawn.cli.__path__[0]).glob("*.py")
    printing = {path.name for path in files if re.search(r"click\.s?echo\(|\bprint\(", path.read_text())}

    assert printing - PRINTERS <= OWN_WORDS
