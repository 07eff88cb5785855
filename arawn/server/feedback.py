"""`POST /interactions/{id}/feedback`: what somebody thinks of a call goes into the log."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Protocol

from arawn.interactions.feedback import Judgement
from arawn.interactions.record import FeedbackLine
from arawn.server.call import Call, Route
from arawn.server.interactions import LogDoor
from arawn.server.reply import json_reply

__all__ = ["FEEDBACK", "FeedbackDoor", "feedback_routes"]

FEEDBACK = "/interactions/{id}/feedback"


class FeedbackDoor(Protocol):
    """What this route needs of the runtime."""

    @property
    def log_path(self) -> Path | None:
        """The directory of the log; None when it is off."""
        ...

    async def give_feedback(self, interaction: str, judgement: Judgement, /) -> FeedbackLine:
        """Write it, and return what was written."""
        ...


def feedback_routes(runtime: FeedbackDoor) -> dict[tuple[str, str], Route]:
    """Return the route by method and path."""
    return {("POST", FEEDBACK): partial(_give, runtime, LogDoor(runtime.log_path))}


async def _give(runtime: FeedbackDoor, log: LogDoor, call: Call) -> None:
    judgement = await call.read_json(Judgement)
    interaction = await log.id_of(call.path.split("/")[2])
    await call.respond(json_reply(201, await runtime.give_feedback(interaction, judgement)))
