"""Whether a request would go through a proxy, by the environment's word. Pure.

Our transport speaks to servers only. Where a proxy may be meant, httpx's stock transport is to be used, which reads the
same variables by itself: so a doubt is resolved for it, and costs speed alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx

__all__ = ["uses_proxy"]


def uses_proxy(url: httpx.URL, environ: Mapping[str, str]) -> bool:
    """Whether `environ` names a proxy for `url` and does not clearly exempt its host.

    `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` are looked at, in lower case first. In `NO_PROXY`, `*`
    exempts everything, `example.com` that host and those below it, `.example.com` those below it, an IP address itself.
    """
    if not any(_variable(environ, f"{scheme}_proxy") for scheme in (url.scheme, "all")):
        return False
    exempt = [entry.strip().lower() for entry in _variable(environ, "no_proxy").split(",")]
    return not any(_covers(entry, url.host) for entry in exempt)


def _variable(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.upper()) or ""


def _covers(entry: str, host: str) -> bool:
    if entry == "*" or entry.strip("[]") == host:
        return True
    below = entry if entry.startswith(".") else f".{entry}"
    return len(below) > 1 and host.endswith(below)
