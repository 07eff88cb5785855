"""Carries out one random run: a whole runtime on the virtual clock, with a disk and a provider that misbehave."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
import pytest
import trio

from actors import ActorError
from arawn.backends.open import open_provider
from arawn.backends.protocol import Provider
from arawn.config.schema import Config, Profile, RetryConfig
from arawn.errors import ArawnError
from arawn.interactions.filesystem import Filesystem
from arawn.messages import Completed, CompletionRequest, CompletionResponse, user
from arawn.running_backends import drain
from arawn.runtime import start_runtime
from arawn.runtime_door import Runtime
from tests.arawn.faults.answers import caused_by
from tests.arawn.faults.edge import FOREVER, Piece, Play, PlayedTransport
from tests.arawn.faults.plans import Caller, Does, Plan
from tests.arawn.faults.told import JSON, SSE, Mode, begun, whole
from tests.runtimes import configured

T = TypeVar("T")
_LONGEST_S = 100_000.0  # of virtual time: what has not ended by then never does
_LOOK_S = 60.0  # between looks at files that nobody moves: each second they would take most of a run


@dataclass
class Ran:
    """What came of a run: how each call ended, the requests that reached the provider, and what the runtime counted."""

    ended: dict[str, CompletionResponse | ArawnError | ActorError | None] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    lost: int = 0
    open_bodies: int = 0


class _Provider(httpx.AsyncBaseTransport):
    """Does what the plan says, request by request, over and over, and counts who asked."""

    def __init__(self, plan: Plan, ran: Ran) -> None:
        self._plan = plan
        self._ran = ran
        self._count = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = msgspec.json.decode(b"".join([piece async for piece in request.stream]))  # type: ignore[union-attr]
        caller = body["messages"][0]["content"]
        self._ran.asked[caller] += 1
        does = self._plan.does[self._count % len(self._plan.does)]
        self._count += 1
        played = PlayedTransport(_play(does, streams=bool(body.get("stream"))))
        try:
            response = await played.handle_async_request(request)
        finally:
            self._ran.open_bodies += played.open_bodies
        closes = response.stream.aclose  # type: ignore[union-attr]

        async def aclose() -> None:
            before = played.open_bodies
            await closes()
            self._ran.open_bodies -= before - played.open_bodies

        response.stream.aclose = aclose  # type: ignore[union-attr, method-assign]
        return response


def _play(does: Does, *, streams: bool) -> Play:
    mode: Mode = "stream" if streams else "plain"
    headers = {"content-type": SSE if streams else JSON}
    answer, beginning = whole("openai", mode), begun("openai", mode)
    table: dict[Does, tuple[list[Piece], int, dict[str, str], list[Piece]]] = {
        "answer": ([*answer], 200, {}, []),
        "late": ([piece for part in answer for piece in (1.0, part)], 200, {}, [2.0]),
        "busy": ([b"{}"], 503, {}, []),
        "wait": ([b"{}"], 429, {"retry-after": "5"}, []),
        "refuse": ([b"{}"], 401, {}, []),
        "lost": ([], 200, {}, [0.1, caused_by(httpx.ReadError("x"), OSError("x"))]),
        "garbage": ([b"<html>"], 200, {}, []),
        "cut": ([*beginning, httpx.ReadError("x")], 200, {}, []),
        "hang": ([*beginning, FOREVER], 200, {}, []),
        "own fault": ([], 200, {}, [KeyError("a bug")]),
    }
    pieces, status, more, before = table[does]
    return Play(pieces, status, {**headers, **more}, before)


class _Disk(Filesystem):
    """Fails while the plan has an outage with an error."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    def write(self, fd: int, pieces: Sequence[bytes | memoryview]) -> int:
        self._fail()
        return super().write(fd, pieces)

    def fdatasync(self, fd: int) -> None:
        self._fail()
        super().fdatasync(fd)

    def _fail(self) -> None:
        for outage in self._plan.outages:
            if outage.error is not None and outage.begin <= trio.current_time() < outage.end:
                raise OSError(outage.error, os.strerror(outage.error))


def _slow_runner(plan: Plan) -> Any:
    async def run(work: Callable[[], T], /) -> T:
        await trio.lowlevel.checkpoint()
        slow = sum(outage.slow for outage in plan.outages if outage.begin <= trio.current_time() < outage.end)
        try:
            await trio.sleep(slow)
        except trio.Cancelled:  # a thread that is left behind goes on
            with suppress(ArawnError, OSError):
                work()
            raise
        return work()

    return run


