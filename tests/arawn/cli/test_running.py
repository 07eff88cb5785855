"""The command itself: what it loads, what it prints alone, how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import click
import pytest

from arawn.cli.root import root
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import ROOT, Place
from tests.arawn.cli.terminal import Terminal

HEAVY = ("trio", "httpx", "rich", "msgspec", "stamina", "actors", "arawn.runtime", "arawn.config")


@pytest.mark.parametrize("arguments", [["--help"], []])
def test_the_first_page_loads_next_to_nothing(arguments: list[str]) -> None:
    """`arawn` and `arawn --help` import click alone, so they answer at once."""
    program = (
        "import sys; from arawn.cli.running import run; "
        f"code = run({arguments!r}); heavy = [name for name in {HEAVY!r} if name in sys.modules]; "
        "print(heavy, file=sys.stderr); sys.exit(code)"
    )

    child = subprocess.run(
        [sys.executable, "-P", "-c", program],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
        check=False,
    )

    assert (child.returncode, child.stderr) == (0, "[]\n")
    assert "arawn" in child.stdout


def test_alone_it_says_what_to_try(command: Command) -> None:
    """The page without arguments is short and names the commands that matter first."""
    page = command()

    assert page.code == 0
    assert len(page.out.splitlines()) <= 12
    assert all(word in page.out for word in ("arawn ask", "arawn chat", "arawn start", "--help"))


def test_the_version_is_printed(command: Command) -> None:
    """`--version` names program and version."""
    assert command("--version").out.startswith("arawn ")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nope"], "nope"),
        (["ask", "--nope"], "--nope"),
        (["interactions", "nope"], "nope"),
        (["ask", "--tag", "x", "hi"], "key=value"),
        (["ask"], "nothing is asked"),
    ],
)
def test_misuse_is_one_message_and_code_2(command: Command, arguments: list[str], named: str) -> None:
    """The message names what is wrong and where the help is."""
    result = command(*arguments)

    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("arawn: ")
    assert named in result.err
    assert "--help" in result.err


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the whole program fail in a way that nobody foresaw."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("lost the plot\nand more")

    monkeypatch.setattr(root, "main", fail)


def test_the_unforeseen_is_one_line_that_asks_for_a_report(broken: None, command: Command) -> None:
    """No traceback; type and message are named; exit code 1."""
    result = command("ask", "hi")

    assert result.code == 1
    assert len(result.err.splitlines()) == 1
    assert "RuntimeError: lost the plot" in result.err
    assert "ARAWN_TRACEBACK=1" in result.err


def test_the_traceback_is_there_when_asked_for(broken: None, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ARAWN_TRACEBACK=1` shows the whole."""
    monkeypatch.setenv("ARAWN_TRACEBACK", "1")

    assert "Traceback (most recent call last)" in command("ask", "hi").err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_is_code_130(command: Command, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Ctrl-C anywhere is no error of the program."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(root, "main", fail)

    assert (command("ask").code, command("ask").err) == (130, "")


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["ask", "hi"], ["config", "show"]])
def test_the_reader_may_leave(place: Place, arguments: list[str]) -> None:
    """A broken pipe is silent."""
    reading, writing = os.pipe()
    os.close(reading)
    child = place.popen(*arguments, stdout=writing)
    os.close(writing)

    _, err = child.communicate()

    assert (child.returncode, err) == (1, "")


SLOW = '[[steps]]\ntext = "one two"\ntoken_delay_s = 600.0\n'


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cancels_the_call_in_order(place: Place, number: signal.Signals, code: int) -> None:
    """The call is recorded as cut off before the process ends."""
    script = place.directory / "slow.toml"
    script.write_text(SLOW)
    place.configure(f'[llm]\nbackend = "scripted"\nscript = "{script}"\n')
    child = place.popen("ask", "hi")
    assert child.stdout is not None
    assert child.stdout.read(3) == "one"

    began = time.monotonic()
    child.send_signal(number)
    _, err = child.communicate()

    assert (child.returncode, err) == (code, "")
    assert time.monotonic() - began < 5
    assert '"status":"cancelled"' in next(place.log.glob("*.jsonl")).read_text()


@pytest.mark.parametrize("group", ["interactions", "workstreams", "config", "backends"])
def test_a_group_alone_prints_its_help(command: Command, group: str) -> None:
    """On stderr, as it is, with the code of wrong use."""
    result = command(group)

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"Usage: arawn {group} ")
    assert "Commands:" in result.err


LONELY = '[[steps]]\ntext = "one two"\n{delay} = 600.0\n'


@pytest.mark.parametrize(
    ("arguments", "delay", "before"),
    [
        (["ask", "hi"], "token_delay_s", "one"),
        pytest.param(["ask", "hi"], "delay_s", None, marks=pytest.mark.slow),
        pytest.param(["backends", "test"], "delay_s", "asking `default` …\r\n", marks=pytest.mark.slow),
        pytest.param(["workstreams", "rm", "x"], "delay_s", "[y/N]: ", marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_ends_the_line(place: Place, arguments: list[str], delay: str, before: str | None) -> None:
    """The shell's prompt begins a line of its own, and no empty line stands before it."""
    (place.directory / "slow.toml").write_text(LONELY.format(delay=delay))
    place.configure(f'[llm]\nbackend = "scripted"\nscript = "{place.directory / "slow.toml"}"\n')
    if arguments[0] == "workstreams":
        assert place.run("workstreams", "new", arguments[-1]).returncode == 0
    terminal = Terminal(place, *arguments)
    if before is None:
        place.wait_for_log()
    else:
        terminal.wait_for(before)

    terminal.interrupt()
    said = terminal.rest()

    assert terminal.child.returncode == 130
    assert said.endswith("^C\r\n")
    assert said.count("\r\n") == 1


def test_retries_say_nothing_of_their_own(place: Place) -> None:
    """What the library logs of a retry stays out of stderr, even of a daemon that logs everything."""
    program = (
        "import logging; from arawn.cli.log_output import quiet_retries, show_from; "
        "import stamina; show_from(logging.INFO); quiet_retries()\n"
        "for attempt in stamina.retry_context(on=ValueError, attempts=2, wait_initial=0, wait_jitter=0):\n"
        "    with attempt:\n"
        "        if attempt.num == 1: raise ValueError\n"
    )

    child = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, env=place.environ, check=False
    )

    assert (child.returncode, child.stderr) == (0, "")
