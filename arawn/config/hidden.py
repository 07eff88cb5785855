"""Which configured values are secrets, and how they are shown. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from arawn.config.keypath import KeyPath

__all__ = ["HIDDEN", "is_secret", "masked"]

HIDDEN = "(hidden)"

# By the last word (`x-api-key`, `apiKey`, `access_token`, but not `max_tokens` or `prompt_cache_key`, a mere name),
# or one that tells wherever it stands (`oauth`, but not `author`).
_SECRET_NAME = re.compile(
    r"(token|(?<!cache)(?<!cache[_-])key|cookies?|credentials?|bearer|jwt)$"
    r"|auth(?!ors?(?:$|[_-]))|secret|passw|passphrase",
    re.IGNORECASE,
)


def is_secret(path: KeyPath) -> bool:
    """Say whether the value at `path` must not be printed: `api_key`, and secret names below `headers` and `extra`."""
    if path and path[-1] == "api_key":
        return True
    for position, part in enumerate(path):
        if part in ("headers", "extra"):
            return any(_SECRET_NAME.search(str(name)) for name in path[position + 1 :])
    return False


def masked(value: Any, path: KeyPath) -> Any:
    """Return `value` with every secret in it replaced, however deep it stands. None stays None: there is no secret."""
    if value is not None and is_secret(path):
        return HIDDEN
    if isinstance(value, Mapping):
        return {key: masked(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item, (*path, position)) for position, item in enumerate(value)]
    return value
