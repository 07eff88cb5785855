"""What `server.allowed_hosts` may hold: names and addresses as they stand in `Host`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from arawn.config.describe import ticked
from arawn.config.keypath import Finding

__all__ = ["host_findings"]

_LABEL = r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_NUMBERS = re.compile(r"[0-9.]+")  # an address that is none: no name ends in a number
_ACCEPTED = "accepted: a name such as `arawn.example` or an address such as `10.0.0.7`, without scheme, port or pattern"


def host_findings(hosts: tuple[str, ...]) -> Iterator[Finding]:
    """Yield a finding for each entry that no `Host` can ever match."""
    for position, host in enumerate(hosts):
        if not _fits(host):
            yield Finding(("server", "allowed_hosts", position), f"found {ticked(host)}; {_ACCEPTED}{_meant(host)}")


def _fits(host: str) -> bool:
    try:
        ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    except ValueError:
        return _NAME.fullmatch(host) is not None and not _NUMBERS.fullmatch(host)
    return "%" not in host  # the zone of an address is nobody else's to know


def _meant(host: str) -> str:
    """Return a suggestion: what is left of a URL, or of a name with a port."""
    try:
        parts = urlsplit(host if "//" in host else f"//{host}")
        name = parts.hostname
    except ValueError:
        return ""
    if not name or not _fits(name) or "%" in host or parts.path not in {"", "/"}:
        return ""
    return f"; did you mean {ticked(name)}?"
