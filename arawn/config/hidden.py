"""Which configured values are secrets, and how they are shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from arawn.config.command_secrets import arguments_masked, is_secret_name
from arawn.config.keypath import KeyPath

__all__ = ["HIDDEN", "is_secret", "masked"]

HIDDEN = "(hidden)"

_COMMANDS = ("command", "api_key_command", "env", "url", "base_url")


def is_secret(path: KeyPath) -> bool:
    """Say whether the value at `path` must not be printed: `api_key`, and secret names below `headers` and `extra`."""
    if path and path[-1] == "api_key":
        return True
    for position, part in enumerate(path):
        if part in ("headers", "extra"):
            return any(is_secret_name(str(name)) for name in path[position + 1 :])
    return False


def masked(value: Any, path: KeyPath) -> Any:
    """Return `value` with every secret in it replaced, however deep it stands. None stays None: there is no secret.

    Hidden are whole values whose name says so, what a command line or an address gives to such a name, and keys of
    known shapes in any text.
    """
    if value is not None and is_secret(path):
        return HIDDEN
    if isinstance(value, Mapping):
        return {key: masked(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, str):
        return _text_masked([value], path)[0]
    if isinstance(value, list | tuple):
        if value and all(isinstance(item, str) for item in value):
            return _text_masked(value, path)
        return [masked(item, (*path, position)) for position, item in enumerate(value)]
    return value


def _text_masked(texts: Sequence[str], path: KeyPath) -> list[str]:
    from arawn.interactions.key_shapes import replace_keys  # some 70 patterns, which most commands do not need

    if path and path[-1] in _COMMANDS:
        texts = list(arguments_masked(texts, _hidden))
    return [replace_keys(text, lambda _, secret: _hidden(secret)) for text in texts]


def _hidden(_: str) -> str:
    return HIDDEN
