"""`arawn workstreams`: the conversations, through the daemon when there is one, else straight on their store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import click

from arawn.cli.group import LazyGroup
from arawn.cli.interrupts import run_async
from arawn.cli.options import config_option, json_option, tag_option, tags_of
from arawn.cli.output import note, print_chosen, print_json, say
from arawn.cli.prompt import confirm_or_leave
from arawn.cli.transcript import message_lines
from arawn.cli.workstream_access import WorkstreamAccess, open_access
from arawn.interactions.zones import LocalZone, shown_time
from arawn.server.workstreams import WorkstreamChange, WorkstreamSettings
from arawn.workstreams.settings import require_settings
from arawn.workstreams.store import Summary, WorkstreamState

__all__ = ["archive", "bind", "list_workstreams", "new", "remove", "show", "workstreams"]

_PLACES = {
    "list": ("arawn.cli.workstreams:list_workstreams", "List the conversations."),
    "show": ("arawn.cli.workstreams:show", "Print the settings and the messages of a conversation."),
    "new": ("arawn.cli.workstreams:new", "Make a conversation with its settings."),
    "bind": ("arawn.cli.workstreams:bind", "Bind a conversation to a profile, durably."),
    "archive": ("arawn.cli.workstreams:archive", "Put a conversation away, or bring it back."),
    "rm": ("arawn.cli.workstreams:remove", "Delete a conversation; its log records stay."),
}

T = TypeVar("T")


@click.group(cls=LazyGroup, places=_PLACES)
def workstreams() -> None:
    """List, show and change conversations."""


@click.command("list")
@click.option("-a", "--all", "archived", is_flag=True, help="The archived ones too.")
@json_option
@config_option
def list_workstreams(archived: bool, as_json: bool, config_file: Path | None) -> None:
    """List the conversations by name."""
    stored = _with_access(config_file, lambda access: access.list())
    found = [one for one in stored if archived or not one.archived]
    if not found:
        note("every conversation is archived; `--all` shows them" if stored else "there is no conversation yet")
    if as_json:
        print_json(found)
        return
    print_chosen(("name", "profile", "turns", "last change", "tags"), [_row(summary) for summary in found])


def _row(summary: Summary) -> tuple[str, ...]:
    name = f"{summary.name} (archived)" if summary.archived else summary.name
    tags = " ".join(f"{key}={value}" for key, value in summary.tags.items())
    changed = shown_time(datetime.fromisoformat(summary.updated), LocalZone())
    return name, summary.profile or "", str(summary.turns), changed, tags


@click.command()
@click.argument("name")
@json_option
@config_option
def show(name: str, as_json: bool, config_file: Path | None) -> None:
    """Print the settings and the messages of a conversation."""
    state = _with_access(config_file, lambda access: access.load(name))
    if as_json:
        print_json(state)
        return
    for line in _lines(state):
        say(line)


def _lines(state: WorkstreamState) -> list[str]:
    tags = " ".join(f"{key}={value}" for key, value in state.tags.items())
    rows = [
        ("workstream", state.name + (" (archived)" if state.archived else "")),
        ("profile", state.profile or "none: the configuration decides"),
        ("system", state.system_prompt or ""),
        ("tags", tags),
        ("turns", str(state.turns)),
    ]
    settings = [f"{name:<11} {text}" for name, text in rows if text]
    return settings + [line for message in state.history for line in message_lines(message)]


@click.command()
@click.argument("name")
@click.option("-p", "--profile", metavar="NAME", help="Bind it to this profile.")
@click.option("-s", "--system", metavar="TEXT", help="Its system prompt.")
@tag_option
@config_option
def new(name: str, profile: str | None, system: str | None, tags: tuple[str, ...], config_file: Path | None) -> None:
    """Make a conversation with its settings, before anything is said in it."""
    settings = WorkstreamSettings(name=name, profile=profile, system_prompt=system, tags=tags_of(tags))
    require_settings({"system_prompt": settings.system_prompt, "tags": settings.tags})
    _with_access(config_file, lambda access: access.create(settings))
    note(f"made workstream `{name}`")


@click.command()
@click.argument("name")
@click.argument("profile")
@config_option
def bind(name: str, profile: str, config_file: Path | None) -> None:
    """Bind a conversation to a profile, durably; a new name makes it."""
    _with_access(config_file, lambda access: access.change(name, WorkstreamChange(profile=profile)))
    note(f"`{name}` is bound to `{profile}`")


@click.command()
@click.argument("name")
@click.option("--undo", is_flag=True, help="Bring it back.")
@config_option
def archive(name: str, undo: bool, config_file: Path | None) -> None:
    """Put a conversation away: it is kept, not listed, and takes no messages."""
    _with_access(config_file, lambda access: access.change(name, WorkstreamChange(archived=not undo)))
    note(f"`{name}` is back" if undo else f"`{name}` is archived; `--undo` brings it back")


@click.command("rm")
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@config_option
def remove(name: str, yes: bool, config_file: Path | None) -> None:
    """Delete a conversation with its settings and messages; its records in the log stay."""
    if not yes:
        _with_access(config_file, lambda access: access.load(name))  # nobody is asked about what is not there
        confirm_or_leave(f"delete workstream `{name}` and all that was said in it?", otherwise="nothing was deleted")
    _with_access(config_file, lambda access: access.remove(name))
    note(f"deleted workstream `{name}`")


def _with_access(config_file: Path | None, act: Callable[[WorkstreamAccess], Awaitable[T]]) -> T:
    async def work() -> T:
        async with open_access(config_file) as access:
            return await act(access)

    return run_async(work)
