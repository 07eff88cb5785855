"""How fast do `stats` and literal `search` read a log, beside plain line iteration and DuckDB with explicit columns?

`ARAWN_BENCH_LOG_MB` sets the size of the log (1000).
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.build import AttemptFacts, build_record
from arawn.interactions.encode import encode_line
from arawn.interactions.filters import Filters
from arawn.interactions.hits import TextSearch
from arawn.interactions.ids import uuid7
from arawn.interactions.reader import Damage, LogReader
from arawn.interactions.redact import Redactor
from arawn.interactions.search import Query
from arawn.interactions.sql_schema import VIEWS
from arawn.interactions.stats import Stats
from arawn.messages import (
    CallContext,
    CompletionRequest,
    CompletionResponse,
    Message,
    Text,
    ToolDefinition,
    ToolResult,
    ToolUse,
    Usage,
    user,
)
from benchmarks.measure import Comparison, Run, alternate

_MEGABYTES = int(os.environ.get("ARAWN_BENCH_LOG_MB", "1000"))
_ITERATIONS = 40  # of a conversation, each of which sends all that was said before
_NEEDLE = "the heron that nobody saw"
_START = datetime(2026, 1, 28, tzinfo=UTC)
_CONFIG = InteractionLogConfig()
_WORDS = (
    *("the", "of", "and", "to", "in", "is", "that", "for", "it", "as", "was", "with", "be", "by", "on", "not", "he"),
    *(
        "his",
        "but",
        "at",
        "are",
        "this",
        "have",
        "from",
        "or",
        "had",
        "an",
        "they",
        "which",
        "one",
        "you",
        "were",
        "all",
    ),
    *("her", "she", "there", "would", "their", "we", "him", "been", "has", "when", "who", "will", "no", "more", "if"),
    *("out", "so", "said", "what", "up", "its", "about", "into", "than", "them", "can", "only", "other", "time", "new"),
)


def run() -> Iterator[Comparison]:
    """Write a log of agent conversations; yields two results."""
    with tempfile.TemporaryDirectory(prefix="arawn-bench-") as name:
        directory = Path(name)
        lines = _write(directory, _MEGABYTES << 20)
        yield alternate(
            f"stats by model over {_MEGABYTES} MB, lines",
            {"arawn: stats": _stats(directory, lines), "for line in file": _iterate(directory)},
            target=">= 0.8 x plain iteration",
            at_least=0.8,
        )
        yield _of_cpu(
            alternate(
                f"literal search over {_MEGABYTES} MB, lines (ratio of CPU times)",
                {"arawn: search": _search(directory, lines), "DuckDB, explicit columns": _duckdb(directory, lines)},
                target=">= 4 x DuckDB in CPU time",
                at_least=4.0,
            )
        )


def _of_cpu(result: Comparison) -> Comparison:
    """Return the same comparison with the ratio of the CPU times (medians), not of the rates."""
    ours, theirs = result.rows[0].cpu_us, result.rows[1].cpu_us
    ratio = theirs / ours
    return msgspec.structs.replace(result, ratio=ratio, ratio_low=ratio, ratio_high=ratio, met=ratio >= 4.0)


def _stats(directory: Path, lines: int) -> Run:
    def run() -> int:
        counted = Stats(("model",), Filters(), UTC)
        for _, _, head in LogReader(directory, on_damage=_refuse).lines(Filters()):
            counted.add(head)
        assert counted.report().total.calls == lines
        return lines

    return run


def _iterate(directory: Path) -> Run:
    def run() -> int:
        count = 0
        for path in directory.iterdir():
            with path.open("rb") as file:
                for _ in file:
                    count += 1
        return count

    return run


def _search(directory: Path, lines: int) -> Run:
    def run() -> int:
        found = TextSearch(directory, Query(_NEEDLE), Filters(), on_damage=_refuse)
        assert len(list(found.oldest_first())) == 1
        return lines

    return run


def _duckdb(directory: Path, lines: int) -> Run:
    import duckdb

    columns = ", ".join(f"\"{name}\": '{type_}'" for name, type_ in VIEWS["interactions"][1].items())
    texts = ("system_prompt", "tools::VARCHAR", "response_content::VARCHAR", "messages::VARCHAR")
    anywhere = " OR ".join(f"contains({text}, '{_NEEDLE}')" for text in texts)
    query = f"SELECT id FROM read_ndjson('{directory}/*.jsonl', columns = {{{columns}}}) WHERE {anywhere}"

    def run() -> int:
        assert len(duckdb.connect().execute(query).fetchall()) == 1
        return lines

    return run


def _refuse(damage: Damage) -> None:
    raise AssertionError(damage)


def _write(directory: Path, size: int) -> int:
    """Write conversations of an agent until there are `size` bytes; return how many calls these are."""
    chance = random.Random(1)
    written = count = 0
    with (directory / "interactions-2026-01-28.jsonl").open("wb") as file:
        while written < size:
            messages: tuple[Message, ...] = (user(_prose(chance, 800)),)
            for iteration in range(1, _ITERATIONS + 1):
                count += 1
                call = ToolUse(f"t{count}", "search", {"query": _prose(chance, 60)})
                written += file.write(_line(count, iteration, messages, call))
                messages += (
                    Message("assistant", (Text(_prose(chance, 400)), call)),
                    Message("user", (ToolResult(call.id, (Text(_prose(chance, 2_000)),)),)),
                )
        count += 1
        file.write(_line(count, 1, (user(_NEEDLE),), ToolUse("t", "search")))
    return count


def _line(number: int, iteration: int, messages: tuple[Message, ...], call: ToolUse) -> bytes:
    at = _START + timedelta(seconds=number)
    facts = AttemptFacts(
        record_id=uuid7(int(at.timestamp() * 1000), number),
        call_id=f"call-{number}",
        attempt=1,
        profile="fast",
        provider="groq",
        request=CompletionRequest(messages=messages, system="You are an agent. " * 150, tools=_TOOLS),
        context=CallContext(workstream="research", session_id="s-1", turn_id=number, iteration=iteration),
        started=at,
        duration_ms=1_000.0 + number % 500,
        ttft_ms=200.0,
        queue_ms=0.0,
        status="ok",
        response=CompletionResponse(content=(Text("Let me look."), call), model="llama", usage=Usage(500, 70, 1)),
        error=None,
        stream=True,
        model_default="llama",
    )
    record = build_record(facts, config=_CONFIG, secrets=Redactor())
    return encode_line(msgspec.structs.replace(record, writer="bench", seq=number))


def _prose(chance: random.Random, characters: int) -> str:
    return " ".join(chance.choices(_WORDS, k=characters // 4))


_TOOLS = tuple(
    ToolDefinition(
        f"tool_{number}", "Does what a tool does. " * 8, {"type": "object", "properties": {"query": {"type": "string"}}}
    )
    for number in range(12)
)
