"""The secrets that a process knows, and where they stand in a text.

They are found as they are, and escaped as JSON, Python, URLs and HTML do it.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable
from functools import partial
from urllib.parse import quote, quote_plus, unquote

__all__ = ["MIN_SECRET_LENGTH", "SecretSet"]

MIN_SECRET_LENGTH = 8  # shorter "secrets" would blot out ordinary words

# Patterns that begin with one plain character are searched for at the speed of memory; most texts have none of it.
# A run of backslashes is looked at from its start alone: from each of them, a long run would take minutes.
_WAYS = tuple(
    (re.compile(hint).search, re.compile(spelled))
    for hint, spelled in (
        (
            r"\\(?=[uU][0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[/\\])",
            r"\\(?<!\\\\)\\*(?:u[0-9a-fA-F]{4}(?:\\+u[0-9a-fA-F]{4})*|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|[^\w\s\\])",
        ),
        (r"%(?=[0-9a-fA-F]{2})", r"%[0-9a-fA-F]{2}(?:%[0-9a-fA-F]{2})*"),
        (r"&(?=#)", r"&#[0-9xX][0-9a-fA-F]{0,7};"),
    )
)
_NOT_WITHIN_A_RUN = r"(?:(?<!\\)|(?!\\))"


class SecretSet:
    """Texts that must not appear. It only grows.

    `forms` is what to search by. When secrets are added it is another object: a text that was clean by the one before
    is to be searched again.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Begin with `secrets`; see `add`."""
        self._known: frozenset[str] = frozenset()
        self.forms = KnownSecrets(())
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Take in `secrets`; those shorter than `MIN_SECRET_LENGTH` are ignored."""
        known = self._known.union(secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH)
        if known == self._known:
            return
        self._known = known
        self.forms = KnownSecrets(sorted(known, key=lambda secret: (-len(secret), secret)))  # one may contain another


class KnownSecrets:
    """Secrets, the longest first, and the forms in which they can stand in a text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms = [(secret, sorted(_forms(secret), key=len, reverse=True)) for secret in secrets]
        self._all_forms = tuple(form for _, forms in self._forms for form in forms)

    def replaced(self, text: str, mask: Callable[[str], str]) -> str:
        """Return `text` with `mask(secret)` in the place of each secret; the same object when it holds none."""
        for secret, forms in self._forms:
            for form in forms:
                if form in text:
                    text = text.replace(form, mask(secret))
        return self._without_spelled(text, mask) if self._forms else text

    def are_absent(self, texts: Iterable[str], joined: str) -> bool:
        """Say whether none of `texts`, which are `joined` by line ends, holds a secret in any form."""
        if not self._all_forms:
            return True
        for form in self._all_forms:  # a loop, and no generator: half the price
            if form in joined:
                return False
        if not any(is_used(joined) for is_used, _ in _WAYS):
            return True
        # Escapes are read text by text: those of one must not change how another one reads.
        return all(self._without_spelled(text, lambda _: "") is text for text in texts)

    def _without_spelled(self, text: str, mask: Callable[[str], str]) -> str:
        """Replace secrets some of whose characters are written by their numbers."""
        plain = text
        for is_used, spelled in _WAYS:
            if is_used(text):
                plain = spelled.sub(_character, plain)
        if plain is text:
            return text
        for secret, _ in self._forms:
            if secret in plain:
                pattern = _NOT_WITHIN_A_RUN + "".join(map(_spellings, secret))
                text = re.sub(pattern, partial(_masked, mask, secret), text)
        return text


def _masked(mask: Callable[[str], str], secret: str, _: re.Match[str]) -> str:
    return mask(secret)


def _forms(secret: str) -> set[str]:
    """Return the secret as it is, and as encoders write it from its first to its last character."""
    data = secret.encode("utf-8", "surrogatepass")
    quoted = {quote(data, safe=""), quote(data), quote_plus(data), html.escape(secret), repr(secret)[1:-1]}
    return quoted | {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}


def _character(match: re.Match[str]) -> str:
    """Return what a run of escapes stands for."""
    text = match.group()
    if text[0] == "%":
        return unquote(text, errors="replace")
    if text[0] == "&":
        return html.unescape(text)
    digits = text.lstrip("\\")
    if digits[0] == "u":
        units = "".join(re.findall(r"u([0-9a-fA-F]{4})", text))
        return bytes.fromhex(units).decode("utf-16-be", "replace")
    return digits if len(digits) == 1 else chr(min(int(digits[1:], 16), 0x10FFFF))


def _spellings(character: str) -> str:
    """Return a pattern for one character, as it is or by its number in any of the usual ways."""
    number = ord(character)
    ways = [re.escape(character), rf"\\+{re.escape(character)}", rf"&#0*{number};", rf"(?i:&#x0*{number:x};)"]
    units = character.encode("utf-16-be", "surrogatepass").hex()
    ways.append("(?i:" + "".join(rf"\\+u{units[place : place + 4]}" for place in range(0, len(units), 4)) + ")")
    ways.append(rf"(?i:\\+U{number:08x})")
    data = character.encode("utf-8", "surrogatepass").hex()
    ways.append("(?i:" + "".join(f"%{data[place : place + 2]}" for place in range(0, len(data), 2)) + ")")
    if number < 256:
        ways.append(rf"(?i:\\+x{number:02x})")
    return f"(?:{'|'.join(ways)})"
