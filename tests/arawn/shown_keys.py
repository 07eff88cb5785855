"""The configuration keys that a test is about, said at the test."""

from __future__ import annotations

import typing
from collections.abc import Callable

SHOWN: set[str] = set()
T = typing.TypeVar("T", bound=Callable[..., object])


def shows(*keys: str) -> Callable[[T], T]:
    """Say which keys a test is about."""
    SHOWN.update(keys)
    return lambda test: test
