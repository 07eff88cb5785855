"""`arawn interactions compact`: compresses closed days by hand, where no daemon does it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import click
import msgspec

from arawn.cli.log_mending import beside_no_daemon
from arawn.cli.log_reading import required_log
from arawn.cli.options import config_option, json_option
from arawn.cli.output import note, print_json, print_table
from arawn.cli.settings import configured
from arawn.config.schema import InteractionLogConfig
from arawn.errors import BadInput
from arawn.interactions.compact import (
    Progress,
    Uncompressed,
    closed_files,
    compact_files,
    compaction_mark,
    remove_unfinished,
)
from arawn.interactions.files import DayFile
from arawn.interactions.filesystem import RealFilesystem, is_regular
from arawn.interactions.manifest import Manifest
from arawn.interactions.opening import open_day_log

__all__ = ["compact"]

_CLEAR = "\r\x1b[2K"

Step = Progress | Uncompressed


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
    for name in (file.name for file in closed if not _is_file(directory, file)):
        note(f"arawn: `{name}` is no regular file, so it is none of the log; it is left alone")
    closed = [file for file in closed if _is_file(directory, file)]
    if dry_run:
        _show_closed(directory, closed, as_json=as_json)
        return
    result = _Result([], [])
    if closed:
        with beside_no_daemon(config_file):
            _compress(directory, config, today, days, result)
    _show(result, as_json=as_json)
    if result.failed:
        raise click.exceptions.Exit(1)


def _closed(directory: Path, today: date, days: int) -> list[DayFile]:
    return closed_files([path.name for path in directory.iterdir()], today, days, str(today))


def _is_file(directory: Path, file: DayFile) -> bool:
    return is_regular(RealFilesystem(), directory / file.name)


def _compress(directory: Path, config: InteractionLogConfig, today: date, days: int, result: _Result) -> None:
    """Take the directory, compress what is closed once torn ends are repaired, and leave a mark of each."""
    with contextlib.closing(open_day_log(directory, config, links="passed over")) as log:
        remove_unfinished(RealFilesystem(), directory)
        closed = [file for file in _closed(directory, today, days) if _is_file(directory, file)]
        with contextlib.closing(compact_files(RealFilesystem(), directory, closed)) as steps:
            for step in _shown(steps, [file.name for file in closed]):
                if isinstance(step, Uncompressed):
                    result.failed.append(_Failed(step.file, step.why))
                elif step.manifest is not None:
                    result.compressed.append(step.manifest)
                    log.append([compaction_mark(step.file, step.manifest, datetime.now(UTC))])


def _shown(steps: Iterable[Step], names: Sequence[str]) -> Iterator[Step]:
    """Yield the steps, and show on a terminal how far they are."""
    shown = ""
    try:
        for step in steps:
            if isinstance(step, Progress) and sys.stderr.isatty():
                place = f"{1 + names.index(step.file)} of {len(names)}"
                text = f"compressing {step.file}, {place}: {100 * step.done // max(1, step.total)} %"
                if text != shown:
                    click.echo(f"{_CLEAR}{text}", err=True, nl=False)
                shown = text
            yield step
    finally:
        if shown:
            click.echo(_CLEAR, err=True, nl=False)


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
