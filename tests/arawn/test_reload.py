"""The actor that reloads, with a runtime that only notes what it is asked."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from actors import Ref, Stopped, SupervisorSpec, open_supervisor
from arawn.config.schema import Config, Profile
from arawn.errors import BadInput, ConfigError
from arawn.interactions.record import MarkLine
from arawn.reload import Reload, ReloadReport, reloader_spec
from arawn.reload_plan import compared
from arawn.running_backends import Followed

NEW = Config(profiles={"default": Profile(backend="scripted")})


class NotingRuntime:
    """Follows every configuration, a second each; `fault` is raised instead."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.followed: list[Config] = []
        self.marks: list[MarkLine] = []
        self.at_once = 0
        self.most_at_once = 0
        self._fault = fault

    async def follow(self, config: Config, /) -> Followed:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await trio.sleep(1.0)
        self.at_once -= 1
        if self._fault is not None:
            raise self._fault
        self.followed.append(config)
        return Followed(compared(Config(), config, {}, {"default": 1}), ())

    async def mark(self, line: MarkLine, /) -> None:
        await trio.lowlevel.checkpoint()
        self.marks.append(line)


async def read_again() -> Config:
    await trio.lowlevel.checkpoint()
    return NEW


async def read_in_vain() -> Config:
    await trio.lowlevel.checkpoint()
    raise ConfigError(["a.toml:1: llm: is missing", "a.toml:2: x: is unknown"])


async def test_a_reload_follows_and_leaves_a_mark(autojump_clock: MockClock) -> None:
    """The mark has what the report has, and the hash."""
    runtime = NotingRuntime()
    async with open_supervisor(SupervisorSpec(name="root")) as root:
        report = await (await root.start(reloader_spec(runtime, read_again))).ask(Reload())

    assert (runtime.followed, report.started, report.draining) == ([NEW], ("default",), 0)
    (mark,) = runtime.marks
    assert (mark.event, mark.detail["started"]) == ("configuration", ["default"])
    assert mark.detail["config_sha256"] == report.config_sha256


async def test_a_refusal_lists_every_problem_and_leaves_no_mark(autojump_clock: MockClock) -> None:
    """Whether the files are wrong or a backend cannot be; the next reload works as if nothing had been."""
    for reread, fault in ((read_in_vain, None), (read_again, ConfigError(["a.toml:1: llm: is missing", "b"]))):
        runtime = NotingRuntime(fault)
        async with open_supervisor(SupervisorSpec(name="root")) as root:
            reloader = await root.start(reloader_spec(runtime, reread))
            for _ in range(2):
                with pytest.raises(BadInput, match=r"nothing was changed:\n  a\.toml:1: llm: is missing\n  "):
                    await reloader.ask(Reload())

        assert (runtime.followed, runtime.marks) == ([], [])


async def test_a_reload_that_the_end_overtakes_is_no_crash(autojump_clock: MockClock) -> None:
    """Who asked is told that the daemon stops."""
    async with open_supervisor(SupervisorSpec(name="root")) as root:
        reloader = await root.start(reloader_spec(NotingRuntime(Stopped("it ends")), read_again))
        with pytest.raises(Stopped, match="it ends"):
            await reloader.ask(Reload())

        assert root.status().children[0].last_crash is None


async def test_reloads_come_one_after_the_other(autojump_clock: MockClock) -> None:
    """Two that overlap would each compare with what the other is changing."""
    runtime, reports = NotingRuntime(), list[ReloadReport]()

    async def ask(reloader: Ref[Reload]) -> None:
        reports.append(await reloader.ask(Reload()))

    async with open_supervisor(SupervisorSpec(name="root")) as root:
        reloader = await root.start(reloader_spec(runtime, read_again))
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask, reloader)

    assert (len(reports), runtime.most_at_once) == (3, 1)


async def test_a_reload_goes_on_without_who_asked(autojump_clock: MockClock) -> None:
    """It is done whole or not at all, never half because a client left."""
    runtime = NotingRuntime()
    async with open_supervisor(SupervisorSpec(name="root")) as root:
        reloader = await root.start(reloader_spec(runtime, read_again))
        with trio.move_on_after(0.5):
            await reloader.ask(Reload())
        await trio.sleep(1)

    assert (len(runtime.followed), len(runtime.marks)) == (1, 1)
