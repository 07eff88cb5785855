"""Functions that are tools, and how tests call them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

import msgspec

from arawn.agent.functions import function_tool
from arawn.agent.tool import ToolAnswer
from arawn.messages import Text
from arawn.threads import RunInThread
from tests.runtimes import in_place


class Place(msgspec.Struct):
    lat: float
    lon: float = 0.0


def forecast(
    city: Annotated[str, msgspec.Meta(description="Its name.")],
    days: Annotated[int, msgspec.Meta(ge=1, le=14)] = 3,
    unit: Literal["C", "F"] = "C",
    near: Place | None = None,
    on: date = date(2026, 1, 1),
) -> str:
    """Return the weather.

    Made up.
    """
    return f"{city} {days} {unit} {near} {on}"


async def run(function: Callable[..., object], thread: RunInThread = in_place, /, **arguments: Any) -> ToolAnswer:
    return await function_tool(function).run(arguments, thread)


def said(answer: ToolAnswer) -> str:
    (block,) = answer.content
    assert isinstance(block, Text)
    return block.text
