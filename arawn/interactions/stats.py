"""Counts, tokens, error rates and latencies of the calls in a log, by what is asked for. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from functools import lru_cache
from itertools import accumulate
from typing import Literal, get_args

import msgspec

from arawn.errors import BadInput
from arawn.interactions.call_ids import distinct_ids
from arawn.interactions.filters import FAILED, Filters, matches
from arawn.interactions.heads import Head
from arawn.interactions.record import InteractionHead, ToolResultLine

__all__ = ["DIMENSIONS", "Dimension", "Figures", "NamedReport", "NamedRow", "Percentiles", "Stats"]

Dimension = Literal["day", "profile", "provider", "model", "workstream", "session", "status", "tool"]
_Key = tuple[str | None, ...]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)

_EXACT_BITS = 11  # milliseconds are kept exactly below 2,048, else to 11 bits: a thousandth part
_TOKENS = ("total_input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
_WAITING = 65_536  # tool calls whose results are waited for; the oldest are then taken to have none


class Percentiles(msgspec.Struct, frozen=True):
    """Milliseconds that half, 95 and 99 of a hundred calls did not exceed (nearest rank); None without any call."""

    p50: int | None
    p95: int | None
    p99: int | None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one group of calls.

    Attributes:
        calls: Attempts, as in the log; grouped by tool, how often models called it.
        errors: Attempts that ended in an error, streams that broke among them; grouped by tool, results that failed.
        unanswered: Grouped by tool, calls without a result: cut short, not done yet, or told to no later call.
            None otherwise.
        error_rate: Errors of a call; grouped by tool, of a call that has a result. None without such calls.
        total_input_tokens: All that was read, cache reads and writes included. As all tokens and milliseconds, those
            of the calls to models; grouped by tool, of those that called the tool, each counted once in a row.
        duration_ms, ttft_ms: How long a call took, and the time to its first token where it was streamed.
    """

    calls: int
    errors: int
    unanswered: int | None
    error_rate: float | None
    total_input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    duration_ms: Percentiles
    ttft_ms: Percentiles


class NamedRow(Figures, frozen=True, kw_only=True):
    """The figures of one group; `by` has what it has in common, by the names of what calls are grouped by.

    They come in the order asked for; what a call has none of is null.
    """

    by: dict[str, str | None]


class NamedReport(msgspec.Struct, frozen=True):
    """The rows, sorted by what is in common, and all as one row, which has nothing in common.

    Grouped by tool, interactions without one are left out. What two rows have in common, as a call that called two
    tools, counts once in `total`.
    """

    by: tuple[Dimension, ...]
    rows: tuple[NamedRow, ...]
    total: NamedRow


class Stats:
    """Takes lines of a log, oldest first, and counts the interactions that are wanted. Constant memory a group."""

    def __init__(
        self, by: Sequence[Dimension], wanted: Filters, zone: tzinfo, *, most_groups: int | None = None
    ) -> None:
        """Begin with nothing counted.

        Args:
            by: What calls are grouped by; nothing makes one group.
            wanted: Which interactions count; `limit` is not applied.
            zone: Where days begin.
            most_groups: How many groups there may be.
        """
        self._by = tuple(by)
        self._most_groups = most_groups
        self.wanted = wanted
        self._key_of = _key_function(self._by, zone)
        self._groups: dict[_Key, _Group] = {}
        self._total = _Group()
        self._waiting: dict[tuple[str, str], _Group] = {}

    def add(self, head: Head) -> None:
        """Count one line; lines that are neither interactions nor tool results change nothing.

        Raises:
            BadInput: There are more groups than may be.
        """
        if isinstance(head, InteractionHead):
            if matches(head, self.wanted):
                self._add_call(head)
        elif isinstance(head, ToolResultLine):
            group = self._waiting.pop((head.interaction_id, head.tool_call_id), None)
            if group is None:
                return
            for counted in (group, self._total):
                counted.results += 1
                counted.errors += not head.success

    def report(self) -> NamedReport:
        """Return the figures so far."""
        ordered = sorted(self._groups.items(), key=lambda item: [text or "" for text in item[0]])
        by_tool = "tool" in self._by
        rows = tuple(group.row(dict(zip(self._by, key, strict=True)), by_tool=by_tool) for key, group in ordered)
        return NamedReport(self._by, rows, self._total.row({}, by_tool=by_tool))

    def _add_call(self, head: InteractionHead) -> None:
        if "tool" in self._by:
            self._add_tool_calls(head)
            return
        errors = int(head.status in FAILED)
        self._total.add(head, calls=1, errors=errors)
        self._group(self._key_of(head, None)).add(head, calls=1, errors=errors)

    def _add_tool_calls(self, head: InteractionHead) -> None:
        """Count each tool call, and the interaction once in each of their rows."""
        if not head.tool_calls:
            return
        self._total.add(head, calls=len(head.tool_calls), errors=0)
        for tool, calls in Counter(call.tool_name for call in head.tool_calls).items():
            self._group(self._key_of(head, tool)).add(head, calls=calls, errors=0)
        ids = distinct_ids([call.tool_call_id for call in head.tool_calls])
        for own, call in zip(ids, head.tool_calls, strict=True):
            self._waiting[head.id, own] = self._group(self._key_of(head, call.tool_name))
        while len(self._waiting) > _WAITING:
            del self._waiting[next(iter(self._waiting))]

    def _group(self, key: _Key) -> _Group:
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) == self._most_groups:
                why = f"by {', '.join(self._by)} there are more than {self._most_groups:,} groups"
                raise BadInput(f"{why}; group by less, or ask for fewer calls with the filters")
            group = self._groups[key] = _Group()
        return group


