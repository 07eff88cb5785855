"""The fault matrix, answers: what a provider may say, or leave unsaid, over a connection that works."""

from __future__ import annotations

import errno
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import httpx

from tests.arawn.faults.edge import FOREVER, Piece, Play
from tests.arawn.faults.told import (
    ANSWERED,
    BOTH,
    CUT_OFF,
    HTML,
    JSON,
    SSE,
    UNREADABLE,
    Cell,
    Dialect,
    Mode,
    Told,
    again,
    begun,
    every,
    whole,
)
from tests.fake_provider import anthropic_stream, events, openai_chunk, openai_reply, openai_stream

Pieces = Callable[[Dialect, Mode], Sequence[Piece]]


def event(*data: object) -> list[bytes]:
    return events(*data, named=True)


def reported(code: str) -> dict[str, object]:
    return {"type": "error", "error": {"type": code, "message": "it says"}}


def said(what: object) -> Pieces:
    """Return one plain body, or one event, that says `what`."""
    text = what if isinstance(what, bytes) else json.dumps(what).encode()
    return lambda _, mode: [text if mode == "plain" else b"data: " + text + b"\n\n"]


def after_a_word(what: object) -> Pieces:
    return lambda dialect, mode: [*begun(dialect, mode), *event(what)]


def tool_call(dialect: Dialect, mode: Mode) -> list[bytes]:
    """Return an answer whose tool call has arguments that are no JSON."""
    if dialect == "anthropic":
        start, *_, delta, stop = anthropic_stream("x")
        block = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
        piece = {"type": "input_json_delta", "partial_json": '{"at": '}
        opened = event({"type": "content_block_start", "index": 0, "content_block": block})
        return [start, *opened, *event({"type": "content_block_delta", "index": 0, "delta": piece}), delta, stop]
    call = {"index": 0, "id": "t1", "function": {"name": "look", "arguments": '{"at": '}}
    if mode == "plain":
        return [openai_reply("", tool_calls=[call])]
    return [*events(openai_chunk(tool_calls=[call])), *openai_stream()[1:]]


def garbled(dialect: Dialect, mode: Mode) -> list[bytes]:
    return [piece.replace(b"one", b"\xff") for piece in whole(dialect, mode)]


def caused_by(error: Exception, cause: OSError) -> Exception:
    error.__cause__ = cause
    return error


def deep(dialect: Dialect, mode: Mode) -> list[bytes]:
    return list(said(b'{"choices": ' + b"[" * 100_000)(dialect, mode))  # type: ignore[arg-type]  # all of it is bytes


LATE = (20.0,) * 40  # each wait is shorter than `idle_s`, all of them longer than `total_s`


def trickle(dialect: Dialect, mode: Mode) -> list[Piece]:
    """Return an answer that drips without an end."""
    return [*begun(dialect, mode), *(piece for late in LATE for piece in (late, b" " if mode == "plain" else b":\n\n"))]