def _crashing(plan: Plan) -> Any:
    """Return a stand-in for `open_provider` that crashes its backend at the times of the plan."""
    left = sorted(plan.crashes)

    async def crash() -> None:
        while left:
            await trio.sleep_until(left[0])
            left.pop(0)
            raise RuntimeError("the provider's own task has crashed")

    @asynccontextmanager
    async def opened(name: str, profile: Profile, *, environ: Mapping[str, str]) -> AsyncIterator[Provider]:
        async with open_provider(name, profile, environ=environ) as provider, trio.open_nursery() as nursery:
            nursery.start_soon(crash)
            yield provider
            nursery.cancel_scope.cancel(reason="the backend stops")

    return opened


async def carry_out(plan: Plan, directory: Path) -> Ran:
    """Return what came of `plan`; virtual time must begin at 0."""
    ran = Ran()
    config = _config(plan, directory)
    with pytest.MonkeyPatch.context() as patch, trio.fail_after(_LONGEST_S):
        patch.setattr("arawn.backends.open.Transport", lambda _limits: _Provider(plan, ran))
        patch.setattr("arawn.backends.actor.open_provider", _crashing(plan))
        patch.setattr("arawn.interactions.writer.Filesystem", lambda: _Disk(plan))
        patch.setattr("arawn.interactions.writer._LOOK_SECONDS", _LOOK_S)
        patch.setattr("arawn.workstreams.store_actor.LOOK_S", _LOOK_S)
        async with trio.open_nursery() as outside:
            runtimes: list[Runtime] = []
            try:
                async with start_runtime(config, {}, run_in_thread=_slow_runner(plan)) as runtime:
                    runtimes.append(runtime)
                    for number, caller in enumerate(plan.callers):
                        outside.start_soon(_call, runtime, f"call {number}", caller, ran)
                    async with trio.open_nursery() as inside:
                        for at in plan.reloads:
                            inside.start_soon(_reload, runtime, config, at)
                        await trio.sleep_until(plan.stop)
                        inside.cancel_scope.cancel(reason="the stop")
            except* ArawnError:  # what was lost is counted below
                pass
    (runtime,) = runtimes
    ran.attempts = sum(sum(counts.attempts.values()) for _, counts in runtime.counts)
    ran.lost = runtime._journal.health().count
    return ran


def _config(plan: Plan, directory: Path) -> Config:
    profile = Profile(
        backend="custom",
        dialect="openai",
        model="m",
        base_url="http://played.test/v1",
        max_concurrency=plan.workers,
        mailbox=plan.mailbox,
        retry=RetryConfig(attempts=plan.attempts),
    )
    log: dict[str, Any] = {"sync": plan.sync, "overflow": plan.overflow, "answer_wait_ms": plan.answer_wait_ms}
    return configured(directory, {"default": profile}, **log)


async def _call(runtime: Runtime, name: str, caller: Caller, ran: Ran) -> None:
    """Make one call and note how it ended; what nobody foresaw ends the run."""
    await trio.sleep_until(caller.at)
    with trio.move_on_after(float("inf") if caller.patience is None else caller.patience):
        ran.ended[name] = None
        try:
            ran.ended[name] = await _answer(runtime, name, caller)
        except (ArawnError, ActorError) as error:
            ran.ended[name] = error


async def _answer(runtime: Runtime, name: str, caller: Caller) -> CompletionResponse:
    request = CompletionRequest(messages=(user(name),))
    if not caller.streams:
        return await runtime.complete(request, session_id=name)
    async with runtime.stream(request, session_id=name) as events:
        async for event in events:
            await trio.sleep(caller.pace)
            if isinstance(event, Completed):
                return event.response
    raise AssertionError("a stream ended in silence")


async def _reload(runtime: Runtime, config: Config, at: float) -> None:
    """Replace the backend, and drain the old one, as a reload does."""
    await trio.sleep_until(at)
    model = f"m{runtime.config.profiles['default'].model}"
    profile = msgspec.structs.replace(config.profiles["default"], model=model)
    try:
        followed = await runtime.follow(msgspec.structs.replace(config, profiles={"default": profile}))
        for ref in followed.retired:
            await drain(ref)
    except (ArawnError, ActorError):
        return  # a backend that crashes at its start: nothing was changed
