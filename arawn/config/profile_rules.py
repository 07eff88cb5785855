"""What the keys of one profile must agree on. Pure: each rule yields what it finds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit

from arawn.backends.presets import PRESETS
from arawn.config.describe import any_of, suggestion, ticked
from arawn.config.hidden import is_key, is_secret_of_query
from arawn.config.keypath import Finding
from arawn.config.profiles import NamedProfile

__all__ = ["is_variable", "profile_findings"]

_PROFILE_NAME = re.compile(r"[\x21-\x7e]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"([\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?)?")
_SETTINGS = frozenset(("model", "max_tokens", "temperature", "top_p", "stop"))
_OF_EACH_CALL = frozenset(("messages", "system", "stream"))
_OF_EACH_REQUEST = frozenset(("content-length", "transfer-encoding"))
_OTHER_SERVERS = "any other server that speaks OpenAI's or Anthropic's API is `custom` with `dialect` and `base_url`"
_MAKERS = {"claude": "anthropic", "google": "gemini", "grok": "xai"}  # `grok` looks like `groq`, another company
_KEY = re.compile(r"[\x21-\x7e]+")
_FOUR_NUMBERS = re.compile(r"[0-9]+(\.[0-9]+){3}")
_REFERENCE = re.compile(r"os\.environ/.*|\$[A-Z_][A-Z0-9_]*|\$\{.*\}")  # as other programs write it
_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_LONG_WORD = re.compile("[A-Za-z0-9]{32,}")  # a key without a known shape rather than a name


def profile_findings(entry: NamedProfile) -> Iterator[Finding]:
    """Yield everything wrong with one profile, whose values have the right types."""
    yield from _name(entry)
    yield from _backend(entry)
    yield from _model(entry)
    yield from _keys_of_one_kind(entry)
    yield from _base_url(entry)
    yield from _headers(entry)
    yield from _extra(entry)
    yield from _api_key(entry)


def _name(entry: NamedProfile) -> Iterator[Finding]:
    if not _PROFILE_NAME.fullmatch(entry.name):
        yield Finding(entry.path, "a profile's name travels in HTTP headers; accepted: visible ASCII characters")
    elif entry.name == "auto":
        yield Finding(entry.path, "`auto` asks for routing and cannot name a profile; accepted: any other name")


def _backend(entry: NamedProfile) -> Iterator[Finding]:
    kind = entry.profile.backend
    if kind not in PRESETS:
        wrong = f"unknown backend {ticked(kind)}" if kind else "missing"
        meant = suggestion(_MAKERS.get(kind, kind), PRESETS)
        yield Finding(
            (*entry.path, "backend"), f"{wrong}; accepted: {any_of(sorted(PRESETS))}; {_OTHER_SERVERS}{meant}"
        )


def _model(entry: NamedProfile) -> Iterator[Finding]:
    if not entry.profile.model and entry.profile.backend != "scripted":
        yield Finding((*entry.path, "model"), "missing; name the model to use, there is no default one")


def _keys_of_one_kind(entry: NamedProfile) -> Iterator[Finding]:
    profile = entry.profile
    if profile.backend == "custom":
        if profile.base_url is None:
            yield Finding((*entry.path, "base_url"), "missing; `custom` needs the `http://` or `https://` address")
        if profile.dialect is None:
            yield Finding((*entry.path, "dialect"), "missing; `custom` needs `openai` or `anthropic`")
    elif profile.dialect is not None:
        yield Finding((*entry.path, "dialect"), "only for the backend `custom`; remove it")
    if profile.script is not None and profile.backend != "scripted":
        yield Finding((*entry.path, "script"), "only for the backend `scripted`; remove it")


def _base_url(entry: NamedProfile) -> Iterator[Finding]:
    url = entry.profile.base_url
    if url is not None and not _is_base_url(url):
        # The address itself stays out of the message: it may hold a password.
        yield Finding(
            (*entry.path, "base_url"),
            "not an address to send requests to; accepted: `http://host` or `https://host`, then port, path and query"
            " (`?name=value`) if any, without user, password or `#`, and without secrets in the query: give them in"
            " `headers`, or as the key",
        )


def _is_base_url(url: str) -> bool:
    if not _KEY.fullmatch(url) or "#" in url:
        return False
    try:
        parts = urlsplit(url)
        if _FOUR_NUMBERS.fullmatch(parts.hostname or "") or "[" in parts.netloc:
            ip_address(parts.hostname or "")
        if (parts.hostname or "").startswith("xn--"):
            _decode_name(parts.hostname or "")
        return _names_http_host(parts) and all(map(_may_be_shown, filter(None, parts.query.split("&"))))
    except ValueError:  # a port out of range, half an IPv6 address, 999 in an IPv4 address, `xn--` before no name
        return False


def _decode_name(host: str) -> None:
    """Raise `ValueError` if httpx, which sends the requests, cannot decode an internationalised name."""
    from httpx import URL  # slow to load, and hardly ever needed

    _ = URL(f"http://{host}").host


def _names_http_host(url: SplitResult) -> bool:
    return url.scheme in ("http", "https") and bool(url.hostname) and "@" not in url.netloc and url.port != 0


def _may_be_shown(setting: str) -> bool:
    """Say whether a part of a query names what it sets, and that is no secret: addresses are printed."""
    name, given, _ = setting.partition("=")
    name = unquote(name)
    return bool(name and given) and not is_secret_of_query(name)


def _headers(entry: NamedProfile) -> Iterator[Finding]:
    for name, value in entry.profile.headers.items():
        path = (*entry.path, "headers", name)
        if not _HEADER_NAME.fullmatch(name):
            yield Finding(path, "not a header name; accepted: ASCII letters, digits and any of `!#$%&'*+-.^_|~`")
        elif name.lower() in _OF_EACH_REQUEST:
            yield Finding(path, "each request says for itself where its body ends; remove it")
        if not _HEADER_VALUE.fullmatch(value):
            yield Finding(path, "not a header value; accepted: printable ASCII without space at either end")


def _extra(entry: NamedProfile) -> Iterator[Finding]:
    """Yield what `extra` would say a second time: which of the two counts would be anybody's guess."""
    if entry.profile.backend == "local":  # settings of the model server, not of a request
        return
    for name in entry.profile.extra:
        if name in _SETTINGS:
            yield Finding((*entry.path, "extra", name), f"it is a setting of its own; give `{name}` beside `extra`")
        elif name in _OF_EACH_CALL:
            yield Finding((*entry.path, "extra", name), "each call says it for itself; remove it")


