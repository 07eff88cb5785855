"""One MCP server as an actor: it owns the connection, and the child process if there is one."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from actors import Request
from arawn.agent.stderr_log import open_stderr_log
from arawn.agent.tool import ToolAnswer
from arawn.config.hidden import tool_secrets
from arawn.config.schema import ToolSource
from arawn.errors import ArawnError, ConfigError
from arawn.interactions.redact import Redactor
from arawn.messages import Image, Text
from arawn.version import VERSION

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import CallToolResult, ContentBlock

__all__ = [
    "START_S",
    "ListTools",
    "Offered",
    "ToolServerFailed",
    "UseTool",
    "not_started",
    "open_mcp_server",
    "require_mcp",
    "unset_token",
]

START_S = 60.0  # a launcher may download its server first
_LAST_LINES = 5
_SLOW_TO_LOAD = ("mcp", "mcp.client.streamable_http")  # a second of CPU; and an extra
_LINE_CHARACTERS = 200


class Offered(msgspec.Struct, frozen=True):
    """One tool as its server describes it."""

    name: str
    description: str
    parameters: dict[str, Any]
    read_only: bool


class ListTools(msgspec.Struct, Request[tuple[Offered, ...]], frozen=True):
    """Ask for the tools that the server offers now."""


class UseTool(msgspec.Struct, Request[ToolAnswer], frozen=True):
    """Have a tool run; a failure that the server tells of is an answer."""

    name: str
    arguments: dict[str, Any]


class ToolServerFailed(ArawnError):
    """A tool server does not start, does not answer, or has gone; what was asked of it may have been done."""


def require_mcp(sources: Mapping[str, ToolSource]) -> None:
    """Return if every source can be used with what is installed.

    Raises:
        ConfigError: MCP servers are configured, and the package `mcp` is missing.
    """
    servers = [name for name, source in sources.items() if source.python is None]
    if servers and find_spec("mcp") is None:
        missing = (
            "an MCP server needs the package `mcp`; install it with `pip install 'arawn[mcp]'`, or remove this table"
        )
        raise ConfigError([f"tools.{name}: {missing}" for name in servers])


@asynccontextmanager
async def open_mcp_server(
    name: str, source: ToolSource, environ: Mapping[str, str]
) -> AsyncIterator[Callable[[ListTools | UseTool], Awaitable[Any]]]:
    """Connect to a server and yield the handler of what is asked of it.

    Args:
        name: What it is called in the configuration.
        source: Its `command` or `url`.
        environ: Where the values of `env` and `bearer_env` stand.

    Raises:
        ToolServerFailed: It does not start within `START_S`, cannot be reached or does not speak MCP.

    Checkpoint: always.
    If cancelled: the connection is closed and the child ended.
    """
    unset = unset_token(name, source, environ)
    if unset is not None:
        raise ToolServerFailed(f"the tool server `{name}` cannot be used: {unset}")
    last_words: deque[str] = deque(maxlen=_LAST_LINES)
    with trio.move_on_after(START_S) as starting:
        try:
            async with AsyncExitStack() as opening:
                client = await opening.enter_async_context(await _client(name, source, environ, opening, last_words))
                opened = opening.pop_all()
        except Exception as error:
            why = _start_fault(source, error)
            raise ToolServerFailed(not_started(name, source, why, last_words)) from error
        starting.deadline = math.inf
        async with opened:
            yield partial(_handle, client, name, source)
    if starting.cancelled_caught:
        why = f"it has not answered within {START_S:g} s of its start"
        raise ToolServerFailed(not_started(name, source, why, last_words))


async def _client(
    name: str, source: ToolSource, environ: Mapping[str, str], stack: AsyncExitStack, last_words: deque[str]
) -> Client:
    """Return the client of a server, not connected yet; `stack` closes what stands below it."""
    for module in _SLOW_TO_LOAD:  # off the event loop, which would stand still meanwhile
        await trio.to_thread.run_sync(import_module, module, abandon_on_cancel=True)
    from mcp import Client, StdioServerParameters, stdio_client
    from mcp.client.streamable_http import streamable_http_client
    from mcp.shared._httpx_utils import create_mcp_http_client
    from mcp.types import Implementation

    info = Implementation(name="arawn", version=VERSION)
    if source.command is not None:
        passed = {variable: environ[variable] for variable in source.env if variable in environ}
        program, *arguments = source.command
        child = StdioServerParameters(command=program, args=arguments, env=passed)
        masked = Redactor([*passed.values(), *tool_secrets([source], environ)])
        opened = open_stderr_log(name, last_words, lambda line: str(masked.redact(line)[0]))
        stderr = await stack.enter_async_context(opened)
        return Client(stdio_client(child, stderr), client_info=info)
    assert source.url is not None, "checked with the configuration"
    http = create_mcp_http_client(headers=_authorization(source, environ))
    stack.push_async_callback(http.aclose)
    return Client(streamable_http_client(source.url, http_client=http), client_info=info)


def _authorization(source: ToolSource, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the header with the token, if one is named."""
    return {"authorization": f"Bearer {environ[source.bearer_env]}"} if source.bearer_env is not None else {}


