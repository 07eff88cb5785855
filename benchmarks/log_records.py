"""Records for the benchmarks of the log, of any size, shaped like those of agents."""

from __future__ import annotations

from datetime import datetime

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.build import AttemptFacts, build_record
from arawn.interactions.ids import uuid7
from arawn.interactions.record import InteractionRecord
from arawn.interactions.redact import Redactor
from arawn.messages import CallContext, CompletionRequest, CompletionResponse, Text, ToolDefinition, Usage, user

__all__ = ["sample_record", "sample_request"]

_LINE = 'def answer(question: str) -> str:\n    """Say what is known."""\n    return known[question]  # "or nothing"\n'


def sample_request(size: int) -> CompletionRequest:
    """Return a request of about `size` bytes: prose and code in messages of 2 kB, a few tools."""
    text = (_LINE * (2_000 // len(_LINE) + 1))[:2_000]
    messages = [user(text) for _ in range(size // 2_000)] or [user(text[:size])]
    tools = tuple(ToolDefinition(f"tool{number}", description="Look something up.") for number in range(4))
    return CompletionRequest(messages=tuple(messages), system="Be brief.", tools=tools)


def sample_record(size: int, at: datetime) -> InteractionRecord:
    """Return the record of one call with such a request."""
    facts = AttemptFacts(
        record_id=uuid7(int(at.timestamp() * 1000), 1),
        call_id="call-1",
        attempt=1,
        profile="fast",
        provider="custom",
        request=sample_request(size),
        context=CallContext(workstream="research", session_id="s-1", turn_id=3),
        started=at,
        duration_ms=10.0,
        ttft_ms=None,
        queue_ms=0.0,
        status="ok",
        response=CompletionResponse(content=(Text("answer"),), model="m", usage=Usage(5, 7, 1)),
        error=None,
        stream=False,
        model_default="m",
    )
    return build_record(facts, config=InteractionLogConfig(redact_secrets=False), secrets=Redactor())