def _api_key(entry: NamedProfile) -> Iterator[Finding]:
    profile = entry.profile
    ways = ("api_key", "api_key_env", "api_key_command")
    used = [way for way in ways if getattr(profile, way) is not None]
    for way in used[1:]:
        yield Finding((*entry.path, way), f"the key is already given by `{used[0]}`; keep one of {any_of(ways)}")
    if profile.api_key is not None and not _KEY.fullmatch(profile.api_key):
        yield Finding(
            (*entry.path, "api_key"), "not a key; accepted: visible ASCII characters, without space or line end"
        )
    elif profile.api_key is not None and _REFERENCE.fullmatch(profile.api_key):
        yield Finding((*entry.path, "api_key"), 'this is no key; `api_key_env = "NAME"` reads a variable')
    if profile.api_key_env is not None and not is_variable(profile.api_key_env):
        yield Finding(
            (*entry.path, "api_key_env"),
            "not the name of an environment variable; accepted: letters, digits and `_`; a key stands in `api_key`",
        )
    if profile.api_key_command is not None and not any(profile.api_key_command[:1]):
        yield Finding((*entry.path, "api_key_command"), "empty; accepted: a program and its arguments")


def is_variable(text: str) -> bool:
    """Say whether `text` can be the name of an environment variable, and is not the key that should stand in it."""
    return bool(_VARIABLE.fullmatch(text)) and not _LONG_WORD.fullmatch(text) and not is_key(text)
