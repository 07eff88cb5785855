"""The fields of one interaction that were asked for; its bodies are read only where a path leads there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from arawn.interactions.entry import Entry
from arawn.interactions.fields import field_values, need_bodies
from arawn.interactions.heads import UNREADABLE
from arawn.interactions.record import InteractionHead, InteractionRecord
from arawn.interactions.scan import Damage, OnDamage

__all__ = ["chosen_values"]


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
