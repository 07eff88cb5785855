"""Parts of a record by dotted paths, such as `tags.team` or `tool_calls.tool_name`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arawn.errors import BadInput
from arawn.interactions.record import InteractionHead, InteractionRecord

__all__ = ["BODY_FIELDS", "field_values", "need_bodies", "parse_fields"]

BODY_FIELDS = frozenset(set(InteractionRecord.__struct_fields__) - set(InteractionHead.__struct_fields__))
_KNOWN = ("kind", *InteractionRecord.__struct_encode_fields__)
_FIELDS = f"the fields are {', '.join(_KNOWN)}"


def parse_fields(text: str, *, more: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the paths in a comma-separated list, each once.

    Args:
        text: What a person typed.
        more: Keys that may begin a path beside those of a record.

    Raises:
        BadInput: A path is empty, or begins with no such key.
    """
    paths = tuple(dict.fromkeys(path.strip() for path in text.split(",")))
    for path in paths:
        if path.endswith("."):
            raise BadInput(f"the field `{path}` ends with a dot: name what stands below, or leave out the dot")
        key = path.partition(".")[0]
        if key == "feedback" and key not in more:
            raise BadInput(f"no record has a field `{path}`: `show --fields feedback` and `sql` have it; {_FIELDS}")
        if key not in (*_KNOWN, *more):
            raise BadInput(f"no record has a field `{path}`; {_FIELDS}")
    return paths


def need_bodies(paths: Sequence[str]) -> bool:
    """Say whether any of the paths leads into what only the whole line tells."""
    return any(path.partition(".")[0] in BODY_FIELDS for path in paths)


def field_values(record: Any, paths: Sequence[str]) -> dict[str, Any]:
    """Return what stands at each path of a record in plain values (`msgspec.to_builtins`); None where nothing does.

    A number picks an item of a list; any other name picks from each item of it.
    """
    return {path: _at(record, path.split(".")) for path in paths}


def _at(value: Any, keys: Sequence[str]) -> Any:
    if not keys:
        return value
    first, *rest = keys
    if isinstance(value, dict):
        dotted = ".".join(keys)  # a tag's key may hold dots itself
        return value[dotted] if dotted in value else _at(value.get(first), rest)
    if isinstance(value, list | tuple):
        if first.isdecimal():
            return _at(value[int(first)], rest) if int(first) < len(value) else None
        return [_at(item, keys) for item in value]
    return None
