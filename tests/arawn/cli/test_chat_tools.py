"""`arawn chat --tools`: the model may use tools that the configuration names."""

from __future__ import annotations

import json

import pytest

from tests.arawn.agent.turns import step
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import Place
from tests.system.daemons import running

VOICES = "tests.arawn.agent.my_tools:voices"
STEPS = [step({"name": "shout", "arguments": {"text": "tea"}}, text="wait"), {"text": "I shouted"}]


def voiced_place(place: Place, more: str = "") -> None:
    script = place.directory / "script.json"
    script.write_text(json.dumps({"steps": STEPS}))
    place.configure(
        f'[llm]\nbackend = "scripted"\nscript = "{script}"\n'
        f'[server]\nlisten = "127.0.0.1:0"\n[tools.voices]\npython = "{VOICES}"\n{more}'
    )


def test_chat_on_the_command_line_uses_tools(place: Place, command: Command) -> None:
    """What they do is told on stderr, the answer alone on stdout."""
    voiced_place(place)
    result = command("chat", "--tools", "voices", piped="go\n")

    assert (result.code, result.out) == (0, "wait\nI shouted\n")
    assert '[shout {"text":"tea"}]' in result.err
    assert "[shout: TEA]" in result.err


def test_quiet_chat_tells_nothing_of_tools(place: Place, command: Command) -> None:
    """As of everything else; the answers are still parted from each other."""
    voiced_place(place)
    result = command("chat", "-q", "--tools", "voices", piped="go\n")

    assert (result.out, result.err) == ("wait\nI shouted\n", "")


def test_ask_on_the_command_line_uses_tools(place: Place, command: Command) -> None:
    """In a conversation: the answers on stdout, what tools do and what all calls cost on stderr."""
    voiced_place(place)
    result = command("ask", "go", "-w", "w", "--tools", "voices")

    assert (result.code, result.out) == (0, "wait\nI shouted\n")
    assert "[shout: TEA]" in result.err
    assert "3 out" in result.err


@pytest.mark.parametrize("flag", [(), ("--quiet",), ("--json",)])
@pytest.mark.parametrize(("text", "code"), [(None, 1), ("wait", 0)])
def test_ask_without_an_answer_fails(
    place: Place, command: Command, flag: tuple[str, ...], text: str | None, code: int
) -> None:
    """At the limit of a turn, if the last call has said nothing; why is on stderr, and in the record."""
    voiced_place(place, "[agent]\nmax_iterations = 1\n")
    said = step({"name": "shout", "arguments": {"text": "tea"}}, text=text)
    (place.directory / "script.json").write_text(json.dumps({"steps": [said]}))

    result = command("ask", "go", "-w", "w", "--tools", "voices", *flag)

    assert result.code == code
    assert ("the turn ended at its limit of 1 call" in result.err) == (code == 1 or not flag)
    shown = command("interactions", "show", "latest").out
    assert "(no result in the log: the turn ended at its limit of calls, was cut short, or still goes on)" in shown


def test_ask_with_tools_needs_a_conversation(place: Place, command: Command) -> None:
    """What tools did has to be kept somewhere."""
    voiced_place(place)
    result = command("ask", "go", "--tools", "voices")

    assert (result.code, result.out) == (2, "")
    assert "`--tools` needs a conversation; name one with `--workstream`" in result.err


def test_an_unknown_name_is_wrong_use(place: Place, command: Command) -> None:
    """With the names there are."""
    voiced_place(place)
    result = command("chat", "--tools", "voces", piped="go\n")

    assert (result.code, result.out) == (2, "")
    assert "unknown tools `voces`; there are: `voices` (did you mean `voices`?)" in result.err


def test_a_turn_that_is_cut_off_says_so(place: Place, command: Command) -> None:
    """With the number of calls that were made."""
    voiced_place(place, "[agent]\nmax_iterations = 1\n")

    assert (
        "the turn ended at its limit of 1 call to the model" in command("chat", "--tools", "voices", piped="go\n").err
    )


@pytest.mark.slow
def test_the_daemon_runs_the_tools_when_there_is_one(place: Place) -> None:
    """The same words on stdout and stderr as without it."""
    voiced_place(place)
    with running(place):
        done = place.run("chat", "--tools", "voices", piped="go\n")

    assert (done.returncode, done.stdout) == (0, "wait\nI shouted\n")
    assert "[shout: TEA]" in done.stderr
