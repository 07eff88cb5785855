"""Compressed files for tests: cut anywhere, damaged anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import zstandard

from arawn.interactions.raw_lines import RawLine, backward_lines, forward_lines
from arawn.interactions.sealed import Frame, compress_frame, seek_table

STEM = "interactions-2026-01-20.jsonl"


def frames_of(text: bytes, cuts: Iterable[int]) -> tuple[list[Frame], bytes]:
    """Return the frames of `text`, cut at these places, and their bytes."""
    places = sorted({0, len(text), *(cut for cut in cuts if cut <= len(text))})
    frames: list[Frame] = []
    stored = b""
    for start, end in pairwise(places):
        data = compress_frame(text[start:end])
        frames.append(Frame(start, end - start, len(stored), len(data)))
        stored += data
    return frames, stored


def sealed(directory: Path, text: bytes, cuts: Iterable[int] = ()) -> Path:
    """Write `text` as a sealed part."""
    frames, stored = frames_of(text, cuts)
    path = directory / f"{STEM}.zst"
    path.write_bytes(stored + seek_table(frames))
    return path


def foreign(directory: Path, text: bytes, cuts: Iterable[int] = ()) -> Path:
    """Write `text` as another program would: plain frames of unknown size, no table."""
    places = sorted({0, len(text), *(cut for cut in cuts if cut <= len(text))})
    stored = b""
    for start, end in pairwise(places):
        writer = zstandard.ZstdCompressor(write_content_size=False).compressobj()
        stored += writer.compress(text[start:end]) + writer.flush()
    path = directory / f"{STEM}.zst"
    path.write_bytes(stored or zstandard.ZstdCompressor().compress(b""))
    return path


def plain(directory: Path, text: bytes, cuts: Iterable[int] = ()) -> Path:
    """Write `text` as it is."""
    path = directory / STEM
    path.write_bytes(text)
    return path


def numbered(text: bytes) -> list[RawLine]:
    """Return the lines of `text` with their offsets, found in the plainest way."""
    found, offset = [], 0
    for line in text.split(b"\n"):
        ended = line + b"\n"
        whole = ended if text[offset : offset + len(ended)] == ended else line
        if whole:
            found.append((offset, whole))
        offset += len(whole)
    return found


def both_ways(path: Path) -> tuple[list[RawLine], list[RawLine]]:
    return list(forward_lines(path)), list(backward_lines(path))
