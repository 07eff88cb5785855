"""A runtime that follows a new configuration, as conversations see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors import Stopped
from arawn.config.schema import AgentConfig, Config, NamedWorkstream, Profile, RoutingConfig, RoutingRule, ToolSource
from arawn.errors import ConfigError, UnknownProfile
from arawn.messages import CompletionRequest, user
from arawn.routing.decision import RoutingDecision
from arawn.runtime import start_runtime
from tests.runtimes import configured, in_place, records, running

ECHO = Profile(backend="scripted", model="one")
HELLO = CompletionRequest(messages=(user("hello"),))


def changed(config: Config, **fields: object) -> Config:
    return msgspec.structs.replace(config, **fields)


async def test_a_conversation_in_memory_follows(tmp_path: Path) -> None:
    """Its next message goes to the new backend; its history is what it was."""
    config = configured(tmp_path, {"default": ECHO})
    async with running(config) as runtime:
        conversation = runtime.workstream("research")
        first = await conversation.send("one")
        await runtime.follow(changed(config, profiles={"default": Profile(backend="scripted", model="two")}))
        second = await conversation.send("two")

    assert (first.model, second.model) == ("one", "two")
    assert [len(record["messages"]) for record in records(tmp_path)] == [1, 3]


async def test_a_binding_to_a_profile_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """Never a silent fallback; once the profile is back, the binding holds."""
    config = configured(tmp_path, {"default": ECHO, "fast": ECHO})
    async with running(config) as runtime:
        conversation = runtime.workstream("research", profile="fast")
        await conversation.send("one")
        await runtime.follow(changed(config, profiles={"default": ECHO}))
        with pytest.raises(UnknownProfile, match=r"is bound to `fast`; bind it to another, with `bind` of"):
            await conversation.send("two")
        with pytest.raises(UnknownProfile, match=r"the profiles are: `default`$"):
            await conversation.send("two", profile="fast")
        await runtime.follow(config)

        assert (await conversation.send("two")).profile == "fast"


async def test_another_default_profile_is_taken_at_once(tmp_path: Path) -> None:
    """By single calls, by conversations in memory and by new ones, and shown."""
    config = configured(tmp_path, {"fast": ECHO})
    async with running(config) as runtime:
        conversation = runtime.workstream("research")
        with pytest.raises(UnknownProfile):
            await conversation.send("one")
        await runtime.follow(changed(config, profiles={"fast": ECHO, "default": ECHO}))
        said = [
            await conversation.send("one"),
            await runtime.complete(HELLO),
            await runtime.workstream("new").send("x"),
        ]

        assert [one.profile for one in said] == ["default"] * 3
        assert runtime.status().default_profile == "default"


async def test_standing_settings_of_a_conversation_in_memory_follow(tmp_path: Path) -> None:
    """With its next message."""
    config = configured(tmp_path, {"default": ECHO, "fast": ECHO}, named={"research": NamedWorkstream(profile="fast")})
    async with running(config) as runtime:
        conversation = runtime.workstream("research")
        first = await conversation.send("one")
        named = {"research": NamedWorkstream(system_prompt="be brief")}
        await runtime.follow(changed(config, workstreams=msgspec.structs.replace(config.workstreams, named=named)))
        second = await conversation.send("two")

    assert (first.profile, second.profile) == ("fast", "default")
    assert records(tmp_path)[-1]["system_prompt"] == "be brief"


async def test_a_key_that_is_new_is_redacted_everywhere(tmp_path: Path) -> None:
    """Also in what is said to a profile that has not changed itself."""
    config = configured(tmp_path, {"default": ECHO})
    secret = "correct-horse-battery"
    keyed = Profile(backend="custom", dialect="openai", model="m", base_url="http://127.0.0.1:9/v1", api_key=secret)
    async with running(config) as runtime:
        await runtime.follow(changed(config, profiles={"default": ECHO, "keyed": keyed}))
        await runtime.workstream("research").send(f"is {secret} mine?")

    assert secret not in next((tmp_path / "log").glob("*.jsonl")).read_text()


async def test_the_counts_of_a_profile_go_on(tmp_path: Path) -> None:
    """A counter that began again with each reload would be worth little."""
    config = configured(tmp_path, {"default": ECHO})
    async with running(config) as runtime:
        await runtime.complete(HELLO)
        await runtime.follow(changed(config, profiles={"default": Profile(backend="scripted", model="two")}))
        await runtime.complete(HELLO)

        assert runtime.counts.of("default").calls["ok"] == 2


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a rule of a profile that is missing": (
        {"routing": RoutingConfig(enabled=True, rules=(RoutingRule("long", {"tool_count_gt": 1}, "gone"),))},
        r"Config: routing\.rules\[0\]\.profile: unknown profile `gone`",
    ),
    "a number out of range": ({"agent": AgentConfig(max_iterations=-4)}, r"max_iterations"),
    "no profile": ({"profiles": {}}, r"Config: profiles: there is none"),
    "a module that is missing": ({"tools": {"x": ToolSource(python="no_such_module:x")}}, r"tools\.x\.python: cannot"),
    "an empty source of tools": ({"tools": {"x": ToolSource()}}, r"Config: tools\.x: says not where its tools are"),
    "a profile that does nothing": (
        {"profiles": {"default": Profile(backend="scripted", max_concurrency=0)}},
        r"concurrency",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_a_reload_refuses_is_not_followed(tmp_path: Path, wrong: str) -> None:
    """All of it or nothing: the configuration in force is the one before, and takes calls."""
    fields, said = WRONG[wrong]
    config = configured(tmp_path, {"default": ECHO})
    async with running(config) as runtime:
        before = runtime.config
        with pytest.raises(ConfigError, match=said):
            await runtime.follow(changed(config, **fields))

        assert runtime.config is before
        assert (await runtime.complete(HELLO)).profile == "default"


async def test_a_policy_of_the_program_stands_in_for_a_missing_one(tmp_path: Path) -> None:
    """What `open_runtime` takes with `policy`, `follow` takes."""

    class Ours:
        def route(self, request: CompletionRequest) -> RoutingDecision:
            return RoutingDecision("default", "ours", 1.0)

    config = changed(configured(tmp_path), routing=RoutingConfig(enabled=True, policy="no_such_module:policy"))
    async with start_runtime(config, {}, policy=Ours(), run_in_thread=in_place) as runtime:
        await runtime.follow(config)

        assert (await runtime.complete(HELLO)).profile == "default"


@pytest.mark.parametrize("model", ["one", "two"])
async def test_a_runtime_that_has_ended_follows_nothing(tmp_path: Path, model: str) -> None:
    """Neither the configuration that was in force nor another: it says that it has stopped, as it does to a call."""
    config = configured(tmp_path, {"default": ECHO})
    async with running(config) as runtime:
        before = runtime.config

    with pytest.raises(Stopped, match="the configuration was not put in force: the runtime has stopped"):
        await runtime.follow(changed(config, profiles={"default": Profile(backend="scripted", model=model)}))
    assert runtime.config is before
