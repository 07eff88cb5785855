"""Makes one export: reads the log, decides about each row, writes those that are kept, and says what it did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from arawn.config.schema import RoutingConfig
from arawn.interactions.export.chat_rows import openai_call_row, openai_chat_row, sharegpt_row, trl_row
from arawn.interactions.export.conversations import Bodies, Conversations, End
from arawn.interactions.export.features import features_of
from arawn.interactions.export.manifest import ExportManifest, Output, Tally, filters_said
from arawn.interactions.export.parquet import parquet_row
from arawn.interactions.export.router import router_row
from arawn.interactions.export.rows import Row, RowWriter
from arawn.interactions.export.rules import CONVERSATION_FORMATS, UNANSWERED, Choice, Format, Reason, unwanted
from arawn.interactions.export.sources import BodyReader, Survey, survey
from arawn.interactions.export.transcript import Transcript, transcript_of, with_called_tools
from arawn.interactions.filters import Filters
from arawn.interactions.heads import UNREADABLE
from arawn.interactions.reader import Damage, Entry, LogReader, OnDamage
from arawn.interactions.record import InteractionRecord
from arawn.messages import ToolDefinition
from arawn.routing.features import FeatureScanner

__all__ = ["OnCalls", "Order", "export"]

OnCalls = Callable[[int], None]
T = TypeVar("T")
Tools = tuple[ToolDefinition, ...]

_CHAT_ROWS: dict[Format, Callable[[Transcript], dict[str, Any] | Reason]] = {
    "openai-chat": openai_chat_row,
    "trl": trl_row,
    "sharegpt": sharegpt_row,
}


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be exported, and how.

    `per_call` makes a row of each call where the format has a row a conversation; `drop` comes from `chosen_drops`.
    `routing` has the keywords and thresholds for the features of calls whose record has none; of `router` alone.
    """

    format: Format
    wanted: Filters
    drop: frozenset[Choice]
    per_call: bool = False
    routing: RoutingConfig = RoutingConfig()

    @property
    def by_conversation(self) -> bool:
        """Whether a row is a conversation."""
        return self.format in CONVERSATION_FORMATS and not self.per_call


def export(directory: Path, order: Order, rows: RowWriter, *, on_damage: OnDamage, on_calls: OnCalls) -> ExportManifest:
    """Write the rows of the log that are wanted, in the order of the log; return the manifest.

    Calls that are written while it runs are no part of it. Memory does not grow with the log, but for some 450 bytes
    a conversation where rows are conversations, and the judgements for `router`.

    Args:
        directory: The log.
        order: What to write.
        rows: Where rows go; it is finished when this returns.
        on_damage: Told of what cannot be read; it is passed over and counted.
        on_calls: Told of every call read, with how many it is.

    Raises:
        OSError: The log's directory cannot be read, or a row cannot be written.
    """
    return _Export(directory, order, rows, on_damage, on_calls).run()


