"""`arawn interactions compact`: compresses closed days by hand, where no daemon does it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import click

from arawn.cli.log_mending import beside_no_daemon
from arawn.cli.log_reading import ProgressLine, required_log
from arawn.cli.options import config_option, configured, json_option
from arawn.cli.output import note, print_json, print_table, warn_of
from arawn.config.schema import InteractionLogConfig
from arawn.errors import BadInput
from arawn.interactions.compact import (
    Uncompressed,
    closed_files,
    compact_files,
    compaction_mark,
    remove_unfinished,
)
from arawn.interactions.files import DayFile
from arawn.interactions.filesystem import Filesystem, is_regular
from arawn.interactions.manifest import Manifest
from arawn.interactions.opening import open_day_log

__all__ = ["compact"]

Outcome = Manifest | Uncompressed


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
        warn_of(f"arawn: `{name}` is no regular file, so it is none of the log; it is left alone")
    closed = [file for file in closed if _is_file(directory, file)]
    if dry_run:
        _show_closed(directory, closed, as_json=as_json)
        return
    outcomes: list[Outcome] = []
    if closed:
        with beside_no_daemon(config_file):
            outcomes = list(_compressed(directory, config, today, days))
    compressed = [one for one in outcomes if isinstance(one, Manifest)]
    failed = [one for one in outcomes if isinstance(one, Uncompressed)]
    _show(compressed, failed, as_json=as_json)
    if failed:
        raise click.exceptions.Exit(1)


def _closed(directory: Path, today: date, days: int) -> list[DayFile]:
    return closed_files([path.name for path in directory.iterdir()], today, days, str(today))


def _is_file(directory: Path, file: DayFile) -> bool:
    return is_regular(Filesystem(), directory / file.name)


def _compressed(directory: Path, config: InteractionLogConfig, today: date, days: int) -> Iterator[Outcome]:
    """Take the directory, compress what is closed once torn ends are repaired, and leave a mark of each."""
    with contextlib.closing(open_day_log(directory, config, links="passed over")) as log:
        remove_unfinished(Filesystem(), directory)
        closed = [file for file in _closed(directory, today, days) if _is_file(directory, file)]
        names = [file.name for file in closed]
        with contextlib.closing(compact_files(Filesystem(), directory, closed)) as steps, ProgressLine() as line:
            for step in steps:
                if isinstance(step, Uncompressed):
                    yield step
                elif step.manifest is not None:
                    log.append([compaction_mark(step.file, step.manifest, datetime.now(UTC))])
                    yield step.manifest
                else:
                    place = f"{1 + names.index(step.file)} of {len(names)}"
                    line.show(f"compressing {step.file}, {place}: {100 * step.done // max(1, step.total)} %")


def _show_closed(directory: Path, closed: Sequence[DayFile], *, as_json: bool) -> None:
    sizes = [(file.name, (directory / file.name).lstat().st_size) for file in closed]
    if as_json:
        print_json({"would_compress": [{"file": name, "bytes": size} for name, size in sizes]})
    elif not sizes:
        note("nothing is closed that is not compressed")
    else:
        print_table(("file", "bytes"), [(name, f"{size:,}") for name, size in sizes])


def _show(compressed: Sequence[Manifest], failed: Sequence[Uncompressed], *, as_json: bool) -> None:
    if as_json:
        print_json({"compressed": compressed, "failed": [{"file": one.file, "error": one.why} for one in failed]})
        return
    if compressed:
        print_table(("file", "lines", "damaged", "bytes", "compressed"), [_row(made) for made in compressed])
    for one in failed:
        warn_of(f"arawn: cannot compress `{one.file}`, it stays as it is: {one.why}")
    if not (compressed or failed):
        note("nothing is closed that is not compressed")


def _row(made: Manifest) -> tuple[str, ...]:
    numbers = (made.lines, made.damaged, made.bytes, made.compressed_bytes)
    return (made.file, *(f"{number:,}" for number in numbers))
