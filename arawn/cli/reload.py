"""`arawn reload`: the running daemon reads its configuration again."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from arawn.cli.daemon_bodies import decoded
from arawn.cli.daemon_client import require_daemon
from arawn.cli.door import Door, door_to
from arawn.cli.interrupts import run_async
from arawn.cli.options import config_option, json_option
from arawn.cli.output import note, print_json, say, warn_of
from arawn.errors import BadInput, ConfigError
from arawn.reload import ReloadReport, unusable

__all__ = ["reload"]


@click.command()
@json_option
@config_option
def reload(as_json: bool, config_file: Path | None) -> None:
    """Have the running daemon read its configuration again.

    It reads the files that it was started with, each of which must still be there. All of it is checked first: if
    anything is wrong, every problem is listed, nothing is changed, and the exit code is 2. Calls that are queued or
    under way finish where they are.
    `--config` only says which daemon is meant.
    """
    try:
        door = door_to(config_file)
    except ConfigError as error:
        raise BadInput(unusable(error)) from error
    report, unavailable = run_async(partial(_reload, door))
    for name, reason in unavailable.items():
        warn_of(f"arawn: profile `{name}` is unavailable: {reason}")
    if as_json:
        print_json(report)
        return
    for line in _lines(report):
        say(line)
    if report.needs_restart:
        note("arawn: these are changed and wait for a restart: " + ", ".join(report.needs_restart))


async def _reload(door: Door) -> tuple[ReloadReport, dict[str, str]]:
    """Reload; return what it did, and why which of the new backends cannot be used."""
    async with require_daemon(door) as daemon:
        report = decoded(await daemon.call("POST", "/reload"), ReloadReport)
        backends = (await daemon.status()).backends
    new = [backend for backend in backends if backend.profile in report.started + report.replaced]
    return report, {backend.profile: backend.reason or "" for backend in new if backend.health == "unavailable"}


def _lines(report: ReloadReport) -> list[str]:
    what = ("started", "replaced", "stopped", "unchanged", "settings")
    lines = [f"{name:<10} {', '.join(names)}" for name in what if (names := getattr(report, name))]
    draining = [f"{'draining':<10} {report.draining}: old ones finish the calls that they have"]
    return lines + (draining if report.draining else [])
