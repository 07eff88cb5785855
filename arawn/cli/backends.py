"""`arawn backends`: the profiles, and whether they answer."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import click
import msgspec
import trio

from actors import ActorError
from arawn.backends.secret_values import secret_values
from arawn.cli.answering import narrowed
from arawn.cli.daemon_client import DaemonClient, find_daemon
from arawn.cli.door import door_of, refuse_other_file
from arawn.cli.failures import sentence
from arawn.cli.group import LazyGroup
from arawn.cli.interrupts import run_async
from arawn.cli.log_output import quiet_retries, silence
from arawn.cli.options import config_option, json_option
from arawn.cli.output import note, print_json, print_table
from arawn.cli.turn_notes import keep_silent
from arawn.config.paths import runtime_dir
from arawn.config.schema import Config
from arawn.config.search import read_config, with_profiles
from arawn.errors import ArawnError
from arawn.messages import CompletionRequest, user
from arawn.routing.policy import require_profile
from arawn.running_daemons import running_daemons
from arawn.runtime import start_runtime
from arawn.server.native import ChatRequest

__all__ = ["Listed", "Tested", "backends", "list_backends", "test"]

_PLACES = {
    "list": ("arawn.cli.backends:list_backends", "List the profiles: kind, model, health."),
    "test": ("arawn.cli.backends:test", "Send one tiny request to each profile."),
}
_PROMPT = "Say OK"
_MAX_TOKENS = 8


class Listed(msgspec.Struct, frozen=True):
    """One profile; `health` is None while no daemon runs."""

    profile: str
    kind: str
    model: str | None
    health: str | None = None
    reason: str | None = None


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one tiny request; `error` is None when it was answered."""

    profile: str
    seconds: float
    answer: str | None = None
    error: str | None = None


@click.group(cls=LazyGroup, places=_PLACES)
def backends() -> None:
    """List and test the profiles."""


@click.command("list")
@json_option
@config_option
def list_backends(as_json: bool, config_file: Path | None) -> None:
    """List the profiles: kind and model, and how they are if a daemon runs.

    Beside a running daemon `--config` takes the file that it was started with, and no other.
    """
    listed = run_async(partial(_list, config_file))
    if as_json:
        print_json(listed)
        return
    rows = [(one.profile, one.kind, one.model or "", one.health or "not running", one.reason or "") for one in listed]
    print_table(("profile", "kind", "model", "health", "reason"), rows)


async def _list(config_file: Path | None) -> list[Listed]:
    loaded = await read_config(config_file, environ=os.environ, cwd=Path.cwd())
    async with find_daemon(door_of(loaded)) as daemon:
        if daemon is not None:
            refuse_other_file(config_file, daemon.door)
            found = (await daemon.status()).backends
            return [Listed(one.profile, one.kind, one.model, one.health, one.reason) for one in found]
    config = (await with_profiles(loaded, os.environ)).config
    return [Listed(name, profile.backend, profile.model) for name, profile in config.profiles.items()]


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
@config_option
def test(names: tuple[str, ...], as_json: bool, config_file: Path | None) -> int:
    """Send one tiny request to each profile, or to those named; exit code 1 if any fails.

    The running daemon sends them when there is one, but with `--config` this process does: a file can be tried before
    a reload. Every request has its record in the log, but of those that are sent beside a daemon, which has the log.
    """
    silence()
    tested = run_async(partial(_test, names, config_file))
    if as_json:
        print_json(tested)
    else:
        print_table(("profile", "result", "seconds", "answer"), [_row(one) for one in tested])
    return 1 if any(one.error is not None for one in tested) else 0


def _row(one: Tested) -> tuple[str, str, str, str]:
    said = one.answer if one.error is None else one.error
    return one.profile, "ok" if one.error is None else "failed", f"{one.seconds:.1f}", " ".join((said or "").split())


async def _test(names: tuple[str, ...], config_file: Path | None) -> list[Tested]:
    beside = config_file is not None and bool(running_daemons(runtime_dir(os.environ)))
    if beside:
        note("these requests leave no record: the running daemon has the log")
    flags = {"logging.interactions.enabled": False} if beside else {}
    loaded = await read_config(config_file, environ=os.environ, flags=flags, cwd=Path.cwd())
    if config_file is None:
        async with find_daemon(door_of(loaded)) as daemon:
            if daemon is not None:
                known = [backend.profile for backend in (await daemon.status()).backends]
                return [await _tested(name, partial(_ask_daemon, daemon)) for name in _chosen(names, known)]
    config = (await with_profiles(loaded, os.environ)).config
    return [await _tested(name, partial(_ask_here, config)) for name in _chosen(names, list(config.profiles))]


def _chosen(names: Sequence[str], known: Sequence[str]) -> Sequence[str]:
    return [require_profile(name, known) for name in names] or known


async def _tested(name: str, ask: Callable[[str], Awaitable[str]]) -> Tested:
    note(f"asking `{name}` …")
    began = trio.current_time()
    try:
        answer = await ask(name)
    except (ArawnError, ActorError) as error:
        return Tested(profile=name, seconds=trio.current_time() - began, error=sentence(error))
    return Tested(profile=name, seconds=trio.current_time() - began, answer=answer)


async def _ask_daemon(daemon: DaemonClient, name: str) -> str:
    reply = await daemon.chat(ChatRequest(message=_PROMPT, routing_profile=name), keep_silent)
    return reply.text


async def _ask_here(config: Config, name: str) -> str:
    quiet_retries()
    secrets = tuple(secret_values(config.profiles, os.environ))
    async with start_runtime(narrowed(config, name), os.environ, secrets=secrets, converses=False) as runtime:
        request = CompletionRequest(messages=(user(_PROMPT),), max_tokens=_MAX_TOKENS)
        return (await runtime.complete(request, profile=name)).text
