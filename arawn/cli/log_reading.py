"""How the commands that read the log begin, what they say beside it, and how they show how far they are."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

import click
import msgspec

from arawn.cli.group import is_quiet
from arawn.cli.options import configured
from arawn.cli.output import note, warn_of
from arawn.cli.streams import forget_output
from arawn.cli.terminal_text import line_shown
from arawn.config.paths import interactions_dir
from arawn.errors import BadInput
from arawn.interactions.counted import counted
from arawn.interactions.files import is_log, kind_of_name
from arawn.interactions.filters import Filters
from arawn.interactions.reader import Entry, LogReader
from arawn.interactions.scan import Damage, Progress

__all__ = [
    "ProgressLine",
    "Reader",
    "is_there",
    "kept_of_last",
    "last_entries",
    "missing",
    "none_found",
    "required_log",
    "warn",
]

T = TypeVar("T")

_FIRST_SECONDS = 0.5  # a read that is over sooner shows no progress
_NEXT_SECONDS = 0.1
_CLEAR = "\r\x1b[2K"


def missing(directory: Path, *, is_on: bool = True) -> str:
    """Return what is said when there is no log; `is_on` is whether calls are logged."""
    if not is_on:
        off = "the interaction log is off (`logging.interactions.enabled = false`)"
        return f"{off}, and there is none of before at `{directory}`"
    return f"there is no interaction log at `{directory}` yet; the first call makes it"


def required_log(config_file: Path | None) -> Path:
    """Return the directory of the log.

    Raises:
        BadInput: There is none yet, it is no directory, or one of something else.
        ConfigError: The configuration is wrong.
    """
    config = configured(config_file)
    directory = interactions_dir(config, os.environ)
    if not is_there(directory):
        raise BadInput(missing(directory, is_on=config.logging.interactions.enabled))
    names = sorted(path.name for path in directory.iterdir())
    if not is_log(names):
        others = [name for name in names if kind_of_name(name) == "foreign"]
        more = f" and {counted(len(others) - 1, 'other')}" if others[1:] else ""
        raise BadInput(
            f"`{directory}` is no log directory: it holds `{others[0]}`{more}, and no file of a log; "
            "see `logging.interactions.path`"
        )
    return directory


def is_there(directory: Path) -> bool:
    """Say whether there is a log yet.

    Raises:
        BadInput: Something else stands in its place.
    """
    if directory.exists() and not directory.is_dir():
        raise BadInput(f"`{directory}` is no directory, so it can hold no log; see `logging.interactions.path`")
    return directory.is_dir()


def warn(damage: Damage) -> None:
    """Name what was skipped; a file is named without a line."""
    place = f"{damage.file}:{damage.line}" if damage.line else damage.file
    warn_of(f"arawn: warning: {place}: {'skipped: ' if damage.skipped else ''}{damage.why}")


def last_entries(directory: Path, wanted: Filters) -> list[Entry]:
    """Return what is wanted, the newest last; see `kept_of_last`."""
    return kept_of_last(directory, wanted, lambda entry: entry)


def kept_of_last(directory: Path, wanted: Filters, keep: Callable[[Entry], T]) -> list[T]:
    """Return what `keep` gives for each call that is wanted, the newest last, and hold nothing else of them.

    Where there is none it is said. `directory` is that of a log.
    """
    with ProgressLine() as progress:
        found = [keep(entry) for entry in progress.reader(directory).newest_first(wanted)][::-1]
    if not found and wanted.limit != 0:
        note(none_found(directory, wanted, "call"))
    return found


def none_found(directory: Path, wanted: Filters, what: str) -> str:
    """Return what is said when a log that was read holds no `what` that is wanted."""
    if msgspec.structs.replace(wanted, limit=None) == Filters():
        return f"the interaction log at `{directory}` holds no {what}"
    return f"no {what} in the interaction log at `{directory}` is one of those asked for"


class Reader(click.Command):
    """A command that only shows what is in the log: who reads its output may leave when it has enough, as `head` does.

    That is no failure: the command ends in silence with exit code 0. (A command whose exit code is a verdict cannot
    say it when nobody listens to the end; it ends with 1, as every command does.) SIGTERM ends it as Ctrl-C does, and
    nothing half made is left behind; the exit code is 143.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and take a reader that left for one that had enough."""
        try:
            with _ended_in_order():
                result = super().invoke(ctx)
                sys.stdout.flush()
        except BrokenPipeError:
            forget_output()
            return None
        return result


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Have SIGTERM raise SystemExit inside the block; a second one, or one that was ignored before, does as before."""
    before = signal.getsignal(signal.SIGTERM)

    def end(number: int, _: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise SystemExit(128 + number)

    if before is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class ProgressLine:
    """One line on a terminal's stderr that says how far long work has come; none elsewhere, or if it is not `wanted`.

    Whatever else is printed meanwhile goes inside `hidden`.
    """

    def __init__(self, *, wanted: bool = True) -> None:
        self._shown_at = time.monotonic() + _FIRST_SECONDS - _NEXT_SECONDS
        self._wanted = wanted and not is_quiet() and sys.stderr.isatty()
        self._text = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def reader(self, directory: Path) -> LogReader:
        """Return a reader of the log whose progress and damages are told here."""
        return LogReader(directory, on_damage=self.damage, on_progress=self.update)

    def update(self, progress: Progress) -> None:
        """Say where the read is, at most ten times a second."""
        now = time.monotonic()
        if now - self._shown_at >= _NEXT_SECONDS:
            self._shown_at = now
            megabytes = progress.position >> 20
            self.show(f"reading {progress.file}, {progress.number} of {progress.files}: {megabytes} MB")

    def show(self, text: str) -> None:
        """Say this, now."""
        if self._wanted and text != self._text:
            self._text = text
            click.echo(f"{_CLEAR}{line_shown(text, sys.stderr)}", err=True, nl=False)

    def damage(self, damage: Damage) -> None:
        """Name what was skipped, as `warn` does."""
        with self.hidden():
            warn(damage)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Take the line away while something else is printed."""
        self._clear()
        yield

    def _clear(self) -> None:
        if self._text:
            self._text = ""
            click.echo(_CLEAR, err=True, nl=False)
