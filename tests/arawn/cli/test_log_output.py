"""The daemon's own log lines: one each, whatever stands in them."""

from __future__ import annotations

import logging
import subprocess
import sys

from arawn.cli.log_output import OneLine
from tests.arawn.cli.place import ROOT

LAYOUT = "%(levelname)s %(name)s: %(message)s"


def _record(message: str, *args: object, error: BaseException | None = None) -> logging.LogRecord:
    trace = (type(error), error, error.__traceback__) if error is not None else None
    return logging.LogRecord("arawn.test", logging.INFO, "file", 1, message, args, trace)


def test_what_a_client_wrote_forges_no_line() -> None:
    """Line ends inside a message are spaces; escapes and marks that turn a line about are left out."""
    record = _record("call of %s: %s", "x\nWARNING arawn.daemon: forged\r\n", "\x1b]0;title\x07\x9b2J\u202eabc\u200f")

    assert OneLine(LAYOUT).format(record) == (
        "INFO arawn.test: call of x WARNING arawn.daemon: forged  : ]0;title2Jabc"
    )


def test_the_traceback_of_a_bug_keeps_its_lines() -> None:
    """Set off, and without escapes: what the error says can hold both."""
    try:
        int("odd\x1b[2J")
    except ValueError as error:
        record = _record(
            "it\nfailed",
            error=ValueError("odd\x1b[2J\nERROR arawn.daemon: forged\r\u2028x").with_traceback(error.__traceback__),
        )

    line, *trace = OneLine(LAYOUT).format(record).splitlines()
    assert all(below.startswith(" ") for below in trace)
    assert line == "INFO arawn.test: it failed"
    assert trace[0] == "  Traceback (most recent call last):"
    assert trace[-2:] == ["  ValueError: odd[2J", "  ERROR arawn.daemon: forged  x"]


def test_the_daemon_logs_that_way() -> None:
    """What `arawn start` sets up, in a process of its own."""
    program = "import logging; from arawn.cli.log_output import show_from; show_from(20); logging.info('a\\nb\\x1b[2J')"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)

    assert done.stderr == "INFO root: a b[2J\n"
