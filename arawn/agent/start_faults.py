"""Why a tool server does not start, in words for a person. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from arawn.config.schema import ToolSource

__all__ = ["not_started", "start_fault", "unset_token"]

_LINE_CHARACTERS = 200


def unset_token(name: str, source: ToolSource, environ: Mapping[str, str]) -> str | None:
    """Return that the token of a server is missing; None if it is there or none is named."""
    if source.bearer_env is None or environ.get(source.bearer_env):
        return None
    return f"the environment variable `{source.bearer_env}` is not set; it is to hold the token for `tools.{name}.url`"


def start_fault(source: ToolSource, error: BaseException) -> str:
    """Return what `error`, which ended a start, says of it."""
    from mcp import MCPError  # an extra, and there: the start has used it
    from mcp.types import CONNECTION_CLOSED

    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, OSError) and source.command is not None:
        return f"the program `{source.command[0]}` cannot be started: {error.strerror or error}"
    if isinstance(error, MCPError) and error.code == CONNECTION_CLOSED and source.command is not None:
        return "its program ended before it had answered"
    return str(error).partition("\n")[0] or type(error).__name__


def not_started(name: str, source: ToolSource, why: str, last_words: Iterable[str]) -> str:
    """Return all that is to be said of a server that has not started.

    Args:
        name: What it is called in the configuration.
        source: Its table.
        why: What was found.
        last_words: The last lines of its stderr, without secrets.
    """
    key = "url" if source.url is not None else "command"
    said = f"the tool server `{name}` cannot be used: {why}; check `tools.{name}.{key}`"
    lines = "".join(f"\n  {line[:_LINE_CHARACTERS]}" for line in last_words if line.strip())
    return f"{said}; the end of its stderr:{lines}" if lines else said
