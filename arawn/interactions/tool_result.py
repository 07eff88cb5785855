"""From a tool's answer to its line. Pure."""

from __future__ import annotations

from datetime import datetime

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.record import ToolResultLine, timestamp_text
from arawn.interactions.redact import Redactor
from arawn.interactions.shorten import cut_text
from arawn.messages import Text, ToolResult

__all__ = ["build_tool_result", "text_of"]


def build_tool_result(
    *,
    interaction_id: str,
    tool_call_id: str,
    success: bool,
    content: str,
    at: datetime,
    config: InteractionLogConfig,
    secrets: Redactor,
) -> ToolResultLine:
    """Return the line that joins a tool's answer to the call in `interaction_id` which asked for it.

    Args:
        interaction_id: The record whose response held the tool call.
        tool_call_id: The provider's id of the tool call.
        success: False when the tool failed.
        content: What the tool answered; cut, redacted or left out as `config` says.
        at: When it was known, with a time zone.
        config: As for `build_record`.
        secrets: As for `build_record`.
    """
    redactions: list[str] = []
    if config.redact_secrets:
        content, redactions = secrets.redact(content)
    kept, cut = cut_text(content, config.truncate_tool_results, "content")
    return ToolResultLine(
        interaction_id=interaction_id,
        tool_call_id=tool_call_id,
        success=success,
        content=kept if config.include_messages else None,
        truncated=(cut,) if cut else (),
        redactions=tuple(redactions),
        timestamp=timestamp_text(at),
    )


def text_of(result: ToolResult) -> str:
    """Return the text of a tool's answer; a picture is named, not kept."""
    return "\n".join(part.text if isinstance(part, Text) else "[image]" for part in result.content)
