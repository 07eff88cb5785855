"""`arawn interactions feedback`: says what calls were worth."""

from __future__ import annotations

import math
import os
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click
import msgspec
import trio

from arawn.cli.door import Door, door_of
from arawn.cli.interrupts import run_async
from arawn.cli.log_reading import required_log
from arawn.cli.options import config_option, json_option, lines_of
from arawn.cli.output import note, print_json_line, warn_of
from arawn.config import Loaded, load
from arawn.config.describe import suggestion
from arawn.config.paths import interactions_dir
from arawn.config.schema import Config
from arawn.errors import ArawnError, BadInput
from arawn.interactions.counted import counted
from arawn.interactions.feedback import Judgement, append_feedback, judgement_line
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.filters import Filters
from arawn.interactions.health import LogHealth, perhaps_unwritten
from arawn.interactions.lock_file import Owner, read_owner
from arawn.interactions.reader import LogReader, NoSuchCall
from arawn.interactions.record import FeedbackLine, InteractionHead

if TYPE_CHECKING:
    from arawn.cli.daemon_client import DaemonClient

__all__ = ["Given", "feedback", "given", "ids_of", "whole_ids"]

_SHOWN = ("interaction_id", "label", "value", "note", "timestamp")  # the line's number comes when it is written


@click.command()
@click.argument("interaction", metavar="[ID", required=False)
@click.argument("label", metavar="LABEL]", required=False)
@click.option("--value", type=float, help="A number, such as 1 or -0.5.")
@click.option("--note", "text", metavar="TEXT", help="Why, in words.")
@click.option(
    "--from",
    "source",
    type=click.Path(),
    metavar="FILE",
    help="Take many from FILE, one object a line; `-` is stdin.",
)
@json_option
@config_option
def feedback(
    interaction: str | None,
    label: str | None,
    *,
    value: float | None,
    text: str | None,
    source: str | None,
    as_json: bool,
    config_file: Path | None,
) -> None:
    """Add a label such as `good` or `bad` to a call; `show`, `sql` and the export `router` have it.

    ID is the call's id, the beginning of it that no other has, or `latest`. A label that is a profile's name says
    where the call belonged; any other word will do, but `arawn route` learns nothing from it.

    A line of FILE is `{"id": "…", "label": "good"}`, with `value` and `note` if there are any. If one cannot be
    taken, none is. With `--json`, each is printed as one line of JSON.

    The judgement goes into the log that `list` reads: through the daemon, if that is who writes it.
    """
    if source is None:
        if interaction is None or label is None:
            raise click.UsageError("give the ID of a call and a LABEL such as `good`, or `--from FILE`")
        said = [given(interaction, label, value=value, note=text)]
    elif any(part is not None for part in (interaction, label, value, text)):
        raise click.UsageError("`--from FILE` has ids, labels, values and notes in its lines; give no others")
    else:
        said = [_given_in(line, place) for place, line in lines_of(source)]
    loaded = load(config_file=config_file, environ=os.environ, cwd=Path.cwd())
    _warn_of_misspelt(said, loaded.config)
    written = run_async(partial(_give, loaded, config_file, said)) if said else []
    shown = [{name: getattr(line, name) for name in _SHOWN} for line in written]
    if not as_json:
        one = f"`{written[0].label}` is noted for {written[0].interaction_id}" if len(written) == 1 else None
        note(one or f"{counted(len(written), 'judgement')} noted")
    else:
        for line in shown:
            print_json_line(msgspec.json.encode(line))


def _warn_of_misspelt(said: Iterable[Given], config: Config) -> None:
    """Name the labels that look like a profile's name, or a word that `arawn route` knows, and are none."""
    known = [*config.profiles, "good", "bad"]
    for label in dict.fromkeys(one.judgement.label for one in said):
        meant = "" if label in known or label.lower() in known[-2:] else suggestion(label, known)
        if meant:
            warn_of(
                f"arawn: warning: the label `{label}` is no profile, so `arawn route` learns nothing from it{meant}"
            )


async def _give(loaded: Loaded, config_file: Path | None, said: Sequence[Given]) -> list[FeedbackLine]:
    """Have the daemon write it if it writes this log, else write it here: all of it, or nothing."""
    directory = interactions_dir(loaded.config, os.environ)
    async with _writer_of(directory, door_of(loaded)) as (daemon, health):
        if daemon is not None:
            try:
                ids = await trio.to_thread.run_sync(ids_of, directory, said)
            except (NoSuchCall, FileNotFoundError) as error:
                if health.state == "degraded":
                    raise perhaps_unwritten(health) from error
                raise
            return await _send(daemon, ids, said)
    return await trio.to_thread.run_sync(_write, loaded.config, required_log(config_file), said)


