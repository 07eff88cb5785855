"""Known key shapes and known secrets become `[redacted:<rule>:<8 hex>]`. Pure.

The eight hexadecimal digits begin the SHA-256 of what stood there, so equal secrets stay recognisably equal.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable
from functools import partial
from itertools import compress, repeat
from operator import is_, not_
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import astuple

from arawn.interactions.encode import CYCLE, MAX_DEPTH, TOO_DEEP
from arawn.interactions.key_shapes import RULES, may_hold_a_key, replace_keys
from arawn.interactions.memory import Memory, Seen
from arawn.interactions.secret_set import MIN_SECRET_LENGTH, SecretSet
from arawn.messages import Image

if TYPE_CHECKING:
    from arawn.interactions.ready import ReadyMessage, ReadyTools

__all__ = ["MIN_SECRET_LENGTH", "RULES", "Redactor", "redact", "rules_in"]

_TEXTS_BYTES = 8 << 20
_MESSAGES_BYTES = 16 << 20  # a conversation that does not fit costs what each call of it would cost without memory
_TOOLS_BYTES = 1 << 20
_MOST_VALUES = 10_000
_ATOMS = frozenset((type(None), bool, int, float))
_FLAT = _ATOMS | {str}
_are_flat = _FLAT.issuperset
_MARK = re.compile(r"\[redacted:(\w+):[0-9a-f]{8}\]")


class Redactor:
    """Takes secrets out of values.

    Remembers which texts were clean: much of a record has been in the one before it. `messages` and `tools` are for
    those who make these ready for the log, to keep what came of it. All is forgotten by the first search after more
    secrets have become known.
    """

    def __init__(self, secrets: SecretSet | Iterable[str] = ()) -> None:
        """Start with nothing remembered.

        Args:
            secrets: Texts that must not appear; those shorter than `MIN_SECRET_LENGTH` are ignored. What is added to a
                `SecretSet` later must not appear from then on.
        """
        self._known = secrets if isinstance(secrets, SecretSet) else SecretSet(secrets)
        self._forget()

    def _forget(self) -> None:
        self._secrets = self._known.forms
        self._clean = Seen(_TEXTS_BYTES)
        self.messages: Memory[int | bytes, ReadyMessage] = Memory(_MESSAGES_BYTES)
        self.tools: Memory[bytes, ReadyTools] = Memory(_TOOLS_BYTES)

    def redact(self, value: Any) -> tuple[Any, list[str]]:
        """Return `value` without secrets, and the names of the rules that found one, in order of first use.

        Walks structs, dicts (keys too), lists, tuples and sets; returns the same objects where nothing was found.
        Picture data is passed over. What is nested deeper than a line may be is replaced, as it is not searched.
        """
        if self.are_clean((value,)):
            return value, []
        found: dict[str, None] = {}
        return self._walk(value, found, ()), list(found)

    def are_clean(self, values: Collection[Any]) -> bool:
        """Say whether no text in `values` holds a secret; if in doubt, say no.

        All texts are searched at once, which is quick. A key that stands in one text is seen in all of them joined as
        well: the quick test asks for what is there, never for what is not.
        """
        if self._secrets is not self._known.forms:
            self._forget()
        texts = values if _are_flat(map(type, values)) else _texts_in(values)
        if texts is None:
            return False
        unseen = self._clean.unseen(texts)
        if not unseen:
            return True
        fresh = [text for text in unseen if type(text) is str]
        joined = "\n".join(fresh)
        if may_hold_a_key(joined) or not self._secrets.are_absent(fresh, joined):
            return False
        self._clean.add(unseen)
        return True

    def _text(self, text: str, found: dict[str, None]) -> str:
        plain = type(text) is str  # only then equal texts are the same text
        if plain and not self._clean.unseen((text,)):
            return text
        after = self._searched(text, found)
        if after is text and plain:
            self._clean.add({text})
        return after

    def _searched(self, text: str, found: dict[str, None]) -> str:
        if len(text) < MIN_SECRET_LENGTH:
            return text
        text = self._secrets.replaced(text, partial(self._found_key, found, "secret"))
        return replace_keys(text, partial(self._found_key, found))

    def _found_key(self, found: dict[str, None], rule: str, key: str) -> str:
        found[rule] = None
        return _mask(rule, key)

    def _walk(self, value: Any, found: dict[str, None], above: tuple[int, ...]) -> Any:
        """Return `value` redacted; `above` are the ids of the containers around it."""
        kind = type(value)
        if kind in _ATOMS:
            return value
        if kind is str or isinstance(value, str):
            return self._text(value, found)
        if not isinstance(value, (dict, list, tuple, set, frozenset, msgspec.Struct)):
            return value
        if id(value) in above:
            return CYCLE
        if len(above) > MAX_DEPTH:
            return TOO_DEEP
        above = (*above, id(value))
        if isinstance(value, dict):
            walked = {self._walk(k, found, above): self._walk(v, found, above) for k, v in value.items()}
            return value if _same(walked.values(), value.values()) and _same(walked, value) else walked
        if isinstance(value, msgspec.Struct):
            return self._walk_struct(value, found, above)
        items = [self._walk(item, found, above) for item in value]
        if _same(items, value):
            return value
        return tuple(items) if isinstance(value, tuple) else items

    def _walk_struct(self, value: msgspec.Struct, found: dict[str, None], above: tuple[int, ...]) -> Any:
        changes: dict[str, Any] = {}
        for name in value.__struct_fields__:
            before = getattr(value, name)
            if name == "data" and isinstance(value, Image):
                continue
            after = self._walk(before, found, above)
            if after is not before:
                changes[name] = after
        return msgspec.structs.replace(value, **changes) if changes else value


def _texts_in(values: Iterable[Any]) -> list[str] | None:
    """Return every text in `values` that is searched; None if they are many, deep, or hold what needs a closer look."""
    texts: list[str] = []
    level, budget = list(values), _MOST_VALUES
    for _ in range(MAX_DEPTH):
        kinds = list(map(type, level))
        texts += compress(level, map(is_, kinds, repeat(str)))
        below: list[Any] = []
        for item in compress(level, map(not_, map(_FLAT.__contains__, kinds))):
            kind = type(item)
            if kind is tuple or kind is list:
                below += item
            elif kind is dict:
                below += item
                below += item.values()
            elif not isinstance(item, msgspec.Struct):
                return None
            elif isinstance(item, Image):
                below += (item.media_type, item.url)  # not the base64 of a picture
            else:
                below += astuple(item)
        if not below:
            return texts
        budget -= len(below)
        if budget < 0:
            return None
        level = below
    return None


def _same(left: Any, right: Any) -> bool:
    return len(left) == len(right) and all(map(is_, left, right))


def redact(value: Any, secrets: SecretSet | Iterable[str] = ()) -> tuple[Any, list[str]]:
    """Return what a new `Redactor` makes of `value`."""
    return Redactor(secrets).redact(value)


def rules_in(text: str) -> list[str]:
    """Return the rules whose marks stand in `text`: what is shown before it is logged was redacted by then."""
    return _MARK.findall(text)


def _mask(rule: str, secret: str) -> str:
    digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
    return f"[redacted:{rule}:{digest[:8]}]"
