"""A running Arawn takes another configuration: what is known to fail in it is found before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping

import trio

from arawn.agent.servers import tool_obstacles
from arawn.backends.preflight import preflight
from arawn.config.load import checked
from arawn.config.schema import Config
from arawn.errors import ConfigError
from arawn.routing.prepared import routing_obstacles
from arawn.routing.router import Router
from arawn.running_backends import Followed, RunningBackends

__all__ = ["put_in_force", "usable"]


async def usable(config: Config, environ: Mapping[str, str], *, policy_given: bool) -> Config:
    """Return the configuration if nothing in it is known to fail: what starts would tell of its own faults alone.

    What `[routing]` names starts first, and tells all of its faults, so it is looked at only beside others.

    Args:
        config: As it was built, or read.
        environ: Where keys, and the programs and tokens of tools, are looked for.
        policy_given: The runtime has a policy of its own, so that the one of `[routing]` is not used.

    Raises:
        ConfigError: It is wrong, or names scripts, models or tools that cannot be used; all of them are listed, and a
            policy that cannot, as `arawn config check` does.

    Checkpoint: only for tools.
    If cancelled: nothing has changed; an import of a module goes on.
    """
    config = checked(config)
    problems = [obstacle.text for obstacle in await preflight(config, environ) if obstacle.fatal]
    of_tools = await tool_obstacles(config, environ)
    if problems or of_tools:  # else a policy is made once, when it is put in force, and tells of itself
        routing = () if policy_given else routing_obstacles(config, environ)
        raise ConfigError([*problems, *routing, *of_tools])
    return config


async def put_in_force(config: Config, backends: RunningBackends, router: Router) -> Followed:
    """Have backends and routing follow a configuration that passed every check, both or neither.

    Raises:
        ConfigError: A backend cannot be started, or the routing policy cannot be used; nothing was changed.
        Stopped: The runtime has ended, or is ending; nothing was changed.

    Checkpoint: always.
    If cancelled: nothing has changed.
    """
    fresh = router.prepare(config)
    try:
        await fresh.start()
        followed = await backends.follow(config)
    except BaseException:  # a cancellation too
        with trio.CancelScope(shield=True):  # bounded: it closes what nobody uses yet
            await fresh.aclose()
        raise
    await router.adopt(backends.config, fresh)
    return followed
