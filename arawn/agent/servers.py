"""The tools that the configuration names: Python ones imported, MCP ones from a server that runs while it is used."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import count
from typing import Any, TypeVar

import msgspec
import trio

from actors import (
    ActorError,
    ChildSpec,
    HandlerFailed,
    Intensity,
    NotStarted,
    OnDemand,
    Ref,
    Request,
    Supervisor,
    SupervisorSpec,
)
from actors.errors import shown
from arawn.agent.mcp_server import (
    ListTools,
    Offered,
    ToolServerFailed,
    UseTool,
    open_mcp_server,
    require_mcp,
    unset_token,
)
from arawn.agent.modules import imported_in_thread
from arawn.agent.tool import Tool, ToolAnswer
from arawn.config.describe import any_of, suggestion
from arawn.config.schema import Config, ToolSource
from arawn.errors import BadInput, ConfigError
from arawn.messages import ToolDefinition
from arawn.threads import RunInThread

__all__ = ["ToolServers", "chosen", "start_tool_servers", "tool_obstacles"]

R = TypeVar("R")

_MAILBOX = 64
_WORKERS = 16
_LISTED_S = 90.0  # with the start
_CLEANUP_S = 8.0  # a child has 2 s to end by itself, and as long after each signal
_IDLE_S = 900.0
_ONE_LIFE = Intensity(limit=0)  # a failure is told at once; the next use starts afresh
_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")


async def start_tool_servers(root: Supervisor, config: Callable[[], Config], environ: Mapping[str, str]) -> ToolServers:
    """Start the supervisor of tool servers; a server itself starts with its first use, and ends when idle.

    Args:
        root: Where they belong.
        config: Returns the configuration in force.
        environ: The process environment.

    Raises:
        ConfigError: MCP servers are configured, and the package `mcp` is missing.

    Checkpoint: always.
    If cancelled: there is none.
    """
    require_mcp(config().tools)

    def make(name: str) -> ChildSpec[ListTools | UseTool]:
        return ChildSpec(
            name=name,
            start=partial(open_mcp_server, name, config().tools[name], environ),
            mailbox=_MAILBOX,
            workers=_WORKERS,
            abandoned="cancel",
            intensity=_ONE_LIFE,
            cleanup_grace=_CLEANUP_S,
        )

    servers = await root.start_on_demand(SupervisorSpec(name="tools"), make, idle_after=_IDLE_S)
    return ToolServers(servers, config)


class ToolServers:
    """Finds tools by the names that the configuration gives to their sources."""

    def __init__(self, servers: OnDemand, config: Callable[[], Config]) -> None:
        self._servers = servers
        self._config = config
        self._turns: dict[str, trio.CapacityLimiter] = {}  # by module
        self._used: dict[str, ToolSource] = {}  # what the servers that may run were started from

    async def tools(self, names: Iterable[str]) -> tuple[Tool, ...]:
        """Return all tools of the sources called `names`.

        Raises:
            BadInput: There is no source of that name; or two of them have a tool of one name.
            ConfigError: A module cannot be imported, takes too long to be, or holds no tools; or `only` names one that
                is not there.
            ToolServerFailed: A server does not start or does not answer.

        Checkpoint: always, but for no names.
        If cancelled: nothing has changed; a server may have been started, and an import goes on.
        """
        found: dict[str, tuple[str, Tool]] = {}
        sources = self._config().tools
        for name in dict.fromkeys(map(str, names)):
            if name not in sources:
                there_are = any_of(sorted(sources)) if sources else "none; a table `[tools.NAME]` makes one"
                raise BadInput(f"unknown tools `{name}`; there are: {there_are}{suggestion(name, sources)}")
            source = sources[name]
            offered = self._served(name, source) if source.python is None else self._imported(name, source)
            for tool in chosen(name, source, await offered):
                if tool.name in found:
                    both = f"`tools.{found[tool.name][0]}` and `tools.{name}` both have a tool called `{tool.name}`"
                    raise BadInput(f"{both}; leave one out with `only`")
                found[tool.name] = name, tool
        return tuple(tool for _, tool in found.values())

    async def _imported(self, name: str, source: ToolSource) -> list[Tool]:
        module = (source.python or "").partition(":")[0]
        turn = self._turns.setdefault(module, trio.CapacityLimiter(1))
        return await imported_in_thread(name, source, turn)

    async def _served(self, name: str, source: ToolSource) -> list[Tool]:
        ref: Ref[ListTools | UseTool] = self._servers.ref(name)
        if self._used.setdefault(name, source) != source:  # a reload has changed it
            await ref.stop()
            self._used[name] = source
        with trio.move_on_after(_LISTED_S):  # a caller who leaves does not end the server: it may only be busy
            return _tools(name, ref, await _asked(name, ref, ListTools()))
        raise ToolServerFailed(f"the tool server `{name}` has not told its tools within {_LISTED_S:g} s")


def chosen(name: str, source: ToolSource, offered: Iterable[Tool]) -> list[Tool]:
    """Return the tools that `only` lets through, each with the deadline of its source unless it has its own.

    Raises:
        ConfigError: `only` names a tool that is not there.
    """
    tools = {tool.name: tool for tool in offered}
    for wanted in source.only or ():
        if wanted not in tools:
            there_are = f"there is no tool `{wanted}`; accepted: {any_of(sorted(tools))}"
            raise ConfigError([f"tools.{name}.only: {there_are}{suggestion(wanted, tools)}"])
    kept = tools.values() if source.only is None else [tools[wanted] for wanted in source.only]
    return [
        msgspec.structs.replace(tool, deadline=source.deadline_s) if tool.deadline is None else tool for tool in kept
    ]


def _tools(server: str, ref: Ref[ListTools | UseTool], offered: Iterable[Offered]) -> list[Tool]:
    """Return the tools, each by a name of its own that every provider takes: `a.b` is `a_b`, a second one `a_b_2`."""
    found: dict[str, Tool] = {}
    for each in offered:
        plain = _FOREIGN.sub("_", each.name)[:64] or "_"
        names = (plain if number == 1 else f"{plain[:59]}_{number}" for number in count(1))
        name = next(name for name in names if name not in found)
        found[name] = _tool(server, ref, name, each)
    return list(found.values())


def _tool(server: str, ref: Ref[ListTools | UseTool], name: str, offered: Offered) -> Tool:
    async def run(arguments: dict[str, Any], _: RunInThread) -> ToolAnswer:
        return await _asked(server, ref, UseTool(offered.name, arguments))

    return Tool(
        definition=ToolDefinition(name, offered.description, offered.parameters),
        run=run,
        read_only=offered.read_only,
    )


async def _asked(name: str, ref: Ref[Any], message: Request[R], *, tries: int = 3) -> R:
    """Ask a server, again if the one before was just ending, or was found dead when it was to list its tools.

    Raises:
        ToolServerFailed: It does not start, or died of this.

    Checkpoint: always.
    If cancelled: the server is told that nobody waits.
    """
    try:
        return await ref.ask(message)
    except ActorError as error:
        if tries == 1 or not _may_be_asked_again(error, message):
            raise _told(name, error) from error
    return await _asked(name, ref, message, tries=tries - 1)


def _may_be_asked_again(error: ActorError, message: Request[Any]) -> bool:
    if isinstance(error, NotStarted):  # the one before was ending; with such a cause it has not started, and will not
        return not isinstance(error.__cause__, ToolServerFailed | ActorError)
    return isinstance(message, ListTools)


def _told(name: str, error: ActorError) -> ToolServerFailed:
    cause = error.__cause__
    if isinstance(cause, ToolServerFailed):
        return ToolServerFailed(str(cause))
    if isinstance(error, NotStarted):
        return ToolServerFailed(f"the tool server `{name}` is ending or starting anew; nothing was asked of it")
    if isinstance(error, HandlerFailed) and cause is not None:
        return ToolServerFailed(f"the tool server `{name}` failed: {shown(cause)}")
    return ToolServerFailed(
        f"the tool server `{name}` has gone while it was asked; that may have been done all the same"
    )


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