async def _handle(
    client: Client, name: str, source: ToolSource, message: ListTools | UseTool
) -> tuple[Offered, ...] | ToolAnswer:
    """Answer one message.

    Raises:
        ToolServerFailed: The connection is lost; the next message needs a new one.

    Checkpoint: always.
    If cancelled: the server is told that nobody waits; it may go on.
    """
    from mcp import MCPError
    from mcp.types import CONNECTION_CLOSED, INVALID_REQUEST

    try:
        if isinstance(message, ListTools):
            return await _listed(client)
        return _answer(await client.call_tool(message.name, message.arguments))
    except (MCPError, RuntimeError, ValueError) as error:  # the last two: an answer of the wrong shape
        said = error.message if isinstance(error, MCPError) else f"{error}".partition("\n")[0]
        code = error.code if isinstance(error, MCPError) else None
        # Over HTTP, a session that the server has forgotten is an invalid request; of a child that is an answer.
        lost = code == CONNECTION_CLOSED or (code == INVALID_REQUEST and source.url is not None)
        if lost or isinstance(message, ListTools):
            raise ToolServerFailed(f"the tool server `{name}` failed: {said}") from error
        return ToolAnswer((Text(said),), is_error=True)


async def _listed(client: Client) -> tuple[Offered, ...]:
    offered: list[Offered] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor, cache_mode="refresh")
        for tool in page.tools:
            read_only = tool.annotations is not None and bool(tool.annotations.read_only_hint)
            offered.append(Offered(tool.name, tool.description or "", tool.input_schema, read_only))
        cursor = page.next_cursor
        if not cursor:
            return tuple(offered)


def _answer(result: CallToolResult) -> ToolAnswer:
    content = tuple(map(_block, result.content))
    if not content and result.structured_content is not None:
        content = (Text(msgspec.json.encode(result.structured_content).decode()),)
    return ToolAnswer(content, result.is_error)


def _block(block: ContentBlock) -> Text | Image:
    """Return a block as a model can be shown it; a sound or a file is named, not shown."""
    match block.type:
        case "text":
            return Text(block.text)
        case "image":
            return Image(media_type=block.mime_type, data=block.data)
        case "resource_link":
            return Text(f"[resource {block.uri}]")
        case "resource":
            text = getattr(block.resource, "text", None)
            return Text(text if isinstance(text, str) else f"[resource {block.resource.uri}]")
        case _:
            return Text(f"[{block.type}]")


def unset_token(name: str, source: ToolSource, environ: Mapping[str, str]) -> str | None:
    """Return that the token of a server is missing; None if it is there or none is named."""
    if source.bearer_env is None or environ.get(source.bearer_env):
        return None
    return f"the environment variable `{source.bearer_env}` is not set; it is to hold the token for `tools.{name}.url`"


def _start_fault(source: ToolSource, error: BaseException) -> str:
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
