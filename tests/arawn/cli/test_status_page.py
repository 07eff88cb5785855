"""What `arawn status` and `arawn doctor` say of a backend that crashed, and of a database that is gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

import actors
from arawn.backends.local import ModelServerDied
from arawn.cli.reach import health_of
from arawn.cli.status_page import head_lines, next_steps, rows
from arawn.interactions.health import LogHealth
from arawn.status import BackendStatus, LogStatus, RuntimeStatus

NOW = datetime(2026, 11, 22, tzinfo=UTC)
STORY = "profile `p` (local): the model server was killed by signal 9; its last errors:\nE srv  init: no memory"
PLAIN = " ".join(STORY.split())
WELL = BackendStatus(
    profile="p",
    kind="local",
    model="m",
    health="ready",
    reason=None,
    since=NOW - timedelta(seconds=37),
    actor="running",
    queued=0,
    in_hand=0,
    restarts=1,
    last_crash=repr(ModelServerDied(STORY)),
)


def status_of(backend: BackendStatus, **fields: str | tuple[str, ...]) -> RuntimeStatus:
    return msgspec.structs.replace(
        RuntimeStatus(
            version="1",
            pid=7,
            uptime_s=1.0,
            default_profile="p",
            log=LogStatus(path=None, health=LogHealth()),
            backends=(backend,),
            active_workstreams=(),
            tree=actors.Status(name="arawn", kind="supervisor", state="running"),
        ),
        **fields,
    )


@pytest.mark.parametrize(
    ("health", "well", "words"),
    [
        ("ready", True, f"it came back after it had crashed: {PLAIN}"),
        ("starting", False, f"starting for 37 s: it is started again after it had crashed: {PLAIN}"),
    ],
)
def test_a_model_server_that_died_is_told_in_plain_words(health: str, well: bool, words: str) -> None:
    """Once it is back that is said, and doctor finds nothing wrong any more."""
    backend = msgspec.structs.replace(WELL, health=health)

    finding = health_of(backend, NOW, None)
    ((*_, reason),) = rows(status_of(backend), NOW)

    assert finding.ok is well
    assert words in finding.found
    assert reason == words.replace("starting for", "for")
    assert "ModelServerDied" not in reason + finding.found


def test_an_error_that_is_newer_than_the_crash_is_told_instead() -> None:
    """The reason of the present state comes first."""
    backend = msgspec.structs.replace(WELL, health="degraded", reason="it failed")

    ((*_, reason),) = rows(status_of(backend), NOW)

    assert reason == "for 37 s: it failed"


def test_a_database_that_cannot_be_used_is_told() -> None:
    """Beside the workstreams, with what still works below."""
    found = status_of(WELL, database_fault="the workstream database `w.db` cannot be used: it was emptied")

    assert head_lines(found, NOW)[2] == (
        "workstreams  none in memory; the workstream database `w.db` cannot be used: it was emptied"
    )
    assert any("conversations cannot be kept" in step for step in next_steps(found))
    assert not any("conversations" in step for step in next_steps(status_of(WELL)))


@pytest.mark.parametrize(
    ("names", "line"),
    [
        ((), "workstreams  none in memory"),
        (("a", "b"), "workstreams  2 in memory: a, b"),
        (
            tuple(f"w{number}" for number in range(3_200)),
            "workstreams  3,200 in memory: w0, w1, w2, w3, w4, w5, w6, w7, w8, w9 and 3,190 more",
        ),
        (("n" * 200, "two\u2028lines"), f"workstreams  2 in memory: {'n' * 23}…, two\u2028lines"),
    ],
)
def test_workstreams_in_memory_take_a_few_lines_at_most(names: tuple[str, ...], line: str) -> None:
    """However many there are, and however long their names: the number, and ten of them."""
    assert head_lines(status_of(WELL, active_workstreams=names), NOW)[-1] == line
