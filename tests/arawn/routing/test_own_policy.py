from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

import arawn
from arawn.config.schema import ClassifierConfig, Config, Profile, RoutingConfig
from arawn.errors import ConfigError
from arawn.messages import CompletionRequest
from arawn.routing import RoutingDecision, RoutingPolicy
from arawn.routing.decision import PolicyFailed
from arawn.routing.prepared import routing_obstacles
from arawn.routing.router import Router
from tests.arawn.routing.asking import asking, rule
from tests.runtimes import configured, records, running

ECHO = Profile(backend="scripted")
PROFILES = {"default": ECHO, "fast": ECHO}
HI = asking("hi")


class Always:
    """Decides the same for every request, or fails; keeps what it was asked."""

    def __init__(self, answer: object = None) -> None:
        self.asked: list[CompletionRequest] = []
        self._answer = RoutingDecision("fast", "Always", 0.5) if answer is None else answer

    def route(self, request: CompletionRequest, /) -> Any:
        self.asked.append(request)
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer


class Own(BaseException):
    """Of the user's own."""


class Ending:
    def __init__(self) -> None:
        raise Own("bye")


class Waiting:
    async def route(self, request: CompletionRequest, /) -> RoutingDecision:
        await trio.sleep(1)
        return RoutingDecision("fast", "waited")


class Leaving:
    def __init__(self) -> None:
        raise SystemExit("bye")


always = Always()


def routed(directory: Path, **routing: Any) -> Config:
    return msgspec.structs.replace(configured(directory, PROFILES), routing=RoutingConfig(enabled=True, **routing))


def router(policy: RoutingPolicy, profiles: dict[str, Profile] = PROFILES) -> Router:
    return Router(Config(profiles=profiles), profiles, {}, policy)


@pytest.mark.parametrize("enabled", [True, False])
async def test_a_policy_may_be_given_to_the_runtime(tmp_path: Path, enabled: bool) -> None:
    """It decides calls that name no profile, whatever `[routing]` says, and its words are in the record."""
    config = msgspec.structs.replace(configured(tmp_path, PROFILES), routing=RoutingConfig(enabled=enabled))
    policy = Always()
    async with arawn.open_runtime(config, environ={}, policy=policy) as runtime:
        answers = [await runtime.complete(HI), await runtime.complete(HI, profile="default")]
        answers.append(await runtime.workstream("talk").send("hello"))

    assert [answer.profile for answer in answers] == ["fast", "default", "fast"]
    assert len(policy.asked) == 2
    routings = [record["routing"] for record in records(tmp_path)]
    candidates = {"candidates": list(PROFILES)}
    assert routings[0] == {"profile": "fast", "reason": "Always", "confidence": 0.5, "features": candidates}
    assert routings[1]["features"] == {}
    assert [routing["reason"] for routing in routings] == ["Always", "CallerHint", "Always"]


@pytest.mark.parametrize("attribute", ["always", "Always"])
async def test_a_policy_may_be_named_in_the_configuration(tmp_path: Path, attribute: str) -> None:
    """`routing.policy` is an object with `route`, or its class."""
    async with running(routed(tmp_path, policy=f"{__name__}:{attribute}")) as runtime:
        assert (await runtime.complete(HI)).profile == "fast"


@pytest.mark.parametrize(
    "named", [{"policy": "nowhere:nothing"}, {"classifier": ClassifierConfig(file="nowhere.json", embeddings="fast")}]
)
async def test_what_is_switched_off_is_not_even_looked_for(tmp_path: Path, named: dict[str, Any]) -> None:
    """`routing.enabled = false` leaves a policy and a classifier alone: the default profile answers."""
    config = msgspec.structs.replace(configured(tmp_path, PROFILES), routing=RoutingConfig(enabled=False, **named))

    async with running(config) as runtime:
        assert (await runtime.complete(HI)).profile == "default"


