"""Writing pieces: all of them are there, in order, however few bytes the system takes at a time."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from arawn.interactions.filesystem import Filesystem, write_fully


class Reluctant(Filesystem):
    """Takes as many bytes at a time as it is told: None is an interruption. Then everything."""

    def __init__(self, takes: Sequence[int | None]) -> None:
        super().__init__()
        self.takes = list(takes)
        self.taken = bytearray()
        self.calls: list[int] = []

    @override
    def write(self, fd: int, pieces: Sequence[bytes | memoryview]) -> int:
        self.calls.append(len(pieces))
        take = self.takes.pop(0) if self.takes else sum(map(len, pieces))
        if take is None:
            raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
        data = b"".join(pieces)[:take]
        self.taken += data
        return len(data)


@given(st.lists(st.binary(max_size=9), max_size=40), st.lists(st.none() | st.integers(1, 50), max_size=20))
def test_short_writes_and_interruptions_lose_and_double_nothing(pieces: list[bytes], takes: list[int | None]) -> None:
    """Each write goes on where the one before ended, within a piece or between two."""
    disk = Reluctant(takes)

    write_fully(disk, 3, *pieces)

    assert disk.taken == b"".join(pieces)


def test_a_write_takes_no_more_pieces_than_the_system_does(tmp_path: Path) -> None:
    """`writev` refuses more than 1,024 at once; so many short lines wait after a full disk."""
    pieces = [b"%d\n" % number for number in range(2_500)]
    path = tmp_path / "file"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    disk = Reluctant([])

    write_fully(Filesystem(), fd, *pieces)
    write_fully(disk, fd, *pieces)
    os.close(fd)

    assert path.read_bytes() == b"".join(pieces)
    assert disk.calls == [1024, 1024, 452]


def test_what_takes_nothing_has_no_room() -> None:
    """A disk that takes 0 bytes for ever is full, not a loop without end; to write nothing is no write at all."""
    with pytest.raises(OSError, match="No space left") as caught:
        write_fully(Reluctant([3, 0]), 3, b"more", b"than", b"three")
    assert caught.value.errno == errno.ENOSPC

    nothing = Reluctant([0])
    write_fully(nothing, 3, b"", b"")
    assert nothing.calls == []
