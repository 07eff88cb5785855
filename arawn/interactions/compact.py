"""Compresses one closed part: written aside, synced, checked against its source, renamed; only then the source goes."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Generator, Iterable, Iterator
from datetime import date, datetime
from functools import partial
from pathlib import Path

import msgspec

from arawn.errors import LogWriteFailed
from arawn.interactions.files import DayFile, day_files, is_unfinished, unfinished_name
from arawn.interactions.filesystem import Filesystem, is_regular, write_fully
from arawn.interactions.manifest import Manifest, SealMeasure, write_manifest
from arawn.interactions.raw_lines import split_lines
from arawn.interactions.record import MarkLine, timestamp_text
from arawn.interactions.sealed import (
    FRAME_BYTES,
    BadFrame,
    Frame,
    compress_frame,
    load_frame,
    seek_table,
    table,
    whole_reads,
)
from arawn.interactions.twins import proof
from arawn.interactions.whole_file import new_file, opened

__all__ = [
    "Progress",
    "Uncompressed",
    "closed_files",
    "compact_file",
    "compact_files",
    "compaction_mark",
    "remove_unfinished",
    "seal",
]

_BLOCK = 1 << 18
_FULL = (errno.ENOSPC, errno.EDQUOT)
_LINES_A_STEP = 64  # Python's share of a step: about a millisecond
_BYTES_A_STEP = 4 << 20


class Progress(msgspec.Struct, frozen=True):
    """How far one file is. A byte of its text counts twice: written and checked. The last one has the manifest."""

    file: str
    done: int
    total: int
    manifest: Manifest | None = None


class Uncompressed(msgspec.Struct, frozen=True):
    """A part that could not be compressed, and stays as it was."""

    file: str
    cause: OSError | LogWriteFailed

    def __str__(self) -> str:
        return self.why if isinstance(self.cause, LogWriteFailed) else f"cannot compress `{self.file}`: {self.why}"

    @property
    def why(self) -> str:
        """What went wrong, for a person."""
        return getattr(self.cause, "strerror", None) or str(self.cause)

    @property
    def disk_is_full(self) -> bool:
        """Whether the next part would hardly find more room."""
        return isinstance(self.cause, OSError) and self.cause.errno in _FULL


def closed_files(names: Iterable[str], today: date, after_days: int, open_day: str) -> list[DayFile]:
    """Return the plain parts that nothing will be written to any more, oldest first.

    Args:
        names: The names in the log directory.
        today: The present UTC day.
        after_days: How many full days must lie between a part's day and today.
        open_day: The day of the newest file that a writer may have open; it and later ones are not closed.
    """
    return [
        file
        for file in day_files(names)
        if not file.compressed and file.day < open_day and (today - date.fromisoformat(file.day)).days > after_days
    ]


def remove_unfinished(filesystem: Filesystem, directory: Path) -> None:
    """Remove what a compaction left that did not come to its end.

    Raises:
        OSError: Anything that the system refused.
    """
    for name in filter(is_unfinished, filesystem.names(directory)):
        filesystem.unlink(directory / name)


def compact_files(
    filesystem: Filesystem, directory: Path, files: Iterable[DayFile]
) -> Generator[Progress | Uncompressed, None, None]:
    """Compress closed parts one after the other, as `compact_file` does; what fails stays as it is, and is told.

    An `OSError` or `LogWriteFailed` of one of them is not raised: it comes as an `Uncompressed`.
    """
    for file in files:
        try:
            if not is_regular(filesystem, directory / file.name):
                raise OSError(errno.EINVAL, "it is not a regular file")  # noqa: TRY301  # told like all others
            yield from compact_file(filesystem, directory, file)
        except (OSError, LogWriteFailed) as error:
            yield Uncompressed(file.name, error)


def compact_file(
    filesystem: Filesystem, directory: Path, file: DayFile, *, frame_bytes: int = FRAME_BYTES
) -> Generator[Progress, None, None]:
    """Compress one closed part in small steps; the last one has the manifest, and by then the source is gone.

    Whoever takes the steps owns the directory. Closing the iterator early leaves everything as it was before. So does
    an error, but for one after the new file has its name: then both files are there, and the next run ends the work.

    Args:
        filesystem: The operating system, or a simulation of it.
        directory: The log directory.
        file: A plain part that is closed.
        frame_bytes: The longest frame; shorter ones in tests.

    Raises:
        LogWriteFailed: What was written does not read back as what was to be written; or a compressed form is there
            already, and holds what the plain one does not.
        OSError: Anything that the system refused.
    """
    if file.sealed.name in filesystem.names(directory):  # of a run that died, or of somebody who put a file beside it
        for _ in proof(filesystem, directory, file):
            yield Progress(file.name, 0, 1)
    yield from seal(filesystem, directory, file, directory / file.name, frame_bytes=frame_bytes)


def seal(
    filesystem: Filesystem, directory: Path, file: DayFile, text: Path, *, frame_bytes: int = FRAME_BYTES
) -> Generator[Progress, None, None]:
    """Make of the file `text` the compressed form of `file`, in place of one that is there; steps as `compact_file`.

    Raises:
        LogWriteFailed: What was written does not read back as what was to be written.
        OSError: Anything that the system refused.
    """
    compressed = directory / file.sealed.name
    unfinished = compressed.with_name(unfinished_name(compressed.name))
    with (
        opened(filesystem, text, os.O_RDONLY) as source,
        new_file(filesystem, unfinished, os.O_RDWR | os.O_TRUNC) as out,
    ):
        sealing = _Sealing(filesystem, source, out, file)
        yield from sealing.write(frame_bytes)
        filesystem.fdatasync(out)
        yield from sealing.check()
    manifest = sealing.manifest()
    filesystem.rename(unfinished, compressed)
    filesystem.fsync_directory(directory)
    write_manifest(filesystem, directory, manifest)
    filesystem.unlink(text)
    filesystem.fsync_directory(directory)
    yield Progress(file.name, 2 * manifest.bytes, 2 * manifest.bytes, manifest)


def compaction_mark(file: str, manifest: Manifest, at: datetime) -> MarkLine:
    """Return the line that tells the log of a part, `file` before, that was compressed."""
    detail = {
        "file": file,
        "lines": manifest.lines,
        "bytes": manifest.bytes,
        "sha256": manifest.sha256,
        "compressed_bytes": manifest.compressed_bytes,
    }
    return MarkLine(event="compaction", detail=detail, timestamp=timestamp_text(at))


class _Sealing:
    """The two passes over one part: the first writes what it reads, the second reads what was written."""

    def __init__(self, filesystem: Filesystem, source: int, out: int, file: DayFile) -> None:
        self._filesystem = filesystem
        self._source = whole_reads(partial(filesystem.pread, source))
        self._source_size = partial(filesystem.size, source)
        self._out = out
        self._file = file
        self._total = self._source_size()
        self._stored_hash = hashlib.sha256()
        self._stored_size = 0
        self._measure = SealMeasure()

    def write(self, frame_bytes: int) -> Iterator[Progress]:
        """Compress the source, a frame a step."""
        frames: list[Frame] = []
        offset = 0
        while offset < self._total:
            text = self._next_frame(offset, frame_bytes)
            data = compress_frame(text)
            frames.append(Frame(offset, len(text), self._stored_size, len(data)))
            self._append(data)
            offset += len(text)
            del text, data  # while this waits for its next step
            yield self._progress(offset)
        self._append(seek_table(frames))

    def _next_frame(self, offset: int, frame_bytes: int) -> memoryview:
        """Return as many whole lines as go into a frame, or a piece of a longer one."""
        text = self._source(min(frame_bytes, self._total - offset), offset)
        if offset + len(text) == self._total:
            return memoryview(text)
        return memoryview(text)[: text.rfind(b"\n") + 1 or len(text)]

    def _append(self, data: bytes) -> None:
        write_fully(self._filesystem, self._out, data)
        self._stored_hash.update(data)
        self._stored_size += len(data)

    def check(self) -> Iterator[Progress]:
        """Read back what was written, compare it with the source, and count its lines."""
        reported = 0
        for number, (offset, line) in enumerate(split_lines(self._text_read_back(), 0), 1):
            self._measure.add(line)
            if number % _LINES_A_STEP == 0 or offset - reported > _BYTES_A_STEP:
                reported = offset
                yield self._progress(self._total + offset)

    def _text_read_back(self) -> Iterator[bytes]:
        read = whole_reads(partial(self._filesystem.pread, self._out))
        frames = table(read, self._filesystem.size(self._out))
        if frames is None or (frames[-1].end if frames else 0) != self._source_size():
            raise self._failure("its size")
        for frame in frames:
            try:
                text = load_frame(read, frame)
            except BadFrame as bad:
                raise self._failure(str(bad)) from bad
            for begins in range(0, frame.size, _BLOCK):
                block = text[begins : begins + _BLOCK]
                if block != self._source(len(block), frame.offset + begins):
                    raise self._failure(f"its text from byte {frame.offset + begins} on")
                yield block
            del text  # before the next one is loaded

    def manifest(self) -> Manifest:
        """Return what is known once both passes are done."""
        return self._measure.sealed(
            self._file.sealed, stored_bytes=self._stored_size, stored_sha256=self._stored_hash.hexdigest()
        )

    def _progress(self, done: int) -> Progress:
        return Progress(self._file.name, done, 2 * self._total)

    def _failure(self, what: str) -> LogWriteFailed:
        return LogWriteFailed(
            f"cannot compress `{self._file.name}`: what was written does not read back as it should, {what}; "
            "the file is kept as it is; check the disk and the memory of this machine"
        )
