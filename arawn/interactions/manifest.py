"""What a compressed part holds, in a small file beside it: numbers, counts, sizes, hashes."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from arawn.interactions.files import DayFile
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.heads import UNREADABLE
from arawn.interactions.whole_file import write_whole

__all__ = ["Manifest", "SeqSpan", "manifest_name", "read_manifest", "write_manifest"]

Size = Annotated[int, Meta(ge=0)]


class SeqSpan(msgspec.Struct, frozen=True):
    """The first and the last number of one writer, as they stand in the file, and how many lines have one."""

    first: int
    last: int
    lines: Size


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What was in a part when it was compressed.

    Attributes:
        v: Version of this format.
        file, day, part: The compressed file, and which part of which day it is.
        writers: The numbers of each writer's lines.
        kinds, statuses: How many lines of each kind; how many interactions of each status.
        lines, damaged: All lines; those among them that could not be read, a last one without newline included.
        bytes, sha256: Of the text.
        compressed_bytes, compressed_sha256: Of the file.
    """

    v: int = 1
    file: str
    day: str
    part: int
    writers: dict[str, SeqSpan]
    kinds: dict[str, Size]
    statuses: dict[str, Size]
    lines: Size
    damaged: Size
    bytes: Size
    sha256: str
    compressed_bytes: Size
    compressed_sha256: str


def manifest_name(file: DayFile) -> str:
    """Return the name of the manifest that stands beside the compressed `file`."""
    return f"{file.stem}.manifest.json"


def read_manifest(path: Path) -> Manifest:
    """Return the manifest in a file.

    Raises:
        OSError: It cannot be read, or (EIO) holds no manifest.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except UNREADABLE as error:
        raise OSError(errno.EIO, f"the manifest is damaged: {error}", str(path)) from error


def write_manifest(filesystem: Filesystem, directory: Path, manifest: Manifest) -> None:
    """Write a manifest to its place beside the file, whole or not at all.

    Raises:
        OSError: Anything that the system refused; what stood there is as it was.
    """
    name = manifest_name(DayFile(manifest.day, manifest.part, compressed=True))
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    write_whole(filesystem, directory / name, content + b"\n")
