"""What the log says of the configuration that its writer begins with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from arawn import runtime as parts
from arawn.config.schema import AgentConfig, Config, Profile
from arawn.errors import LogWriteFailed
from arawn.messages import CompletionRequest, user
from arawn.reload_plan import configuration_hash
from tests.runtimes import configured, lines, running

ASK = CompletionRequest(messages=(user("hello"),))


def hashes(directory: Path) -> list[Any]:
    return [line["detail"]["config_sha256"] for line in lines(directory) if line.get("event") == "start"]


async def started(config: Config) -> None:
    async with running(config):
        pass


async def test_a_start_has_the_hash_of_the_whole_configuration(tmp_path: Path) -> None:
    """Another profile is another hash, the same one again is not: as after a reload that changes nothing."""
    config = configured(tmp_path, {"default": Profile(backend="scripted", model="one")})
    other = msgspec.structs.replace(config, profiles={"default": Profile(backend="scripted", model="two")})

    for each in (config, other, config):
        await started(each)
    async with running(config) as runtime:
        reloaded = (await runtime.follow(config)).plan.in_force

    first, second, third, fourth = hashes(tmp_path)
    assert first == third == fourth == configuration_hash(reloaded)
    assert second == configuration_hash(other) != first


async def test_a_writer_that_starts_again_names_the_configuration_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """Not the one that the process began with."""
    config = configured(tmp_path)
    changed = msgspec.structs.replace(config, agent=AgentConfig(max_iterations=3))
    with pytest.raises(LogWriteFailed, match="1 record is not in the interaction log"):
        async with running(config) as runtime:
            await runtime.follow(changed)
            with monkeypatch.context() as patched:
                patched.setattr(parts, "write_appends", None)  # called, it crashes the writer
                await runtime.complete(ASK)
            await trio.sleep(60)

    assert hashes(tmp_path) == [configuration_hash(config), configuration_hash(changed)]
