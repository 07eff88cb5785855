"""Removes interactions so that no byte of them remains: lines, tool results, feedback, copies, damaged pieces.

A later call of the same conversation holds the earlier messages again, in its own record: to remove what was said,
remove the conversation.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from arawn.config.schema import InteractionLogConfig
from arawn.errors import BadInput, LogWriteFailed
from arawn.interactions.counted import counted
from arawn.interactions.directory import require_directory
from arawn.interactions.files import day_files, kind_of_name, parse_name, part_of_name
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.filters import Filters, matches
from arawn.interactions.heads import UNREADABLE, Head, decode_line, head_or_none
from arawn.interactions.line_check import newer_line
from arawn.interactions.line_numbers import NumberRange, ranges_of
from arawn.interactions.mending import Mending, open_mending
from arawn.interactions.opening import now_utc
from arawn.interactions.raw_lines import DamagedFile, lines_and_damage, readable_lines
from arawn.interactions.record import FeedbackLine, InteractionHead, ToolResultLine
from arawn.interactions.removal_marks import Marks, marks_of, texts_of
from arawn.interactions.twins import proof, twins
from arawn.owners import way_in

__all__ = ["Removal", "Target", "plan_removal", "remove"]


class Target(msgspec.Struct, frozen=True):
    """What shall go: these ids, and everything that `wanted` matches if it is given."""

    ids: frozenset[str] = frozenset()
    wanted: Filters | None = None


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """What goes, or has gone.

    Attributes:
        ids: The interactions.
        lines, size: All lines that go, and their bytes, damaged pieces included.
        pieces: Damaged pieces in the files concerned; nobody can tell whether they belong to what goes, so they go.
        files: The files that are rewritten or removed.
        numbers: The numbers that no line will have any more.
        newer: Lines of its days that only a newer Arawn can read, and that name nothing of what goes: they stay.
    """

    ids: frozenset[str]
    lines: int
    size: int
    pieces: int
    files: tuple[str, ...]
    numbers: tuple[NumberRange, ...]
    newer: int = 0


class _Survey(msgspec.Struct):
    """What one file holds of it."""

    name: str
    lines: int = 0
    size: int = 0
    pieces: int = 0
    named: bool = False  # a damaged piece names one of the ids, or cannot be read and is of their days
    numbers: list[tuple[str, int]] = []
    newer: int = 0


def plan_removal(directory: Path, target: Target) -> Removal:
    """Return what `remove` would remove. Changes nothing and takes no lock.

    Raises:
        BadInput: There is nothing of the kind.
        LackingTwin: A plain part lacks what its compressed form holds.
        LogWriteFailed: `directory` is a symbolic link, in which `remove` would do nothing.
        OSError: A file cannot be read.
    """
    require_directory(Filesystem(), directory)
    for file in twins(path.name for path in directory.iterdir() if _may_hold(path)):
        for _ in proof(Filesystem(), directory, file):
            pass
    ids = target.ids
    if target.wanted is not None:
        ids |= frozenset(_matching(directory, target.wanted))
    marks = _marks(target, ids)
    surveys = [_survey(path, marks) for path in sorted(directory.iterdir()) if _may_hold(path)]
    concerned = {part_of_name(survey.name) for survey in surveys if survey.lines or survey.named}
    newer = sum(survey.newer for survey in surveys if marks.may_stand_in(part_of_name(survey.name)))
    if not concerned:
        pieces = [f"`{survey.name}`" for survey in surveys if survey.pieces]
        unread = [f"{counted(newer, 'line')} that only a newer Arawn can read"] if newer else []
        unread += [f"what nobody can read in {', '.join(pieces)}"] if pieces else []
        may = f", but {' and '.join(unread)} may be" if unread else ""
        raise BadInput(
            f"nothing in the interaction log is what you asked to remove{may}; `interactions list` shows all"
        )
    chosen = [survey for survey in surveys if part_of_name(survey.name) in concerned]
    return Removal(
        ids=ids,
        lines=sum(survey.lines for survey in chosen),
        size=sum(survey.size for survey in chosen),
        pieces=sum(survey.pieces for survey in chosen),
        files=tuple(survey.name for survey in chosen if survey.lines or survey.pieces),
        numbers=tuple(ranges_of(number for survey in chosen for number in survey.numbers)),
        newer=newer,
    )


def _marks(target: Target, ids: Iterable[str]) -> Marks:
    """Return by what is known what goes: not by days alone where nothing is of a name, which may be a wrong one."""
    marks, wanted = marks_of(target.ids, target.wanted, ids), target.wanted
    if ids or wanted is None or wanted == Filters(start=wanted.start, end=wanted.end):
        return marks
    return msgspec.structs.replace(marks, days=())


def remove(
    directory: Path,
    config: InteractionLogConfig,
    target: Target,
    *,
    filesystem: Filesystem | None = None,
    clock: Callable[[], datetime] = now_utc,
) -> Removal:
    """Remove what `target` names from every file, and say in the log how many lines went, never what they were.

    The directory is there. A crash leaves each file as it was or without it; the same call again ends the work.

    Raises:
        BadInput: There is nothing of the kind.
        LogWriteFailed: Somebody is writing there, or nothing can be written; or a file cannot be replaced: the message
            says what was removed by then, and the same call again ends the work.
        OSError: A file cannot be read.
    """
    with open_mending(directory, config, filesystem=filesystem or Filesystem(), clock=clock) as mending:
        removal = plan_removal(directory, target)
        detail = {"interactions": len(removal.ids), "lines": removal.lines, "bytes": removal.size}
        mending.declare("removal", {**detail, "missing": removal.numbers})  # first: no number is missing without a word
        with mending.files_released():
            marks = _marks(target, removal.ids)
            mending.remove(*(path for path in directory.iterdir() if kind_of_name(path.name) == "unfinished"))
            names = sorted(removal.files, key=lambda name: not _is_opaque(directory / name))  # copies first
            for number, name in enumerate(names):
                try:
                    _rewrite(mending, name, marks)
                except OSError as error:
                    raise _stopped(directory / name, names[:number], error) from error
    return removal


def _stopped(path: Path, done: Sequence[str], error: OSError) -> LogWriteFailed:
    removed = f"removed from {', '.join(f'`{name}`' for name in done)} alone" if done else "nothing was removed"
    return LogWriteFailed(
        f"cannot write `{path}` anew without what is to be removed: {error.strerror or error}; {removed}; "
        f"{_right(path, error)}, then run this command again"
    )


def _right(path: Path, error: OSError) -> str:
    """Return what lets a second file be made beside the one at `path`, where that failed."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "a file needs room for a second one beside it: make room"
    if error.errno in (errno.EACCES, errno.EPERM):
        return way_in(path) or f"have this user allowed to make files in `{path.parent}`"
    return "make the file system writable" if error.errno == errno.EROFS else "check the disk"


