"""`arawn config`: what is configured, where it comes from, and whether it is right."""

from __future__ import annotations

import os
from pathlib import Path

import click
import trio

from arawn.agent.servers import tool_obstacles
from arawn.backends.preflight import Obstacle, preflight
from arawn.cli.group import LazyGroup
from arawn.cli.options import config_option, configured, json_option
from arawn.cli.output import note, print_json, print_table, say
from arawn.cli.places import impossible_places
from arawn.config import default_profile
from arawn.config.load import Loaded
from arawn.config.paths import config_dir, database_path, interactions_dir, socket_path, state_dir
from arawn.config.schema import Config
from arawn.config.search import read_config, with_profiles
from arawn.errors import ConfigError
from arawn.routing.prepared import routing_obstacles
from arawn.server.auth import TOKEN_FILE

__all__ = ["check", "config", "path", "show"]

_PLACES = {
    "show": ("arawn.cli.config:show", "Print every value in effect and where it was set."),
    "check": ("arawn.cli.config:check", "Check the configuration without starting anything."),
    "path": ("arawn.cli.config:path", "Print where configuration and data are."),
    "reload": ("arawn.cli.reload:reload", "Another name of `arawn reload`."),
}


@click.group(cls=LazyGroup, places=_PLACES)
def config() -> None:
    """Show and check the configuration."""


@click.command()
@json_option
@config_option
def show(as_json: bool, config_file: Path | None) -> None:
    """Print every value in effect and where it was set. Secrets are not shown."""
    found = trio.run(_found, config_file)
    sources = found.sources.items()
    if as_json:
        print_json([{"key": key, "value": source.value, "origin": source.origin} for key, source in sources])
        return
    if found.why is not None:
        say(found.why)
        say()
    print_table(("key", "value", "set by"), [(key, source.text, source.origin) for key, source in sources])


@click.command()
@config_option
def check(config_file: Path | None) -> None:
    """Check the configuration without starting anything; every problem is listed.

    Scripts, models, keys, tools and the places of files are looked at too; modules of tools are imported, no server is
    started, and no request is made. What only keeps a profile other than the default one from working is a note, and so
    is that there is no default.
    """
    found = trio.run(_found, config_file)
    obstacles, others = trio.run(_looked_at, found.config)
    for obstacle in obstacles:
        if not obstacle.fatal:
            note(f"note: {obstacle.text}")
    if default_profile(found.config) is None:
        note(
            "note: no profile is the default: a call that names none is refused; `[llm]` or `[routing] default` set one"
        )
    problems = [obstacle.text for obstacle in obstacles if obstacle.fatal]
    problems += impossible_places(found.config, os.environ)
    problems += others
    if problems:
        raise ConfigError(problems)
    files = ", ".join(f"`{file}`" for file in found.files) or "no file"
    profiles = ", ".join(f"`{name}`" for name in found.config.profiles)
    say(f"the configuration is right: {files}; profiles: {profiles}")
    if found.why is not None:
        say(found.why)


async def _looked_at(config: Config) -> tuple[list[Obstacle], list[str]]:
    """Return what stands in the way of profiles, and of routing and tools; a policy may need the loop to be made."""
    obstacles, misrouted = await preflight(config, os.environ), routing_obstacles(config, os.environ)
    return obstacles, [*misrouted, *await tool_obstacles(config, os.environ)]


@click.command()
@json_option
@config_option
def path(as_json: bool, config_file: Path | None) -> None:
    """Print where configuration and data are, there or not."""
    settings = configured(config_file)
    searched = {"configuration": config_file} if config_file else _searched()
    places = {
        **searched,
        "interaction log": interactions_dir(settings, os.environ),
        "workstreams": database_path(settings, os.environ),
        "socket": socket_path(settings, os.environ),
        "token": state_dir(os.environ) / TOKEN_FILE,
    }
    if as_json:
        print_json({name: str(place) if place else None for name, place in places.items()})
        return
    print_table(("what", "path", ""), [(name, str(place or ""), _presence(place)) for name, place in places.items()])


def _searched() -> dict[str, Path]:
    return {"user's file": config_dir(os.environ) / "config.toml", "project's file": Path.cwd() / "arawn.toml"}


def _presence(place: Path | None) -> str:
    if place is None:
        return "none"
    return "there" if place.exists() else "not there"


async def _found(config_file: Path | None) -> Loaded:
    return await with_profiles(await read_config(config_file, environ=os.environ, cwd=Path.cwd()), os.environ)
