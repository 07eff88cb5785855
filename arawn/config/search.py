"""The configuration as it will be used: loaded, or chosen from what is there when nothing is configured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

import trio

from arawn.config.discover import adopted, discovered
from arawn.config.load import Loaded, load

__all__ = ["read_config", "with_profiles"]


async def read_config(
    config_file: Path | None,
    *,
    environ: Mapping[str, str],
    flags: Mapping[str, object] = MappingProxyType({}),
    cwd: Path,
    in_use: Sequence[Path] = (),
) -> Loaded:
    """Load the configuration beside the other tasks: a pipe in the place of a file may keep it waiting for ever.

    Args: as for `arawn.config.load`.

    Raises:
        ConfigError: It is wrong.

    Checkpoint: always.
    If cancelled: what a pipe gave so far is lost.
    """
    read = partial(load, config_file=config_file, environ=environ, flags=flags, cwd=cwd, in_use=in_use)
    return await trio.to_thread.run_sync(read, abandon_on_cancel=True)


async def with_profiles(loaded: Loaded, environ: Mapping[str, str]) -> Loaded:
    """Return what was loaded; without any profile, with what this machine offers.

    Raises:
        ConfigError: There is nothing to use; every line says what to do.

    Checkpoint: only without a profile.
    If cancelled: nothing has happened.
    """
    if loaded.config.profiles:
        return loaded
    from arawn.config.probe import gather_facts

    return adopted(loaded, discovered(await gather_facts(environ)))
