"""What profiles and tables must be, and agree on with each other. Pure: each rule yields what it finds."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator

from arawn.config.describe import any_of, suggestion, ticked
from arawn.config.host_rules import host_findings
from arawn.config.keypath import Finding, KeyPath
from arawn.config.profile_rules import profile_findings
from arawn.config.profiles import DEFAULT, NamedProfile
from arawn.config.routing_rules import routing_findings
from arawn.config.schema import Config
from arawn.config.tool_rules import tool_findings

__all__ = ["config_findings", "is_loopback", "listen_address"]

_LISTEN = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})")


def config_findings(config: Config, entries: Iterable[NamedProfile]) -> Iterator[Finding]:
    """Yield everything wrong in `config`, whose values have the right types; `entries` are its profiles."""
    for entry in entries:
        yield from profile_findings(entry)
    yield from _profile_names(config)
    yield from routing_findings(config)
    yield from tool_findings(config.tools)
    yield from host_findings(config.server.allowed_hosts)
    yield from _server(config)


def listen_address(text: str) -> tuple[str, int]:
    """Split `server.listen`, such as `127.0.0.1:8470` or `[::1]:8470`, into host and port; 0 lets the system pick one.

    Raises:
        ValueError: If `text` is not of that form; a checked configuration never is.
    """
    match = _LISTEN.fullmatch(text)
    if match is None or int(match["port"]) > 65_535:
        raise ValueError(f"`{text}` is not host:port")
    if match["ipv6"] and not _is_ipv6(match["ipv6"]):
        raise ValueError(f"`{text}` is not host:port: its brackets hold no IPv6 address")
    return match["ipv6"] or match["host"], int(match["port"])


def is_loopback(host: str) -> bool:
    """Say whether `host` is reachable from this machine only. Of names, only `localhost` is trusted to be."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, not an address
        return host.lower() == "localhost"


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _profile_names(config: Config) -> Iterator[Finding]:
    known = config.profiles.keys() or {DEFAULT}  # without any profile, one is looked for and called that
    there_are = f"the profiles are: {any_of(sorted(known))}"
    for path, name in _named_profiles(config):
        if name not in known:
            yield Finding(path, f"unknown profile {ticked(name)}; {there_are}{suggestion(name, known)}")


def _named_profiles(config: Config) -> Iterator[tuple[KeyPath, str]]:
    for name, workstream in config.workstreams.named.items():
        if workstream.profile is not None:
            yield ("workstreams", "named", name, "profile"), workstream.profile
    if config.routing.default is not None:
        yield ("routing", "default"), config.routing.default
    for position, rule in enumerate(config.routing.rules):
        if rule.profile:
            yield ("routing", "rules", position, "profile"), rule.profile
    if config.routing.classifier.embeddings is not None:
        yield ("routing", "classifier", "embeddings"), config.routing.classifier.embeddings


def _server(config: Config) -> Iterator[Finding]:
    listen = ticked(config.server.listen)
    try:
        host, _ = listen_address(config.server.listen)
    except ValueError:
        yield Finding(
            ("server", "listen"),
            f"found {listen}; accepted: `host:port` with a port up to 65535, such as `127.0.0.1:8470`, and brackets"
            " around an IPv6 address, such as `[::1]:8470`",
        )
        return
    if config.server.auth == "none" and not is_loopback(host):
        yield Finding(
            ("server", "auth"),
            f'"none" lets anyone who reaches {listen} use the profiles; accepted: "token", or a loopback address in'
            " `server.listen`",
        )
