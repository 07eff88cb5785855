"""What a user's own module of tools may hold."""

from __future__ import annotations

from arawn.agent import tool


@tool(deadline_s=3.0)
def shout(text: str) -> str:
    """Say it louder."""
    return text.upper()


async def whisper(text: str) -> str:
    """Say it softer."""
    return text.lower()


voices = [shout, whisper]
nothing = 7
