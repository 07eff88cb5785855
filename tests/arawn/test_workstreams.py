"""Workstreams: order, history, bindings, and what survives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors import ActorError
from arawn.config.schema import NamedWorkstream, RetryConfig
from arawn.errors import BadInput, Overloaded, StoreFailed, UnknownProfile
from arawn.workstreams.store import WorkstreamStore
from tests.runtimes import ECHO, configured, records, running, scripted

TWO = {"default": ECHO, "fast": ECHO}


async def test_a_conversation_grows_by_both_sides(tmp_path: Path) -> None:
    """The second call carries the first question and its answer, in order."""
    async with running(configured(tmp_path)) as runtime:
        talk = runtime.workstream("talk")
        await talk.send("one")
        await talk.send("two")

    second = records(tmp_path)[1]
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "user"]
    assert [message["content"][0]["text"] for message in second["messages"]] == ["one", "echo: one", "two"]
    assert (second["workstream"], second["turn_id"]) == ("talk", 2)


async def test_a_conversation_survives_a_restart(tmp_path: Path) -> None:
    """A new runtime on the same database goes on where the old one stopped."""
    config = configured(tmp_path)
    async with running(config) as runtime:
        await runtime.workstream("talk").send("one")
    async with running(config) as runtime:
        await runtime.workstream("talk").send("two")

    assert len(records(tmp_path)[1]["messages"]) == 3


async def test_a_binding_survives_a_restart(tmp_path: Path) -> None:
    """A workstream bound to a profile uses it, in this life and in the next."""
    config = configured(tmp_path, TWO)
    async with running(config) as runtime:
        first = await runtime.workstream("talk", profile="fast").send("one")
    async with running(config) as runtime:
        second = await runtime.workstream("talk").send("two")

    assert [first.profile, second.profile] == ["fast", "fast"]
    assert second.routing is not None
    assert second.routing.reason == "Workstream"


async def test_a_hint_beats_the_binding_for_one_call(tmp_path: Path) -> None:
    """`profile=` on a call is used for that call alone."""
    async with running(configured(tmp_path, TWO)) as runtime:
        talk = runtime.workstream("talk", profile="fast")
        hinted = await talk.send("one", profile="default")
        after = await talk.send("two")

    assert hinted.routing is not None
    assert (hinted.profile, hinted.routing.reason) == ("default", "CallerHint")
    assert after.profile == "fast"


@pytest.mark.parametrize("moment", ["handle", "bind", "create", "call", "stream"])
async def test_an_unknown_profile_lists_the_known_ones(tmp_path: Path, moment: str) -> None:
    """Wherever it is named: an error with the names there are; nothing is sent, and nothing stays in memory."""
    async with running(configured(tmp_path, TWO)) as runtime:
        talk = runtime.workstream("talk")
        with pytest.raises(UnknownProfile) as caught:
            if moment == "handle":
                runtime.workstream("talk", profile="slow")
            elif moment in {"bind", "create"}:
                await (talk.bind("slow") if moment == "bind" else talk.create(profile="slow"))
            elif moment == "call":
                await talk.send("one", profile="slow")
            else:
                await talk.stream("one", profile="slow").__aenter__()
        assert runtime.status().active_workstreams == ()

    assert caught.value.known == ("default", "fast")
    assert "`default`, `fast`" in str(caught.value)
    assert records(tmp_path) == []


async def test_a_binding_whose_profile_is_gone_is_an_error(tmp_path: Path) -> None:
    """A profile that was removed from the configuration is never replaced in silence."""
    async with running(configured(tmp_path, TWO)) as runtime:
        await runtime.workstream("talk").bind("fast")

    async with running(configured(tmp_path)) as runtime:
        with pytest.raises(UnknownProfile, match="fast"):
            await runtime.workstream("talk").send("one")


async def test_a_failed_call_leaves_the_conversation_as_it_was(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Only what was answered becomes history."""
    steps: list[dict[str, Any]] = [{"error": {"status": 503}}, {"text": "fine"}]
    profile = scripted(tmp_path, steps, retry=RetryConfig(attempts=1))

    async with running(configured(tmp_path, {"default": profile})) as runtime:
        talk = runtime.workstream("talk")
        with pytest.raises(Overloaded):
            await talk.send("lost")
        await talk.send("kept")

    assert [message["content"][0]["text"] for message in records(tmp_path)[1]["messages"]] == ["kept"]
    assert [record["turn_id"] for record in records(tmp_path)] == [1, 1]


