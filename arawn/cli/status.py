"""`arawn status`: how the running daemon is."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from arawn.cli.daemon_client import require_daemon
from arawn.cli.door import DaemonFault, Door, door_of_daemon
from arawn.cli.interrupts import run_async
from arawn.cli.options import config_option, json_option
from arawn.cli.output import print_json, print_table, say
from arawn.cli.process_files import out_of_files
from arawn.cli.status_page import HEADERS, head_lines, next_steps, rows
from arawn.status import RuntimeStatus

__all__ = ["status"]


@click.command()
@click.option("--watch", "watching", is_flag=True, help="Go on until Ctrl-C, or until the daemon ends.")
@click.option(
    "--every",
    type=click.FloatRange(min=0.1, max=86_400),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="With `--watch`: how often.",
)
@json_option
@config_option
def status(watching: bool, every: float, as_json: bool, config_file: Path | None) -> None:
    """Show how the running daemon is; exit code 1 when none runs.

    With `--watch` a terminal is drawn anew each time; what is piped gets one line each time.
    """
    door = door_of_daemon(config_file)
    if watching:
        from arawn.cli.status_watch import watch

        run_async(partial(watch, door, every=every, as_json=as_json))
        return
    found = run_async(partial(_status, door))
    if as_json:
        print_json(found)
        return
    now = datetime.now(UTC)
    for line in head_lines(found, now):
        say(line)
    say()
    print_table(HEADERS, rows(found, now))
    for line in next_steps(found):
        say()
        say(line)


async def _status(door: Door) -> RuntimeStatus:
    try:
        async with require_daemon(door) as daemon:
            return await daemon.status()
    except DaemonFault as fault:
        words = out_of_files(door)
        if words is None:
            raise
        raise DaemonFault(words) from fault
