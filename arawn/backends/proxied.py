"""The client of a profile that may be asked through a proxy."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from arawn.errors import Unavailable

__all__ = ["open_client"]

_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def open_client(where: str, environ: Mapping[str, str], *, limits: httpx.Limits) -> httpx.AsyncClient:
    """Return a client that takes its proxies from the process's own environment.

    Args:
        where: The profile, for messages.
        environ: That environment, for messages too: the variables are named, their values may hold passwords.
        limits: How many connections, and for how long.

    Raises:
        Unavailable: The variables hold what no request can be sent by. No connection was made.
    """
    try:
        return httpx.AsyncClient(limits=limits, timeout=None, follow_redirects=False)  # noqa: S113  # the caller has deadlines
    except ImportError:
        found = "name a SOCKS proxy, and the package for those is missing"
        right = "run `pip install 'httpx[socks]'`, or give a proxy as `http://host:port`"
    except (httpx.InvalidURL, ValueError):
        found = "hold what is no address"
        right = "give each proxy as `http://host:port`, and in `NO_PROXY` names or IP addresses with commas between"
    names = ", ".join(f"`{name}`" for name in sorted(environ) if name.lower() in _VARIABLES and environ[name])
    raise Unavailable(f"{where} cannot be asked: the proxy variables {names} {found}; {right}", retryable=False)