class _Group:
    def __init__(self) -> None:
        self.calls = self.errors = self.results = 0
        self.tokens = dict.fromkeys(_TOKENS, 0)
        self.durations: dict[int, int] = {}
        self.firsts: dict[int, int] = {}

    def add(self, head: InteractionHead, *, calls: int, errors: int) -> None:
        self.calls += calls
        self.errors += errors
        for name in _TOKENS:
            self.tokens[name] += getattr(head, name) or 0
        _count(self.durations, head.duration_ms)
        if head.ttft_ms is not None:
            _count(self.firsts, head.ttft_ms)

    def row(self, by: dict[str, str | None], *, by_tool: bool) -> NamedRow:
        ended = self.results if by_tool else self.calls
        return NamedRow(
            by=by,
            calls=self.calls,
            errors=self.errors,
            unanswered=self.calls - self.results if by_tool else None,
            error_rate=self.errors / ended if ended else None,
            **self.tokens,
            duration_ms=_percentiles(self.durations),
            ttft_ms=_percentiles(self.firsts),
        )


def _count(counts: dict[int, int], milliseconds: int) -> None:
    dropped = max(0, milliseconds.bit_length() - _EXACT_BITS)
    kept = milliseconds >> dropped << dropped
    counts[kept] = counts.get(kept, 0) + 1


def _percentiles(counts: dict[int, int]) -> Percentiles:
    if not counts:
        return Percentiles(None, None, None)
    values = sorted(counts)
    ranks = list(accumulate(counts[value] for value in values))  # the last one of each value
    return Percentiles(*(values[bisect_left(ranks, -(-ranks[-1] * percent // 100))] for percent in (50, 95, 99)))


def _key_function(by: Sequence[Dimension], zone: tzinfo) -> Callable[[InteractionHead, str | None], _Key]:
    """Return the function from an interaction, and the tool it called, to the key of its group."""

    @lru_cache(maxsize=4_096)
    def day(minute: str) -> str:
        return datetime.fromisoformat(f"{minute}:00Z").astimezone(zone).date().isoformat()

    parts: dict[Dimension, Callable[[InteractionHead, str | None], str | None]] = {
        "day": lambda head, _: day(head.timestamp[:16]),
        "profile": lambda head, _: head.profile,
        "provider": lambda head, _: head.provider,
        "model": lambda head, _: head.model_requested or head.model_used,  # a failed call has no other
        "workstream": lambda head, _: head.workstream,
        "session": lambda head, _: head.session_id,
        "status": lambda head, _: head.status,
        "tool": lambda _, tool: tool,
    }
    chosen = [parts[name] for name in by]
    return lambda head, tool: tuple([part(head, tool) or None for part in chosen])
