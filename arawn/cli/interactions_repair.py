"""`arawn interactions repair`: sets damaged bytes aside, keeps every whole line."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from arawn.cli.log_mending import beside_no_daemon, problem_lines
from arawn.cli.log_reading import required_log
from arawn.cli.options import config_option, configured, json_option
from arawn.cli.output import print_json, say
from arawn.interactions.counted import counted

if TYPE_CHECKING:  # slow to load: it writes compressed files
    from arawn.interactions.repair import MendedFile, Repaired

__all__ = ["repair_command"]


@click.command("repair")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option(
    "--today",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="The day it is (UTC): lines in files of days to come, made by a clock that was ahead, go to their days.",
)
@json_option
@config_option
def repair_command(dry_run: bool, day: datetime | None, as_json: bool, config_file: Path | None) -> None:
    """Move damaged bytes aside, keep every whole line, declare what is lost, make wrong manifests anew.

    Nothing is thrown away: what is damaged stands in `<file>.damaged-<time>` afterwards. No daemon may be running.
    The exit code is 1 where something stays wrong, or would.
    """
    from arawn.interactions.repair import repair

    today = _vouched(day)
    directory = required_log(config_file)
    if dry_run:
        _plan(directory, today, as_json=as_json)
        return
    with beside_no_daemon(config_file):
        repaired = repair(directory, configured(config_file).logging.interactions, today=today)
    if as_json:
        print_json(repaired)
    else:
        _print(directory, repaired)
    if repaired.left:
        raise click.exceptions.Exit(1)


def _vouched(day: datetime | None) -> date | None:
    """Return the day that a person says it is; the clock, which dates what is written, must say the same."""
    from arawn.interactions.opening import now_utc

    if day is None:
        return None
    if day.date() != (clock := now_utc().date()):
        message = f"it must be the day of the clock, {clock} (UTC); if that is wrong, set the clock right first"
        raise click.BadParameter(message, param_hint="--today")
    return day.date()


def _plan(directory: Path, today: date | None, *, as_json: bool) -> None:
    """Say what would be done; exit code 1 where that is not enough, as for the work itself."""
    from arawn.interactions.move_ahead import movable
    from arawn.interactions.repair import would_mend
    from arawn.interactions.to_mend import to_mend
    from arawn.interactions.verify import check_directory

    found = check_directory(directory)
    work = to_mend(directory, found)
    files, left = would_mend(directory, work), work.left
    ahead = [file.name for file in movable(directory, today)] if today is not None else []
    if as_json:
        problems = {"problems": found.problems, "left": [str(problem) for problem in left]}
        print_json({"files": files, "ahead": ahead, **problems})
    elif not (found.problems or files or ahead):
        say("nothing would have to be repaired")
    else:
        for line in problem_lines(problem for problem in found.problems if problem not in left):
            say(line)
        for file in files:
            say(_sentence(file))
        for name in ahead:
            say(f"{name}: of a day to come; its lines would go to their days")
        for line in problem_lines(left):
            say(f"would stay wrong: {line}")
    if left:
        raise click.exceptions.Exit(1)


def _print(directory: Path, repaired: Repaired) -> None:
    lines = [f"{name}: half a line at the end of its file, moved here" for name in repaired.torn]
    lines += [_sentence(file) for file in repaired.files]
    lines += [f"{one.file}: of a day to come; its lines are in {', '.join(one.into)} now" for one in repaired.moved]
    lines += [f"{name}: written anew" for name in repaired.manifests]
    lines += [f"{name}: set aside, since the file that it describes is gone" for name in repaired.orphans]
    modes = [str(directory) if name == "." else name for name in repaired.modes]
    lines += [f"{name}: readable by its owner alone now" for name in modes]
    if repaired.unwritten:
        lines.append(f"lost, and declared so: {counted(repaired.unwritten, 'record')} that the last writer never wrote")
    for gap in repaired.lost:
        numbers = f"number {gap.first}" if gap.first == gap.last else f"numbers {gap.first} to {gap.last}"
        lines.append(f"lost, and declared so: {numbers} of writer {gap.writer}")
    lines += [f"gone, and declared so: {name}" for name in repaired.gone]
    lines += [f"still wrong: {text}" for text in repaired.left]
    for line in lines or ["nothing had to be repaired"]:
        say(line)


def _sentence(file: MendedFile) -> str:
    kept = f"{counted(file.kept_lines, 'whole line')} {'stays' if file.kept_lines == 1 else 'stay'}"
    where = f"kept in {file.kept_in}" if file.kept_in else "set aside"
    aside = "is" if file.kept_in else "would be"
    if file.file.endswith(".zst"):
        hint = f"; `zstd -dc {file.kept_in}` may show more of it" if file.kept_in else ""
        return f"{file.file}: {kept}, the damaged file ({counted(file.damaged_bytes, 'byte')}) {aside} {where}{hint}"
    if not file.damaged_bytes:
        return f"{file.file} and the compressed file beside it: one whole file of both"
    are = {"is": "is" if file.damaged_bytes == 1 else "are"}.get(aside, aside)
    return f"{file.file}: {kept}, {counted(file.damaged_bytes, 'damaged byte')} {are} {where}"
