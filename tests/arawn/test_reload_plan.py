"""What a new configuration changes."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest

from arawn.config.schema import (
    AgentConfig,
    Config,
    InteractionLogConfig,
    LoggingConfig,
    NamedWorkstream,
    Profile,
    RoutingConfig,
    ServerConfig,
    WorkstreamsConfig,
)
from arawn.reload_plan import compared, configuration_hash

PROFILE = Profile(backend="scripted")
OLD = Config(profiles={"default": PROFILE})


@dataclass(frozen=True)
class Made:
    """What a backend is made from."""

    number: int


def test_backends_are_sorted_by_what_becomes_of_them() -> None:
    """Each in one place, in the order of the configuration."""
    running = {"a": Made(1), "b": Made(2), "c": Made(3)}
    plan = compared(OLD, OLD, running, {"d": Made(4), "b": Made(9), "a": Made(1)})

    assert (plan.started, plan.replaced, plan.stopped, plan.unchanged) == (("d",), ("b",), ("c",), ("a",))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"server": ServerConfig(listen="127.0.0.1:1")}, "server.listen"),
        ({"server": ServerConfig(socket="/x")}, "server.socket"),
        ({"server": ServerConfig(auth="none")}, "server.auth"),
        ({"logging": LoggingConfig(InteractionLogConfig(path="/x"))}, "logging.interactions.path"),
        ({"logging": LoggingConfig(InteractionLogConfig(retention_days=1))}, "logging.interactions.retention_days"),
        ({"workstreams": WorkstreamsConfig(database="/x")}, "workstreams.database"),
        ({"workstreams": WorkstreamsConfig(idle_after_s=1)}, "workstreams.idle_after_s"),
    ],
)
def test_what_needs_a_restart_is_named_and_stays(changed: dict[str, object], named: str) -> None:
    """The value in force is the old one."""
    new = msgspec.structs.replace(OLD, **changed)
    plan = compared(OLD, new, {}, {})

    assert plan.needs_restart == (named,)
    assert plan.in_force == OLD


def test_profiles_routing_and_named_workstreams_take_effect() -> None:
    """They are what every call looks up anew."""
    new = Config(
        profiles={"default": PROFILE, "fast": PROFILE},
        routing=RoutingConfig(enabled=True, default="fast"),
        workstreams=WorkstreamsConfig(named={"research": NamedWorkstream(profile="fast")}),
    )
    plan = compared(OLD, new, {}, {})

    assert plan.needs_restart == ()
    assert plan.in_force == new
    assert plan.settings == ("workstreams.named", "routing.enabled", "routing.default")


def test_what_holds_from_now_on_is_named() -> None:
    """Key by key; profiles have lists of their own."""
    new = msgspec.structs.replace(
        OLD, profiles={"other": PROFILE}, agent=AgentConfig(max_iterations=3), server=ServerConfig(listen="127.0.0.1:1")
    )

    assert compared(OLD, new, {}, {}).settings == ("agent.max_iterations",)


def test_a_change_that_waits_is_named_again_the_next_time() -> None:
    """Until it is taken back or the daemon starts anew."""
    new = msgspec.structs.replace(OLD, server=ServerConfig(listen="127.0.0.1:1"))
    again = compared(compared(OLD, new, {}, {}).in_force, new, {}, {})

    assert again.needs_restart == ("server.listen",)


def test_the_hash_tells_configurations_apart_and_no_secret() -> None:
    """Two keys have one hash: what is written down must not confirm a guess."""
    one, other = (Config(profiles={"default": Profile(backend="openai", api_key=key)}) for key in ("k1", "k2"))

    assert configuration_hash(one) == configuration_hash(other)
    assert configuration_hash(one) != configuration_hash(OLD)
