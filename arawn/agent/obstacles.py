"""What would keep the tools of the configuration from being used, found without starting any server."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

import trio

from arawn.agent.mcp_server import require_mcp, unset_token
from arawn.agent.modules import imported_in_thread
from arawn.agent.servers import chosen
from arawn.config.schema import Config, ToolSource
from arawn.errors import ConfigError

__all__ = ["tool_obstacles"]


async def tool_obstacles(config: Config, environ: Mapping[str, str]) -> list[str]:
    """Return why sources of tools cannot be used: modules are imported, programs looked for, tokens too.

    Args:
        config: As it passed every check of its text.
        environ: Where `PATH` and the variables of tokens are looked up.

    Checkpoint: only for modules.
    If cancelled: nothing has changed; an import goes on.
    """
    return [problem for name, source in config.tools.items() for problem in await _obstacles(name, source, environ)]


async def _obstacles(name: str, source: ToolSource, environ: Mapping[str, str]) -> list[str]:
    problems: list[str] = []
    try:
        require_mcp({name: source})
        if source.python is not None:
            chosen(name, source, await imported_in_thread(name, source, trio.CapacityLimiter(1)))
    except ConfigError as error:
        problems += error.problems
    if source.command is not None and shutil.which(source.command[0], path=environ.get("PATH")) is None:
        where = "" if "/" in source.command[0] else " in `PATH`"
        said = f"there is no program `{source.command[0]}`{where}; install it, or give its path"
        problems.append(f"tools.{name}.command: {said}")
    unset = unset_token(name, source, environ)
    if unset is not None:
        problems.append(f"tools.{name}.bearer_env: {unset}")
    return problems
