"""What a user's own module may raise as its tools are looked for; nothing of it is an `Exception`."""

from __future__ import annotations

import asyncio

_OWN = type("Own", (BaseException,), {})
_KINDS = {kind.__name__: kind for kind in (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, _OWN)}


def __getattr__(name: str) -> object:
    if name in _KINDS:
        raise _KINDS[name]("at import")
    raise AttributeError(name)
