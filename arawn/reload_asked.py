"""What the daemon does when it is asked to reload, by the route or by SIGHUP: has it done, and leaves a line of it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec
import trio

from actors import ActorError, Ref, Stopped
from arawn.errors import ArawnError, BadInput, ConfigError
from arawn.reload import Reload, ReloadReport
from arawn.server.auth import TOKEN_FILE, read_token

__all__ = ["ReloadSignal", "reload_line", "reloaded", "token_has_changed"]

_LOG = logging.getLogger("arawn.reload")


async def reloaded(reloader: Ref[Reload], token_changed: Callable[[], bool]) -> ReloadReport:
    """Reload, and return what that did.

    Args:
        reloader: The actor that does it.
        token_changed: Says whether the next start would find another token than this one did.

    Raises:
        BadInput: The configuration cannot be used; nothing was changed.
        ActorError, ArawnError: The reload failed.

    Checkpoint: always. If cancelled: it goes on, without a line.
    """
    report = await reloader.ask(Reload())
    if token_changed():
        report = msgspec.structs.replace(report, needs_restart=(*report.needs_restart, TOKEN_FILE))
    _LOG.info("%s", reload_line(report))
    return report


def reload_line(report: ReloadReport) -> str:
    """Return in one line what a reload has changed. Pure."""
    changes = {
        "started": report.started,
        "replaced": report.replaced,
        "stopped": report.stopped,
        "settings": report.settings,
        "waits for a restart:": report.needs_restart,
    }
    told = "; ".join(f"{what} {', '.join(names)}" for what, names in changes.items() if names)
    return f"the configuration was read again: {told or 'nothing has changed'}"


def token_has_changed(token: str | None, directory: Path, environ: Mapping[str, str]) -> bool:
    """Say whether the next start would find another token than `token`, or none that it takes; None: none is used."""
    if token is None:
        return False
    try:
        return read_token(directory, environ) != token
    except ConfigError:
        return True


class ReloadSignal:
    """What SIGHUP asks for. A daemon that is still starting has just read its configuration, and does nothing."""

    def __init__(self) -> None:
        self.reload: Callable[[], Awaitable[ReloadReport]] | None = None
        self._wanted = trio.Event()

    def ask(self) -> None:
        """Ask for a reload; one that waits already will read the newest configuration too."""
        if self.reload is not None:
            self._wanted.set()

    async def serve(self) -> None:
        """Reload whenever it is asked for; never returns.

        Checkpoint: always. If cancelled: a reload that was begun goes on.
        """
        while True:
            await self._wanted.wait()
            self._wanted = trio.Event()
            if self.reload is not None:
                await _reload_and_go_on(self.reload)


async def _reload_and_go_on(reload: Callable[[], Awaitable[object]]) -> None:
    try:
        await reload()
    except (BadInput, Stopped):  # the reloader has said what is wrong; or the daemon ends
        pass
    except (ActorError, ArawnError) as error:
        _LOG.warning("the reload that SIGHUP asked for failed: %s", error)