async def test_a_policy_may_wait(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Its answer is awaited; the caller's deadline bounds it."""
    async with running(routed(tmp_path, policy=f"{__name__}:Waiting")) as runtime:
        assert (await runtime.complete(HI)).profile == "fast"
        with trio.move_on_after(0.5) as waiting:
            await runtime.complete(HI)

    assert waiting.cancelled_caught
    assert len(records(tmp_path)) == 1


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("no_such_module_here:policy", "cannot import `no_such_module_here:policy`: ModuleNotFoundError"),
        (f"{__name__}:nothing", "AttributeError"),
        (f"{__name__}:Leaving", "SystemExit: bye"),
        (f"{__name__}:Ending", "Own: bye"),
        (f"{__name__}:PROFILES", "is of type dict; accepted: an object with a method `route`, or its class"),
    ],
)
async def test_a_policy_that_cannot_be_used_stops_the_start(tmp_path: Path, place: str, words: str) -> None:
    """Not the first call; a reload that names it changes nothing, and a check finds it."""
    assert any(words in problem for problem in routing_obstacles(routed(tmp_path, policy=place), {}))
    assert not routing_obstacles(msgspec.structs.replace(routed(tmp_path), routing=RoutingConfig(policy=place)), {})
    with pytest.raises(ConfigError, match=words):
        async with running(routed(tmp_path / "a", policy=place)):
            pass

    async with running(routed(tmp_path / "b")) as runtime:
        with pytest.raises(ConfigError, match=words):
            await runtime.follow(routed(tmp_path / "b", policy=place))
        assert (await runtime.complete(HI)).profile == "default"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ValueError("oh no"), "ValueError: oh no"),
        (SystemExit("bye"), "SystemExit: bye"),
        (asyncio.CancelledError("x"), "CancelledError: x"),
        (GeneratorExit("x"), "GeneratorExit: x"),
        (Own("x"), "Own: x"),
        (BaseExceptionGroup("x", [Own("x")]), "BaseExceptionGroup: x"),
        ("fast", "answered with a str; accepted: a RoutingDecision"),
        (RoutingDecision("fast", 5), "reason"),  # type: ignore[arg-type]
        (RoutingDecision("fast", "\ud800"), "UTF-8"),
        (RoutingDecision("fast", "x", 1.5), "within 0..1"),
        (RoutingDecision("fast", "x", float("nan")), "within 0..1"),
        (RoutingDecision("fast", "x", 1.0, {"a": 1}), "features"),  # type: ignore[arg-type]
    ],
)
async def test_a_policy_that_fails_is_a_typed_error(answer: object, words: str) -> None:
    """The call is not made, and never goes elsewhere in silence."""
    with pytest.raises(PolicyFailed, match=words):
        await router(Always(answer)).choose(HI)


async def test_what_ends_the_program_is_not_taken_for_a_failure() -> None:
    """Ctrl-C while a policy works goes on as it is."""
    with pytest.raises(KeyboardInterrupt):
        await router(Always(KeyboardInterrupt())).choose(HI)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (ValueError("secret"), "ValueError"),
        ("secret", "no decision"),
        (RoutingDecision("secret", "x"), "UnknownProfile"),
    ],
)
async def test_a_policy_that_fails_leaves_a_line_without_content(
    answer: object, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In the program's log."""
    with pytest.raises(PolicyFailed):
        await router(Always(answer)).choose(HI)

    assert caplog.messages == [f"the routing policy failed ({kind}); the call was not made"]


async def test_a_long_reason_is_cut() -> None:
    """At 200 characters, visibly: it stands in every record."""
    chosen = await router(Always(RoutingDecision("fast", "x" * 201))).choose(HI)
    whole = await router(Always(RoutingDecision("fast", "x" * 200))).choose(HI)

    assert (chosen.reason, whole.reason) == ("x" * 199 + "…", "x" * 200)


async def test_a_policy_that_names_no_profile_is_told_the_names() -> None:
    """And that it was the policy that named it."""
    with pytest.raises(PolicyFailed, match=r"the routing policy chose an unknown profile `nope`.*`default`, `fast`"):
        await router(Always(RoutingDecision("nope", "x"))).choose(HI)


@pytest.mark.parametrize("error", [ValueError(), asyncio.CancelledError(), GeneratorExit(), Own()])
async def test_a_conversation_survives_a_policy_that_fails(tmp_path: Path, error: BaseException) -> None:
    """The history is as it was, and the next message with a hint is answered."""
    config = configured(tmp_path, PROFILES)
    async with arawn.open_runtime(config, environ={}, policy=Always(error)) as runtime:
        talk = runtime.workstream("talk")
        with pytest.raises(PolicyFailed):
            await talk.send("one")
        await talk.send("two", profile="fast")

    assert [len(record["messages"]) for record in records(tmp_path)] == [1]


async def test_rules_follow_a_reload(tmp_path: Path) -> None:
    """On, changed, and off again, for single calls and for conversations in memory."""
    everything = rule("all", "fast", message_count_gt=0)
    changes = (
        RoutingConfig(rules=(everything,)),
        RoutingConfig(enabled=True, rules=(everything,)),
        RoutingConfig(enabled=True),
        RoutingConfig(enabled=True, default="fast"),
    )
    config = configured(tmp_path, PROFILES)
    async with running(config) as runtime:
        talk = runtime.workstream("talk")
        seen = []
        for routing in changes:
            await runtime.follow(msgspec.structs.replace(config, routing=routing))
            seen.append(((await runtime.complete(HI)).profile, (await talk.send("hi")).profile))

    assert seen == [("default", "default"), ("fast", "fast"), ("default", "default"), ("fast", "fast")]


async def test_a_record_names_the_profiles_that_there_were_to_choose(tmp_path: Path) -> None:
    """As they were when it was decided: those of a reload from then on, and none where nothing was chosen."""
    config = routed(tmp_path)
    async with running(config) as runtime:
        await runtime.complete(HI)
        more = msgspec.structs.replace(config, profiles={**PROFILES, "new": PROFILES["fast"]})
        await runtime.follow(more)
        await runtime.complete(HI)
        await runtime.complete(HI, profile="new")

    named = [record["routing"]["features"].get("candidates") for record in records(tmp_path)]
    assert named == [list(PROFILES), [*PROFILES, "new"], None]