class _Export:
    """One run over the log, or two where conversations are looked for first."""

    def __init__(self, directory: Path, order: Order, rows: RowWriter, on_damage: OnDamage, on_calls: OnCalls) -> None:
        self._directory = directory
        self._order = order
        self._rows = rows
        self._on_damage = on_damage
        self._on_calls = on_calls
        self._tally = Tally()
        self._survey = Survey((), {}, {})
        self._bodies = BodyReader()
        self._scanner = FeatureScanner(order.routing)
        self._calls = 0
        self._unsure: set[str] = set()

    def run(self) -> ExportManifest:
        order = self._order
        self._survey = survey(self._directory, order.wanted, with_feedback=order.format == "router")
        conversations = None
        if order.by_conversation:
            ends = self._ends()
            conversations = len(ends) + self._tally.dropped["damaged"]
            self._write_conversations(ends)
        else:
            self._write_calls()
        return self._manifest(conversations, self._rows.finish())

    def _ends(self) -> dict[str, End]:
        """Return the ends of conversations by their ids; a call that cannot be read is dropped as one."""
        conversations = Conversations()
        for entry in self._entries(self._note_damage):
            self._tally.interactions += 1
            if self._readable(entry, partial(self._take, conversations)) is None:
                self._tally.dropped["damaged"] += 1
        return {end.id: end for end in conversations.ends()}

    def _take(self, conversations: Conversations, entry: Entry) -> Literal[True]:
        conversations.add(entry.head, msgspec.json.decode(self._bodies.line(entry), type=Bodies))
        return True

    def _write_conversations(self, ends: dict[str, End]) -> None:
        """Write the last call of each conversation, with the tools that only earlier calls of it offered."""
        loans = Counter(call for end in ends.values() for call in end.earlier_offers)
        lent: dict[str, Tools] = {}
        for entry in self._entries(lambda _: None):
            end = ends.pop(entry.head.id, None)
            if end is not None:
                dropped = self._write(entry, [lent.get(call, ()) for call in end.earlier_offers])
                if dropped in UNANSWERED:
                    self._tally.answered_calls_dropped += end.answered
                loans.subtract(end.earlier_offers)
                for call in (call for call in end.earlier_offers if not loans[call]):
                    lent.pop(call, None)
            elif entry.head.id in loans:
                lent[entry.head.id] = self._readable(entry, lambda entry: self._bodies.record(entry).tools) or ()
        for _ in ends:  # went away in between
            self._tally.dropped["damaged"] += 1

    def _write_calls(self) -> None:
        for entry in self._entries(self._note_damage):
            self._tally.interactions += 1
            self._write(entry)

    def _entries(self, on_damage: OnDamage) -> Iterator[Entry]:
        """Yield the calls that are wanted and were there when the export began.

        Of a file that could not be read whole then, nobody knows which calls were there: those are dropped as damaged.
        """
        self._bodies = BodyReader()
        for entry in LogReader(self._directory, on_damage=on_damage).oldest_first(self._order.wanted):
            if self._survey.has(entry.head):
                self._calls += 1
                self._on_calls(self._calls)
                yield entry
            elif entry.head.id not in self._unsure and not self._survey.is_whole(entry.path.name):
                self._unsure.add(entry.head.id)
                self._tally.interactions += 1
                self._tally.dropped["damaged"] += 1

    def _write(self, entry: Entry, earlier: Iterable[Tools] = ()) -> Reason | None:
        """Write the row of a call, or count and return why there is none; `earlier` is what calls before it offered."""
        record = self._readable(entry, self._bodies.record)
        row = "damaged" if record is None else self._row(record, earlier)
        del record  # a row that repeats it as text is not made into a line beside it
        if isinstance(row, str):
            self._tally.dropped[row] += 1
            return row
        self._rows.write(row)
        self._tally.rows += 1
        return None

    def _row(self, record: InteractionRecord, earlier: Iterable[Tools]) -> Row | Reason:
        order = self._order
        if order.format in CONVERSATION_FORMATS:
            transcript = transcript_of(record, order.drop, last=not order.per_call)
            if isinstance(transcript, str):
                return transcript
            return self._chat_row(with_called_tools(transcript, earlier))
        reason = unwanted(record, order.drop, has_tool_use=record.has_tool_use)
        if reason is not None:
            return reason
        if order.format == "router":
            return router_row(record, self._survey.feedback.get(record.id), self._scanner)
        return parquet_row(record) if order.format == "parquet" else record

    def _chat_row(self, transcript: Transcript) -> Row | Reason:
        order = self._order
        make = openai_call_row if order.format == "openai-chat" and order.per_call else _CHAT_ROWS[order.format]
        row = make(transcript)
        if not isinstance(row, str):
            self._tally.left_out.update(transcript.left_out())
        return row

    def _readable(self, entry: Entry, read: Callable[[Entry], T]) -> T | None:
        """Return what `read` gives; None, and named, where the line has become unreadable past its head."""
        try:
            return read(entry)
        except (OSError, *UNREADABLE) as error:
            self._on_damage(Damage(f"interaction {entry.head.id}", 0, str(error)))
            return None

    def _note_damage(self, damage: Damage) -> None:
        self._tally.damages += 1
        self._on_damage(damage)

    def _manifest(self, conversations: int | None, outputs: tuple[Output, ...]) -> ExportManifest:
        order, tally = self._order, self._tally
        return ExportManifest(
            format=order.format,
            row="conversation" if order.by_conversation else "interaction",
            filters=filters_said(order.wanted),
            drop=tuple(sorted(order.drop)),
            interactions=tally.interactions,
            conversations=conversations,
            rows=tally.rows,
            dropped=dict(sorted(tally.dropped.items())),
            answered_calls_dropped=tally.answered_calls_dropped,
            left_out={part: count for part, count in sorted(tally.left_out.items()) if count},
            damages=tally.damages,
            sources=self._survey.sources,
            outputs=outputs,
            features=features_of(order.format),
        )
