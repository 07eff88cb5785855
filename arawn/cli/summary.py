"""What is said about an answer after it: who gave it and why, what it cost, where its record is. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from arawn.interactions.files import day_files
from arawn.messages import CompletionResponse, RoutingMetadata

__all__ = ["Answered", "as_json", "block", "newest_file", "reason_words", "tokens_words"]


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, and what is known around it.

    Attributes:
        workstream: The conversation that was asked in, if any.
        response: What was answered.
        seconds: From the question to the end of the answer.
        why: How the profiles were chosen, when none is configured.
        log_file: The file that holds the record; None when the log is off.
        log_fault: Why the record may not be in it, in a sentence; None if it is.
    """

    workstream: str | None
    response: CompletionResponse
    seconds: float
    why: str | None
    log_file: Path | None
    log_fault: str | None = None


def block(answered: Answered) -> list[str]:
    """Return the lines for a person."""
    response = answered.response
    rows = [
        ("profile", f"{response.profile} ({reason_words(response.routing, answered.workstream)})"),
        ("", answered.why or ""),
        ("model", response.model),
        ("tokens", tokens_words(response.usage.total_input_tokens, response.usage.output_tokens)),
        ("time", f"{answered.seconds:.1f} s"),
        ("record", response.interaction_id or "none: the log is off"),
        ("log", str(answered.log_file) if answered.log_file else ""),
    ]
    return [f"{name:<8} {text}" for name, text in rows if text]


def as_json(answered: Answered) -> dict[str, Any]:
    """Return the answer and all that is known of it, as one JSON object."""
    response = answered.response
    return {
        "text": response.text,
        "profile": response.profile,
        "reason": response.routing.reason if response.routing else None,
        "why": answered.why,
        "model": response.model,
        "stop_reason": response.stop_reason,
        "usage": response.usage,
        "tool_calls": response.tool_calls,
        "duration_ms": round(answered.seconds * 1000),
        "interaction_id": response.interaction_id,
        "log": str(answered.log_file) if answered.log_file else None,
        "workstream": answered.workstream,
    }


def reason_words(routing: RoutingMetadata | None, workstream: str | None) -> str:
    """Return in words why a profile was chosen."""
    if routing is None:
        return "the daemon did not say why"
    words = {
        "CallerHint": "asked for by name",
        "Workstream": f"workstream `{workstream}` is bound to it",
        "Default": "the default profile",
    }
    return words.get(routing.reason, routing.reason)


def tokens_words(taken_in: int | None, given_out: int | None) -> str:
    """Return both token counts, `?` for one that the provider did not report."""
    read, written = ("?" if count is None else str(count) for count in (taken_in, given_out))
    return f"{read} in, {written} out"


def newest_file(directory: Path | None) -> Path | None:
    """Return the file that the log is written to now; None if there is none."""
    if directory is None or not directory.is_dir():
        return None
    files = day_files(path.name for path in directory.iterdir())
    return directory / files[-1].name if files else None
