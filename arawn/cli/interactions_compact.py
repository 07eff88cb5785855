"""`arawn interactions compact`: compresses closed days by hand, where no daemon does it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import click
import msgspec

from arawn.cli.log_reading import required_log
from arawn.cli.options import config_option, json_option
from arawn.cli.output import note, print_json, print_table
from arawn.cli.settings import configured
from arawn.config.schema import InteractionLogConfig
from arawn.errors import BadInput, LogWriteFailed
from arawn.interactions.compact import Progress, closed_files, compact_file, compaction_mark, remove_unfinished
from arawn.interactions.day_log import DayLog
from arawn.interactions.files import DayFile
from arawn.interactions.filesystem import RealFilesystem
from arawn.interactions.manifest import Manifest
from arawn.interactions.opening import open_day_log

__all__ = ["compact"]

_CLEAR = "\r\x1b[2K"


class _Closed(msgspec.Struct, frozen=True):
    """A part that can be compressed."""

    file: str
    bytes: int


class _Failed(msgspec.Struct, frozen=True):
    """A part that could not be, and stays as it was."""

    file: str
    error: str


class _Result(msgspec.Struct, frozen=True):
    compressed: list[Manifest]
    failed: list[_Failed]


@click.command()
@click.option("--all-closed", is_flag=True, help="Every day before today, whatever `compact_after_days` says.")
@click.option("--dry-run", is_flag=True, help="Say which files would be compressed, and change nothing.")
@json_option
@config_option
def compact(all_closed: bool, dry_run: bool, as_json: bool, config_file: Path | None) -> None:
    """Compress closed days to `.jsonl.zst`, with a manifest beside each; every reader reads both forms.

    A file is removed only after its compressed form was read back and found the same. The daemon does this by itself
    (`compact_after_days`), so this is for logs without one; no daemon may be running. Days are those of UTC.
    """
    directory = required_log(config_file)
    config = configured(config_file).logging.interactions
    if not all_closed and config.compact_after_days == 0:
        raise BadInput("`compact_after_days` is 0, so no day is ever closed; give `--all-closed` to compress them all")
    today = datetime.now(UTC).date()
    days = 0 if all_closed else config.compact_after_days
    closed = _closed(directory, today, days)
    if dry_run:
        _show_closed(directory, closed, as_json=as_json)
        return
    result = _Result([], [])
    if closed:
        _compress(directory, config, today, days, result)
    _show(result, as_json=as_json)
    if result.failed:
        raise click.exceptions.Exit(1)


def _closed(directory: Path, today: date, days: int) -> list[DayFile]:
    return closed_files([path.name for path in directory.iterdir()], today, days, str(today))


def _compress(directory: Path, config: InteractionLogConfig, today: date, days: int, result: _Result) -> None:
    """Take the directory, compress what is closed once torn ends are repaired, and leave a mark of each."""
    log = open_day_log(directory, config)
    try:
        remove_unfinished(RealFilesystem(), directory)
        closed = _closed(directory, today, days)
        for number, file in enumerate(closed, 1):
            _compress_one(directory, file, f"{number} of {len(closed)}", log, result)
    finally:
        log.close()


def _compress_one(directory: Path, file: DayFile, place: str, log: DayLog, result: _Result) -> None:
    try:
        with contextlib.closing(compact_file(RealFilesystem(), directory, file)) as steps:
            manifest = _followed(steps, place)
    except (OSError, LogWriteFailed) as error:
        why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        result.failed.append(_Failed(file.name, why))
    else:
        result.compressed.append(manifest)
        log.append([compaction_mark(file, manifest, datetime.now(UTC))])


def _followed(steps: Iterator[Progress], place: str) -> Manifest:
    shown = -1
    try:
        for step in steps:
            if step.manifest is not None:
                return step.manifest
            percent = 100 * step.done // max(1, step.total)
            if percent != shown and sys.stderr.isatty():
                click.echo(f"{_CLEAR}compressing {step.file}, {place}: {percent} %", err=True, nl=False)
            shown = percent
    finally:
        if shown >= 0 and sys.stderr.isatty():
            click.echo(_CLEAR, err=True, nl=False)
    raise AssertionError("a compaction ends with its manifest")


def _show_closed(directory: Path, closed: Sequence[DayFile], *, as_json: bool) -> None:
    found = [_Closed(file.name, (directory / file.name).lstat().st_size) for file in closed]
    if as_json:
        print_json({"would_compress": found})
    elif not found:
        note("nothing is closed that is not compressed")
    else:
        print_table(("file", "bytes"), [(file.file, f"{file.bytes:,}") for file in found])


def _show(result: _Result, *, as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    if result.compressed:
        print_table(("file", "lines", "damaged", "bytes", "compressed"), [_row(made) for made in result.compressed])
    for failed in result.failed:
        note(f"arawn: cannot compress `{failed.file}`, it stays as it is: {failed.error}")
    if not (result.compressed or result.failed):
        note("nothing is closed that is not compressed")


def _row(made: Manifest) -> tuple[str, ...]:
    numbers = (made.lines, made.damaged, made.bytes, made.compressed_bytes)
    return (made.file, *(f"{number:,}" for number in numbers))
