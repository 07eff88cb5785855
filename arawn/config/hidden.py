"""Which configured values are secrets, and how they are shown. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from arawn.config.keypath import KeyPath

if TYPE_CHECKING:
    from arawn.config.schema import ToolSource  # which hides its own values by what stands here

__all__ = [
    "HIDDEN",
    "is_key",
    "is_secret",
    "is_secret_name",
    "is_secret_of_query",
    "masked",
    "secrets_in",
    "tool_secrets",
]

HIDDEN = "(hidden)"

_DIGIT = re.compile("[0-9]")
_KEY_LIKE = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[\w+=~-]{16,}")  # no path, address, host or plain word
_USUAL_NAME = re.compile("[A-Z]+(_[A-Z0-9]+)+")
_COMMANDS = ("command", "api_key_command", "env", "url", "base_url")
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


def is_secret(path: KeyPath) -> bool:
    """Say whether the value at `path` must not be printed: `api_key`, and secret names below `headers` and `extra`."""
    if path and path[-1] == "api_key":
        return True
    for position, part in enumerate(path):
        if part in ("headers", "extra"):
            return any(is_secret_name(str(name)) for name in path[position + 1 :])
    return False


def is_key(text: str) -> bool:
    """Say whether a text that should be the name of a variable has a key of a known shape in it."""
    if _USUAL_NAME.fullmatch(text):  # the patterns take a hundredth of a second to load
        return False
    return bool(masked(text, ()) != text)


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
        return _texts_masked([value], path, _hidden)[0]
    if isinstance(value, list | tuple):
        if value and all(isinstance(item, str) for item in value):
            return _texts_masked(value, path, _hidden)
        return [masked(item, (*path, position)) for position, item in enumerate(value)]
    return value


def secrets_in(value: Any, path: KeyPath) -> Iterator[str]:
    """Yield the texts that `masked` hides, but none that may as well be a plain word, which stands in many a text.

    Of `extra`, which can hold a JSON schema with a property `token`, that is what has no digit, or whose name is only
    that of a table around it; of command lines, where names tell less, what is neither made like a key nor of a known
    shape.
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from secrets_in(item, (*path, key))
    elif isinstance(value, str):
        yield from _secrets_of([value], path)
    elif isinstance(value, list | tuple) and value and all(isinstance(item, str) for item in value):
        yield from _secrets_of(value, path)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from secrets_in(item, path)


def _secrets_of(texts: Sequence[str], path: KeyPath) -> list[str]:
    if "extra" not in path and is_secret(path):
        return list(texts)
    if "extra" in path and is_secret(("extra", path[-1])):
        return [text for text in texts if _DIGIT.search(text)]
    found: list[str] = []

    def note(secret: str) -> str:
        found.append(secret)
        return HIDDEN

    _texts_masked(texts, path, note)
    return [secret for secret in found if _KEY_LIKE.fullmatch(secret) or masked(secret, ()) != secret]


def _texts_masked(texts: Sequence[str], path: KeyPath, mask: Callable[[str], str]) -> list[str]:
    from arawn.interactions.key_shapes import replace_keys  # some 70 patterns, which most commands do not need

    if path and path[-1] in _COMMANDS:
        texts = list(_arguments_masked(texts, mask))
    return [replace_keys(text, lambda _, secret: mask(secret)) for text in texts]


def _hidden(_: str) -> str:
    return HIDDEN


def is_secret_name(name: str) -> bool:
    """Say whether what has this name is a secret."""
    return _SECRET_NAME.search(name) is not None


def is_secret_of_query(name: str) -> bool:
    """Say whether what has this name in the query of an address is a secret."""
    return is_secret_name(name) or _OF_ADDRESS.search(name) is not None


def _arguments_masked(arguments: Sequence[str], mask: Mask) -> Iterator[str]:
    """Yield the arguments of a command, `mask(secret)` in the place of each secret.

    Secret is what follows an option with the name of a secret, and what `_settings_masked` takes for one.
    """
    before = ""
    for argument in arguments:
        named = _OPTION.fullmatch(before) is not None and is_secret_name(before)
        yield mask(argument) if named and argument[:1] not in ("", "-") else _settings_masked(argument, mask)
        before = argument


def _settings_masked(text: str, mask: Mask) -> str:
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


def tool_secrets(sources: Iterable[ToolSource], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the tokens of `bearer_env`, variables of `env` with the name of a secret, and secrets in commands and URLs.

    Args:
        sources: The tables `[tools.NAME]`.
        environ: Where the values of variables stand.
    """
    for source in sources:
        named = [source.bearer_env, *filter(is_secret_name, source.env)]
        yield from (environ[name].strip() for name in named if name and environ.get(name))
        yield from secrets_in(msgspec.to_builtins(source), ())
