"""A log on a simulated file system, and faults for it."""

from __future__ import annotations

from pathlib import Path

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.day_log import DayLog
from arawn.interactions.opening import open_day_log
from tests.arawn.interactions.samples import Clock
from tests.arawn.interactions.simulated_filesystem import Fault, SimulatedFilesystem

LOG = Path("/logs/interactions")
CONFIG = InteractionLogConfig()


def opened(
    filesystem: SimulatedFilesystem, clock: Clock | None = None, config: InteractionLogConfig = CONFIG
) -> DayLog:
    return open_day_log(LOG, config, filesystem=filesystem, clock=clock or Clock(), token=filesystem.token)


def once(number: int, verdict: OSError | int) -> Fault:
    return lambda current, _: verdict if current == number else None


def on(name: str, verdict: OSError | int) -> Fault:
    return lambda _, current: verdict if current == name else None
