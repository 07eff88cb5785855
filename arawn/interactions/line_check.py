"""What a whole line of the log must be, to the byte where the format says so, and where it may stand. Pure.

Checked: one newline at its end, UTF-8, JSON, a known kind and version, every key in its place and no byte between them,
a type for each known value, a number, a timestamp as the log writes it. Only a key that has a default may be lacking:
an older Arawn, which did not know it, wrote none. A flipped bit inside a text, a digit or a
body that leaves all this true cannot be seen in the line alone: only the SHA-256 in a sealed file's manifest shows it.

A line that a newer Arawn wrote is no damage: JSON of a later version, of a kind that is unknown here, or with keys
besides those of its kind. What this one cannot read in any other way, the newer one marks by a later version.
"""

from __future__ import annotations

import re

import msgspec

from arawn.interactions.counted import counted
from arawn.interactions.files import DayFile, parse_name
from arawn.interactions.heads import UNREADABLE, decode_line
from arawn.interactions.line_numbers import SeenLines
from arawn.interactions.record import (
    FeedbackLine,
    GapLine,
    InteractionRecord,
    LogLine,
    MarkLine,
    ToolResultLine,
)

__all__ = ["MOVED", "CheckedLine", "NewerLine", "Placing", "check_line", "newer_line"]

MOVED = "moved"

_VERSION = 1
_KINDS: tuple[type[msgspec.Struct], ...] = (InteractionRecord, ToolResultLine, FeedbackLine, GapLine, MarkLine)
_KEYS = {kind.__struct_config__.tag: ("kind", *kind.__struct_encode_fields__) for kind in _KINDS}
_ALWAYS = {"v", "writer", "seq"}  # filled in where a line is written, by every version
_NEEDED = {
    kind.__struct_config__.tag: _ALWAYS
    | {field.encode_name for field in msgspec.structs.fields(kind) if field.required}
    for kind in _KINDS
}
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)

_fields: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])


class CheckedLine(msgspec.Struct, frozen=True):
    """A whole line and its place in its writer's numbers."""

    line: LogLine
    writer: str
    seq: int


class NewerLine(msgspec.Struct, frozen=True):
    """A line that a newer Arawn wrote: how that shows, its kind, and its number, None where that cannot be read."""

    why: str
    kind: str
    writer: str | None
    seq: int | None


def check_line(data: bytes) -> CheckedLine | NewerLine | str:
    """Return what the line says, or that it is of a newer Arawn, or, in a few words, why it is not whole."""
    if not data.endswith(b"\n"):
        return "the line has no end"
    if not data.strip():
        return "it is empty"
    try:
        line = decode_line(data)
        misfit = _misfit(line, data)
    except UNREADABLE as error:
        return newer_line(data) or _why_not(data, error)
    if misfit is not None or line.writer is None or line.seq is None:
        return newer_line(data) or misfit or "it has no number"
    return CheckedLine(line, line.writer, line.seq)


def newer_line(data: bytes) -> NewerLine | None:
    """Return what shows that a newer Arawn wrote a line; None if nothing does."""
    try:
        fields = _fields.decode(data)
        kind, version = (msgspec.json.decode(fields[key]) for key in ("kind", "v"))
    except (KeyError, *UNREADABLE):
        return None
    if type(kind) is not str or type(version) is not int or not data.endswith(b"\n"):
        return None
    why = _what_is_newer(kind, version, tuple(fields))
    is_spliced = version == _VERSION and _compact_size(fields) != len(data)  # a key stands there twice, or spaces do
    return None if why is None or is_spliced else NewerLine(why, kind, *_number(fields))


def _what_is_newer(kind: str, version: int, keys: tuple[str, ...]) -> str | None:
    if version != _VERSION:
        return f"version {version}" if version > _VERSION else None
    if kind not in _KEYS:
        return None if any(_is_one_bit_off(kind, str(known)) for known in _KEYS) else f"kind `{kind[:40]}`"
    added = [key for key in keys if key not in _KEYS[kind]]
    if not added or tuple(key for key in keys if key in _KEYS[kind]) != _KEYS[kind]:
        return None
    return f"key `{added[0][:40]}`"


def _compact_size(fields: dict[str, msgspec.Raw]) -> int:
    """Return how long a line with these keys is, each there once, and no byte between them."""
    names = "".join(fields).encode()
    return (
        len("{}\n")
        - 1
        + len(names)
        + len('"":,') * len(fields)
        + sum([len(memoryview(raw)) for raw in fields.values()])
    )


def _is_one_bit_off(text: str, known: str) -> bool:
    """Say whether `text` is `known` with one bit flipped, as damage does."""
    pairs = zip(text.encode(), known.encode(), strict=False)
    return len(text) == len(known) and sum((one ^ other).bit_count() for one, other in pairs) == 1


def _number(fields: dict[str, msgspec.Raw]) -> tuple[str | None, int | None]:
    try:
        writer, seq = (msgspec.json.decode(fields[key]) for key in ("writer", "seq"))
    except (KeyError, *UNREADABLE):
        return None, None
    return (writer, seq) if type(writer) is str and type(seq) is int and seq > 0 else (None, None)


def _misfit(line: LogLine, data: bytes) -> str | None:
    """Return what is wrong with a line that decodes."""
    if line.v != _VERSION:
        return f"it is of version {line.v}, and the first one is {_VERSION}"
    fields = _fields.decode(data)
    if not _are_of_kind(line.__struct_config__.tag, tuple(fields)):
        return "its keys are not those of its kind, in their order"
    if _compact_size(fields) != len(data):
        return "there are bytes between its keys and values"
    if line.seq is not None and line.seq < 1:
        return f"its number is {line.seq}, and numbers begin at 1"
    return None if _TIMESTAMP.fullmatch(line.timestamp) else f"`{line.timestamp[:40]}` is no timestamp"


def _are_of_kind(kind: str | int | None, keys: tuple[str, ...]) -> bool:
    """Say whether a line of `kind` with these keys is one that this Arawn writes, or an older one wrote."""
    known = _KEYS[kind]
    return keys == known or (keys == tuple(key for key in known if key in keys) and _NEEDED[kind] <= set(keys))


def _why_not(data: bytes, error: Exception) -> str:
    nul = data.count(b"\0")
    if nul:
        return f"{nul:,} of its {counted(len(data), 'byte')} {'is' if nul == 1 else 'are'} NUL"
    return f"it cannot be read: {str(error).splitlines()[0][:200]}"


class Placing:
    """Takes the whole lines of one part in their order: none is of a later day than the part, and none stands twice.

    Lines that `repair` moved here from a file of a day that was still to come stand behind a mark that names that file:
    a clock that was ahead has dated some of them up to that day.
    """

    def __init__(self, file: DayFile) -> None:
        self._latest = file.day
        self._seen = SeenLines()

    def misfit(self, checked: CheckedLine) -> str | None:
        """Return why a line should not stand where it does; note it."""
        self._latest = max(self._latest, _moved_from(checked))
        if checked.line.timestamp[:10] > self._latest:
            return f"it is of {checked.line.timestamp[:10]}, a later day than its file's"
        if not self._seen.is_new(checked.writer, checked.seq):
            return f"number {checked.seq} of writer {checked.writer} stands in this file already"
        return None


def _moved_from(checked: CheckedLine) -> str:
    line = checked.line
    name = line.detail.get(MOVED) if isinstance(line, MarkLine) and line.event == "repair" else None
    file = parse_name(name) if isinstance(name, str) else None
    return "" if file is None else file.day
