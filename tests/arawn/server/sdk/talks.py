"""One piece of work, done with one client against one backend."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.arawn.server.sdk.doors import beside, open_api
from tests.arawn.server.sdk.upstreams import Answer, upstream

__all__ = ["raised_by", "talk"]

PARIS = Answer("Paris")
Work = Callable[[Any], Any]


async def talk(
    opening: Callable[[str, ExitStack], Any],
    kind: str,
    directory: Path,
    work: Work,
    *,
    said: Answer = PARIS,
    stream: bool = False,
) -> tuple[Any, Any]:
    """Do `work` with a client; return its result, and what the provider was sent (None where it was sent nothing)."""
    with upstream(kind, directory, said, stream=stream) as up, ExitStack() as opened:
        async with open_api(directory, {"default": up.profile}) as url:
            result = await beside(lambda: work(opening(url, opened)))
        return result, up.sent() if up.provider is not None and up.provider.received else None


def raised_by(work: Work, *, error: type[Exception]) -> Work:
    """Return work that returns the error which `work` raises."""

    def refused(client: Any) -> Any:
        with pytest.raises(error) as caught:
            work(client)
        return caught.value

    return refused
