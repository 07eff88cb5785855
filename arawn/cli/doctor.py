"""`arawn doctor`: looks at everything that could keep Arawn from working, and says what to do."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import click

from arawn.agent.servers import tool_obstacles
from arawn.backends.failures import is_spent
from arawn.backends.preflight import preflight
from arawn.cli.checkup import Finding, as_found, look_around
from arawn.cli.door import door_of
from arawn.cli.interrupts import run_async
from arawn.cli.options import config_option, json_option
from arawn.cli.output import print_json, print_table
from arawn.cli.places import readable_keys
from arawn.cli.reach import look_at_daemon, look_at_running, reach_providers
from arawn.cli.status_page import duration_words
from arawn.config.paths import interactions_dir
from arawn.config.schema import Config
from arawn.config.search import read_config, with_profiles
from arawn.errors import ConfigError
from arawn.interactions.filters import Filters
from arawn.interactions.reader import LogReader
from arawn.interactions.record import InteractionHead, timestamp_text
from arawn.interactions.scan import Damage
from arawn.routing.prepared import routing_obstacles

__all__ = ["doctor", "last_failures", "one_row_a_thing"]

_THINGS = ("profile ", "log", "workstreams")  # each is looked at in several ways
_RECENT = timedelta(days=1)
_CALLS = 1_000  # looked at, the newest first
_CALLERS_DOING = ("BadRequest", "ContextTooLong", "CallCancelled", "ReaderGone")  # these say nothing of the profile


@click.command()
@json_option
@config_option
def doctor(as_json: bool, config_file: Path | None) -> int:
    """Check configuration, keys, files, disk, doors and each profile; exit code 1 if anything is wrong.

    The server of each profile is connected to; no request is sent to it. `arawn backends test` sends one.
    """
    found = run_async(partial(_examine, config_file))
    if as_json:
        print_json(found)
    else:
        rows = [(one.what, "ok" if one.ok else "wrong", " ".join(one.found.split())) for one in found]
        print_table(("check", "result", "found"), rows)
    return 0 if all(one.ok for one in found) else 1


async def _examine(config_file: Path | None) -> list[Finding]:
    """Return every finding; a wrong configuration leaves nothing else to look at but the daemon that runs."""
    try:
        found = await with_profiles(await read_config(config_file, environ=os.environ, cwd=Path.cwd()), os.environ)
    except ConfigError as error:
        wrong = [Finding("configuration", False, problem) for problem in error.problems]
        return [*wrong, *await look_at_running(config_file, datetime.now(UTC))]
    config = found.config
    files = ", ".join(f"`{file}`" for file in found.files)
    findings = [Finding("configuration", True, files or found.why or "environment")]
    findings += [Finding("files", False, text) for text in readable_keys(found, os.environ, Path.cwd())]
    now = datetime.now(UTC)
    status, of_daemon = await look_at_daemon(config, door_of(found), os.environ, now)
    running = () if status is None else tuple(backend.profile for backend in status.backends)
    obstacles = await preflight(config, os.environ, keyed=running)
    findings += [Finding(f"profile {obstacle.profile}", False, obstacle.text) for obstacle in obstacles]
    findings += [Finding("routing", False, text) for text in routing_obstacles(config, os.environ)]
    findings += [Finding("tools", False, text) for text in await tool_obstacles(config, os.environ)]
    findings += look_around(config, os.environ, now, database_fault=None if status is None else status.database_fault)
    findings += of_daemon
    told = {one.what for one in findings if not one.ok}
    findings += as_found("log", last_failures(config, os.environ, now, told=told))
    return list(one_row_a_thing([*findings, *await reach_providers(config)]))


def one_row_a_thing(findings: list[Finding]) -> Iterator[Finding]:
    """Yield the findings with those of one profile in one, at the place of the first: what is wrong, if anything is.

    So are those of the log, and of the workstreams. A fault that one way of looking has found is told once, though
    another one has found it too.
    """
    of_thing: dict[str, list[Finding]] = {}
    for one in findings:
        of_thing.setdefault(one.what, []).append(one)
    for one in findings:
        if not one.what.startswith(_THINGS):
            yield one
        elif one is of_thing[one.what][0]:
            every = of_thing[one.what]
            wrong = [each for each in every if not each.ok]
            yield Finding(one.what, not wrong, "; ".join(_different([each.found for each in wrong or every])))


def _different(texts: list[str]) -> Iterator[str]:
    """Yield each text once, but those that stand in another one."""
    unique = list(dict.fromkeys(texts))
    return (text for text in unique if not any(text in other for other in unique if other is not text))


def last_failures(
    config: Config, environ: Mapping[str, str], now: datetime, *, told: Container[str]
) -> Iterator[Finding]:
    """Yield a finding for every profile whose last call of the last 24 hours failed, by what is in the log.

    A wrong key or a quota that is used up is only known to who asks; doctor does not ask, and the log remembers.

    Args:
        config: With the profiles and the place of the log.
        environ: The process environment.
        now: The time, with its zone.
        told: The findings (`what`) that say already why a profile fails.

    Raises:
        OSError: The log cannot be read.
    """
    directory = interactions_dir(config, environ)
    if not config.logging.interactions.enabled or not directory.is_dir():
        return
    wanted = Filters(start=timestamp_text(now - _RECENT), limit=_CALLS)
    seen: set[str] = set()
    passed_over: set[str] = set()
    for entry in LogReader(directory, on_damage=_skip).newest_first(wanted):
        head = entry.head
        if head.profile in seen:
            continue
        if _is_callers_doing(head):
            passed_over.add(head.profile)
            continue
        seen.add(head.profile)
        what = f"profile {head.profile}"
        if head.error is not None and head.profile in config.profiles and what not in told:
            which = "its last call that tells how it is" if head.profile in passed_over else "its last call"
            yield Finding(what, False, f"{which}, {_words(head, now)}")


def _is_callers_doing(head: InteractionHead) -> bool:
    """Say whether the caller left, perhaps in the middle of a stream, or asked for what cannot be."""
    error = head.error
    wrong = error is not None and error.type in _CALLERS_DOING and not is_spent(error.status, error.code)
    return head.status == "cancelled" or wrong


def _words(head: InteractionHead, now: datetime) -> str:
    assert head.error is not None
    ago = duration_words((now - datetime.fromisoformat(head.timestamp)).total_seconds())
    again = f"`arawn backends test {head.profile}` asks it again"
    return f"{ago} ago, failed: {head.error.message}; {again}"


def _skip(_: Damage) -> None:
    """What is damaged in the log is told by `arawn interactions verify`."""
