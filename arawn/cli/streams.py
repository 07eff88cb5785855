"""The standard streams of the process, when they are closed, full or left in the middle of a line."""

from __future__ import annotations

import io
import os
import sys

import click

from arawn.cli.terminal_text import error_line

__all__ = ["INTERRUPTED", "complain", "end_terminal_line", "forget_output", "open_missing_streams"]

INTERRUPTED = 130  # the exit code after Ctrl-C


def open_missing_streams() -> None:
    """Open the null device in place of every standard stream that was closed, as `>&-` does.

    Without it, the next file that is opened would take the stream's number, and receive what is printed.
    Characters that the encoding of stdout lacks are written as escapes, as they are on stderr.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123  # open for as long as the process
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def forget_output(number: int = 1) -> None:
    """Let what is still in the buffer of a standard stream go nowhere: it cannot be written, and that was said."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def complain(line: str) -> None:
    """Print a line on stderr. If that is impossible there is nobody to tell, and the exit code says it alone."""
    try:
        click.echo(error_line(line), err=True)
    except OSError:
        forget_output(2)


def end_terminal_line() -> None:
    """End the line that an interrupt left open, so that the shell's prompt begins its own."""
    if sys.stderr.isatty():
        complain("")
    elif sys.stdout.isatty():
        click.echo()
