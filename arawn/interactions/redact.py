"""Known key shapes and known secrets become `[redacted:<rule>:<8 hex>]`. Pure.

The eight hexadecimal digits begin the SHA-256 of what stood there, so equal secrets stay recognisably equal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import partial
from operator import is_
from typing import Any

import msgspec

from arawn.interactions.encode import CYCLE, MAX_DEPTH, TOO_DEEP
from arawn.interactions.key_shapes import RULES, replace_keys
from arawn.interactions.secret_forms import KnownSecrets
from arawn.messages import Image

__all__ = ["MIN_SECRET_LENGTH", "RULES", "Redactor", "redact"]

MIN_SECRET_LENGTH = 8  # shorter "secrets" would blot out ordinary words
_REMEMBERED = 16_384
_ATOMS = frozenset((type(None), bool, int, float))


class Redactor:
    """Takes secrets out of values.

    Remembers by their hash which texts were clean: a conversation is sent whole with every call, and searching it anew
    each time would cost more than all the rest of its record.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Start with nothing remembered.

        Args:
            secrets: Texts that must not appear; those shorter than `MIN_SECRET_LENGTH` are ignored.
        """
        known = {secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH}
        self._secrets = KnownSecrets(
            sorted(known, key=lambda secret: (-len(secret), secret))
        )  # one may contain another
        self._clean: set[int] = set()

    def redact(self, value: Any) -> tuple[Any, list[str]]:
        """Return `value` without secrets, and the names of the rules that found one, in order of first use.

        Walks structs, dicts (keys too), lists, tuples and sets; returns the same objects where nothing was found.
        Picture data is passed over. What is nested deeper than a line may be is replaced, as it is not searched.
        """
        found: dict[str, None] = {}
        return self._walk(value, found, ()), list(found)

    def _text(self, text: str, found: dict[str, None]) -> str:
        if len(text) < MIN_SECRET_LENGTH:
            return text
        fingerprint = hash(text)
        if fingerprint in self._clean:
            return text
        after = self._searched(text, found)
        if after is text:
            if len(self._clean) >= _REMEMBERED:
                self._clean.clear()
            self._clean.add(fingerprint)
        return after

    def _searched(self, text: str, found: dict[str, None]) -> str:
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
        if isinstance(value, Image) and value.data is not None:  # base64 of a picture
            return value
        for name in value.__struct_fields__:
            before = getattr(value, name)
            after = self._walk(before, found, above)
            if after is not before:
                changes[name] = after
        return msgspec.structs.replace(value, **changes) if changes else value


def _same(left: Any, right: Any) -> bool:
    return len(left) == len(right) and all(map(is_, left, right))


def redact(value: Any, secrets: Iterable[str] = ()) -> tuple[Any, list[str]]:
    """Return what a new `Redactor` makes of `value`."""
    return Redactor(secrets).redact(value)


def _mask(rule: str, secret: str) -> str:
    digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
    return f"[redacted:{rule}:{digest[:8]}]"
