"""Every secret that the configured profiles hold, so that none of them can reach the log. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from arawn.backends.presets import PRESETS
from arawn.config.hidden import is_secret
from arawn.config.schema import Profile

__all__ = ["secret_values"]

_DIGIT = re.compile("[0-9]")


def secret_values(profiles: Mapping[str, Profile], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the keys (given or in the environment), the passwords in URLs, and what is hidden in headers and `extra`.

    Of `extra`, which can hold a JSON schema with a property `token`, only texts with a digit whose own name is that of
    a secret: a plain word would be blotted out of every text in the log.

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
        yield from (value for name, value in profile.headers.items() if is_secret(("headers", name)))
        yield from _secrets_in(profile.extra)


def _secrets_in(value: object, name: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _secrets_in(item, key)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secrets_in(item, name)
    elif isinstance(value, str) and _DIGIT.search(value) and is_secret(("extra", name)):
        yield value