def _matching(directory: Path, wanted: Filters) -> Iterator[str]:
    for file in day_files(path.name for path in directory.iterdir() if _may_hold(path)):
        for _, line in readable_lines(directory / file.name):
            if isinstance(head := head_or_none(line), InteractionHead) and matches(head, wanted):
                yield head.id


def _may_hold(path: Path) -> bool:
    return kind_of_name(path.name) in ("part", "torn", "damaged") and path.is_file() and not path.is_symlink()


def _survey(path: Path, marks: Marks) -> _Survey:
    """Count what a file holds of what goes."""
    survey = _Survey(path.name)
    if _is_opaque(path):
        survey.pieces, survey.size = 1, path.stat().st_size
        survey.named = any(_tells(text, path, marks) for text in texts_of(path))
        return survey
    for item in lines_and_damage(path):
        if isinstance(item, DamagedFile):
            survey.pieces += 1
            survey.named = survey.named or _tells(None, path, marks)
            continue
        line = item[1]
        verdict = _verdict(line, marks)
        if verdict == "piece":
            survey.pieces += 1
            survey.size += len(line)
            survey.named = survey.named or marks.are_named(line)
        elif verdict == "newer":
            survey.newer += 1
        elif verdict is not None:
            survey.lines += 1
            survey.size += len(line)
            if verdict.writer is not None and verdict.seq is not None:
                survey.numbers.append((verdict.writer, verdict.seq))
    return survey


def _verdict(line: bytes, marks: Marks) -> Head | Literal["piece", "newer"] | None:
    """Return the head of a line that goes, "piece" for what no reader can read, None or "newer" for what stays.

    A line whose head can be read is a call that readers show, and stays, whatever `verify` says of it; but not one
    with damaged bodies, spliced perhaps, that names what goes. What only a newer Arawn can read goes if it names that.
    """
    head = head_or_none(line)
    if head is None:
        return "piece" if newer_line(line) is None or marks.are_named(line) else "newer"
    if not line.endswith(b"\n"):
        return "piece"
    if (about := _about(head)) is not None and about.encode() in marks.ids:
        return head
    return "piece" if marks.stand_in(line) and not _is_whole(line) else None


def _about(head: Head) -> str | None:
    if isinstance(head, InteractionHead):
        return head.id
    return head.interaction_id if isinstance(head, ToolResultLine | FeedbackLine) else None


def _is_whole(line: bytes) -> bool:
    try:
        decode_line(line)
    except UNREADABLE:
        return False
    return True


def _tells(text: bytes | None, path: Path, marks: Marks) -> bool:
    """Say whether a stretch of a file holds what goes, or, when it cannot be decoded, may hold it."""
    return marks.may_stand_in(part_of_name(path.name)) if text is None else marks.stand_in(text)


def _is_opaque(path: Path) -> bool:
    """Say whether a file is compressed and not the one that readers read: it goes as a whole, or stays."""
    if ".jsonl.zst" not in path.name:
        return False
    file = parse_name(path.name)
    return file is None or path.with_name(file.plain.name).exists()


def _rewrite(mending: Mending, name: str, marks: Marks) -> None:
    path = mending.directory / name
    file = parse_name(name)
    if _is_opaque(path):
        mending.remove(path)
    elif file is not None and file.compressed:
        mending.seal(file, _kept(path, marks))
    elif file is not None or any(_kept(path, marks)):
        mending.replace(path, _kept(path, marks))
    else:
        mending.remove(path)


def _kept(path: Path, marks: Marks) -> Iterator[bytes]:
    """Yield the whole lines that stay."""
    return (line for _, line in readable_lines(path) if _verdict(line, marks) in (None, "newer"))
