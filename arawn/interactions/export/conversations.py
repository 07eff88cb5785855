"""Which calls end a conversation: those that no later call goes on from. Memory holds hashes, never texts.

A call goes on from an earlier one of the same workstream (or session, where there is no workstream) when its history
begins with the earlier one's history and answer; one that failed has only its history to go on from, so trying again
continues it. A history that begins otherwise, edited or asked again, is a conversation of its own.

Calls of one conversation may offer different tools: each end knows which earlier calls offered others than itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from arawn.interactions.call_ids import distinct_ids
from arawn.interactions.export.transcript import is_digest
from arawn.interactions.record import InteractionHead

__all__ = ["Bodies", "Conversations", "End"]

_REMEMBERED = 65_536
_BYTES = 16
_PIECE = 1 << 16  # characters


class Bodies(msgspec.Struct, frozen=True):
    """What of a line tells where its call stands in a conversation."""

    messages: tuple[msgspec.Raw, ...]
    response_content: tuple[Any, ...]
    tools: msgspec.Raw = msgspec.Raw(b"[]")


class End(msgspec.Struct, frozen=True, gc=False):
    """The last call of a conversation so far.

    Attributes:
        id: The call.
        tools: The hash of the tools that were offered last; None where none ever were.
        offered_by: The calls that began to offer other tools than those before them, the first one first.
        is_last_offer: Whether the call itself offers the tools of that hash.
        answered: How many calls of the conversation had a whole answer, this one included.
    """

    id: str
    tools: bytes | None = None
    offered_by: tuple[str, ...] = ()
    is_last_offer: bool = False
    answered: int = 0

    @property
    def earlier_offers(self) -> tuple[str, ...]:
        """The calls whose tools this one does not offer itself."""
        return self.offered_by[:-1] if self.is_last_offer else self.offered_by

    def followed_by(self, head: InteractionHead, tools: msgspec.Raw) -> End:
        """Return the end that a call with these tools makes of it."""
        answered = self.answered + (head.status == "ok")
        if bytes(tools) == b"[]":
            return End(head.id, self.tools, self.offered_by, answered=answered)
        offered = _hash(tools)
        calls = self.offered_by if offered == self.tools else (*self.offered_by, head.id)
        return End(head.id, offered, calls, is_last_offer=True, answered=answered)


class Conversations:
    """The ends of all conversations among the calls so far."""

    def __init__(self) -> None:
        self._ends: dict[bytes, list[End]] = {}
        self._passed: dict[bytes, End] = {}  # ended something once; a second way on from there begins with its tools
        self._known: dict[bytes, bytes] = {}

    def add(self, head: InteractionHead, bodies: Bodies) -> None:
        """Take the next call, in the order written: the calls that it goes on from end nothing any more.

        Raises:
            msgspec.DecodeError, UnicodeDecodeError, RecursionError: A message is damaged; nothing has changed then.
        """
        said = [self._message(message) for message in bodies.messages]
        if head.status == "ok" and not any(is_digest(block) for block in bodies.response_content):
            answer = _said({"role": "assistant", "content": bodies.response_content})
        else:
            answer = None
        place = _hash(_scope(head).encode())
        before = self._pass(place, End(""))
        for message in said:
            place = _hash(place + message)
            before = self._pass(place, before)
        if answer is not None:
            place = _hash(place + answer)
        self._ends.setdefault(place, []).append(before.followed_by(head, bodies.tools))
        while len(self._passed) > _REMEMBERED:
            del self._passed[next(iter(self._passed))]

    def _pass(self, place: bytes, before: End) -> End:
        """Go on from the calls that ended at `place`, if any did, now or earlier; return the last of them."""
        ends = self._ends.pop(place, None)
        if ends is None:
            return self._passed.get(place, before)
        self._passed[place] = msgspec.structs.replace(ends[-1], answered=0)  # counted on the first way on
        return ends[-1]

    def ends(self) -> Iterable[End]:
        """Yield the ends of all conversations."""
        for ends in self._ends.values():
            yield from ends

    def _message(self, raw: msgspec.Raw) -> bytes:
        """Return the hash of what a message says. Histories repeat, so most messages have been seen before."""
        seen = _hash(raw)
        said = self._known.get(seen)
        if said is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            said = self._known[seen] = _said(msgspec.json.decode(raw))
        return said


def _scope(head: InteractionHead) -> str:
    return f"w{head.workstream}" if head.workstream is not None else f"s{head.session_id}"


def _said(message: Any) -> bytes:
    """Return the hash of what a message says, the same for all the forms that clients send it back in.

    White space, the parting of text into blocks and the order of keys count for nothing, and neither does thinking.
    Two tool calls with one id are the same as with the ids that a turn gives them, `distinct_ids`.
    """
    if not isinstance(message, dict) or not isinstance(message.get("content"), Sequence):
        return _hash(msgspec.json.encode(message, order="sorted"))
    blocks = _distinct([block for block in message["content"] if _kind(block) not in {"text", "thinking"}])
    said = msgspec.json.encode([message.get("role"), blocks], order="sorted")
    return _hash(said + _hash_of_text(str(block.get("text")) for block in message["content"] if _kind(block) == "text"))


def _distinct(blocks: list[Any]) -> list[Any]:
    """Return the blocks with an id of its own for each tool call."""
    uses = [str(block.get("id")) for block in blocks if _kind(block) == "tool_use"]
    if len(set(uses)) == len(uses):
        return blocks
    own = iter(distinct_ids(uses))
    return [{**block, "id": next(own)} if _kind(block) == "tool_use" else block for block in blocks]


def _hash_of_text(texts: Iterable[str]) -> bytes:
    """Return the hash of texts without their white space, made piece by piece: each word is an object of its own."""
    digest = blake2b(digest_size=_BYTES)
    for text in texts:
        for start in range(0, len(text), _PIECE):
            digest.update("".join(text[start : start + _PIECE].split()).encode())
    return digest.digest()


def _kind(block: Any) -> Any:
    return block.get("type") if isinstance(block, dict) else None


def _hash(data: bytes | msgspec.Raw) -> bytes:
    return blake2b(data, digest_size=_BYTES).digest()
