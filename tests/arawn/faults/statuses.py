"""The fault matrix, statuses: each with each header that says something of retries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.arawn.faults.edge import Play
from tests.arawn.faults.told import BACK_OFF, Cell, Told, again, every

STATUSES: dict[int, tuple[str, bool, str]] = {  # the error, whether it is tried again, the health afterwards
    400: ("BadRequest", False, "ready"),
    401: ("AuthFailed", False, "degraded"),
    402: ("BadRequest", False, "degraded"),
    403: ("AuthFailed", False, "degraded"),
    404: ("ModelNotFound", False, "ready"),
    408: ("BadRequest", True, "ready"),
    409: ("BadRequest", True, "ready"),
    413: ("BadRequest", False, "ready"),
    422: ("BadRequest", False, "ready"),
    425: ("BadRequest", True, "ready"),
    429: ("RateLimited", True, "ready"),
    500: ("Overloaded", True, "degraded"),
    501: ("Overloaded", False, "degraded"),
    502: ("Overloaded", True, "degraded"),
    503: ("Overloaded", True, "degraded"),
    504: ("Overloaded", True, "degraded"),
    529: ("Overloaded", True, "degraded"),
}

# What is sent, the waits that it makes, what the caller is told, and whether it overrules the table above.
HEADERS: dict[str, tuple[dict[str, str], tuple[tuple[float, float], ...], float | None, bool | None]] = {
    "": ({}, BACK_OFF, None, None),
    "retry-after": ({"retry-after": "7"}, ((7, 7), (7, 7)), 7, None),
    "retry-after-ms": ({"retry-after-ms": "1500", "retry-after": "9"}, ((1.5, 1.5), (1.5, 1.5)), 1.5, None),
    "retry-after too long": ({"retry-after": "21"}, (), 21, False),
    "x-should-retry true": ({"x-should-retry": "true"}, BACK_OFF, None, True),
    "x-should-retry false": ({"x-should-retry": "false"}, BACK_OFF, None, False),
}
NEVER_AGAIN = {402}  # an account without credit


def status_cells() -> Iterator[Cell]:
    """Yield every status with every header."""
    for status, (error, retried, health) in STATUSES.items():
        for header, (sent, waits, said, overrules) in HEADERS.items():
            tried = retried if overrules is None or status in NEVER_AGAIN else overrules
            told = again(error, waits, health=health, retry_after=said) if tried else Told(error)
            told = replace(told, health=health, retry_after=said, says=f"({status}")
            for dialect, mode in every():
                pieces = [b'{"error": {"message": "no"}}']
                headers = {"content-type": "application/json", **sent}
                yield Cell(f"{status} {header}".rstrip(), dialect, mode, Play(pieces, status, headers), told)
