"""`arawn status`: how the running daemon is."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from arawn.cli.daemon_client import require_daemon
from arawn.cli.interrupts import Interrupts, run_async
from arawn.cli.options import config_option, json_option
from arawn.cli.output import print_json, print_table
from arawn.cli.settings import socket_of
from arawn.status import BackendStatus, RuntimeStatus

__all__ = ["duration_words", "status"]


@click.command()
@json_option
@config_option
def status(as_json: bool, config_file: Path | None) -> None:
    """Show how the running daemon is; exit code 1 when none runs."""
    found = run_async(partial(_status, socket_of(config_file)))
    if as_json:
        print_json(found)
        return
    for line in _lines(found):
        click.echo(line)
    click.echo()
    headers = ("profile", "kind", "model", "health", "queued", "in hand", "restarts", "reason")
    print_table(headers, [_row(backend) for backend in found.backends])


async def _status(socket: Path | None, _: Interrupts) -> RuntimeStatus:
    async with require_daemon(socket) as daemon:
        return await daemon.status()


def _lines(found: RuntimeStatus) -> list[str]:
    health = found.log.health
    log = "off" if found.log.path is None else f"{health.state}  {found.log.path}"
    active = ", ".join(found.active_workstreams) or "none"
    return [
        f"daemon       arawn {found.version}, process {found.pid}, up {duration_words(found.uptime_s)}",
        f"log          {log}" + (f"  ({health.reason})" if health.reason else ""),
        f"workstreams  {active} in memory",
    ]


def _row(backend: BackendStatus) -> tuple[str, ...]:
    numbers = (backend.queued, backend.in_hand, backend.restarts)
    return (
        backend.profile,
        backend.kind,
        backend.model or "",
        backend.health,
        *(str(number) for number in numbers),
        backend.reason or backend.last_crash or "",
    )


def duration_words(seconds: float) -> str:
    """Return a duration in its two largest units."""
    whole = int(seconds)
    days, hours, minutes = whole // 86_400, whole // 3_600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
