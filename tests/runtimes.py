"""A whole runtime for tests: real files in a temporary directory, disk work in place so that virtual time works."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import trio

from arawn.config.schema import (
    Config,
    InteractionLogConfig,
    LoggingConfig,
    NamedWorkstream,
    Profile,
    RetryConfig,
    TimeoutsConfig,
    WorkstreamsConfig,
)
from arawn.runtime import start_runtime
from arawn.runtime_door import Runtime

T = TypeVar("T")
ECHO = Profile(backend="scripted")


async def in_place(sync_fn: Callable[[], T], /) -> T:
    await trio.lowlevel.checkpoint()
    return sync_fn()


def configured(
    directory: Path,
    profiles: Mapping[str, Profile] | None = None,
    *,
    named: Mapping[str, NamedWorkstream] | None = None,
    idle_after_s: float = 900.0,
    **log: Any,
) -> Config:
    """Return a configuration whose files are all below `directory`; keywords go to `[logging.interactions]`."""
    return Config(
        profiles=dict(profiles or {"default": ECHO}),
        workstreams=WorkstreamsConfig(
            database=str(directory / "state" / "workstreams.db"), idle_after_s=idle_after_s, named=dict(named or {})
        ),
        logging=LoggingConfig(InteractionLogConfig(path=str(directory / "log"), **log)),
    )


@asynccontextmanager
async def running(
    config: Config, environ: Mapping[str, str] | None = None, *, waits_for_room: bool = True
) -> AsyncIterator[Runtime]:
    async with start_runtime(
        config,
        {} if environ is None else environ,
        run_in_thread=in_place,
        waits_for_room=waits_for_room,
    ) as runtime:
        await runtime.settled()
        runtime.require_default()
        yield runtime


def lines(directory: Path) -> list[dict[str, Any]]:
    """Return every line of the log, of every kind, in the order of the files."""
    files = sorted((directory / "log").glob("interactions-*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def records(directory: Path) -> list[dict[str, Any]]:
    """Return the interactions in the log."""
    return [line for line in lines(directory) if line["kind"] == "interaction"]


def scripted(directory: Path, script: Mapping[str, Any] | list[dict[str, Any]], **settings: Any) -> Profile:
    """Return a profile that plays `script`, written to a file of its own."""
    steps = {"steps": script} if isinstance(script, list) else dict(script)
    number = len(list(directory.glob("script-*.json")))
    path = directory / f"script-{number}.json"
    path.write_text(json.dumps(steps))
    return Profile(backend="scripted", script=str(path), **settings)


def custom(address: str, **settings: Any) -> Profile:
    """Return a profile of an OpenAI-compatible provider on loopback that is tried once."""
    settings.setdefault("retry", RetryConfig(attempts=1))
    settings.setdefault("timeouts", TimeoutsConfig())
    return Profile(backend="custom", dialect="openai", model="m", base_url=f"{address}/v1", **settings)
