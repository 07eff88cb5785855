"""`arawn interactions show`: everything about one call, or what changed since the call before it."""

from __future__ import annotations

import errno
import operator
import sys
from collections.abc import Iterator
from datetime import tzinfo
from itertools import chain, dropwhile
from pathlib import Path

import click
import msgspec

from arawn.cli.log_filters import fields_option
from arawn.cli.log_reading import Reader, required_log, warn
from arawn.cli.options import config_option, json_option
from arawn.cli.output import emphasised, print_json, print_made, print_table, say, say_text
from arawn.cli.record_diff import diff_lines
from arawn.cli.record_page import feedback_lines, record_lines, request_lines, response_lines
from arawn.cli.record_view import chosen_cells, chosen_values
from arawn.cli.terminal_text import json_shown, line_shown
from arawn.errors import BadInput
from arawn.interactions.fields import parse_fields
from arawn.interactions.filters import Filters
from arawn.interactions.heads import UNREADABLE
from arawn.interactions.reader import Entry, LogReader
from arawn.interactions.record import InteractionRecord
from arawn.interactions.zones import zone_of

__all__ = ["show"]

_PIECE = 1 << 20
_REPAIR = "`arawn interactions repair` sets it aside"
_REQUEST = ("id", "model_requested", "params", "system_prompt", "tools", "messages")
_RESPONSE = (
    "id",
    "status",
    "model_used",
    "stop_reason",
    "stop_reason_raw",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "total_input_tokens",
    "error",
    "tool_calls",
    "response_content",
)


@click.command(cls=Reader)
@click.argument("interaction", metavar="ID")
@click.option("--request", is_flag=True, help="Only what was sent.")
@click.option("--response", is_flag=True, help="Only what came back.")
@click.option("--diff-prev", is_flag=True, help="What was sent otherwise than in the call before.")
@click.option("--tz", metavar="ZONE", help="Time zone to show times in; local if none.")
@fields_option
@json_option
@config_option
def show(
    *,
    interaction: str,
    request: bool,
    response: bool,
    diff_prev: bool,
    tz: str | None,
    fields: str | None,
    as_json: bool,
    config_file: Path | None,
) -> None:
    """Print everything about one call: settings, conversation, tool calls, answer, timings, tokens, error, feedback.

    ID is its id, the beginning of it that no other has, or `latest`. The call before is the one of the same session,
    or of the same workstream where there is no session.
    """
    paths = parse_fields(fields, more=("feedback",)) if fields is not None else ()
    parts = {"request": request, "response": response, "diff-prev": diff_prev}
    part = _only_one(["fields"] * bool(paths) + [name for name, is_asked in parts.items() if is_asked])
    if as_json and part == "diff-prev":
        raise BadInput("`--diff-prev` is for people; compare `--request --json` of both calls instead")
    zone = zone_of(tz)
    reader = LogReader(required_log(config_file), on_damage=warn)
    entry = reader.named(interaction)
    if paths:
        _show_fields(reader, entry, paths, zone, as_json=as_json)
        return
    judged = reader.feedback_of(entry) if part is None else []  # before the bodies, which can be large, are in memory
    if as_json:
        values = _part_of(entry, part)
        if part is None:
            values["feedback"] = msgspec.Raw(msgspec.json.encode(judged))
        _print_object(values)
        return
    record = _record_of(entry)
    try:
        for line in dropwhile(operator.not_, chain(_lines(reader, record, part, zone), feedback_lines(judged, zone))):
            _print_line(line)
    except msgspec.ValidationError as error:  # a block that is JSON, and none that this version knows
        raise _unreadable(entry, f"has what cannot be shown: {error}; {_way_out(entry)}") from error


def _only_one(asked: list[str]) -> str | None:
    if asked[1:]:
        raise BadInput(f"give `--{asked[0]}` or `--{asked[1]}`, not both")
    return asked[0] if asked else None


def _show_fields(reader: LogReader, entry: Entry, paths: tuple[str, ...], zone: tzinfo, *, as_json: bool) -> None:
    asks_feedback = any(path.partition(".")[0] == "feedback" for path in paths)
    feedback = msgspec.to_builtins(reader.feedback_of(entry)) if asks_feedback else []
    if as_json:
        print_json(chosen_values(entry, paths, feedback=feedback))
    else:
        cells = chosen_cells(entry, paths, zone, feedback=feedback)
        print_table(("field", "value"), list(zip(paths, cells, strict=True)))


def _print_line(line: str) -> None:
    """Print a line; a text as long as a record goes out in pieces, since what prints it makes copies."""
    if len(line) <= _PIECE:
        print_made(_styled(line_shown(line, sys.stdout)))
        return
    for start in range(0, len(line), _PIECE):
        print_made(line_shown(line[start : start + _PIECE], sys.stdout), nl=False)
    say()


def _print_object(values: dict[str, msgspec.Raw]) -> None:
    """Print one JSON document, made for reading, key by key: the value of one can be large."""
    separator = "{\n"
    for key, value in values.items():
        say_text(f'{separator}  "{key}": ', nl=False)
        _print_indented(msgspec.json.format(value, indent=2))
        separator = ",\n"
    say_text("\n}")


def _print_indented(text: bytes) -> None:
    shown = json_shown(text)
    for start in range(0, len(shown), _PIECE):
        print_made(shown[start : start + _PIECE].replace(b"\n", b"\n  "), nl=False)


def _part_of(entry: Entry, part: str | None) -> dict[str, msgspec.Raw]:
    values = _values_of(entry)
    if part is None:
        return values
    return {key: values[key] for key in (_REQUEST if part == "request" else _RESPONSE) if key in values}


def _lines(reader: LogReader, record: InteractionRecord, part: str | None, zone: tzinfo) -> Iterator[str]:
    if part == "request":
        return request_lines(record)
    if part == "response":
        return response_lines(record)
    return diff_lines(_previous(reader, record), record, zone) if part == "diff-prev" else record_lines(record, zone)


def _previous(reader: LogReader, record: InteractionRecord) -> InteractionRecord:
    """Return the last call before this one in its conversation; another attempt is the same call.

    Raises:
        BadInput: There is none.
    """
    if record.session_id is None and record.workstream is None:
        raise BadInput(f"`{record.id}` belongs to no session and no workstream: there is no call before it")
    earlier = Filters(
        end=record.timestamp,
        session=record.session_id,
        workstream=record.workstream if record.session_id is None else None,
    )
    for entry in reader.newest_first(earlier):
        if entry.head.call_id != record.call_id:
            return _record_of(entry)
    raise BadInput(f"`{record.id}` is the first call of its conversation in the log")


def _record_of(entry: Entry) -> InteractionRecord:
    try:
        return entry.record()
    except UNREADABLE as error:
        _values_of(entry)  # where not even the keys can be told apart, that is said
        raise _unreadable(entry, f"is damaged: {error}; {_way_out(entry)}, {_REPAIR}") from error


def _values_of(entry: Entry) -> dict[str, msgspec.Raw]:
    try:
        return entry.json_values()
    except UNREADABLE as error:
        raise _unreadable(entry, f"is damaged: {error}; {_REPAIR}") from error


def _unreadable(entry: Entry, why: str) -> OSError:
    return OSError(errno.EBADMSG, f"interaction {entry.head.id} {why}", str(entry.path))


def _way_out(entry: Entry) -> str:
    return f"`arawn interactions show {entry.head.id} --json` prints what is there"


def _styled(line: str) -> str:
    is_title = line.endswith(":") and not line.startswith((" ", "+", "-"))
    return emphasised(line) if is_title else line
