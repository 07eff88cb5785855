"""A reload that was asked for: what is told of it, and that SIGHUP never ends the daemon."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock

from actors import Stopped
from arawn.errors import ArawnError, BadInput
from arawn.reload import ReloadReport
from arawn.reload_asked import ReloadSignal, reload_line, token_has_changed

NOTHING = ReloadReport(
    started=(), replaced=(), stopped=(), unchanged=("default",), needs_restart=(), draining=0, config_sha256="0"
)


def test_a_line_says_what_has_changed() -> None:
    """All of it in one, or that it was nothing."""
    changed = msgspec.structs.replace(
        NOTHING, started=("a", "b"), stopped=("c",), settings=("routing.rules",), needs_restart=("server.listen",)
    )

    assert reload_line(NOTHING) == "the configuration was read again: nothing has changed"
    assert reload_line(changed) == (
        "the configuration was read again: started a, b; stopped c; settings routing.rules; "
        "waits for a restart: server.listen"
    )


@pytest.mark.parametrize(
    ("held", "mode", "changed"), [("t0ken", 0o600, False), ("other", 0o600, True), ("t0ken", 0o644, True)]
)
def test_a_token_has_changed_if_the_next_start_would_not_take_it(
    tmp_path: Path, held: str, mode: int, changed: bool
) -> None:
    """Another one, or one that start refuses; without a check of tokens none matters."""
    (tmp_path / "token").write_text(f"{held}\n")
    (tmp_path / "token").chmod(mode)

    assert token_has_changed("t0ken", tmp_path, {}) is changed
    assert not token_has_changed(None, tmp_path, {})


async def test_signals_that_come_during_a_reload_are_one_more(autojump_clock: MockClock) -> None:
    """The newest configuration is read, and no more often than needed."""
    done: list[float] = []

    async def reload() -> ReloadReport:
        await trio.sleep(1)
        done.append(trio.current_time())
        return NOTHING

    signals = ReloadSignal()
    signals.ask()  # still starting
    signals.reload = reload
    async with trio.open_nursery() as nursery:
        nursery.start_soon(signals.serve)
        await trio.sleep(5)
        early = len(done)
        signals.ask()
        await trio.sleep(0.5)
        signals.ask()
        signals.ask()
        await trio.sleep(5)
        nursery.cancel_scope.cancel()

    assert (early, len(done)) == (0, 2)


@pytest.mark.parametrize(
    ("failure", "warned"), [(BadInput("told already"), 0), (Stopped("reloader"), 0), (ArawnError("no disk"), 1)]
)
async def test_a_reload_that_fails_harms_nothing(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, failure: Exception, warned: int
) -> None:
    """The next signal is heard; a failure that nobody has told of is a warning."""
    asked = 0

    async def reload() -> ReloadReport:
        nonlocal asked
        asked += 1
        raise failure

    signals = ReloadSignal()
    signals.reload = reload
    async with trio.open_nursery() as nursery:
        nursery.start_soon(signals.serve)
        for _ in range(2):
            signals.ask()
            await trio.sleep(1)
        nursery.cancel_scope.cancel()

    assert asked == 2
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2 * warned
