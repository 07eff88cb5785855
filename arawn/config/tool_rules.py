"""What the tables `[tools.NAME]` must be. Pure: each rule yields what it finds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from arawn.config.describe import any_of, ticked
from arawn.config.keypath import Finding, KeyPath
from arawn.config.profile_rules import is_variable
from arawn.config.schema import ToolSource

__all__ = ["tool_findings"]

_KINDS = ("python", "command", "url")
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_OF_ONE_KIND = {"env": "command", "bearer_env": "url"}


def tool_findings(sources: Mapping[str, ToolSource]) -> Iterator[Finding]:
    """Yield everything wrong with the sources of tools, by name."""
    for name, source in sources.items():
        path = ("tools", name)
        yield from _kind(source, path)
        yield from _values(source, path)


def _kind(source: ToolSource, path: KeyPath) -> Iterator[Finding]:
    kinds = [kind for kind in _KINDS if getattr(source, kind) is not None]
    if not kinds:
        yield Finding(path, f"says not where its tools are; accepted: one of {any_of(_KINDS)}")
    for kind in kinds[1:]:
        yield Finding((*path, kind), f"its tools are given by `{kinds[0]}` already; keep one of {any_of(_KINDS)}")
    for key, kind in _OF_ONE_KIND.items():
        if kinds and getattr(source, key) and kind not in kinds:
            yield Finding((*path, key), f"only beside `{kind}`; remove it")


def _values(source: ToolSource, path: KeyPath) -> Iterator[Finding]:
    if source.python is not None and not _MODULE.fullmatch(source.python):
        found = ticked(source.python)
        yield Finding((*path, "python"), f"found {found}; accepted: `module:attribute`, such as `my_tools:search`")
    if source.command is not None and not any(source.command[:1]):
        yield Finding((*path, "command"), "empty; accepted: a program and its arguments")
    if source.bearer_env is not None and not is_variable(source.bearer_env):
        yield Finding(
            (*path, "bearer_env"), "not the name of an environment variable; accepted: letters, digits and `_`"
        )
    if source.url is not None and not _is_url(source.url):
        # The address itself stays out of the message: it may hold a password.
        yield Finding((*path, "url"), "not the address of a server; accepted: `http://…` or `https://…` without user")


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:  # half an IPv6 address
        return False