async def test_one_conversation_answers_in_order(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Messages sent at once are handled one after another, each with all before it in its history."""
    profile = scripted(tmp_path, [{"delay_s": 1}])

    async with running(configured(tmp_path, {"default": profile})) as runtime:
        talk = runtime.workstream("talk")
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(talk.send, "x")

    assert [len(record["messages"]) for record in records(tmp_path)] == [1, 3, 5]


async def test_conversations_do_not_wait_for_each_other(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Ten workstreams of one-second calls take one second together."""
    profile = scripted(tmp_path, [{"delay_s": 1}])

    async with running(configured(tmp_path, {"default": profile})) as runtime:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(runtime.workstream(f"w{number}").send, "x")
        took = trio.current_time() - began

    assert took == pytest.approx(1)


async def test_an_idle_workstream_leaves_memory_and_comes_back(tmp_path: Path, autojump_clock: MockClock) -> None:
    """After `idle_after_s` the actor is gone; the next message finds the history again."""
    async with running(configured(tmp_path, idle_after_s=60)) as runtime:
        await runtime.workstream("talk").send("one")
        active = runtime.status().active_workstreams
        await trio.sleep(61)
        idle = runtime.status().active_workstreams
        await runtime.workstream("talk").send("two")

    assert (active, idle) == (("talk",), ())
    assert len(records(tmp_path)[1]["messages"]) == 3


async def test_a_deleted_workstream_leaves_memory(tmp_path: Path) -> None:
    """At once, and whoever says something in it afterwards begins afresh."""
    async with running(configured(tmp_path)) as runtime:
        talk = runtime.workstream("talk")
        await talk.send("one")
        removed = await talk.remove()
        active = runtime.status().active_workstreams
        await talk.send("two")

    assert (removed, active) == (True, ())
    assert [record["turn_id"] for record in records(tmp_path)] == [1, 1]


async def test_what_waits_behind_a_deletion_is_answered(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A deletion in the first call waits for it, and the message behind it begins afresh."""
    answers: list[object] = []

    async def say(text: str) -> None:
        answers.append((await runtime.workstream("talk").send(text)).text)

    async def remove() -> None:
        answers.append(await runtime.workstream("talk").remove())

    profile = scripted(tmp_path, [{"delay_s": 1}])
    async with running(configured(tmp_path, {"default": profile})) as runtime, trio.open_nursery() as nursery:
        for act in (lambda: say("one"), remove, lambda: say("two")):
            nursery.start_soon(act)
            await trio.testing.wait_all_tasks_blocked()

    assert answers == ["echo: one", True, "echo: two"]
    assert [record["turn_id"] for record in records(tmp_path)] == [1, 1]


async def test_standing_settings_apply(tmp_path: Path) -> None:
    """`[workstreams.named.X]` gives profile, system prompt and tags; a call's own tags are added."""
    named = {"talk": NamedWorkstream(profile="fast", system_prompt="Be brief.", tags={"team": "search"})}

    async with running(configured(tmp_path, TWO, named=named)) as runtime:
        await runtime.workstream("talk").send("one", tags={"job": "1"})

    (record,) = records(tmp_path)
    assert record["profile"] == "fast"
    assert record["system_prompt"] == "Be brief."
    assert record["tags"] == {"team": "search", "job": "1", "routing_profile": "fast"}


@pytest.mark.parametrize("name", ["", " a", "a/b", "a\nb", "x" * 201])
async def test_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    """A name that cannot be shown or stored safely is refused with the rule."""
    async with running(configured(tmp_path)) as runtime:
        with pytest.raises(BadInput, match="1 to 200 characters"):
            runtime.workstream(name)


async def test_a_history_that_cannot_be_read_is_said_at_once(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller gets the store's own error, and no restart is spent on it."""

    def broken(_self: WorkstreamStore, name: str) -> None:
        raise StoreFailed(f"cannot read {name}")

    monkeypatch.setattr(WorkstreamStore, "load", broken)
    async with running(configured(tmp_path)) as runtime:
        began = trio.current_time()
        with pytest.raises(StoreFailed, match="cannot read talk"):
            await runtime.workstream("talk").send("one")

    assert trio.current_time() == began
    assert records(tmp_path) == []


async def test_a_caller_that_leaves_while_its_turn_is_stored_wedges_nothing(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Database and memory agree afterwards, whatever the moment the caller left: the next turn goes on."""
    add_turn = WorkstreamStore.add_turn
    leave: list[trio.CancelScope] = []

    def leaving(self: WorkstreamStore, *arguments: Any, **more: Any) -> None:
        add_turn(self, *arguments, **more)
        if leave:
            leave.pop().cancel(reason="the caller leaves")

    monkeypatch.setattr(WorkstreamStore, "add_turn", leaving)
    async with running(configured(tmp_path)) as runtime:
        talk = runtime.workstream("talk")
        with trio.CancelScope() as scope:
            leave.append(scope)
            await talk.send("one")
        await talk.send("two")
        state = await runtime.stored_workstream("talk")

    assert state is not None
    assert state.turns == 2
    assert [record["turn_id"] for record in records(tmp_path)] == [1, 2]
    assert len(records(tmp_path)[1]["messages"]) == 3


@pytest.mark.parametrize("text", ["half \ud800 a character", 123])
async def test_what_is_no_text_is_refused_before_anything_is_paid_for(tmp_path: Path, text: Any) -> None:
    """A lone surrogate or another type is the caller's error; nothing is sent, nothing else is hurt."""
    async with running(configured(tmp_path)) as runtime:
        with pytest.raises(BadInput):
            await runtime.workstream("talk").send(text)
        await runtime.workstream("talk").send("fine")

    assert len(records(tmp_path)) == 1


async def test_leaving_the_runtime_does_not_wait_for_each_conversation_in_turn(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Ten hung conversations are stopped together."""
    profile = scripted(tmp_path, [{"hang": True}])
    async with trio.open_nursery() as nursery:
        async with running(configured(tmp_path, {"default": profile})) as runtime:

            async def hang(number: int) -> None:
                with pytest.raises(ActorError):
                    await runtime.workstream(f"w{number}").send("x")

            for number in range(10):
                nursery.start_soon(hang, number)
            await trio.sleep(1)
            began = trio.current_time()

        assert trio.current_time() - began < 12
    assert [record["status"] for record in records(tmp_path)] == ["cancelled"] * 10
    assert "stopped" in records(tmp_path)[0]["error"]["message"]


@pytest.mark.parametrize("wrong", [{"session_id": 7}, {"system": 7}, {"system": "\ud800"}])
async def test_what_would_make_a_line_that_nobody_can_read_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """At the door, for both ways to speak, with nothing sent."""
    async with running(configured(tmp_path)) as runtime:
        research = runtime.workstream("research")
        with pytest.raises(BadInput):
            await research.send("hello", **wrong)
        with pytest.raises(BadInput):
            async with research.stream("hello", **wrong) as events:
                async for _ in events:
                    pass

    assert records(tmp_path) == []
