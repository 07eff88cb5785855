"""Every secret that the configured profiles and the proxies hold, so that none of them can reach the log. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

import msgspec

from arawn.backends.presets import PRESETS
from arawn.config.hidden import secrets_in
from arawn.config.schema import Profile

__all__ = ["proxy_passwords", "secret_values"]

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def secret_values(profiles: Mapping[str, Profile], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield keys from the environment, passwords in URLs, and what `config show` hides, but for plain words.

    What `api_key_command` prints is known only once it has run: see `Provider.secrets`.
    """
    for profile in profiles.values():
        preset = PRESETS.get(profile.backend)
        variables = {profile.api_key_env, preset.key_env if preset else None}
        yield from (environ[variable].strip() for variable in variables if variable and environ.get(variable))
        if profile.base_url and (password := urlsplit(profile.base_url).password):
            yield unquote(password)
        yield from secrets_in(msgspec.to_builtins(profile), ())


def proxy_passwords(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the passwords of the proxy variables, also of addresses that no request can be sent by."""
    for name, address in environ.items():
        if name.lower() in _PROXIES:
            login = address.rpartition("@")[0].rpartition("://")[2]
            yield unquote(login.partition(":")[2])
