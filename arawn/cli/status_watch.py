"""`arawn status --watch`: the same, again and again; drawn anew on a terminal, a line each time when piped."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import msgspec
import trio

from arawn.cli.daemon_client import DaemonClient, require_daemon, silence_of
from arawn.cli.door import DaemonFault, Door, daemon_of
from arawn.cli.output import note, printable, write_out
from arawn.cli.status_page import HEADERS, head_lines, next_steps, reason_of, rows
from arawn.cli.terminal_text import json_shown, line_shown
from arawn.interactions.counted import counted
from arawn.status import RuntimeStatus

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["watch"]

_MOMENT_S = 1.0
_POLL_S = 0.05

Show = Callable[[RuntimeStatus], Awaitable[None]]


async def watch(door: Door, *, every: float, as_json: bool) -> None:
    """Show the status every so many seconds, until an interrupt.

    Args:
        door: The daemon's.
        every: Seconds between two looks.
        as_json: Print a JSON document a line.

    Raises:
        DaemonFault: There is no daemon, or it has ended.

    Checkpoint: always.
    If cancelled: the terminal is left as it was, with the last status on it.
    """
    async with require_daemon(door) as daemon, _opened(as_json=as_json) as show:
        found = await daemon.status()
        while True:
            await show(found)
            await trio.sleep(every)
            pid, now = found.pid, await _status(daemon)
            if now is None:
                await _wait_end(daemon.door, pid)
                raise DaemonFault(f"the daemon, process {pid}, has ended")
            found = now


async def _status(daemon: DaemonClient) -> RuntimeStatus | None:
    """Return what the daemon says; None when it answers no more."""
    try:
        return await daemon.status()
    except DaemonFault as error:
        if isinstance(error.__cause__, httpx.HTTPError):
            return None
        raise


async def _wait_end(door: Door, pid: int) -> None:
    """Wait until the process has ended; if that takes longer than a moment, say so once."""
    with trio.move_on_after(_MOMENT_S):
        await _wait_gone(door, pid)
        return
    silent = silence_of(door)
    if silent is not None:
        note(f"arawn: {silent}")
    await _wait_gone(door, pid)


async def _wait_gone(door: Door, pid: int) -> None:
    while (daemon := daemon_of(door)) is not None and daemon.pid == pid:  # noqa: ASYNC110  # nothing here tells of its end
        await trio.sleep(_POLL_S)


@asynccontextmanager
async def _opened(*, as_json: bool) -> AsyncIterator[Show]:
    """Yield what shows one status after the other."""
    if as_json:
        yield _write_json
    elif not sys.stdout.isatty():
        yield _write_line
    else:
        from rich.console import Console
        from rich.live import Live

        with Live(console=Console(), auto_refresh=False) as live:

            async def draw(found: RuntimeStatus) -> None:
                await trio.lowlevel.checkpoint()
                live.update(_page(found), refresh=True)

            yield draw


async def _write_json(found: RuntimeStatus) -> None:
    await write_out(json_shown(msgspec.json.encode(found)).decode() + "\n")


async def _write_line(found: RuntimeStatus) -> None:
    backends = (
        f"{one.profile} {one.health}, {one.queued} queued, {one.in_hand} in hand, {counted(one.restarts, 'restart')}"
        + _because(reason_of(one))
        for one in found.backends
    )
    log = "off" if found.log.path is None else found.log.health.state + _because(found.log.health.reason)
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    database = [f"workstreams {found.database_fault}"] if found.database_fault else []
    await write_out("  ".join([now, f"log {log}", *database, *backends]) + "\n")


def _because(reason: str | None) -> str:
    return f" ({' '.join(reason.split())})" if reason else ""


def _page(found: RuntimeStatus) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in HEADERS:
        table.add_column(header)
    now = datetime.now(UTC)
    for cells in rows(found, now):
        table.add_row(*(Text(printable(cell)) for cell in cells))
    lines = [Text(line_shown(line, sys.stdout)) for line in head_lines(found, now)]
    return Group(*lines, Text(), table, *(Text(line_shown(line, sys.stdout)) for line in next_steps(found)))
