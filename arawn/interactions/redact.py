"""Known key shapes and known secrets become `[redacted:<rule>:<8 hex>]`. Pure.

The eight hexadecimal digits begin the SHA-256 of what stood there, so equal secrets stay recognisably equal.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from operator import is_
from typing import Any

import msgspec

from arawn.interactions.encode import CYCLE, MAX_DEPTH, TOO_DEEP
from arawn.messages import Image

__all__ = ["MIN_SECRET_LENGTH", "RULES", "Redactor", "redact"]

MIN_SECRET_LENGTH = 8  # shorter "secrets" would blot out ordinary words
_REMEMBERED = 16_384
_ATOMS = frozenset((type(None), bool, int, float))

_TOKEN = "[A-Za-z0-9_-]"  # noqa: S105 - a character class, no password
RULES: tuple[tuple[str, str], ...] = (
    ("anthropic", rf"sk-ant-{_TOKEN}{{16,}}"),
    ("openrouter", rf"sk-or-{_TOKEN}{{16,}}"),
    ("openai", rf"sk-{_TOKEN}{{20,}}"),
    ("groq", r"gsk_[A-Za-z0-9]{20,}"),
    ("xai", r"xai-[A-Za-z0-9]{20,}"),
    ("perplexity", r"pplx-[A-Za-z0-9]{20,}"),
    ("replicate", r"r8_[A-Za-z0-9]{20,}"),
    ("huggingface", r"hf_[A-Za-z0-9]{20,}"),
    ("nvidia", rf"nvapi-{_TOKEN}{{20,}}"),
    ("tavily", r"tvly-[A-Za-z0-9-]{16,}"),
    ("github", r"gh[pousr]_[A-Za-z0-9]{20,}"),
    ("github_pat", r"github_pat_[A-Za-z0-9_]{20,}"),
    ("gitlab", rf"glpat-{_TOKEN}{{16,}}"),
    ("npm", r"npm_[A-Za-z0-9]{20,}"),
    ("pypi", rf"pypi-{_TOKEN}{{20,}}"),
    ("slack", r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("slack_app", r"xapp-[A-Za-z0-9-]{10,}"),
    ("stripe", r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    ("digitalocean", r"do[opr]_v1_[a-f0-9]{32,}"),
    ("docker", rf"dckr_pat_{_TOKEN}{{16,}}"),
    ("linear", r"lin_api_[A-Za-z0-9]{20,}"),
    ("shopify", r"shpat_[a-fA-F0-9]{32}"),
    ("figma", rf"figd_{_TOKEN}{{20,}}"),
    ("notion", r"ntn_[A-Za-z0-9]{30,}"),
    ("aws", r"(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("google", rf"AIza{_TOKEN}{{35}}"),
    ("google_oauth", rf"ya29\.{_TOKEN}{{20,}}"),
    ("sendgrid", rf"SG\.{_TOKEN}{{16,}}\.{_TOKEN}{{16,}}"),
    ("vault", rf"hvs\.{_TOKEN}{{20,}}"),
    ("databricks", r"dapi[a-f0-9]{32}"),
    ("age", r"AGE-SECRET-KEY-1[A-Z0-9]{50,}"),
    ("azure_storage", r"AccountKey=[A-Za-z0-9+/]{40,}={0,2}"),
    ("jwt", rf"eyJ{_TOKEN}{{8,}}\.eyJ{_TOKEN}{{8,}}\.{_TOKEN}{{8,}}"),
    ("private_key", r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z0-9 ]*PRIVATE KEY-----|[\s\S]*)"),
    ("bearer", r"(?<=[Bb]earer )[A-Za-z0-9._~+/-]{16,}=*"),
    ("url_password", r"""(?<=://)[^\s/?#:@"'<>\\]*:[^\s/?#@"'<>\\]+(?=@)"""),
)

_SHAPES = re.compile("|".join(f"(?P<{name}>(?<![A-Za-z0-9]){shape})" for name, shape in RULES))

# Pre-tests: cheap to fail on ordinary text. The first looks for the `-` or `_` that ends a key's prefix (two letters
# before it, then the whole prefix, then enough of a key); the others for what is left.
_PREFIX_END = re.compile(
    r"[-_](?<=(?:sk|rk|ai|lx|r8|hf|pi|ly|h[pousr]|at|pm|x[abeoprs]|pp|v1|gd|tn)[-_])"
    r"(?:(?<=sk[-_])|(?<=rk_)|(?<=xai-)|(?<=pplx-)|(?<=r8_)|(?<=hf_)|(?<=nvapi-)|(?<=pypi-)|(?<=lin_api_)|(?<=tvly-)"
    r"|(?<=gh[pousr]_)|(?<=_pat_)|(?<=glpat-)|(?<=shpat_)|(?<=npm_)|(?<=xox[abeoprs]-)|(?<=xapp-)|(?<=do[opr]_v1_)"
    r"|(?<=figd_)|(?<=ntn_))(?=[A-Za-z0-9_-]{10})"
)
_CAPITAL = re.compile(r"[AJ](?:(?<=A)(?:KIA|SIA|Iza|GE-SECRET-KEY-|ccountKey=)|(?<=eyJ)[A-Za-z0-9_-]{8,}\.eyJ)")
_LITERALS = ("ya29.", "SG.", "hvs.", "dapi", "-----BEGIN ", "earer ")


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
        self._secrets = sorted(known, key=lambda secret: (-len(secret), secret))  # one may contain another
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
        for secret in self._secrets:
            if secret in text:
                found["secret"] = None
                text = text.replace(secret, _mask("secret", secret))
        return _without_keys(text, found) if _may_hold_a_key(text) else text

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


def _without_keys(text: str, found: dict[str, None]) -> str:
    def replacement(match: re.Match[str]) -> str:
        rule = match.lastgroup or ""
        found[rule] = None
        return _mask(rule, match.group())

    return _SHAPES.sub(replacement, text)


def _may_hold_a_key(text: str) -> bool:
    return (
        any(literal in text for literal in _LITERALS)
        or ("@" in text and "://" in text)
        or _PREFIX_END.search(text) is not None
        or _CAPITAL.search(text) is not None
    )


def _mask(rule: str, secret: str) -> str:
    digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
    return f"[redacted:{rule}:{digest[:8]}]"
