"""Which calls end a conversation: those that no later call goes on from. Memory holds hashes, never texts.

A call goes on from an earlier one of the same workstream (or session, where there is no workstream) when its history
begins with the earlier one's history and answer; one that failed has only its history to go on from, so trying again
continues it. A history that begins otherwise, edited or asked again, is a conversation of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from arawn.interactions.export.transcript import is_digest
from arawn.interactions.record import InteractionHead

__all__ = ["Bodies", "Conversations"]

_REMEMBERED = 65_536
_BYTES = 16


class Bodies(msgspec.Struct, frozen=True):
    """What of a line tells where its call stands in a conversation."""

    messages: tuple[msgspec.Raw, ...]
    response_content: tuple[Any, ...]


class Conversations:
    """The ends of all conversations among the calls so far."""

    def __init__(self) -> None:
        self._ends: dict[bytes, list[str]] = {}
        self._known: dict[bytes, bytes] = {}

    def add(self, head: InteractionHead, bodies: Bodies) -> None:
        """Take the next call, in the order written: the calls that it goes on from end nothing any more."""
        place = _hash(_scope(head).encode())
        self._ends.pop(place, None)
        for message in bodies.messages:
            place = _hash(place + self._message(message))
            self._ends.pop(place, None)
        if head.status == "ok" and not any(is_digest(block) for block in bodies.response_content):
            place = _hash(place + _hash(_said({"role": "assistant", "content": bodies.response_content})))
        self._ends.setdefault(place, []).append(head.id)

    def last_calls(self) -> Iterable[str]:
        """Yield the ids of the calls with which conversations end."""
        for ids in self._ends.values():
            yield from ids

    def _message(self, raw: msgspec.Raw) -> bytes:
        """Return the hash of what a message says. Histories repeat, so most messages have been seen before."""
        seen = _hash(raw)
        said = self._known.get(seen)
        if said is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            said = self._known[seen] = _hash(_said(msgspec.json.decode(raw)))
        return said


def _scope(head: InteractionHead) -> str:
    return f"w{head.workstream}" if head.workstream is not None else f"s{head.session_id}"


def _said(message: Any) -> bytes:
    """Return what a message says, in one form for all the forms that clients send it back in.

    White space, the parting of text into blocks and the order of keys count for nothing, and neither does thinking.
    """
    if not isinstance(message, dict) or not isinstance(message.get("content"), Sequence):
        return msgspec.json.encode(message, order="sorted")
    blocks = [block for block in message["content"] if _kind(block) not in {"text", "thinking"}]
    return msgspec.json.encode([message.get("role"), _text(message["content"]), blocks], order="sorted")


def _text(blocks: Iterable[Any]) -> str:
    return "".join("".join(str(block.get("text")).split()) for block in blocks if _kind(block) == "text")


def _kind(block: Any) -> Any:
    return block.get("type") if isinstance(block, dict) else None


def _hash(data: bytes | msgspec.Raw) -> bytes:
    return blake2b(data, digest_size=_BYTES).digest()
