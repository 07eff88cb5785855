"""The real file system, of which one operation fails as if the process had died there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arawn.interactions.filesystem import RealFilesystem


class Died(BaseException):
    """The process died; nothing after this happened."""


class DyingFilesystem(RealFilesystem):
    """Counts operations; from number `last` on, each of them raises."""

    def __init__(self, last: int | None = None) -> None:
        self.count = 0
        self.last = last

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found):
            return found
        return self._counted(name, found)

    def _counted(self, name: str, operation: Callable[..., Any]) -> Callable[..., Any]:
        def act(*arguments: Any) -> Any:
            self.count += 1
            if self.last is not None and self.count > self.last and name != "close":
                raise Died(name)
            return operation(*arguments)

        return act
