"""Whether a request would go through a proxy, by the environment's word. Pure.

Our transport speaks to servers only. Where a proxy may be meant, httpx's stock transport is to be used, which reads the
same variables by itself: so a doubt is resolved for it, and costs speed alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx

__all__ = ["proxy_variable", "uses_proxy"]


def uses_proxy(url: httpx.URL, environ: Mapping[str, str]) -> bool:
    """Whether `environ` names a proxy for `url` and does not clearly exempt its host; see `proxy_variable`."""
    return proxy_variable(url, environ) is not None


def proxy_variable(url: httpx.URL, environ: Mapping[str, str]) -> str | None:
    """Return the variable that names a proxy for `url`; None if there is none, or its host is clearly exempt.

    `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` are looked at, in lower case first. In `NO_PROXY`, `*`
    exempts everything, `example.com` that host and those below it, `.example.com` those below it, an IP address itself.
    """
    named = _set(environ, f"{url.scheme}_proxy") or _set(environ, "all_proxy")
    exempt = [entry.strip().lower() for entry in environ.get(_set(environ, "no_proxy") or "", "").split(",")]
    return None if any(_covers(entry, url.host) for entry in exempt) else named


def _set(environ: Mapping[str, str], name: str) -> str | None:
    return next((each for each in (name, name.upper()) if environ.get(each)), None)


def _covers(entry: str, host: str) -> bool:
    if entry == "*" or entry.strip("[]") == host:
        return True
    below = entry if entry.startswith(".") else f".{entry}"
    return len(below) > 1 and host.endswith(below)
