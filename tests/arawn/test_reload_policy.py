"""A policy of the user's is made where it is used: in the loop, when the configuration is taken."""

from __future__ import annotations

from pathlib import Path

import trio

from arawn.config.schema import Config, Profile, RoutingConfig
from tests.arawn.test_reload_tools import reload_to


class Clocked:
    """Begins to count when it is made."""

    def __init__(self) -> None:
        self.began = trio.current_time()

    async def route(self, request: object) -> None:
        """Choose nothing."""


async def test_a_policy_that_looks_at_the_clock_is_no_obstacle(tmp_path: Path) -> None:
    """What a start takes, a reload takes."""
    routing = RoutingConfig(enabled=True, policy=f"{__name__}:Clocked")
    config = Config(profiles={"default": Profile(backend="scripted")}, routing=routing)

    assert (await reload_to(config, tmp_path)).routing == routing