@asynccontextmanager
async def _writer_of(directory: Path, door: Door) -> AsyncIterator[tuple[DaemonClient | None, LogHealth]]:
    """Yield the daemon on `door` if it is the one that writes the log in `directory`, and how its log is."""
    owner, may_be_written = _owner(directory, door)
    if not may_be_written:
        yield None, LogHealth()
        return
    from arawn.cli.daemon_client import find_daemon  # slow to load

    async with find_daemon(door) as daemon:
        status = None if daemon is None else await daemon.status()
        if status is not None and (status.log.path == str(directory) if owner is None else status.pid == owner.pid):
            yield daemon, status.log.health
        else:
            yield None, LogHealth()


def _owner(directory: Path, door: Door) -> tuple[Owner | None, bool]:
    """Return who has the log in hand, or had it last, and whether a daemon can be it; the log may be taken from it."""
    owner = read_owner(Filesystem(), directory) if directory.is_dir() else None
    known = owner is not None or not directory.exists()
    return owner, known and (door.socket is None or door.socket.exists())


async def _send(daemon: DaemonClient, ids: Sequence[str], said: Sequence[Given]) -> list[FeedbackLine]:
    """Have the daemon write them one by one; when it fails in between, say how many it has written."""
    from arawn.cli.daemon_bodies import decoded

    written: list[FeedbackLine] = []
    try:
        for identity, one in zip(ids, said, strict=True):
            reply = await daemon.call("POST", f"/interactions/{quote(identity, safe='')}/feedback", one.judgement)
            written.append(decoded(reply, FeedbackLine))
    except ArawnError:
        if written:
            warn_of(f"arawn: {len(written)} of {counted(len(said), 'judgement')} noted before the daemon failed")
        raise
    return written


def _write(config: Config, directory: Path, said: Sequence[Given]) -> list[FeedbackLine]:
    from arawn.backends.secret_values import proxy_passwords, secret_values
    from arawn.config.hidden import tool_secrets

    log, of_tools = config.logging.interactions, tool_secrets(config.tools.values(), os.environ)
    secrets = (*secret_values(config.profiles, os.environ), *of_tools, *proxy_passwords(os.environ))
    at = datetime.now(UTC)
    lines = [
        judgement_line(identity, one.judgement, at=at, config=log, secrets=secrets)
        for identity, one in zip(ids_of(directory, said), said, strict=True)
    ]
    append_feedback(directory, lines, log)
    return lines


def ids_of(directory: Path, said: Sequence[Given]) -> list[str]:
    """Return the whole id of each call.

    Raises:
        NoSuchCall: One is not in the log.
        BadInput: The beginning of one is that of several.
        OSError: The log cannot be read.
    """
    reader = LogReader(directory, on_damage=lambda _: None)
    whole = whole_ids(reader, {one.id.lower() for one in said}) if len(said) > 1 else {}
    for one in said:
        try:
            if one.id.lower() not in whole:
                whole[one.id.lower()] = reader.named(one.id).head.id
        except BadInput as error:
            raise type(error)(f"{one.place}{error}") from error
    return [whole[one.id.lower()] for one in said]


def whole_ids(reader: LogReader, wanted: Collection[str]) -> dict[str, str]:
    """Return the id that each of `wanted` is, or alone begins, in one pass; not of those that none or several have.

    Raises:
        OSError: The log cannot be read.
    """
    lengths = set(filter(None, map(len, wanted)))
    whole: dict[str, str] = {}
    several: set[str] = set()
    for _, _, head in reader.lines(Filters()):
        if isinstance(head, InteractionHead):
            for beginning in {head.id[:length] for length in lengths}.intersection(wanted):
                if whole.setdefault(beginning, head.id) != head.id:
                    several.add(beginning)
                if beginning == head.id:
                    whole[beginning] = beginning
    return {beginning: one for beginning, one in whole.items() if beginning not in several or beginning == one}


class Given(msgspec.Struct, frozen=True):
    """What is said of one call: its id, the beginning of one or `latest`; `place` names its line, if it has one."""

    id: str
    judgement: Judgement
    place: str = ""


class _Line(Judgement, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of a file: a judgement, and the call that it is of."""

    id: str


def given(interaction: str, label: str, *, value: float | None, note: str | None) -> Given:
    """Return what the command line says.

    Raises:
        BadInput: It cannot be written as it is.
    """
    if value is not None and not math.isfinite(value):
        raise BadInput(f"a value must be a finite number, not {value}")
    if not label:
        raise BadInput("the label is empty; give a word such as `good` or `bad`")
    try:
        return Given(interaction, msgspec.convert({"label": label, "value": value, "note": note}, Judgement))
    except msgspec.ValidationError as error:
        raise BadInput(f"the feedback does not fit: {error}") from error


def _given_in(line: bytes, place: str) -> Given:
    """Return what a line of a file says.

    Raises:
        BadInput: It is none of `{"id": …, "label": …}`, with `value` and `note` if they are given.
    """
    try:
        read = msgspec.json.decode(line, type=_Line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        shape = '`{"id": "…", "label": "good", "value": 1, "note": "why"}`, of which value and note may be missing'
        raise BadInput(f"{place}: {error}; a line must be {shape}") from error
    return Given(read.id, Judgement(read.label, read.value, read.note), f"{place}: ")
