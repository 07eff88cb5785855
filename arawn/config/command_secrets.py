"""Secrets that a command line, an address or the setting of a variable gives to a name of a secret. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

__all__ = ["arguments_masked", "is_secret_name", "is_secret_of_query", "settings_masked"]

Mask = Callable[[str], str]

# By the last word (`x-api-key`, `apiKey`, `access_token`, but not `max_tokens` or `prompt_cache_key`, a mere name),
# or one that tells wherever it stands (`oauth`, but not `author`).
_SECRET_NAME = re.compile(
    r"(token|(?<!cache)(?<!cache[_-])key|api[_-]?keys|cookies?|credentials?|bearer|jwt|(?<![a-z])(pass|pwd|pat))$"
    r"|auth(?!ors?(?:$|[_-]))|secret|passw|passphrase",
    re.IGNORECASE,
)
_OF_ADDRESS = re.compile(r"(?<![a-z])(code|sig|signature|pwd)$", re.IGNORECASE)  # secrets that only addresses have
_OPTION = re.compile(r"--?(?!(?:no|disable|without)-)[A-Za-z][\w.-]*")
_NAMED = re.compile(  # `name=`, `"name": "`, and in a line for a shell `--name `
    r"""(?<![\w.-])(?P<name>[\w.-]+)(?:(?:\\?["'])?\s{0,2}(?P<is>[=:])\s{0,2}|(?P<space>\s{1,9})(?!-))(?:\\?(?P<quote>["']))?"""
)
_ALL = re.compile(r"[\s\S]+")
_LINE = re.compile(r"""[^"'\n]+""")  # a header's value may hold spaces: `Authorization: Bearer …`
_SETTING = re.compile(r"""[^\s"'&#]+""")  # of a query
_WORD = re.compile(r"""[^\s"']+""")
_QUOTED = {quote: re.compile(f"[^{quote}]+") for quote in "\"'"}


def is_secret_name(name: str) -> bool:
    """Say whether what has this name is a secret."""
    return _SECRET_NAME.search(name) is not None


def is_secret_of_query(name: str) -> bool:
    """Say whether what has this name in the query of an address is a secret."""
    return is_secret_name(name) or _OF_ADDRESS.search(name) is not None


def arguments_masked(arguments: Sequence[str], mask: Mask) -> Iterator[str]:
    """Yield the arguments of a command, `mask(secret)` in the place of each secret.

    Secret is what follows an option with the name of a secret, and what `settings_masked` takes for one.
    """
    before = ""
    for argument in arguments:
        named = _OPTION.fullmatch(before) is not None and is_secret_name(before)
        yield mask(argument) if named and argument[:1] not in ("", "-") else settings_masked(argument, mask)
        before = argument


def settings_masked(text: str, mask: Mask) -> str:
    """Return `text` with `mask(secret)` in the place of what is set to a name of a secret, anywhere in it."""
    shown, place = "", 0
    for found in _NAMED.finditer(text):
        in_query = text[max(0, found.start() - 1) : found.start()] in ("?", "&")
        is_secret = is_secret_of_query if in_query else is_secret_name
        if found.start() < place or not is_secret(found["name"]) or (found["space"] and found["name"][0] != "-"):
            continue
        secret = (_SETTING if in_query else _extent(found)).match(text, found.end())
        if secret is not None:
            shown += text[place : found.end()] + mask(secret.group())
            place = secret.end()
    return shown + text[place:]


def _extent(found: re.Match[str]) -> re.Pattern[str]:
    """Return what a secret consists of, by how it is given."""
    if found["quote"]:
        return _QUOTED[found["quote"]]
    if found["is"] == ":":
        return _LINE
    return _ALL if found["is"] and found.start() == 0 and found["name"][0] == "-" else _WORD
