"""Every secret that the configured profiles hold, so that none of them can reach the log. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from arawn.backends.presets import PRESETS
from arawn.config.hidden import is_secret
from arawn.config.schema import Profile

__all__ = ["secret_values"]


def secret_values(profiles: Mapping[str, Profile], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the keys (given or in the environment), the passwords in URLs and the secret headers of all profiles.

    What `api_key_command` prints is known only once it has run: see `Provider.secrets`.
    """
    for profile in profiles.values():
        preset = PRESETS.get(profile.backend)
        variables = {profile.api_key_env, preset.key_env if preset else None}
        yield from (environ[variable].strip() for variable in variables if variable and environ.get(variable))
        if profile.api_key:
            yield profile.api_key
        if profile.base_url and (password := urlsplit(profile.base_url).password):
            yield unquote(password)
        yield from (value for name, value in profile.headers.items() if is_secret(("llm", "headers", name)))
