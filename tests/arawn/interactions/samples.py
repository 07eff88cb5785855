"""Records and lines for the tests of the interaction log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.build import AttemptFacts, build_record
from arawn.interactions.ids import uuid7
from arawn.interactions.record import FeedbackLine, InteractionRecord, timestamp_text
from arawn.interactions.redact import Redactor
from arawn.messages import CallContext, CompletionRequest, CompletionResponse, Text, ToolDefinition, Usage, user

NOON = datetime(2026, 1, 28, 12, 0, 0, tzinfo=UTC)
CONFIG = InteractionLogConfig()


def record(number: int = 1, at: datetime = NOON, **changes: Any) -> InteractionRecord:
    """Return a plain record with id `uuid7(at, number)`, built as a backend would; `changes` replace arguments."""
    arguments: dict[str, Any] = {
        "record_id": uuid7(int(at.timestamp() * 1000), number),
        "call_id": f"call-{number}",
        "attempt": 1,
        "profile": "fast",
        "provider": "groq",
        "request": CompletionRequest(messages=(user(f"question {number}"),), tools=(ToolDefinition("search"),)),
        "context": CallContext(workstream="research", session_id="s-1", turn_id=3),
        "started": at,
        "duration_ms": 10.0,
        "ttft_ms": None,
        "queue_ms": 0.0,
        "status": "ok",
        "response": CompletionResponse(content=(Text("answer"),), model="llama", usage=Usage(5, 7, 1)),
        "error": None,
        "stream": False,
        "model_default": "llama-default",
        "config": CONFIG,
        "secrets": (),
    } | changes
    config, secrets = arguments.pop("config"), arguments.pop("secrets")
    redactor = secrets if isinstance(secrets, Redactor) else Redactor(secrets)
    return build_record(AttemptFacts(**arguments), config=config, secrets=redactor)


def note(number: int, at: datetime = NOON, text: str = "") -> FeedbackLine:
    """Return a short line that tells its number."""
    return FeedbackLine(interaction_id=str(number), label="good", note=text, timestamp=timestamp_text(at))


class Clock:
    """A time of day that tests move."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def step(self, **parts: float) -> None:
        self.at += timedelta(**parts)


def decoded(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in lines]


def whole_lines(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Return every line of the files; a line that is torn or no JSON fails the test."""
    found = []
    for name, content in files.items():
        assert content == b"" or content.endswith(b"\n"), f"{name} has a torn tail"
        found += decoded(content.splitlines())
    return found


def log_files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.glob("*.jsonl"))}


def notes_of(lines: Iterable[dict[str, Any]]) -> list[int]:
    """Return the numbers of the `note` lines, doubles (same writer and number) dropped, in order."""
    unique = {(line["writer"], line["seq"]): line for line in lines}
    return [int(line["interaction_id"]) for line in unique.values() if line["kind"] == "feedback"]
