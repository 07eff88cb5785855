"""What would keep the tools of the configuration from being used, found without starting any server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping

from arawn.agent.mcp_server import require_mcp, unset_token
from arawn.agent.modules import imported_aside
from arawn.agent.servers import chosen
from arawn.config.schema import Config, ToolSource
from arawn.errors import ConfigError

__all__ = ["tool_obstacles"]


def tool_obstacles(config: Config, environ: Mapping[str, str]) -> list[str]:
    """Return why sources of tools cannot be used: modules are imported, programs looked for, tokens too.

    Args:
        config: As it passed every check of its text.
        environ: Where `PATH` and the variables of tokens are looked up.
    """
    return [problem for name, source in config.tools.items() for problem in _obstacles(name, source, environ)]


def _obstacles(name: str, source: ToolSource, environ: Mapping[str, str]) -> Iterator[str]:
    try:
        require_mcp({name: source})
        if source.python is not None:
            chosen(name, source, imported_aside(name, source))
    except ConfigError as error:
        yield from error.problems
    if source.command is not None and shutil.which(source.command[0], path=environ.get("PATH")) is None:
        where = "" if "/" in source.command[0] else " in `PATH`"
        yield f"tools.{name}.command: there is no program `{source.command[0]}`{where}; install it, or give its path"
    unset = unset_token(name, source, environ)
    if unset is not None:
        yield f"tools.{name}.bearer_env: {unset}"
