"""What a person types, or what is piped in: lines, and a yes or no."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
import trio

from arawn.cli.output import note, printable, warn_of
from arawn.cli.utf8 import from_utf8, require_utf8

__all__ = ["LineSource", "confirm_or_leave", "open_lines"]


class LineSource:
    """The lines of standard input. `interactive` says whether a person types them."""

    def __init__(self, *, interactive: bool) -> None:
        self.interactive = interactive
        self._piped_lines = 0

    async def next_line(self, prompt: str) -> str | None:
        """Return the next line without its end; None when there are no more. Only a person sees the prompt.

        Raises:
            BadInput: The line is not UTF-8; the next one may be.

        Checkpoint: always.
        If cancelled: what was typed so far is lost; read no further.
        """
        read = self._typed if self.interactive else self._piped
        return await trio.to_thread.run_sync(read, prompt, abandon_on_cancel=True)

    def _typed(self, prompt: str) -> str | None:
        try:
            return require_utf8(input(prompt), "the line")
        except EOFError:
            return None
        except UnicodeDecodeError as error:  # where Python is strict with what a terminal says
            return from_utf8(bytes(error.object), "the line")

    def _piped(self, _: str) -> str | None:
        line = sys.stdin.buffer.readline()
        self._piped_lines += 1
        return from_utf8(line, f"line {self._piped_lines} of what is piped in").rstrip("\r\n") if line else None


@contextmanager
def open_lines() -> Iterator[LineSource]:
    """Yield the lines of standard input; the terminal is left as it was found."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        yield LineSource(interactive=False)
        return
    import readline  # noqa: F401  # gives `input` its line editing
    import termios

    before = termios.tcgetattr(sys.stdin)
    try:
        yield LineSource(interactive=True)
    finally:  # a prompt that was given up has left the terminal in its own mode
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def confirm_or_leave(question: str, *, otherwise: str) -> None:
    """Return when a person says yes.

    Raises:
        click.exceptions.Exit: They say no, and are told `otherwise`; the exit code is 1.
        click.UsageError: Nobody is there to ask.
    """
    try:
        agreed = click.confirm(printable(question, sys.stderr), err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        warn_of("")
        raise click.UsageError("nobody is there to confirm it; give `--yes`") from None
    if not agreed:
        note(otherwise)
        raise click.exceptions.Exit(1)
