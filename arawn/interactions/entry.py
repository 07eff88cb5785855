"""One interaction found in the log: its scalars at hand, its bodies where they stand."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from arawn.interactions.fields import field_values, need_bodies
from arawn.interactions.heads import UNREADABLE, decode_line
from arawn.interactions.raw_lines import line_at
from arawn.interactions.record import InteractionHead, InteractionRecord, ToolCallRecord, ToolResultLine
from arawn.interactions.scan import Damage, OnDamage

__all__ = ["Entry", "chosen_values"]

T = TypeVar("T")
_values_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Entry:
    """One interaction found in the log; its bodies are read only when asked for.

    `path` is the file it was found in; its line begins at `offset` of the file's text, compressed or not.
    """

    def __init__(self, path: Path, offset: int, size: int, head: InteractionHead) -> None:
        self.path = path
        self.offset = offset
        self._size = size
        self._head = head
        self._results: dict[str, ToolResultLine] = {}

    def __repr__(self) -> str:
        return f"<Entry {self._head.id} at {self.path.name}:{self.offset}>"

    @property
    def head(self) -> InteractionHead:
        """The scalars, tool results joined."""
        return msgspec.structs.replace(self._head, tool_calls=self._joined()) if self._results else self._head

    @property
    def is_waiting(self) -> bool:
        """Whether a tool call still has no result."""
        return any(call.tool_call_id not in self._results for call in self._head.tool_calls)

    def join(self, result: ToolResultLine) -> bool:
        """Take the first result of one of the interaction's tool calls; False for any other, which changes nothing."""
        asked = any(call.tool_call_id == result.tool_call_id for call in self._head.tool_calls)
        if not asked or result.tool_call_id in self._results:
            return False
        self._results[result.tool_call_id] = result
        return True

    def raw(self) -> bytes:
        """Return the line as it stands in the file.

        Raises:
            OSError: The file cannot be read any more, or was rewritten since the line was found.
        """
        return line_at(self.path, self.offset, self._size)

    def record(self, line: bytes | None = None) -> InteractionRecord:
        """Return everything, tool results joined.

        Args:
            line: The line, where somebody has read it already.

        Raises:
            OSError: As for `raw`.
            msgspec.DecodeError: The bodies are damaged.
        """
        record = self._same(self.raw() if line is None else line, decode_line)
        if not isinstance(record, InteractionRecord) or record.id != self._head.id:
            raise self._gone()
        return msgspec.structs.replace(record, tool_calls=self._joined()) if self._results else record

    def json_values(self) -> dict[str, msgspec.Raw]:
        """Return every key of the line with its JSON, tool results joined; the bodies are not taken apart.

        Raises:
            OSError: As for `raw`.
            msgspec.DecodeError: The line is damaged.
        """
        line = self.raw()
        values = self._same(line, _values_decoder.decode)
        if values is None or values.get("id") != msgspec.Raw(msgspec.json.encode(self._head.id)):
            raise self._gone()
        return {**values, "tool_calls": msgspec.Raw(msgspec.json.encode(self._joined()))}

    def _same(self, line: bytes, decode: Callable[[bytes], T]) -> T | None:
        """Decode `line`; None for what is not this interaction any more, which may be anything."""
        try:
            return decode(line)
        except UNREADABLE:
            if self._head.id.encode() in line[:200]:  # the line is there, and is what is damaged
                raise
            return None

    def _gone(self) -> OSError:
        return OSError(errno.ESTALE, "the log was rewritten while it was read; ask again", str(self.path))

    def _joined(self) -> tuple[ToolCallRecord, ...]:
        return tuple(self._with_result(call) for call in self._head.tool_calls)

    def _with_result(self, call: ToolCallRecord) -> ToolCallRecord:
        result = self._results.get(call.tool_call_id)
        if result is None:
            return call
        return msgspec.structs.replace(call, result_success=result.success, result_content=result.content)


def chosen_values(entry: Entry, paths: Sequence[str], *, on_damage: OnDamage, **more: Any) -> dict[str, Any]:
    """Return what stands at each path of an interaction, None where nothing does.

    Args:
        entry: The interaction.
        paths: As `parse_fields` returns them.
        on_damage: Is told of bodies that cannot be read; they are then missing.
        more: Plain values of keys that the record has not.

    Raises:
        OSError: The line cannot be read any more.
    """
    record = _with_bodies(entry, on_damage) if need_bodies(paths) else entry.head
    return field_values({**msgspec.to_builtins(record), **more}, paths)


def _with_bodies(entry: Entry, on_damage: OnDamage) -> InteractionRecord | InteractionHead:
    try:
        return entry.record()
    except UNREADABLE as error:
        why = f"interaction {entry.head.id}: its messages cannot be read: {error}"
        on_damage(Damage(entry.path.name, 0, why, skipped=False))
        return entry.head
