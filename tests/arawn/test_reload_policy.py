"""A policy of the user's is made where it is used: in the loop, when the configuration is taken."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import trio

from arawn.config.schema import Config, Profile, RoutingConfig, ToolSource
from arawn.errors import BadInput
from tests.arawn.test_reload_tools import reload_to


class Clocked:
    """Begins to count when it is made."""

    def __init__(self) -> None:
        self.began = trio.current_time()

    async def route(self, request: object) -> None:
        """Choose nothing."""


class Counted:
    """Knows how many of it were made."""

    made = 0

    def __init__(self) -> None:
        Counted.made += 1

    async def route(self, request: object) -> None:
        """Choose nothing."""


async def test_a_policy_is_made_once(tmp_path: Path) -> None:
    """It may hold what cannot be had twice: a file, a port, a connection. The check is the making itself."""
    Counted.made = 0
    routing = RoutingConfig(enabled=True, policy=f"{__name__}:Counted")
    await reload_to(Config(profiles={"default": Profile(backend="scripted")}, routing=routing), tmp_path)

    assert Counted.made == 1


async def test_a_policy_that_cannot_be_made_is_listed_with_everything_else(tmp_path: Path) -> None:
    """As `config check` lists it; nothing is changed."""
    routing = RoutingConfig(enabled=True, policy=f"{__name__}:nothing")
    alone = Config(profiles={"default": Profile(backend="scripted")}, routing=routing)
    more = msgspec.structs.replace(alone, tools={"program": ToolSource(command=("no-such-program",))})

    for config in (alone, more):
        with pytest.raises(BadInput) as caught:
            await reload_to(config, tmp_path)
        assert "routing.policy: cannot import" in str(caught.value)
    assert "no-such-program" in str(caught.value)


async def test_a_policy_that_looks_at_the_clock_is_no_obstacle(tmp_path: Path) -> None:
    """What a start takes, a reload takes."""
    routing = RoutingConfig(enabled=True, policy=f"{__name__}:Clocked")
    config = Config(profiles={"default": Profile(backend="scripted")}, routing=routing)

    assert (await reload_to(config, tmp_path)).routing == routing
