"""Mends a log directory: damaged bytes go aside, whole lines stay, losses are declared, manifests made anew."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from datetime import date, datetime
from functools import partial
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import TypeVar

import msgspec

from arawn.config.schema import InteractionLogConfig
from arawn.errors import LogWriteFailed
from arawn.interactions.files import DayFile, aside_name, kind_of_name
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.findings import Report
from arawn.interactions.heads import UNREADABLE, decode_head
from arawn.interactions.line_numbers import Missing, SeenLines
from arawn.interactions.manifest import SealMeasure, manifest_name, write_manifest
from arawn.interactions.mending import Mending, open_mending, stretch
from arawn.interactions.move_ahead import MovedFile, movable, move_ahead
from arawn.interactions.opening import now_utc
from arawn.interactions.raw_lines import forward_lines
from arawn.interactions.sort_out import sort_out
from arawn.interactions.to_mend import ToMend, to_mend
from arawn.interactions.verify import check_directory

__all__ = ["MendedFile", "Repaired", "repair", "would_mend"]

_DECLARED = ("lost", "gone")

T = TypeVar("T", str, DayFile)
D = TypeVar("D")


class MendedFile(msgspec.Struct, frozen=True):
    """One file: the lines that stayed, and the bytes set aside and where they are now.

    Of a compressed file, all of its bytes are set aside. `kept_in` is None in a dry run, and where nothing is damaged.
    """

    file: str
    kept_lines: int
    damaged_bytes: int
    kept_in: str | None


class Repaired(msgspec.Struct, frozen=True, kw_only=True):
    """What was done.

    `moved` are files of days to come, `torn` tails set aside, `manifests` those made anew, `orphans` those whose file
    is gone, `modes` what others could reach, `lost` numbers and `gone` files declared lost, `left` what stays wrong.
    `unwritten` are records that the writer before never wrote, declared lost, too.
    """

    files: tuple[MendedFile, ...]
    torn: tuple[str, ...]
    manifests: tuple[str, ...]
    orphans: tuple[str, ...]
    modes: tuple[str, ...]
    lost: tuple[Missing, ...]
    gone: tuple[str, ...]
    left: tuple[str, ...]
    moved: tuple[MovedFile, ...]
    unwritten: int


def repair(
    directory: Path,
    config: InteractionLogConfig,
    *,
    today: date | None = None,
    filesystem: Filesystem | None = None,
    clock: Callable[[], datetime] = now_utc,
) -> Repaired:
    """Mend what `check_directory` finds in `directory`, which is there; nothing is thrown away.

    What cannot be mended is named in `left`, and does not keep the rest from it.

    `today` is the UTC day, from somebody who knows it: files of days to come are moved. Without it they stay.

    Raises:
        LogWriteFailed: Somebody is writing there, or nothing can be written.
        OSError: The directory cannot be read, or what was written there cannot be gone on with.
    """
    before = set(_torn(directory))
    with open_mending(directory, config, filesystem=filesystem or Filesystem(), clock=clock) as mending:
        found = check_directory(directory)
        proven = [gap for gap in found.missing if not gap.place.line]
        if proven:  # first: a crash later on finds the manifests set aside, which prove it
            mending.declare("repair", _detail([], proven))
        work, failed = to_mend(directory, found), dict[str, str]()
        with mending.files_released():
            modes = _each(partial(_narrow, mending), work.open_to_others, failed)
            files, manifests = _mend_files(mending, found, work, failed)
            set_aside = _each(partial(_set_aside, mending), work.orphans, failed)
            mending.filesystem.fsync_directory(directory)
            moved = [] if today is None else _moved(mending, today, failed)
        after = check_directory(directory)
        missing = after.missing if not failed else ()  # what is not mended may hold it still
        gone = tuple(problem.file for problem in after.problems if problem.kind == "gone" and not failed)
        if files or missing or gone:
            mending.declare("repair", {**_detail(files, missing), "gone": gone})
    return Repaired(
        files=tuple(files),
        torn=tuple(sorted(set(_torn(directory)) - before)),
        manifests=tuple(manifests),
        orphans=tuple(set_aside),
        modes=(*mending.narrowed, *modes),
        lost=(*proven, *missing),
        gone=gone,
        left=(*failed.values(), *_left(after, failed)),
        moved=tuple(moved),
        unwritten=mending.unwritten,
    )


def _moved(mending: Mending, today: date, failed: dict[str, str]) -> list[MovedFile]:
    """Move the files of days to come; where something could not be mended, none."""
    return [] if failed else _each(partial(move_ahead, mending, today), movable(mending.directory, today), failed)


def _mend_files(
    mending: Mending, found: Report, work: ToMend, failed: dict[str, str]
) -> tuple[list[MendedFile], list[str]]:
    """Return what was done to parts, and the manifests that were made anew."""
    files = _each(partial(_joined, mending, found), work.lacking, failed)
    files += _each(partial(_mend, mending), work.damaged, failed)
    return files, _each(partial(_describe, mending), work.undescribed, failed)


def _left(after: Report, failed: Container[str]) -> Iterator[str]:
    """Yield what is wrong still, and was not named as what could not be mended."""
    declared = () if failed or any(problem.kind == "unreadable" for problem in after.problems) else _DECLARED
    for problem in after.problems:
        if problem.file not in failed and problem.kind not in declared:
            yield str(problem)


def _each(work: Callable[[T], D], things: Iterable[T], failed: dict[str, str]) -> list[D]:
    """Return what `work` makes of each thing; where the system refuses it, say so in `failed` and go on."""
    done = []
    for thing in things:
        try:
            done.append(work(thing))
        except (OSError, LogWriteFailed) as error:
            name = thing.name if isinstance(thing, DayFile) else thing
            failed[name] = f"{name}: cannot be mended: {getattr(error, 'strerror', None) or error}"
    return done


def would_mend(directory: Path, work: ToMend) -> list[MendedFile]:
    """Return what `repair` would do to damaged files. Changes nothing."""
    return [_measured(directory / file.name, file) for file in work.lacking + work.damaged]


def _mend(mending: Mending, file: DayFile) -> MendedFile:
    """Replace a part by its whole lines; what is damaged is on the disk elsewhere before."""
    path = mending.directory / file.name
    aside = _aside(mending, path)
    measured = _measured(path, file)
    if not file.compressed:
        mending.replace(aside, _places(path, file))
        mending.replace(path, _lines(path, file))
    else:
        mending.replace(aside, stretch(path, 0, path.stat().st_size))
        _forget_manifest(mending, file)
        mending.seal(file, _lines(path, file))
    return msgspec.structs.replace(measured, kept_in=aside.name)


def _joined(mending: Mending, found: Report, file: DayFile) -> MendedFile:
    """Make one compressed file of all whole lines of a plain part and of the compressed one beside it."""
    path, sealed = mending.directory / file.name, mending.directory / file.sealed.name
    measured = _measured(path, file)
    aside = _aside(mending, path)
    if measured.damaged_bytes:
        mending.replace(aside, _places(path, file))
    if any(problem.file == sealed.name and problem.kind == "damaged" for problem in found.problems):
        mending.replace(_aside(mending, sealed), stretch(sealed, 0, sealed.stat().st_size))
    _forget_manifest(mending, file)
    mending.seal(file, _each_once(chain(_lines(sealed, file.sealed), _lines(path, file))))
    mending.remove(path)
    return msgspec.structs.replace(measured, kept_in=aside.name if measured.damaged_bytes else None)


def _each_once(lines: Iterable[bytes]) -> Iterator[bytes]:
    seen, unread = SeenLines(), set[bytes]()
    for line in lines:
        try:
            head = decode_head(line)
        except UNREADABLE:  # of a newer Arawn
            if (known := sha256(line).digest()) not in unread:
                unread.add(known)
                yield line
        else:
            if seen.is_new(head.writer, head.seq):
                yield line


def _aside(mending: Mending, path: Path) -> Path:
    """Return where what is damaged of `path` will be."""
    return path.with_name(
        aside_name(path.name, "damaged", mending.clock(), mending.filesystem.names(mending.directory))
    )


def _forget_manifest(mending: Mending, file: DayFile) -> None:
    """Set the manifest of a part aside, if it has one."""
    path = mending.directory / manifest_name(file)
    if path.exists():
        mending.filesystem.rename(path, _aside(mending, path))
    mending.filesystem.fsync_directory(mending.directory)


def _measured(path: Path, file: DayFile) -> MendedFile:
    lines = damaged = 0
    for piece in sort_out(path, file):
        if isinstance(piece, bytes):
            lines += 1
        else:
            damaged += piece[1] - piece[0]
    return MendedFile(file.name, lines, path.stat().st_size if file.compressed else damaged, None)


def _lines(path: Path, file: DayFile) -> Iterator[bytes]:
    return (piece for piece in sort_out(path, file) if isinstance(piece, bytes))


def _places(path: Path, file: DayFile) -> Iterator[bytes]:
    """Yield the bytes of a plain part that go aside, in blocks."""
    for piece in sort_out(path, file):
        if not isinstance(piece, bytes):
            yield from stretch(path, *piece)


def _describe(mending: Mending, file: DayFile) -> str:
    """Make the manifest of a sealed part anew; one that was there goes aside."""
    path = mending.directory / file.name
    measure = SealMeasure()
    for _, line in forward_lines(path):
        measure.add(line)
    manifest = measure.manifest(path, file)
    _forget_manifest(mending, file)
    write_manifest(mending.filesystem, mending.directory, manifest)
    return manifest_name(file)


def _set_aside(mending: Mending, name: str) -> str:
    """Set aside a manifest whose file is gone; what it says of its numbers is in the mark."""
    path = mending.directory / name
    mending.filesystem.rename(path, _aside(mending, path))
    return name


def _narrow(mending: Mending, name: str) -> str:
    path = mending.directory / name
    mending.filesystem.chmod(path, path.stat().st_mode & 0o700)
    return name


def _torn(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if kind_of_name(path.name) == "torn"]


def _detail(files: list[MendedFile], lost: Iterable[Missing]) -> dict[str, object]:
    missing = [(gap.writer, gap.first, gap.last) for gap in lost]
    return {"files": [msgspec.structs.asdict(file) for file in files], "missing": missing}
