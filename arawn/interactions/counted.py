"""How a number of things is said. Pure."""

from __future__ import annotations

__all__ = ["are", "counted"]


def counted(number: int, thing: str, things: str | None = None) -> str:
    """Return `1 line` or `1,200 lines`; `things` for a plural that is not `thing` and an s."""
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"


def are(number: int, thing: str) -> str:
    """Return `1 line is` or `1,200 lines are`."""
    return f"{counted(number, thing)} {'is' if number == 1 else 'are'}"
