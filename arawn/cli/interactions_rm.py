"""`arawn interactions rm`: removes calls from the log so that no byte of them remains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from arawn.cli.log_filters import filter_options, filters_of, label_option
from arawn.cli.log_mending import beside_no_daemon
from arawn.cli.log_reading import required_log
from arawn.cli.options import config_option, configured, json_option, lines_of
from arawn.cli.output import note, print_json, warn_of
from arawn.cli.prompt import confirm_or_leave
from arawn.errors import BadInput
from arawn.interactions.counted import counted
from arawn.interactions.files import kind_of_name
from arawn.interactions.filters import Filters
from arawn.interactions.heads import UNREADABLE
from arawn.interactions.judged import with_judged

if TYPE_CHECKING:  # slow to load: it writes compressed files
    from arawn.interactions.remove import Removal, Target

__all__ = ["remove_command"]

_WHOLE_ID = len("01890a5d-ac96-774b-bcce-b302099a8057")


class _Named(msgspec.Struct, frozen=True):
    """A line that names a call."""

    id: str


@click.command("rm")
@click.argument("interactions", metavar="[ID]...", nargs=-1)
@click.option(
    "--from", "source", type=click.Path(), metavar="FILE", help="Take ids from FILE, one a line; `-` is stdin."
)
@filter_options
@label_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@json_option
@config_option
def remove_command(
    *,
    interactions: tuple[str, ...],
    source: str | None,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    config_file: Path | None,
    **options: Any,
) -> None:
    """Remove calls, with their tool results and feedback, from every file of the log, compressed ones too.

    Give ids (or the beginning of one that no other has, or `latest`), or filters, or both: what any of the ids or all
    of the filters name goes. Later calls of a conversation repeat what was said before: remove it whole with
    `--session` or `--workstream`. A line of FILE is an id, or an object with one, as `search --json` prints it. No
    daemon may be running.
    """
    from arawn.interactions.remove import plan_removal, remove

    directory = required_log(config_file)
    interactions += () if source is None else _ids_from(source)
    target = _target(directory, interactions, filters_of(options, limit=None))
    plan = plan_removal(directory, target)
    if dry_run:
        _report(plan, "would go", as_json=as_json)
        _tell_unread(directory)
        return
    if not yes:
        confirm_or_leave(f"remove {_sentence(plan)} for good?", otherwise="nothing was removed")
    with beside_no_daemon(config_file):
        done = remove(directory, configured(config_file).logging.interactions, target)
    _report(done, "removed", as_json=as_json)
    _tell_unread(directory)


def _target(directory: Path, interactions: tuple[str, ...], wanted: Filters) -> Target:
    from arawn.interactions.remove import Target

    if not interactions and wanted == Filters():
        raise click.UsageError("name what shall go: ids, or a filter such as `--session ID`, `--date 2026-01-28`")
    ids = frozenset(_whole_id(directory, text) for text in interactions)
    return Target(ids, None if wanted == Filters() else with_judged(directory, wanted))


def _ids_from(source: str) -> tuple[str, ...]:
    """Return the ids in the lines of a file.

    Raises:
        BadInput: It cannot be read, a line has no id, or there is none.
    """
    ids = tuple(_id_in(line, place) for place, line in lines_of(source))
    if not ids:
        name = "stdin" if source == "-" else source
        raise BadInput(f"`{name}` names no call; a line must be an id, or an object with one")
    return ids


def _id_in(line: bytes, place: str) -> str:
    try:
        return msgspec.json.decode(line, type=_Named).id if line.lstrip().startswith(b"{") else line.strip().decode()
    except UNREADABLE as error:
        raise BadInput(f"`{place}`: it is no id, nor an object with one: {error}") from error


def _whole_id(directory: Path, text: str) -> str:
    from arawn.interactions.reader import LogReader

    if len(text) == _WHOLE_ID:
        return text.lower()  # as the log writes them
    return LogReader(directory, on_damage=lambda _: None).named(text).head.id  # damage is no matter here


def _report(removal: Removal, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json({**msgspec.to_builtins(removal), "ids": sorted(removal.ids)})
    else:
        note(f"{_sentence(removal)}: {what}, from {counted(len(removal.files), 'file')}")
        if removal.newer:
            note(f"left as they are: {counted(removal.newer, 'line')} that only a newer Arawn can read")


def _tell_unread(directory: Path) -> None:
    """Name what stands in the directory and is none of the log: a copy of a file holds what was removed from it."""
    others = [path.name for path in directory.iterdir() if kind_of_name(path.name) in ("foreign", "misnamed")]
    for name in sorted(others):
        warn_of(f"arawn: warning: {name}: not a file of the log, so nothing was removed from it")


def _sentence(removal: Removal) -> str:
    parts = [counted(removal.lines, "line"), counted(removal.size, "byte")]
    if removal.pieces:
        parts.append(f"with {counted(removal.pieces, 'damaged piece')} in the same files")
    return f"{counted(len(removal.ids), 'interaction')} ({', '.join(parts)})"
