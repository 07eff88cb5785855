"""Every secret that the configured profiles hold, so that none of them can reach the log. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from arawn.backends.presets import PRESETS
from arawn.config.hidden import is_secret
from arawn.config.keypath import KeyPath
from arawn.config.schema import Profile

__all__ = ["secret_values"]


def secret_values(profiles: Mapping[str, Profile], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the keys (given or in the environment), the passwords in URLs and what is hidden in headers and `extra`.

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
        yield from _hidden_in(profile.headers, ("headers",))
        yield from _hidden_in(profile.extra, ("extra",))


def _hidden_in(value: object, path: KeyPath) -> Iterator[str]:
    """Yield every text and number at or below `path` that `arawn config show` hides."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _hidden_in(item, (*path, key))
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from _hidden_in(item, (*path, position))
    elif isinstance(value, str | int | float) and not isinstance(value, bool) and is_secret(path):
        yield str(value)
