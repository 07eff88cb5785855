"""Whatever is given to the Python API in place of what it takes is refused in words, and harms nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

import arawn
from arawn.config.schema import RoutingConfig, ServerConfig
from arawn.runtime_door import Runtime
from arawn.workstreams.handle import Workstream
from tests.runtimes import configured, running

Method = Callable[[Runtime, Any], Any]
NO_ARGUMENT = ("end_calls", "require_default", "settled", "status", "workstream.remove")
REQUEST = arawn.CompletionRequest(messages=(arawn.user("hello"),))
WRONG: tuple[Any, ...] = (
    None,
    5,
    1.5,
    True,
    b"bytes",
    "\0",
    "half \ud800",
    "",
    [],
    {},
    [5],
    {"a": 5},
    {5: 5},
    object,
    REQUEST,
)


def _handle(runtime: Runtime) -> Workstream:
    return runtime.workstream("research")


async def _read(events: Any) -> None:
    async with events as each:
        async for _ in each:
            pass


RUNTIME: dict[str, Method] = {
    "complete": lambda runtime, wrong: runtime.complete(wrong),
    "complete profile": lambda runtime, wrong: runtime.complete(REQUEST, profile=wrong),
    "complete session_id": lambda runtime, wrong: runtime.complete(REQUEST, session_id=wrong),
    "complete tags": lambda runtime, wrong: runtime.complete(REQUEST, tags=wrong),
    "complete workstream": lambda runtime, wrong: runtime.complete(REQUEST, workstream=wrong),
    "end_calls": lambda runtime, wrong: runtime.end_calls(),
    "binding": lambda runtime, wrong: runtime.binding(wrong),
    "explain_routing": lambda runtime, wrong: runtime.explain_routing(wrong),
    "explain_routing profile": lambda runtime, wrong: runtime.explain_routing(REQUEST, profile=wrong),
    "explain_routing workstream": lambda runtime, wrong: runtime.explain_routing(REQUEST, workstream=wrong),
    "follow": lambda runtime, wrong: runtime.follow(wrong),
    "give_feedback": lambda runtime, wrong: runtime.give_feedback(wrong, arawn.Judgement("good")),
    "give_feedback judgement": lambda runtime, wrong: runtime.give_feedback("0", wrong),
    "give_feedback label": lambda runtime, wrong: runtime.give_feedback("0", arawn.Judgement(wrong)),
    "give_feedback value": lambda runtime, wrong: runtime.give_feedback("0", arawn.Judgement("good", wrong)),
    "give_feedback note": lambda runtime, wrong: runtime.give_feedback("0", arawn.Judgement("good", note=wrong)),
    "mark": lambda runtime, wrong: runtime.mark(wrong),
    "put_in_force": lambda runtime, wrong: runtime.put_in_force(wrong),
    "require_default": lambda runtime, wrong: runtime.require_default(),
    "settled": lambda runtime, wrong: runtime.settled(),
    "start": lambda runtime, wrong: runtime.start(wrong),
    "status": lambda runtime, wrong: runtime.status(),
    "stored_workstream": lambda runtime, wrong: runtime.stored_workstream(wrong),
    "stream": lambda runtime, wrong: _read(runtime.stream(wrong)),
    "stream profile": lambda runtime, wrong: _read(runtime.stream(REQUEST, profile=wrong)),
    "stream session_id": lambda runtime, wrong: _read(runtime.stream(REQUEST, session_id=wrong)),
    "stream tags": lambda runtime, wrong: _read(runtime.stream(REQUEST, tags=wrong)),
    "stream workstream": lambda runtime, wrong: _read(runtime.stream(REQUEST, workstream=wrong)),
    "tools": lambda runtime, wrong: runtime.tools(wrong),
    "workstream": lambda runtime, wrong: runtime.workstream(wrong),
    "workstream profile": lambda runtime, wrong: runtime.workstream("research", wrong),
    "workstreams": lambda runtime, wrong: runtime.workstreams(archived=wrong),
}
WORKSTREAM: dict[str, Method] = {
    "archive": lambda runtime, wrong: _handle(runtime).archive(archived=wrong),
    "bind": lambda runtime, wrong: _handle(runtime).bind(wrong),
    "change profile": lambda runtime, wrong: _handle(runtime).change(profile=wrong),
    "change system_prompt": lambda runtime, wrong: _handle(runtime).change(system_prompt=wrong),
    "change tags": lambda runtime, wrong: _handle(runtime).change(tags=wrong),
    "change archived": lambda runtime, wrong: _handle(runtime).change(archived=wrong),
    "create profile": lambda runtime, wrong: _handle(runtime).create(profile=wrong),
    "create system_prompt": lambda runtime, wrong: _handle(runtime).create(system_prompt=wrong),
    "create tags": lambda runtime, wrong: _handle(runtime).create(tags=wrong),
    "remove": lambda runtime, wrong: _handle(runtime).remove(),
    "send": lambda runtime, wrong: _handle(runtime).send(wrong),
    "send session_id": lambda runtime, wrong: _handle(runtime).send("hi", session_id=wrong),
    "send profile": lambda runtime, wrong: _handle(runtime).send("hi", profile=wrong),
    "send system": lambda runtime, wrong: _handle(runtime).send("hi", system=wrong),
    "send tags": lambda runtime, wrong: _handle(runtime).send("hi", tags=wrong),
    "send tools": lambda runtime, wrong: _handle(runtime).send("hi", tools=wrong),
    "stream": lambda runtime, wrong: _read(_handle(runtime).stream(wrong)),
    "stream session_id": lambda runtime, wrong: _read(_handle(runtime).stream("hi", session_id=wrong)),
    "stream profile": lambda runtime, wrong: _read(_handle(runtime).stream("hi", profile=wrong)),
    "stream system": lambda runtime, wrong: _read(_handle(runtime).stream("hi", system=wrong)),
    "stream tags": lambda runtime, wrong: _read(_handle(runtime).stream("hi", tags=wrong)),
    "stream tools": lambda runtime, wrong: _read(_handle(runtime).stream("hi", tools=wrong)),
}
CALLS = RUNTIME | {f"workstream.{name}": method for name, method in WORKSTREAM.items()}


async def _refusal(method: Method, runtime: Runtime, wrong: object) -> str | None:
    """Return what was said of `wrong`; None if it was taken."""
    try:
        answer = method(runtime, wrong)
        if isinstance(answer, Awaitable):
            await answer
    except (arawn.BadInput, arawn.UnknownProfile) as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", CALLS)
async def test_what_is_wrong_is_refused_in_words(name: str, tmp_path: Path) -> None:
    """Each argument of each method: `BadInput` or `UnknownProfile`, no part crashes, and the runtime can be asked."""
    async with running(configured(tmp_path)) as runtime:
        for wrong in WRONG:
            await _refusal(CALLS[name], runtime, wrong)  # some of these fit some arguments
        no_such_thing = await _refusal(CALLS[name], runtime, object())
        tree = str(runtime.status().tree)

    assert bool(no_such_thing) is (name not in NO_ARGUMENT)
    assert "crash" not in tree


def test_every_public_method_is_asked() -> None:
    """A method that is added later is not forgotten."""
    asked = {name.split()[0] for name in CALLS}

    assert asked == {name for name in vars(Runtime) if name[0] != "_"} - {"config"} | {
        f"workstream.{name}" for name in vars(Workstream) if name[0] != "_"
    }


@pytest.mark.parametrize(
    "wrong", [5, b"arawn.toml", {"profiles": {}}, ["arawn.toml"], object(), "\0", "\ud800", arawn.Config]
)
async def test_what_is_no_configuration_is_refused(wrong: Any) -> None:
    """The message says what was found and what is one."""
    with pytest.raises(arawn.BadInput, match=r"path of a TOML file, an `arawn\.Config`, or None .* found "):
        async with arawn.open_runtime(wrong):
            pass


@pytest.mark.parametrize("wrong", ["", "/", "x" * 5000, "no/such.toml"])
async def test_a_path_that_leads_to_no_file_is_a_configuration_error(wrong: str) -> None:
    """Even one that no file can have."""
    with pytest.raises(arawn.ConfigError):
        async with arawn.open_runtime(wrong):
            pass


class MyPolicy:
    """A policy, once it is made."""

    async def route(self, request: object) -> None:
        """Choose nothing."""


@pytest.mark.parametrize(
    "arguments", [{"environ": 5}, {"environ": ["A=b"]}, {"policy": 5}, {"policy": "mine"}, {"policy": MyPolicy}]
)
async def test_other_arguments_of_open_runtime_are_looked_at(arguments: dict[str, Any], tmp_path: Path) -> None:
    """The message names the argument."""
    with pytest.raises(arawn.BadInput, match=f"`{next(iter(arguments))}` is a"):
        async with arawn.open_runtime(configured(tmp_path), **arguments):
            pass


SETTINGS: list[Any] = [5, None, "x", [5], {"default": 5}, {5: arawn.Profile(backend="scripted")}, object(), "\ud800"]


@pytest.mark.parametrize("field", arawn.Config.__struct_fields__)
@pytest.mark.parametrize(
    "wrong", SETTINGS, ids=[f"{type(wrong).__name__}-{number}" for number, wrong in enumerate(SETTINGS)]
)
async def test_a_field_of_a_config_is_looked_at(field: str, wrong: Any) -> None:
    """What a file could not say, `Config` cannot either."""
    fields: dict[str, Any] = {"profiles": {"default": arawn.Profile(backend="scripted")}, field: wrong}

    with pytest.raises(arawn.ConfigError):
        async with arawn.open_runtime(arawn.Config(**fields)):
            pass


@pytest.mark.parametrize("field", arawn.Profile.__struct_fields__)
@pytest.mark.parametrize("wrong", [object(), [5], {5: 5}, {"x": object()}], ids=["object", "list", "numbered", "inner"])
async def test_a_field_of_a_profile_is_looked_at(field: str, wrong: Any) -> None:
    """What a file could not say, `Profile` cannot either."""
    fields: dict[str, Any] = {"backend": "scripted", field: wrong}

    with pytest.raises(arawn.ConfigError):
        async with arawn.open_runtime(arawn.Config(profiles={"default": arawn.Profile(**fields)})):
            pass


async def test_every_wrong_value_of_a_config_is_named() -> None:
    """With its profile or section, what was found and what is accepted, as those of a file are."""
    wrong: Any = None
    config = arawn.Config(
        profiles={
            "default": arawn.Profile(backend="scripted", max_concurrency=-1),
            "b": arawn.Profile(backend="opnai", model="m", mailbox=wrong),
        },
        routing=RoutingConfig(default="gone"),
        server=ServerConfig(listen=cast("Any", object())),
    )

    with pytest.raises(arawn.ConfigError) as caught:
        async with arawn.open_runtime(config):
            pass

    starts = (
        "profiles.default.max_concurrency: found the integer `-1`; accepted: an integer, at least 1",
        "profiles.b.mailbox: found none; accepted: an integer, at least 1",
        "server.listen: found the object `<object object",
        "profiles.b.backend: unknown backend `opnai`",
        "routing.default: unknown profile `gone`; the profiles are: `b` or `default`",
    )
    for problem, start in zip(caught.value.problems, starts, strict=True):
        assert problem.startswith(f"Config: {start}")


async def test_a_config_without_profiles_is_refused() -> None:
    """Every call would fail; only a file may leave it to Arawn to look for one."""
    with pytest.raises(arawn.ConfigError, match="Config: profiles: there is none, and every call would fail"):
        async with arawn.open_runtime(arawn.Config()):
            pass


async def test_a_config_that_holds_itself_is_refused() -> None:
    """In words, like every other."""
    extra: dict[str, Any] = {}
    extra["again"] = extra

    with pytest.raises(arawn.ConfigError, match="nested too deeply, or holds itself"):
        async with arawn.open_runtime(
            arawn.Config(profiles={"default": arawn.Profile(backend="scripted", extra=extra)})
        ):
            pass
