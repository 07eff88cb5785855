"""The part of the daemon that reloads its configuration when it is asked to: by `POST /reload` or by SIGHUP."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

import msgspec
import trio

from actors import ChildSpec, Request, Stopped
from arawn.config.schema import Config
from arawn.errors import ArawnError, BadInput, ConfigError
from arawn.interactions.record import MarkLine, timestamp_text
from arawn.reload_plan import configuration_hash
from arawn.running_backends import Followed, drain

__all__ = ["Reload", "ReloadReport", "Reloadable", "configuration_mark", "reloader_spec", "unusable"]

_LOG = logging.getLogger("arawn.reload")
_MAILBOX = 16

Reread = Callable[[], Awaitable[Config]]


class ReloadReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a reload did, by profile; `needs_restart` lists settings that are changed and wait for a restart.

    `settings` lists those beside profiles that are changed and hold from now on. `draining` backends, those of
    earlier reloads too, take no more calls and end with those that they have.
    """

    started: tuple[str, ...]
    replaced: tuple[str, ...]
    stopped: tuple[str, ...]
    unchanged: tuple[str, ...]
    needs_restart: tuple[str, ...]
    draining: int
    config_sha256: str
    settings: tuple[str, ...] = ()


class Reload(Request[ReloadReport]):
    """Ask for a reload; the reply says what it did, or is a `BadInput` that lists why nothing was changed."""

    __slots__ = ()


class Reloadable(Protocol):
    """What a reload needs of the runtime."""

    async def follow(self, config: Config, /) -> Followed:
        """Check a configuration, and put it in force: all of it or nothing.

        Raises:
            ConfigError: It is wrong, or something in it cannot be used; nothing was changed.
            Stopped: The runtime has ended, or is ending; nothing was changed.

        Checkpoint: always. If cancelled: nothing has changed.
        """
        ...

    async def mark(self, line: MarkLine, /) -> None:
        """Write a line into the log, if there is one; all else as for `Journal.record`."""
        ...


def reloader_spec(runtime: Reloadable, reread: Reread) -> ChildSpec[Reload]:
    """Return the spec of the actor that reloads: one reload at a time, also when whoever asked is gone.

    Args:
        runtime: What follows the configuration.
        reread: Reads the configuration again, and checks its text.
    """
    return ChildSpec(
        name="reloader",
        start=partial(_open_reloader, runtime, reread),
        mailbox=_MAILBOX,
        abandoned="run",
        reply_errors=(ArawnError, Stopped),
    )


@asynccontextmanager
async def _open_reloader(
    runtime: Reloadable, reread: Reread
) -> AsyncIterator[Callable[[Reload], Awaitable[ReloadReport]]]:
    async with trio.open_nursery() as drains:

        async def handle(_: Reload) -> ReloadReport:
            followed = await _reload(runtime, reread)
            for ref in followed.retired:
                drains.start_soon(drain, ref)
            report = _report(followed)
            await runtime.mark(configuration_mark(report, datetime.now(UTC)))
            return report

        yield handle
        drains.cancel_scope.cancel(reason="the daemon stops, and its backends with it")


async def _reload(runtime: Reloadable, reread: Reread) -> Followed:
    try:
        return await runtime.follow(await reread())
    except ConfigError as error:
        _LOG.warning("%s", unusable(error))
        raise BadInput(unusable(error)) from error


def unusable(error: ConfigError) -> str:
    """Return what is said of a configuration that a reload refused."""
    problems = "".join(f"\n  {problem}" for problem in error.problems)
    return f"the configuration cannot be used, nothing was changed:{problems}"


def _report(followed: Followed) -> ReloadReport:
    plan = followed.plan
    return ReloadReport(
        started=plan.started,
        replaced=plan.replaced,
        stopped=plan.stopped,
        unchanged=plan.unchanged,
        needs_restart=plan.needs_restart,
        draining=followed.draining,
        config_sha256=configuration_hash(plan.in_force),
        settings=plan.settings,
    )


def configuration_mark(report: ReloadReport, at: datetime) -> MarkLine:
    """Return the line that tells readers of the log that the configuration is another one from here on."""
    changes = {name: list(getattr(report, name)) for name in ("started", "replaced", "stopped", "needs_restart")}
    detail = {"config_sha256": report.config_sha256, **changes}
    return MarkLine(event="configuration", detail=detail, timestamp=timestamp_text(at))
