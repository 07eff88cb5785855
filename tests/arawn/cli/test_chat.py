"""A conversation, typed or piped in."""

from __future__ import annotations

import pytest

from arawn.interactions.health import LogHealth
from arawn.interactions.journal import Journal
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import PATIENCE, Place
from tests.arawn.cli.terminal import Terminal


def test_each_piped_line_is_a_message(command: Command) -> None:
    """Empty lines are none, `/exit` ends it, and stdout holds the answers alone."""
    result = command("chat", piped="one\n\n  \ntwo\n/exit\nthree\n")

    assert (result.code, result.out) == (0, "echo: one\necho: two\n")


def test_it_goes_on_after_a_restart(command: Command) -> None:
    """The next run has the whole history."""
    command("chat", "-w", "x", piped="one\n")
    command("chat", "-w", "x", piped="two\n")

    shown = command("workstreams", "show", "x").out
    said = [line.strip() for line in shown.splitlines() if line.startswith("  ")]
    assert said == ["one", "echo: one", "two", "echo: two"]


def test_a_flag_is_for_now_and_a_binding_for_ever(command: Command) -> None:
    """`--profile` holds for this run; `/profile` binds, and takes the place of the flag."""
    first = command("chat", "-p", "fast", piped="one\n")
    second = command("chat", piped="two\n/profile fast\nthree\n")
    third = command("chat", "-p", "default", piped="four\n/profile fast\nfive\n")

    assert "[fast: asked for by name" in first.err
    assert "[default: the default profile" in second.err
    assert "bound to `fast`" in second.err
    assert "[default: asked for by name" in third.err
    assert "[fast: workstream `scratch` is bound to it" in third.err


def test_help_and_what_is_no_command(command: Command) -> None:
    """A line that begins with a slash never goes to the model."""
    result = command("chat", piped="/help\n/nope\n/profile\n")

    assert (result.code, result.out) == (0, "")
    assert result.err.count("/profile NAME") == 3


def test_the_first_piped_line_that_fails_ends_it(command: Command) -> None:
    """What follows was meant to come after its answer."""
    result = command("chat", piped="/profile nope\none\n")

    assert (result.code, result.out) == (2, "")
    assert "unknown profile `nope`; the profiles are: `default`, `fast`" in result.err


def test_a_log_that_is_not_well_is_told_once(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays so, and is no news with every line."""
    monkeypatch.setattr(Journal, "health", lambda _: LogHealth("degraded", "no room on the disk"))

    result = command("chat", piped="one\ntwo\n")

    assert result.out == "echo: one\necho: two\n"
    assert result.err.count("the log is degraded: no room on the disk") == 1


def test_an_unknown_profile_is_refused_before_anything_is_said(command: Command) -> None:
    """As wrong use."""
    assert command("chat", "-p", "nope", piped="hi\n").code == 2


@pytest.mark.slow
def test_a_person_cancels_an_answer_and_goes_on(place: Place) -> None:
    """Ctrl-C ends the answer, not the conversation; Ctrl-D ends the conversation."""
    script = place.directory / "slow.toml"
    script.write_text('[[steps]]\ntext = "first second"\ntoken_delay_s = 600.0\n[[steps]]\n')
    place.configure(f'[llm]\nbackend = "scripted"\nscript = "{script}"\n')
    terminal = Terminal(place, "chat")

    terminal.wait_for("> ")
    terminal.type("hello\n")
    terminal.wait_for("first")
    terminal.type("\x03")
    terminal.wait_for("cancelled")
    terminal.wait_for("> ")
    terminal.type("again\n")
    terminal.wait_for("echo: again")
    terminal.wait_for("> ")
    terminal.type("\x04")

    assert terminal.child.wait(PATIENCE) == 0


@pytest.mark.slow
def test_ctrl_c_at_the_prompt_leaves(place: Place) -> None:
    """With 130, as any other interrupted command."""
    terminal = Terminal(place, "chat")

    terminal.wait_for("> ")
    terminal.type("\x03")

    assert terminal.child.wait(PATIENCE) == 130


def test_the_default_profile_need_not_be_there(command: Command, place: Place) -> None:
    """A missing key is the matter of who uses that profile, and of nobody else."""
    place.configure('[llm]\nbackend = "openai"\nmodel = "x"\n[llm_profiles.fast]\nbackend = "scripted"\n')

    with_it, without = command("chat", "-p", "fast", piped="hi\n"), command("chat", piped="hi\n")

    assert (with_it.code, with_it.out) == (0, "echo: hi\n")
    assert (without.code, without.out) == (1, "")
    assert "OPENAI_API_KEY" in without.err
