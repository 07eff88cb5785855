"""A housekeeper of one directory by virtual time, with its marks taken in the place of the writer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import trio

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.housekeeping import Housekeeper, open_housekeeper
from arawn.interactions.record import LogLine, MarkLine
from tests.arawn.interactions.samples import NOON
from tests.runtimes import in_place

DAY = 86_400.0


class Told(list[MarkLine]):
    """Takes marks in the place of the writer."""

    async def __call__(self, line: LogLine) -> None:
        assert isinstance(line, MarkLine)
        self.append(line)

    def details(self, event: str) -> list[dict[str, Any]]:
        return [line.detail for line in self if line.event == event]


def virtual_time() -> datetime:
    """A time of day that goes with the virtual clock."""
    return NOON + timedelta(seconds=trio.current_time() - START[0])


START = [0.0]


@asynccontextmanager
async def keeping(directory: Path, told: Told, **settings: Any) -> AsyncIterator[Housekeeper]:
    START[0] = trio.current_time()
    filesystem = settings.pop("filesystem", None)
    async with open_housekeeper(
        directory,
        InteractionLogConfig(**settings),
        told,
        clock=virtual_time,
        run_in_thread=in_place,
        filesystem=filesystem,
    ) as keeper:
        yield keeper


def day_file(directory: Path, days_ago: int, content: str = '{"kind":"x"}\n') -> str:
    """Write the file of so many days before the start; return its name without endings."""
    stem = f"interactions-{NOON - timedelta(days=days_ago):%Y-%m-%d}"
    (directory / f"{stem}.jsonl").write_text(content)
    return stem


def present(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if not path.name.startswith("."))
