"""The tool calls of one answer in the chat completions dialect, told apart where servers count badly. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from arawn.backends.assembly import ContentAssembly, tool_use_from_text
from arawn.messages import StreamEvent, ToolUse, ToolUseDelta, ToolUseStart

__all__ = ["CallPiece", "ToolCalls"]

_MOST_LOOKS = 64  # at all arguments of one call; each costs as much as they are long


class CallPiece(msgspec.Struct, frozen=True, gc=False):
    """What one chunk says of a call; what it does not say is None or empty."""

    index: int | None
    id: str | None
    name: str
    arguments: str


class _Call:
    """One call while its pieces arrive; it has an index once it has begun as a block of the answer."""

    def __init__(self, tool_id: str, *, own_id: bool, name: str) -> None:
        self.id = tool_id
        self.own_id = own_id  # made here: the server's own may still come
        self.name = name
        self.pieces: list[str] = []
        self.index: int | None = None
        self._looks = 0

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)

    def block(self) -> ToolUse:
        return tool_use_from_text(self.id, self.name, self.arguments)

    def is_whole_before(self, more: str) -> bool:
        """Say whether the arguments are a whole object, and `more` is no rest of them.

        What begins with a brace right after one that ends is no rest; only then all of it is looked at.
        """
        ends = bool(self.pieces) and self.pieces[-1].rstrip().endswith("}")
        if not ends or (more and not more.startswith("{")) or self._looks == _MOST_LOOKS:
            return False
        self._looks += 1
        return self.block().invalid_arguments is None


class ToolCalls:
    """Calls that grow by pieces. One begins in the answer with its first arguments: until then its name may grow."""

    def __init__(self, assembly: ContentAssembly) -> None:
        self._assembly = assembly
        self._calls: dict[int, _Call] = {}  # by the provider's index
        self._keys: dict[str, int] = {}  # by the call's id
        self._last = -1  # the highest of the provider's indexes
        self._waiting: dict[_Call, None] = {}  # in order

    def take(self, piece: CallPiece, position: int, answer_id: str | None) -> Iterator[StreamEvent]:
        """Take in what one chunk says of a call.

        Args:
            piece: What it says.
            position: The place in the chunk's list, for a piece without index before any call has begun.
            answer_id: Becomes part of the id of a call that came without one.
        """
        key = piece.index if piece.index is not None else self._key_without_index(piece, position)
        call = self._calls.get(key)
        if call is None or _begins_another(call, piece):
            yield from self._begin_last()
            number = len(self._assembly) + len(self._waiting)
            call = _Call(piece.id or f"call_{answer_id or 'unnamed'}_{number}", own_id=not piece.id, name=piece.name)
            self._calls[key] = call
            self._last = max(self._last, key)
            self._waiting[call] = None
        else:
            _complete(call, piece)
        self._keys[call.id] = key
        if piece.arguments and not _is_repeated(call, piece):
            call.pieces.append(piece.arguments)
            if call.index is not None:
                yield self._add(ToolUseDelta(call.index, piece.arguments))
        if call.index is None and call.name and call.pieces:
            yield from self._begin_one(call)

    def begin_all(self) -> list[StreamEvent]:
        """Begin the calls that still wait for more: none will come."""
        return [event for call in list(self._waiting) for event in self._begin_one(call)] if self._waiting else []

    def waiting(self) -> tuple[ToolUse, ...]:
        """Return the calls that have not begun, as far as they have arrived."""
        return (*[call.block() for call in self._waiting],)

    def _begin_last(self) -> Iterator[StreamEvent]:
        """Begin the call before a new one, if it says enough; those before it have been looked at."""
        call = next(reversed(self._waiting), None)
        if call is not None and (call.name or call.is_whole_before("")):
            yield from self._begin_one(call)

    def _begin_one(self, call: _Call) -> Iterator[StreamEvent]:
        del self._waiting[call]
        call.index = len(self._assembly)
        yield self._add(ToolUseStart(call.index, call.id, call.name))
        if call.pieces:
            yield self._add(ToolUseDelta(call.index, call.arguments))

    def _key_without_index(self, piece: CallPiece, position: int) -> int:
        """A call without index is new if it has a name and no known id; otherwise it goes on with the last one."""
        key = self._keys.get(piece.id or "")
        if key is not None and self._calls[key].id == piece.id:
            return key
        return len(self._calls) if piece.name else self._last if self._calls else position

    def _add(self, event: StreamEvent) -> StreamEvent:
        self._assembly.add(event)
        return event


def _begins_another(call: _Call, piece: CallPiece) -> bool:
    """Say whether a piece at the index of `call` is of another: by its id, or by a name after whole arguments."""
    if not piece.name or piece.id == call.id:
        return False
    if piece.id and not call.own_id:
        return True
    more = piece.arguments.strip()
    goes_on = call.name in {"", piece.name} and (not more or _is_repeated(call, piece))
    return not goes_on and call.is_whole_before(more)


def _is_repeated(call: _Call, piece: CallPiece) -> bool:
    """Say whether the piece says all arguments once more, as some servers do at the end."""
    more = piece.arguments.strip()
    return bool(more) and call.is_whole_before(more) and more == call.arguments.strip()


def _complete(call: _Call, piece: CallPiece) -> None:
    """Add to a call that has not begun what the piece says of its name and its id; a name said again is one name."""
    if call.index is not None:
        return
    if piece.id and call.own_id:
        call.id, call.own_id = piece.id, False
    if piece.name != call.name:
        call.name += piece.name
