"""The backends that take calls, and their replacement, on the real supervisor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import ChildSpec, Stopped, Supervisor, SupervisorSpec, open_supervisor
from arawn.backends.actor import Call
from arawn.backends.health import BackendHealth, ToldHealth
from arawn.config.schema import Config, Profile
from arawn.errors import ConfigError, Unavailable
from arawn.interactions.health import LogHealth
from arawn.interactions.secret_set import SecretSet
from arawn.messages import CallContext, CompletionRequest, CompletionResponse, Text, user
from arawn.running_backends import RunningBackends, drain
from arawn.status import LogStatus, RuntimeStatus

Handle = Callable[[Call], Awaitable[CompletionResponse]]


def config_of(**models: str) -> Config:
    return Config(profiles={name: Profile(backend="scripted", model=model) for name, model in models.items()})


def a_call() -> Call:
    return Call(CompletionRequest(messages=(user("hi"),)), CallContext(), trio.current_time())


class Rig:
    """Backends that answer with their model once `gate` is open.

    Models called `bad` and `down` do not start; `slow` ones take a second to, and `never` ones never know.
    """

    def __init__(self, supervisor: Supervisor, config: Config, mailbox: int) -> None:
        self.gate = trio.Event()
        self.begun = 0
        self.mailbox = mailbox
        self.supervisor = supervisor
        self.backends = RunningBackends(
            supervisor, config, secrets=SecretSet(), secrets_of=lambda _: (), make=self.make
        )

    def make(self, label: str, name: str, profile: Profile, health: ToldHealth) -> ChildSpec[Call]:
        start = partial(self.start, name, profile.model or "", health)
        return ChildSpec(name=label, start=start, mailbox=self.mailbox, reply_errors=(Unavailable,), stop_grace=1.0)

    @asynccontextmanager
    async def start(self, name: str, model: str, health: ToldHealth) -> AsyncIterator[Handle]:
        if model == "slow":
            await trio.sleep(1.0)
        if model == "bad":
            raise ConfigError([f"profile `{name}`: cannot be"])
        state: Any = {"down": "unavailable", "never": "starting"}.get(model, "ready")
        health.value = BackendHealth(state, "no key" if model == "down" else None, datetime.now(UTC))

        async def handle(_: Call) -> CompletionResponse:
            self.begun += 1
            await self.gate.wait()
            return CompletionResponse(content=(Text(model),), model=model)

        yield handle

    async def ask(self, name: str, answers: list[str]) -> None:
        answers.append((await self.backends.refs[name].ask(a_call())).model)

    def labels(self) -> list[str]:
        return [child.name for child in self.supervisor.status().children]


def full_mailboxes(rig: Rig) -> dict[str, int]:
    status = RuntimeStatus(
        version="",
        pid=1,
        uptime_s=0,
        default_profile=None,
        log=LogStatus(path=None, health=LogHealth()),
        backends=rig.backends.statuses(),
        active_workstreams=(),
        tree=rig.supervisor.status(),
    )
    return status.full_mailboxes()


@asynccontextmanager
async def rig_of(config: Config, mailbox: int = 8) -> AsyncIterator[Rig]:
    async with open_supervisor(SupervisorSpec(name="backends")) as supervisor:
        rig = Rig(supervisor, config, mailbox)
        await rig.backends.start()
        yield rig


@pytest.mark.parametrize(("mailbox", "calls"), [(8, 1), (8, 5), (2, 7)], ids=["in hand", "queued", "no room"])
async def test_no_call_is_dropped_by_a_replacement(autojump_clock: MockClock, mailbox: int, calls: int) -> None:
    """Under way, queued, or waiting for room in the queue: each is answered by the backend it was sent to."""
    answers: list[str] = []
    async with rig_of(config_of(a="old"), mailbox) as rig, trio.open_nursery() as nursery:
        for _ in range(calls):
            nursery.start_soon(rig.ask, "a", answers)
        await wait_all_tasks_blocked()
        followed = await rig.backends.follow(config_of(a="new"))
        for ref in followed.retired:
            nursery.start_soon(drain, ref)
        nursery.start_soon(rig.ask, "a", answers)
        await trio.sleep(300)
        rig.gate.set()

    assert sorted(answers) == ["new", *["old"] * calls]
    assert rig.begun == calls + 1


async def test_the_old_backend_ends_once_it_is_done(autojump_clock: MockClock) -> None:
    """It is in the tree until then, and not in the map."""
    answers: list[str] = []
    async with rig_of(config_of(a="old")) as rig, trio.open_nursery() as nursery:
        nursery.start_soon(rig.ask, "a", answers)
        await wait_all_tasks_blocked()
        (old,) = (await rig.backends.follow(config_of(a="new"))).retired
        nursery.start_soon(drain, old)
        await trio.sleep(60)
        during = rig.labels()
        (draining,) = rig.backends.draining()
        rig.gate.set()
        await trio.sleep(1)

        assert during == ["backend:a", "backend:a~2"]
        assert rig.labels() == ["backend:a~2"]
        assert [(one.profile, one.model, one.in_hand) for one in rig.backends.statuses()] == [("a", "new", 0)]
        assert (draining.profile, draining.model, draining.in_hand) == ("a", "old", 1)
        assert rig.backends.draining() == ()


@pytest.mark.parametrize("models", [["", "old"], ["new", "old"], ["", "old", "", "old"], ["new", "", "new", "old"]])
async def test_a_backend_that_has_ended_is_never_seen_again(autojump_clock: MockClock, models: list[str]) -> None:
    """Not even when a later one of its profile has calls and its label."""
    answers: list[str] = []
    async with rig_of(config_of(a="old", b="m")) as rig, trio.open_nursery() as nursery:
        for model in models:
            config = config_of(a=model, b="m") if model else config_of(b="m")
            for ref in (await rig.backends.follow(config)).retired:
                nursery.start_soon(drain, ref)
            await trio.sleep(1)
        nursery.start_soon(rig.ask, "a", answers)
        await wait_all_tasks_blocked()
        same = await rig.backends.follow(rig.backends.config)

        assert rig.backends.draining() == ()
        assert (same.draining, same.retired) == (0, ())
        assert [(one.profile, one.in_hand) for one in rig.backends.statuses()] == [("a", 1), ("b", 0)]
        rig.gate.set()


async def test_old_backends_keep_counts_of_their_own(autojump_clock: MockClock) -> None:
    """Two that drain and the one that has come after them; each reload tells how many have calls to finish."""
    answers: list[str] = []
    counted = []
    async with rig_of(config_of(a="one")) as rig, trio.open_nursery() as nursery:
        for model, calls in (("two", 1), ("three", 2), ("four", 0)):
            for _ in range(calls):
                nursery.start_soon(rig.ask, "a", answers)
            await wait_all_tasks_blocked()
            followed = await rig.backends.follow(config_of(a=model))
            counted.append(followed.draining)
            for ref in followed.retired:
                nursery.start_soon(drain, ref)
            await trio.sleep(1)

        assert [(one.model, one.in_hand + one.queued) for one in rig.backends.draining()] == [("one", 1), ("two", 2)]
        assert [(one.model, one.in_hand + one.queued) for one in rig.backends.statuses()] == [("four", 0)]
        assert counted == [1, 2, 2]
        rig.gate.set()


async def test_a_full_mailbox_is_that_of_the_backend_of_now(autojump_clock: MockClock) -> None:
    """Not that of the one that it has replaced."""
    answers: list[str] = []
    async with rig_of(config_of(a="old"), mailbox=2) as rig, trio.open_nursery() as nursery:
        for config in (config_of(a="old"), config_of(a="new")):
            await rig.backends.follow(config)
            before = full_mailboxes(rig)
            for _ in range(4):
                nursery.start_soon(rig.ask, "a", answers)
            await wait_all_tasks_blocked()

            assert (before, full_mailboxes(rig)) == ({}, {"a": 2})
        rig.gate.set()


async def test_what_is_unchanged_is_left_alone(autojump_clock: MockClock) -> None:
    """The very same actor; what is gone cannot be looked up any more; what is new can."""
    async with rig_of(config_of(a="m", b="m")) as rig:
        kept = rig.backends.refs["a"]
        followed = await rig.backends.follow(config_of(c="m", a="m"))

        assert rig.backends.refs["a"] is kept
        assert list(rig.backends.refs) == ["c", "a"]
        assert (followed.plan.started, followed.plan.stopped, len(followed.retired)) == (("c",), ("b",), 1)
        assert rig.backends.config == config_of(c="m", a="m")


async def test_one_backend_that_cannot_start_changes_nothing(autojump_clock: MockClock) -> None:
    """Every problem is listed; what was started for it is stopped again."""
    async with rig_of(config_of(a="m", b="m")) as rig:
        before = dict(rig.backends.refs)
        with pytest.raises(ConfigError) as caught:
            await rig.backends.follow(config_of(a="other", b="bad", c="bad"))

        assert list(caught.value.problems) == ["profile `b`: cannot be", "profile `c`: cannot be"]
        assert dict(rig.backends.refs) == before
        assert rig.labels() == ["backend:a", "backend:b"]
        assert rig.backends.config == config_of(a="m", b="m")


async def test_a_default_profile_that_is_unavailable_changes_nothing(autojump_clock: MockClock) -> None:
    """As for a start; another profile may be unavailable."""
    async with rig_of(config_of(default="m")) as rig:
        with pytest.raises(ConfigError) as caught:
            await rig.backends.follow(config_of(default="down"))
        await rig.backends.follow(config_of(default="m", other="down"))

        assert list(caught.value.problems) == ["profile `default`, the default one: no key"]
        assert rig.backends.health("other").state == "unavailable"


@pytest.mark.parametrize("seconds", [0.0, 0.5, 1.0, 1.5])
async def test_a_reload_that_is_cancelled_changes_nothing(autojump_clock: MockClock, seconds: float) -> None:
    """Wherever it is cancelled, nothing of it is left behind."""
    async with rig_of(config_of(a="m")) as rig:
        before = rig.backends.refs["a"]
        with trio.move_on_after(seconds) as scope:
            await rig.backends.follow(config_of(a="slow", b="slow"))

        assert scope.cancelled_caught
        assert dict(rig.backends.refs) == {"a": before}
        assert rig.labels() == ["backend:a"]


async def test_a_reload_that_the_end_overtakes_says_so(autojump_clock: MockClock) -> None:
    """What it was starting is stopped; nothing is wrong with the configuration."""
    async with rig_of(config_of(a="m")) as rig, trio.open_nursery() as nursery:
        nursery.start_soon(rig.backends.end)
        with pytest.raises(Stopped, match="the configuration was not put in force"):
            await rig.backends.follow(config_of(a="slow"))

    assert rig.labels() == []


async def test_who_waits_for_the_default_profile_follows_a_reload(autojump_clock: MockClock) -> None:
    """Without looking again and again: as soon as the new one is there, though the old one never will be."""
    async with rig_of(config_of(default="never")) as rig:
        with trio.fail_after(1000):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(rig.backends.settled)
                await wait_all_tasks_blocked()
                waiting = len(nursery.child_tasks)
                asleep = trio.lowlevel.current_statistics().seconds_to_next_deadline
                await rig.backends.follow(config_of(default="m"))

    assert (waiting, asleep > 900) == (1, True)


async def test_labels_of_profiles_with_odd_names_do_not_meet(autojump_clock: MockClock) -> None:
    """A profile may be called what a replacement would be."""
    async with rig_of(config_of(**{"a": "m", "a~2": "m"})) as rig:
        await rig.backends.follow(config_of(**{"a": "n", "a~2": "m"}))

        assert sorted(rig.labels()) == ["backend:a", "backend:a~2", "backend:a~3"]


async def settled_after(rig: Rig, steps: int) -> None:
    for _ in range(steps):
        await trio.lowlevel.checkpoint()
    await rig.backends.settled()


@pytest.mark.parametrize("steps", range(6))
async def test_a_reload_at_the_moment_in_which_somebody_begins_to_wait_is_seen(
    autojump_clock: MockClock, steps: int
) -> None:
    """No moment lies between the look at the default profile and the wait for the next reload."""
    for _ in range(20):  # trio runs what is ready in any order
        async with rig_of(config_of(default="never")) as rig:
            with trio.fail_after(1000):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(rig.backends.follow, config_of(default="m"))
                    nursery.start_soon(settled_after, rig, steps)
