"""Where clients reach a daemon that has just started: by addresses that its door accepts as `Host`. Pure."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from arawn.config import listen_address
from arawn.config.schema import ServerConfig

__all__ = ["address_to_use", "only_loopback", "own_address"]

_LOOPBACK = {4: "127.0.0.1", 6: "[::1]"}


def address_to_use(url: str, listen: str) -> str:
    """Return the URL that works for what listens on `url`: by loopback for every address, else by the name it has.

    Args:
        url: An address that is listened on, such as `http://0.0.0.0:8470`.
        listen: What `server.listen` says.
    """
    parts = urlsplit(url)
    address = ip_address(parts.hostname or "")
    name, _ = listen_address(listen)
    if address.is_unspecified:
        return own_address(url)
    return url if address.is_loopback or ":" in name else f"http://{name}:{parts.port}"


def own_address(url: str) -> str:
    """Return the URL by which this machine reaches what listens on `url`: by loopback, where that is every address."""
    parts = urlsplit(url)
    address = ip_address(parts.hostname or "")
    return f"http://{_LOOPBACK[address.version]}:{parts.port}" if address.is_unspecified else url


def only_loopback(url: str, server: ServerConfig) -> str | None:
    """Return what to say of a daemon that listens on every address and is known by loopback names alone; else None."""
    if server.allowed_hosts or not ip_address(urlsplit(url).hostname or "").is_unspecified:
        return None
    return (
        f"`{server.listen}` is every address of this machine, but requests are answered under loopback names only "
        "(others get 403 `foreign_host`) until `server.allowed_hosts` lists the names and addresses that clients use"
    )
