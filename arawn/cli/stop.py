"""`arawn stop`: end the running daemon in order."""

from __future__ import annotations

import math
import os
import signal
import sys
from functools import partial
from pathlib import Path

import click
import trio

from arawn.cli.daemon_client import DaemonSilent, require_daemon
from arawn.cli.door import DaemonFault, Door, daemon_of, door_of_daemon
from arawn.cli.interrupts import run_async
from arawn.cli.options import config_option
from arawn.cli.output import note
from arawn.config.paths import runtime_dir
from arawn.running_daemons import last_words, running_daemons

__all__ = ["stop"]

_POLL_S = 0.05
_HUNG_S = 10.0  # how long one that does not answer may take to end
_NO_SIGNAL = 0  # only whether the process is there, and ours


@click.command()
@config_option
def stop(config_file: Path | None) -> None:
    """Stop the running daemon and wait until it is gone; exit code 1 when it lost records or failed as it ended.

    Calls in flight get the grace of `server.shutdown_grace_s`. Ctrl-C ends the waiting, not the daemon. One that does
    not answer is asked to end as well, and waited for 10 s; nothing is ever killed.
    """
    run_async(partial(_stop, door_of_daemon(config_file)))


async def _stop(door: Door) -> None:
    named = daemon_of(door) if door.socket is None else None  # a token may be refused, a file is there
    number, patience = int(signal.SIGTERM), _HUNG_S
    try:
        async with require_daemon(door) as daemon:
            pid, patience = (await daemon.status()).pid if named is None else named.pid, math.inf
    except DaemonSilent as silent:
        pid = silent.pid
        if silent.stopping:  # a second signal would take its grace away
            number, patience = _NO_SIGNAL, math.inf
    except DaemonFault:  # no token that can be read, or something else at the address: the file names the process
        if named is None:
            raise
        pid = named.pid
    with last_words(runtime_dir(os.environ), pid) as failed:
        try:
            with trio.move_on_after(patience) as waiting:
                await _end(pid, number)
            if waiting.cancelled_caught and _is_stopping(pid):
                await _end(pid, _NO_SIGNAL)
            elif waiting.cancelled_caught:
                raise DaemonFault(_unmoved(pid))
        except PermissionError as error:
            raise DaemonFault(f"process {pid} is another user's; only that user can stop it") from error
        reason = failed()
    if reason is not None:
        raise DaemonFault(f"process {pid} has ended, and not in order: {reason}")
    note(f"process {pid} has ended")


def _is_stopping(pid: int) -> bool:
    """Say whether it has taken the request, and is in its grace."""
    return any(daemon.pid == pid and daemon.stopping for daemon in running_daemons(runtime_dir(os.environ)))


def _unmoved(pid: int) -> str:
    return (
        f"the daemon, process {pid}, does not answer, was asked to end (SIGTERM), and has not ended within {_HUNG_S:g} "
        f"s; if it is suspended (SIGSTOP), `kill -CONT {pid}` lets it go on, and end in order; `kill -KILL {pid}` ends "
        "it at once: every call that was answered is in the log, those under way leave no record"
    )


async def _end(pid: int, number: int) -> None:
    """Send the process a signal, or none, and wait until it has ended.

    Raises:
        PermissionError: It is another user's.
    """
    if sys.platform == "linux":
        try:
            watch = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            signal.pidfd_send_signal(watch, number)
            await trio.lowlevel.wait_readable(watch)
        finally:
            os.close(watch)
    else:
        os.kill(pid, number)
        while _lives(pid):  # noqa: ASYNC110  # nothing here tells when another process ends
            await trio.sleep(_POLL_S)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
