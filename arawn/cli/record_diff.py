"""What changed between two calls of one conversation. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from difflib import unified_diff
from typing import Any

import msgspec

from arawn.cli.transcript import logged_lines
from arawn.interactions.record import InteractionRecord

__all__ = ["diff_lines"]

_SETTINGS = ("profile", "provider", "model_requested", "model_used", "params", "tags", "stream")


def diff_lines(previous: InteractionRecord, record: InteractionRecord, zone: tzinfo) -> Iterator[str]:
    """Yield what `record` sent that `previous` had not, and what it left out, marked by `+` and `-`."""
    at = datetime.fromisoformat(previous.timestamp).astimezone(zone)
    yield f"compared with {previous.id} of {at:%Y-%m-%d %H:%M:%S}:"
    changes = [*_settings(previous, record), *_system(previous, record), *_tools(previous, record)]
    changes += _messages(previous.messages, record.messages)
    yield from changes or ("", "  nothing changed in what was sent")


def _settings(previous: InteractionRecord, record: InteractionRecord) -> Iterator[str]:
    for name in _SETTINGS:
        old, new = getattr(previous, name), getattr(record, name)
        if old != new:
            yield from ("", f"{name}:", f"- {_plain(old)}", f"+ {_plain(new)}")


def _system(previous: InteractionRecord, record: InteractionRecord) -> Iterator[str]:
    old, new = ((text or "").splitlines() for text in (previous.system_prompt, record.system_prompt))
    if old != new:
        yield from ("", "system:", *list(unified_diff(old, new, lineterm="", n=1))[2:])


def _tools(previous: InteractionRecord, record: InteractionRecord) -> Iterator[str]:
    old, new = ({tool.name: tool for tool in one.tools} for one in (previous, record))
    if old == new:
        return
    yield from ("", "tools offered:")
    yield from (f"- {name}" for name in old if name not in new)
    yield from (f"+ {name}" for name in new if name not in old)
    yield from (f"~ {name} is described otherwise" for name in new if name in old and old[name] != new[name])


def _messages(old: Sequence[Any], new: Sequence[Any]) -> Iterator[str]:
    same = next(
        (place for place, (one, other) in enumerate(zip(old, new, strict=False)) if one != other),
        min(len(old), len(new)),
    )
    if same == len(old) == len(new):
        return
    yield from ("", f"messages: the first {same} of {len(new)} are those of the call before")
    for mark, messages in (("-", old[same:]), ("+", new[same:])):
        for message in messages:
            yield from (f"{mark} {line}" for line in logged_lines(message) if line)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