PATCHED_MAX = 4_000
TIMED_OUT = Told("TimedOut")
SAID: list[tuple[str, tuple[Mode, ...], Pieces, Told, str | None]] = [
    ("a right answer", BOTH, whole, ANSWERED, None),
    ("no content type", BOTH, whole, ANSWERED, ""),
    ("another content type", ("plain",), whole, ANSWERED, "text/plain"),
    ("malformed JSON", BOTH, said(b'{"choices": ['), UNREADABLE, None),
    ("another shape", BOTH, said({"something": "else"}), UNREADABLE, None),
    ("a number", BOTH, said(b"17"), UNREADABLE, None),
    ("nested too deep", BOTH, deep, UNREADABLE, None),
    ("an empty body", BOTH, lambda *_: [], UNREADABLE, None),
    ("HTML", BOTH, lambda *_: [b"<html>log in</html>"], replace(UNREADABLE, says="log in"), HTML),
    ("a whole reply to a stream", ("stream",), lambda dialect, _: whole(dialect, "plain"), ANSWERED, JSON),
    ("a stream under another name", ("stream",), whole, ANSWERED, JSON),
    ("events to a plain call", ("plain",), lambda dialect, _: whole(dialect, "stream"), UNREADABLE, SSE),
    ("an error inside a 200", BOTH, said(reported("overloaded_error")), again("Overloaded"), None),
    ("a rate limit inside a 200", BOTH, said(reported("rate_limit_error")), again("RateLimited", health="ready"), None),
    ("a wrong key inside a 200", BOTH, said(reported("authentication_error")), Told("AuthFailed"), None),
    ("an error event after a word", ("stream",), after_a_word(reported("overloaded_error")),
     Told("Overloaded", status="partial"), None),
    ("a malformed event after a word", ("stream",), after_a_word("{no json"), CUT_OFF, None),
    ("no end", ("stream",), begun, CUT_OFF, None),
    ("no events, only comments", ("stream",), lambda *_: [b": hello\n\n"], UNREADABLE, None),
    ("bad UTF-8", ("plain",), garbled, ANSWERED, None),
    ("bad UTF-8 in an event", ("stream",), garbled, ANSWERED, None),
    ("an oversized body", ("plain",), lambda *_: [b" " * 1_000] * 5,
     replace(UNREADABLE, says="more than 4000 bytes"), None),
    ("an oversized stream", ("stream",), lambda dialect, mode: [*begun(dialect, mode), *[b":" * 999 + b"\n"] * 5],
     replace(CUT_OFF, says="more than 4000 bytes"), None),
    ("bad tool arguments", ("stream",), tool_call, ANSWERED, None),
    ("a stall before the first byte", ("plain",), lambda *_: [FOREVER], replace(TIMED_OUT, says="total_s"), None),
    ("a stall before the first byte", ("stream",), lambda *_: [FOREVER],
     replace(TIMED_OUT, says="first_token_s"), None),
    ("a stall in the middle", ("plain",), lambda *w: [*begun(*w), FOREVER], replace(TIMED_OUT, says="total_s"), None),
    ("a stall in the middle", ("stream",), lambda *w: [*begun(*w), FOREVER],
     Told("TimedOut", status="partial", says="idle_s"), None),
    ("a trickle", ("plain",), trickle, replace(TIMED_OUT, says="total_s"), None),
    ("a trickle", ("stream",), trickle, Told("TimedOut", status="partial", says="total_s"), None),
    ("signs of life and no word", ("stream",), lambda *_: [p for late in LATE for p in (late, b": wait\n\n")],
     replace(TIMED_OUT, says="first_token_s"), None),
    ("a late answer", BOTH, lambda *w: [25.0, *whole(*w)], ANSWERED, None),
]  # fmt: skip
"""Name, modes, what comes, what must come of it, and the content type where it is not the right one."""

PACKED: list[tuple[str, Callable[[bytes], bytes], Told]] = [
    ("gzip", gzip.compress, ANSWERED),
    ("deflate", zlib.compress, ANSWERED),
    ("identity", bytes, ANSWERED),
    ("br", bytes, replace(UNREADABLE, says="cannot be unpacked")),
]
"""A `content-encoding`, how it is made, and what must come of it; what nobody asked for is not taken for content."""

RAISED: list[tuple[str, Play, Told]] = [
    ("no connection in time", Play(before=[5.0, httpx.ConnectTimeout("x")]), again("TimedOut", says="connect_s")),
    ("a stall before the head, plain", Play(before=[FOREVER]), TIMED_OUT),
    ("no descriptor left", Play(before=[caused_by(httpx.ConnectError("x"), OSError(errno.EMFILE, "x"))]),
     again("ConnectionFailed", health="ready", says="ulimit -n")),
    ("a redirect", Play([], 307, {"location": "https://new.test/v1?token=secret"}),
     Told("BadReply", says="new.test/v1`")),
    ("HTML from a gateway", Play([b"<html>bad gateway</html>"], 502, {"content-type": HTML}),
     again("Overloaded", says="bad gateway")),
    ("an account without credit", Play([b'{"error": {"code": "insufficient_quota"}}'], 429,
     {"x-should-retry": "true", "retry-after": "1"}), Told("RateLimited", health="degraded", retry_after=1)),
    ("no content", Play([], 204), UNREADABLE),
    ("broken gzip", Play([b"no gzip"], 200, {"content-encoding": "gzip", "content-type": JSON}), UNREADABLE),
    ("gzip cut short", Play([gzip.compress(openai_reply("one"))[:40]], 200, {"content-encoding": "gzip"}), UNREADABLE),
]  # fmt: skip


def said_cells() -> Iterator[Cell]:
    """Yield what can be said over a connection that works."""
    for name, modes, pieces, told, kind in SAID:
        for dialect, mode in every(modes):
            right = JSON if mode == "plain" else SSE
            headers = {"content-type": right if kind is None else kind} if kind != "" else {}
            yield Cell(name, dialect, mode, Play(pieces(dialect, mode), headers=headers), told)
    for coding, pack, told in PACKED:
        for dialect, mode in every():
            packed = pack(b"".join(whole(dialect, mode)))
            yield Cell(
                f"packed as {coding}",
                dialect,
                mode,
                Play([packed[:20], packed[20:]], 200, {"content-encoding": coding}),
                told,
            )
    for name, play, told in RAISED:
        for dialect, mode in every():
            yield Cell(name, dialect, mode, play, told)
