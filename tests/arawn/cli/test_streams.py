"""Standard streams that are closed, full, or read by nobody."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import PATIENCE, Place


def through_shell(place: Place, command: str, redirection: str) -> subprocess.CompletedProcess[str]:
    """Run the real command with a redirection that only a shell can make."""
    line = f"{shlex.quote(sys.executable)} -P -m arawn.cli {command} {redirection}"
    return subprocess.run(
        ["/bin/sh", "-c", line],
        check=False,
        env=place.environ,
        cwd=place.directory,
        input="hi\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


MORE = ("ask hi", "chat", "config check", "--help")


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("ask -q hi", 0),
        ("nope", 2),
        *(pytest.param(more, 0, marks=pytest.mark.slow) for more in MORE),
    ],
)
def test_a_closed_stream_is_one_to_nowhere(place: Place, command: str, code: int, redirection: str) -> None:
    """The exit code is what it would be; what is printed elsewhere is no complaint."""
    done = through_shell(place, command, redirection)

    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr


@pytest.mark.slow
def test_what_is_printed_to_a_closed_stdout_reaches_no_file(place: Place) -> None:
    """No file that is opened later takes its number."""
    through_shell(place, "ask -q hello", ">&-")

    assert "echo: hello\n" not in next(place.log.glob("*.jsonl")).read_text()


@pytest.mark.slow
def test_what_the_encoding_of_stdout_lacks_is_escaped(place: Place) -> None:
    """As it is on stderr: nothing that others wrote cuts the output short."""
    place.environ["PYTHONIOENCODING"] = "latin-1"
    path = place.directory / "☃.toml"
    path.write_text('[llm]\nbackend = "scripted"\n', encoding="utf-8")

    done = place.run("config", "path", "--config", "☃.toml")

    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u2603.toml " in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device here")
@pytest.mark.parametrize(
    "command", ["ask -q hi", *(pytest.param(more, marks=pytest.mark.slow) for more in (*MORE, "ask --json hi"))]
)
def test_a_full_device_is_one_clear_message(place: Place, command: str) -> None:
    """Nobody is asked to report it; code 1."""
    done = through_shell(place, command, ">/dev/full")

    assert (done.returncode, done.stderr) == (1, "arawn: cannot write the output: No space left on device\n")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device here")
@pytest.mark.parametrize(("command", "code"), [("nope", 2), ("ask -q hi", 0)])
def test_a_full_stderr_leaves_the_exit_code(place: Place, command: str, code: int) -> None:
    """It alone tells what happened."""
    assert through_shell(place, command, "2>/dev/full").returncode == code


@pytest.mark.parametrize("flag", [[], ["-q"], ["--quiet"]])
def test_quiet_leaves_out_notes_and_keeps_answers_errors_and_exit_codes(
    command: Command, place: Place, flag: list[str]
) -> None:
    """Of commands that do nothing of their own about it; what is damaged is no note."""
    place.configure('[llm_profiles.a]\nbackend = "scripted"\n[llm_profiles.b]\nbackend = "scripted"\n')
    command("ask", "-q", "-p", "a", "hi")
    with next(place.log.glob("*.jsonl")).open("a") as log:
        log.write("no line of a log\n")

    made, checked = command("workstreams", "new", "x", *flag), command("config", "check", *flag)
    stopped = command("stop", *flag)
    listed = command("interactions", "show", "latest", *flag)

    assert (made.code, made.out, made.err) == (0, "", "" if flag else "made workstream `x`\n")
    assert (checked.code, checked.out[:26]) == (0, "the configuration is right")
    assert ("note: no profile is the default" in checked.err) is not bool(flag)
    assert (stopped.code, "no daemon answers" in stopped.err) == (1, True)
    assert (listed.code, "arawn: warning: " in listed.err) == (0, True)
