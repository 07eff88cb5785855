"""From a profile to a provider that takes calls: the one place that knows which kind is built how."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx

from arawn.backends.anthropic import AnthropicDialect
from arawn.backends.http_provider import Carrier, Endpoint, HttpProvider
from arawn.backends.keys import resolve_key
from arawn.backends.local import open_local
from arawn.backends.local_model import find_model, read_settings
from arawn.backends.openai import OpenAIDialect
from arawn.backends.presets import PRESETS, Preset
from arawn.backends.protocol import Dialect, Provider
from arawn.backends.proxied import open_client
from arawn.backends.script import ECHO, load_script
from arawn.backends.scripted import ScriptedProvider
from arawn.config.schema import Profile
from arawn.wire.proxies import proxy_variable
from arawn.wire.transport import Transport, TransportLimits

__all__ = ["open_provider", "takes_long"]

_KEEP_IDLE_S = 30.0


def open_provider(
    name: str,
    profile: Profile,
    *,
    environ: Mapping[str, str],
    transport: httpx.AsyncBaseTransport | None = None,
) -> AbstractAsyncContextManager[Provider]:
    """Open the provider of a profile for as long as the block lasts.

    Args:
        name: The profile's name, for messages.
        profile: Its settings, which passed every check of the configuration.
        environ: Where key variables are looked up; proxies are taken from the process's own environment.
        transport: Carries the requests instead of the usual one; the block closes it.

    Raises:
        ConfigError: The profile can never work: what it names, such as a script or a model, is not there.
        Unavailable: On entering: there is no key, the model server is not up, or the proxy variables are wrong.

    """
    if profile.backend == "scripted":
        return _open_scripted(name, profile)
    if profile.backend == "local":
        return open_local(name, profile)
    return _open_http(name, profile, environ, transport)


def takes_long(name: str, profile: Profile) -> bool:
    """Say whether opening this provider means waiting for another program: a model server, or one that prints a key.

    Raises:
        ConfigError: The model or a setting of its server is wrong, which is known without waiting.
    """
    if profile.backend == "local":
        find_model(name, profile.model)
        read_settings(name, profile)
        return True
    return bool(profile.api_key_command) and not profile.api_key


@asynccontextmanager
async def _open_scripted(name: str, profile: Profile) -> AsyncIterator[Provider]:
    steps = ECHO if profile.script is None else load_script(name, profile.script)
    yield ScriptedProvider(name, profile, steps)


@asynccontextmanager
async def _open_http(
    name: str, profile: Profile, environ: Mapping[str, str], transport: httpx.AsyncBaseTransport | None
) -> AsyncIterator[Provider]:
    preset = PRESETS[profile.backend]
    base_url = profile.base_url or preset.base_url or ""
    url = httpx.URL(base_url)
    dialect = _dialect(profile, preset, url.raw_host.decode())
    key = await resolve_key(name, profile, preset, environ=environ)
    proxy = None if transport else proxy_variable(url, os.environ)
    async with transport or _carrier(f"profile `{name}` ({profile.backend})", proxy) as carrier:
        bearer = preset.bearer if preset.dialect else dialect.name == "openai"
        yield HttpProvider(name, profile, dialect, Endpoint(profile.backend, base_url, key, bearer, proxy), carrier)


def _carrier(where: str, proxy: str | None) -> Carrier:
    """Return our own transport, or httpx's client where a proxy may be meant; the workers bound the calls."""
    if proxy is None:
        return Transport(TransportLimits(connections=None, idle_seconds=_KEEP_IDLE_S))
    limits = httpx.Limits(max_connections=None, keepalive_expiry=_KEEP_IDLE_S)
    return open_client(where, os.environ, limits=limits)


def _dialect(profile: Profile, preset: Preset, host: str) -> Dialect:
    if (preset.dialect or profile.dialect) == "anthropic":
        return AnthropicDialect()
    own = preset.base_url and httpx.URL(preset.base_url).host
    if not own or not f".{host}".endswith(f".{own}"):
        return OpenAIDialect()  # what is known of the preset's own server may be wrong of this one
    return OpenAIDialect(max_tokens_field=preset.max_tokens_field, reasoning_field=preset.reasoning_field)
