"""Packed bodies are unpacked a little at a time: a small one can hold gigabytes."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterable

import httpx
import pytest
import trio

from arawn.backends.response_body import content_of, read_all
from arawn.errors import BadReply

PIECE = 64 * 1024


class Body(httpx.AsyncByteStream):
    """A body that is in memory already, so that its pieces come without a checkpoint."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


def unpacked(*pieces: bytes) -> AsyncIterator[bytes]:
    return content_of(httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Body(pieces)))


async def test_others_go_on_while_a_body_is_unpacked() -> None:
    """Each piece is no larger than one that arrives unpacked, and after each of them all others have their turn."""
    turns, largest = 0, 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        async for piece in unpacked(gzip.compress(bytes(100 * PIECE))):
            largest = max(largest, len(piece))
        nursery.cancel_scope.cancel()

    assert largest == PIECE
    assert turns > 90


async def test_no_more_is_unpacked_than_a_reply_may_have() -> None:
    """However much the body holds: the first piece that is over the limit ends it."""
    packed = zlib.compress(bytes(1_000_000), wbits=31)
    chunks = unpacked(packed)
    with pytest.raises(BadReply, match="more than 100000 bytes"):
        await read_all("p", chunks, 100_000)

    assert len(await read_all("p", chunks, 10**9)) == 1_000_000 - 2 * PIECE


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
@pytest.mark.parametrize("step", [1, 7, 1000, 10**6])
async def test_every_byte_comes_through(pack: Callable[[bytes], bytes], size: int, step: int) -> None:
    """Whatever the sizes of the pieces are, and where the last full one ends."""
    content = random.Random(size).randbytes(min(size, 100)).ljust(size, b"x")
    packed = pack(content)
    pieces = [packed[start : start + step] for start in range(0, len(packed), step)]

    assert await read_all("p", unpacked(*pieces), 10**9) == content
    with pytest.raises(BadReply):
        await read_all("p", unpacked(packed[:-1]), 10**9)


async def test_what_follows_the_content_is_not_kept() -> None:
    """It would be copied whole with every piece that comes."""
    junk = bytes(PIECE)
    tracemalloc.start()
    try:
        assert await read_all("p", unpacked(gzip.compress(b"{}"), *[junk] * 100), 10) == b"{}"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 10 * PIECE
