"""Every secret that the configured tool servers are given, so that none of them is shown or logged. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from arawn.config.hidden import is_secret_name, secrets_in
from arawn.config.schema import ToolSource

__all__ = ["tool_secrets"]


def tool_secrets(sources: Iterable[ToolSource], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the tokens of `bearer_env`, variables of `env` with the name of a secret, and secrets in commands and URLs.

    Args:
        sources: The tables `[tools.NAME]`.
        environ: Where the values of variables stand.
    """
    for source in sources:
        named = [source.bearer_env, *filter(is_secret_name, source.env)]
        yield from (environ[name].strip() for name in named if name and environ.get(name))
        yield from secrets_in(msgspec.to_builtins(source), ())
