"""The compressed form of a closed day: what a `.jsonl.zst` holds and how it is read from anywhere. Pure.

The file is a series of zstd frames, each of at most 64 MiB of text, with its size and a checksum, and decodable
alone. A last, skippable frame holds the table of them, in the published seekable format: tools that do not know it
pass over it and see one stream. Frames end at line ends where they can. Repeated history is found within a frame only:
larger frames compress better, smaller ones take less memory to read backwards.

A file from elsewhere (any frames, no table) is read as one stream, from its beginning.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence

import msgspec
import zstandard

__all__ = [
    "FRAME_BYTES",
    "BadFrame",
    "Frame",
    "ReadAt",
    "compress_frame",
    "load_frame",
    "seek_table",
    "stream",
    "table",
    "whole_reads",
]

FRAME_BYTES = 64 << 20
ReadAt = Callable[[int, int], bytes]  # (how many bytes, where) -> so many of them as there are

_LEVEL = 3
_WINDOW_LOG = 26  # a whole frame; up to 27 every stock tool reads without being asked to
_TABLE_HEADER = struct.Struct("<II")  # the skippable frame's magic number and its length
_ENTRY = struct.Struct("<II")  # compressed and uncompressed size of one frame
_FOOTER = struct.Struct("<IBI")  # how many frames, flags, magic number
_TABLE_MAGIC = 0x184D2A5E
_FOOTER_MAGIC = 0x8F92EAB1
_CHECKSUM_FLAG = 0x80  # entries of tables that others wrote may end with a checksum of 4 bytes
_LARGEST_FRAME = 2 * FRAME_BYTES  # what others cut larger is read as a stream, in bounded memory
_LONGEST_HEADER = 18  # bytes that a frame begins with: the size of its text is among them
_PIECE = 1 << 8  # fed to a decompressor at once: even the densest frame makes at most 11 MB of it


class BadFrame(Exception):
    """Compressed data that cannot be decoded; the text says why."""


class Frame(msgspec.Struct, frozen=True):
    """One frame: `offset` and `size` in the text, `place` and `stored` in the file."""

    offset: int
    size: int
    place: int
    stored: int

    @property
    def end(self) -> int:
        """The offset in the text behind the frame."""
        return self.offset + self.size


def compress_frame(data: bytes | memoryview) -> bytes:
    """Return `data`, at most `FRAME_BYTES`, as one frame. Holds no lock of the interpreter while it works."""
    settings = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL, enable_ldm=True, window_log=_WINDOW_LOG, write_checksum=True, write_content_size=True
    )
    return zstandard.ZstdCompressor(compression_params=settings).compress(data)


def seek_table(frames: Sequence[Frame]) -> bytes:
    """Return the skippable frame that ends a file of these frames."""
    body = b"".join(_ENTRY.pack(frame.stored, frame.size) for frame in frames)
    body += _FOOTER.pack(len(frames), 0, _FOOTER_MAGIC)
    return _TABLE_HEADER.pack(_TABLE_MAGIC, len(body)) + body


def table(read: ReadAt, file_size: int) -> list[Frame] | None:
    """Return the frames that the table at the end of a file names; None when it has none that can be used.

    A table that gives another size than a whole frame has would have every later line at a wrong offset: it is none.

    Args:
        read: Reads the file.
        file_size: Its size in bytes.

    Raises:
        OSError: As `read`.
    """
    footer = read(_FOOTER.size, max(0, file_size - _FOOTER.size))
    if len(footer) < _FOOTER.size:
        return None
    count, flags, magic = _FOOTER.unpack(footer)
    entry_size = _ENTRY.size + (4 if flags & _CHECKSUM_FLAG else 0)
    length = count * entry_size + _FOOTER.size
    begins = file_size - length - _TABLE_HEADER.size
    if magic != _FOOTER_MAGIC or begins < 0:
        return None
    head = read(_TABLE_HEADER.size, begins)
    if head != _TABLE_HEADER.pack(_TABLE_MAGIC, length):
        return None
    frames = _frames(read(count * entry_size, begins + _TABLE_HEADER.size), entry_size)
    ends = frames[-1].place + frames[-1].stored if frames else 0
    fits = ends == begins and all(frame.size <= _LARGEST_FRAME for frame in frames)
    return frames if fits and not any(_is_misdescribed(read, frame) for frame in frames) else None


def _is_misdescribed(read: ReadAt, frame: Frame) -> bool:
    """Say whether a frame is whole, and of another size than `frame` says; what is damaged is found when it is read."""
    try:
        size = zstandard.frame_content_size(read(_LONGEST_HEADER, frame.place))
        if size == frame.size or not 0 <= size <= _LARGEST_FRAME:
            return False
        load_frame(read, msgspec.structs.replace(frame, size=size))
    except (zstandard.ZstdError, BadFrame):
        return False
    return True


def _frames(entries: bytes, entry_size: int) -> list[Frame]:
    frames = []
    offset = place = 0
    for start in range(0, len(entries), entry_size):
        stored, size = _ENTRY.unpack_from(entries, start)
        frames.append(Frame(offset, size, place, stored))
        offset, place = offset + size, place + stored
    return frames


def whole_reads(pread: ReadAt) -> ReadAt:
    """Return `pread`, which may return less than there is, as a reader that does not."""

    def read(count: int, offset: int) -> bytes:
        data = pread(count, offset)
        while data and len(data) < count and (more := pread(count - len(data), offset + len(data))):
            data += more
        return data

    return read


def load_frame(read: ReadAt, frame: Frame) -> bytes:
    """Return the text of one frame, checked against its checksum.

    Raises:
        BadFrame: It is damaged, or not of the size that the table says.
        OSError: As `read`.
    """
    data = read(frame.stored, frame.place)
    try:
        if zstandard.frame_content_size(data) != frame.size:  # looked at first: a wrong size could be any size
            raise BadFrame(f"its frame at byte {frame.place} is not of the size that its table says")
        return zstandard.ZstdDecompressor().decompress(data, read_across_frames=False)
    except zstandard.ZstdError as error:
        raise BadFrame(f"its frame at byte {frame.place} cannot be decoded: {error}") from error


def stream(read: ReadAt) -> Iterator[bytes]:
    """Yield the text of any zstd file from its beginning, in bounded memory.

    Raises:
        BadFrame: It is no zstd file, damaged or cut off; what stands before the damage has been yielded.
        OSError: As `read`.
    """
    place = 0
    decoder = None
    while piece := read(_PIECE, place):
        decoder = decoder or zstandard.ZstdDecompressor().decompressobj()
        try:
            if text := decoder.decompress(piece):
                yield text
        except zstandard.ZstdError as error:
            raise BadFrame(f"it cannot be decoded from about byte {place} on: {error}") from error
        place += len(piece)
        if decoder.eof:
            place -= len(decoder.unused_data)
            decoder = None
    if decoder is not None:
        raise BadFrame("its last frame is cut off")
