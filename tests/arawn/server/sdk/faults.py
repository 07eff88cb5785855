"""The status that a client sees for each refusal of a provider."""

from __future__ import annotations

__all__ = ["seen_status"]

_OTHERWISE = {401: 502, 500: 503, 529: 503}  # whose key it is, and who is overloaded, is not the client's affair


def seen_status(dialect: str, kind: str, status: int) -> int:
    """Return the status for a client of `dialect` where a backend of `kind` was refused with `status`."""
    own = dialect == kind or (dialect, status) == ("anthropic", 529)  # for which its clients know what to do
    return status if own else _OTHERWISE.get(status, status)
