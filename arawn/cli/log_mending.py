"""What the commands share that check or change the files of the log."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from arawn.cli.output import note

__all__ = ["confirm_or_leave", "show_file"]


def show_file() -> Callable[[str, int, int], None] | None:
    """Return what shows on a terminal which file is being read; None where nobody watches."""
    if not sys.stderr.isatty():
        return None

    def show(name: str, number: int, files: int) -> None:
        click.echo(f"\r\x1b[K{number}/{files} {name}" if number < files else "\r\x1b[K", err=True, nl=False)

    return show


def confirm_or_leave(question: str) -> None:
    """Return when a person says yes.

    Raises:
        click.exceptions.Exit: They say no; the exit code is 1.
        click.UsageError: Nobody is there to ask.
    """
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        note("")
        raise click.UsageError("nobody is there to confirm it; give `--yes`") from None
    if not agreed:
        note("nothing was removed")
        raise click.exceptions.Exit(1)
