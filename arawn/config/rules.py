"""What the tables must be, and agree on with each other; of single profiles see `profile_rules`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from arawn.backends.presets import PRESETS
from arawn.config.describe import any_of, suggestion, ticked
from arawn.config.keypath import Finding, KeyPath
from arawn.config.profile_rules import is_variable, profile_findings
from arawn.config.profiles import DEFAULT, NamedProfile
from arawn.config.schema import Config, RoutingConfig, RoutingRule, ToolSource
from arawn.errors import BadInput
from arawn.workstreams.names import require_name

__all__ = ["config_findings", "host_findings", "is_loopback", "listen_address", "routing_findings", "tool_findings"]

_LISTEN = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})")
_HOST_LABEL = r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)"
_HOST_NAME = re.compile(rf"{_HOST_LABEL}(?:\.{_HOST_LABEL})*\.?")
_ADDRESS_LIKE = re.compile(r"[0-9.]+")  # an address that is none: no name ends in a number
_HOSTS_ACCEPTED = (
    "accepted: a name such as `arawn.example` or an address such as `10.0.0.7`, without scheme, port or pattern"
)
_TOOL_KINDS = ("python", "command", "url")
_OF_ONE_KIND = {"env": "command", "bearer_env": "url"}
_RULE_NAME = re.compile(r"[\x21-\x7e]+")  # it travels in the header `x-arawn-route`
_PLACE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_SERVERLESS = ("local", "scripted")


def config_findings(config: Config, entries: Iterable[NamedProfile]) -> Iterator[Finding]:
    """Yield everything wrong in `config`, whose values have the right types; `entries` are its profiles."""
    for entry in entries:
        yield from profile_findings(entry)
    yield from _profile_names(config)
    yield from _workstreams(config)
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
        return ip_address(host).is_loopback
    except ValueError:  # a name, not an address
        return host.lower() == "localhost"


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def _profile_names(config: Config) -> Iterator[Finding]:
    known = config.profiles.keys() or {DEFAULT}  # without any profile, one is looked for and called that
    there_are = f"the profiles are: {any_of(sorted(known))}"
    for path, name in _named_profiles(config):
        if name not in known:
            yield Finding(path, f"unknown profile {ticked(name)}; {there_are}{suggestion(name, known)}")


def _workstreams(config: Config) -> Iterator[Finding]:
    for name, workstream in config.workstreams.named.items():
        try:
            require_name(name)
        except BadInput as error:
            yield Finding(("workstreams", "named", name), str(error))
        if "" in workstream.tags:
            yield Finding(("workstreams", "named", name, "tags"), "one has an empty key; give it a name")


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


def host_findings(hosts: tuple[str, ...]) -> Iterator[Finding]:
    """Yield a finding for each entry that no `Host` can ever match."""
    for position, host in enumerate(hosts):
        if not _is_host(host):
            yield Finding(
                ("server", "allowed_hosts", position), f"found {ticked(host)}; {_HOSTS_ACCEPTED}{_host_meant(host)}"
            )


def _is_host(host: str) -> bool:
    try:
        ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    except ValueError:
        return _HOST_NAME.fullmatch(host) is not None and not _ADDRESS_LIKE.fullmatch(host)
    return "%" not in host  # the zone of an address is nobody else's to know


def _host_meant(host: str) -> str:
    """Return a suggestion: what is left of a URL, or of a name with a port."""
    try:
        parts = urlsplit(host if "//" in host else f"//{host}")
        name = parts.hostname
    except ValueError:
        return ""
    if not name or not _is_host(name) or "%" in host or parts.path not in {"", "/"}:
        return ""
    return f"; did you mean {ticked(name)}?"


def tool_findings(sources: Mapping[str, ToolSource]) -> Iterator[Finding]:
    """Yield everything wrong with the sources of tools, by name."""
    for name, source in sources.items():
        path = ("tools", name)
        yield from _tool_kind(source, path)
        yield from _tool_values(source, path)


def _tool_kind(source: ToolSource, path: KeyPath) -> Iterator[Finding]:
    kinds = [kind for kind in _TOOL_KINDS if getattr(source, kind) is not None]
    if not kinds:
        yield Finding(path, f"says not where its tools are; accepted: one of {any_of(_TOOL_KINDS)}")
    for kind in kinds[1:]:
        yield Finding((*path, kind), f"its tools are given by `{kinds[0]}` already; keep one of {any_of(_TOOL_KINDS)}")
    for key, kind in _OF_ONE_KIND.items():
        if kinds and getattr(source, key) and kind not in kinds:
            yield Finding((*path, key), f"only beside `{kind}`; remove it")


def _tool_values(source: ToolSource, path: KeyPath) -> Iterator[Finding]:
    if source.python is not None and not _PLACE.fullmatch(source.python):
        found = ticked(source.python)
        yield Finding((*path, "python"), f"found {found}; accepted: `module:attribute`, such as `my_tools:search`")
    if source.command is not None and not any(source.command[:1]):
        yield Finding((*path, "command"), "empty; accepted: a program and its arguments")
    if source.bearer_env is not None and not is_variable(source.bearer_env):
        yield Finding(
            (*path, "bearer_env"), "not the name of an environment variable; accepted: letters, digits and `_`"
        )
    if source.url is not None and not _is_server_address(source.url):
        # The address itself stays out of the message: it may hold a password.
        yield Finding((*path, "url"), "not the address of a server; accepted: `http://…` or `https://…` without user")


def _is_server_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:  # half an IPv6 address
        return False


def routing_findings(config: Config) -> Iterator[Finding]:
    """Yield everything wrong with `[routing]`, but for names of profiles that are not there."""
    yield from _routing_default(config)
    yield from _rule_names(config.routing)
    for position, rule in enumerate(config.routing.rules):
        yield from _rule(rule, ("routing", "rules", position))
    yield from _keywords(config.routing)
    yield from _thresholds(config.routing)
    yield from _routing_policy(config.routing)
    yield from _classifier(config)


def _routing_default(config: Config) -> Iterator[Finding]:
    routing = config.routing
    if routing.enabled and routing.default is None and config.profiles and DEFAULT not in config.profiles:
        yield Finding(("routing", "default"), "missing; name the profile of the requests that no rule matches")


def _rule_names(routing: RoutingConfig) -> Iterator[Finding]:
    met: dict[str, int] = {}
    for position, rule in enumerate(routing.rules):
        first = met.setdefault(rule.name, position)
        if rule.name and first != position:
            yield Finding(
                ("routing", "rules", position, "name"),
                f"`routing.rules[{first}]` has the name {ticked(rule.name)} already; accepted: a name of its own",
            )


def _rule(rule: RoutingRule, path: KeyPath) -> Iterator[Finding]:
    from arawn.routing.conditions import condition_problems

    if not _RULE_NAME.fullmatch(rule.name):
        wrong = f"found {ticked(rule.name)}" if rule.name else "missing"
        yield Finding((*path, "name"), f"{wrong}; accepted: visible ASCII characters without space")
    if not rule.profile:
        yield Finding((*path, "profile"), "missing; name the profile of the requests that the rule matches")
    for key, text in condition_problems(rule.condition):
        yield Finding((*path, "condition", *([] if key is None else [key])), text)


def _keywords(routing: RoutingConfig) -> Iterator[Finding]:
    for position, word in enumerate(routing.keywords):
        if not word.strip():
            yield Finding(("routing", "keywords", position), "empty; accepted: a text to look for")


def _thresholds(routing: RoutingConfig) -> Iterator[Finding]:
    if routing.moderate_length_gt > routing.complex_length_gt:
        text = f"no request could be `moderate` for its length; accepted: at most {routing.complex_length_gt}"
        yield Finding(("routing", "moderate_length_gt"), f"{text}, which is `complex_length_gt`")


def _routing_policy(routing: RoutingConfig) -> Iterator[Finding]:
    if routing.policy is None:
        return
    if not _PLACE.fullmatch(routing.policy):
        text = f"found {ticked(routing.policy)}; accepted: `module:attribute`, such as `my_routing:policy`"
        yield Finding(("routing", "policy"), text)
    if routing.classifier.file is not None:
        yield Finding(("routing", "policy"), "stands in place of the classifier; remove it or `classifier.file`")


def _classifier(config: Config) -> Iterator[Finding]:
    path, classifier = ("routing", "classifier", "embeddings"), config.routing.classifier
    if classifier.file is not None and classifier.embeddings is None:
        yield Finding(path, "missing; name the profile whose `/v1/embeddings` is asked")
    if classifier.embeddings is None:
        return
    profile = config.profiles.get(classifier.embeddings)
    if profile is not None and not _may_embed(profile.backend, profile.dialect):
        text = f"profile {ticked(classifier.embeddings)} has no `/v1/embeddings` that can be asked"
        yield Finding(path, f"{text}; accepted: a profile whose provider speaks `openai`, but for `local`")


def _may_embed(backend: str, dialect: str | None) -> bool:
    preset = PRESETS.get(backend)
    if preset is None:  # an unknown backend is a finding of its own
        return True
    return backend not in _SERVERLESS and (preset.dialect or dialect) == "openai"
