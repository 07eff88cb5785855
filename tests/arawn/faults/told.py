"""What a cell of the fault matrix is, and the answers that faults happen to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tests.arawn.faults.edge import Peer, Play
from tests.fake_provider import anthropic_reply, anthropic_stream, openai_reply, openai_stream

Dialect = Literal["openai", "anthropic"]
Mode = Literal["plain", "stream"]
BOTH: tuple[Mode, ...] = ("plain", "stream")
ATTEMPTS = 3
JSON, HTML, SSE = "application/json", "text/html", "text/event-stream"
BACK_OFF = ((0.5, 1.0), (1.0, 1.5))  # seconds, between three attempts: 0.5 and 1.0, each with up to 0.5 of jitter


@dataclass(frozen=True)
class Told:
    """What must come of a fault.

    Attributes:
        error: The type of the caller's error; None for an answer.
        attempts: How often the provider was asked, and how many records there are.
        waits: The seconds, from and to, between two attempts.
        status: Of each record.
        health: Afterwards.
        retry_after: What the caller is told.
        says: Stands in the message.
    """

    error: str | None
    attempts: int = 1
    waits: tuple[tuple[float, float], ...] = ()
    status: str = "error"
    health: str = "degraded"
    retry_after: float | None = None
    says: str = ""


@dataclass(frozen=True)
class Cell:
    """One fault, one dialect, one mode."""

    name: str
    dialect: Dialect
    mode: Mode
    edge: Play | Peer
    told: Told


def again(error: str, waits: tuple[tuple[float, float], ...] = BACK_OFF, **told: Any) -> Told:
    """Return the outcome of what is tried until the attempts are used up."""
    return Told(error, ATTEMPTS, waits, **told)


ANSWERED = Told(None, status="ok", health="ready")
UNREADABLE = Told("BadReply")
CUT_OFF = Told("BadReply", status="partial")


def every(modes: Sequence[Mode] = BOTH) -> Iterator[tuple[Dialect, Mode]]:
    """Yield the dialects and modes."""
    dialects: tuple[Dialect, ...] = ("openai", "anthropic")
    for dialect in dialects:
        for mode in modes:
            yield dialect, mode


def whole(dialect: Dialect, mode: Mode) -> list[bytes]:
    """Return a right answer, in the pieces that it comes in."""
    if mode == "stream":
        return openai_stream("one ", "two") if dialect == "openai" else anthropic_stream("one ", "two")
    return [openai_reply("one two") if dialect == "openai" else anthropic_reply("one two")]


def begun(dialect: Dialect, mode: Mode) -> list[bytes]:
    """Return an answer as far as its first word; of a plain one, a part of its text."""
    if mode == "plain":
        return [whole(dialect, mode)[0][:40]]
    return whole(dialect, mode)[: 2 if dialect == "openai" else 4]
