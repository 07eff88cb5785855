"""A search holds little, and tells how far it has come whatever it reads."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from arawn.interactions.encode import encode_line
from arawn.interactions.filters import Filters
from arawn.interactions.hits import TextSearch, hit_values
from arawn.interactions.reader import LogReader
from arawn.interactions.record import FeedbackLine
from arawn.interactions.scan import Progress
from arawn.interactions.search import Query
from tests.arawn.interactions.mending_logs import written_log

FIRST_DAY = Filters(start="2026-01-28T00:00:00.000000Z", end="2026-01-29T00:00:00.000000Z")


def judged(directory: Path, notes: int) -> Path:
    """Return a log of four days; on the last of them, the first call was judged so often."""
    log = written_log(directory / "log", days=4)
    head = next(iter(LogReader(log, on_damage=print).oldest_first(Filters()))).head
    line = FeedbackLine(interaction_id=head.id, label="meh", note="the tern", timestamp="2026-01-31T13:00:00.000000Z")
    with (log / "interactions-2026-01-31.jsonl").open("ab") as file:
        file.writelines(encode_line(msgspec.structs.replace(line, writer="w", seq=9 + each)) for each in range(notes))
    return log


@pytest.mark.parametrize("limit", [None, 60])
def test_a_search_holds_only_so_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int | None) -> None:
    """What is found later than that of a call is a hit of its own; nothing is lost."""
    log = judged(tmp_path, notes=50)
    monkeypatch.setattr("arawn.interactions.held_hits._HELD_BYTES", 10 * 2048)

    search = TextSearch(log, Query("tern"), msgspec.structs.replace(FIRST_DAY, limit=limit), on_damage=print)
    hits = list(search.newest_first() if limit else search.oldest_first())

    assert sum(len(hit.places) for hit in hits) == 50
    assert max(len(hit.places) for hit in hits) == 10
    assert {hit.entry is not None and hit.entry.head.id for hit in hits} == {hits[0].id}


def test_a_note_outlives_its_call(tmp_path: Path) -> None:
    """Of a call whose day was removed all that was chosen but id and time is null; no other hit is lost."""
    log = judged(tmp_path, notes=1)
    (log / "interactions-2026-01-28.jsonl").unlink()

    (hit,) = TextSearch(log, Query("tern"), Filters(), on_damage=print).newest_first()
    values = hit_values(log, hit, ("id", "profile"), on_damage=print)

    assert (values["id"], values["profile"], len(values["places"])) == (hit.id, None, 1)


def test_a_look_for_the_call_of_a_note_can_be_ended(tmp_path: Path) -> None:
    """It may read days of the log: who is told of the progress can end it there too."""
    log, told = judged(tmp_path, notes=1), list[Progress]()

    search = TextSearch(log, Query("tern"), Filters(session="s-1"), on_damage=print, on_progress=told.append)
    list(search.oldest_first())

    assert [each.file[:23] for each in told].count("interactions-2026-01-28") == 2


def test_calls_that_notes_belong_to_are_looked_up_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look through the log for each would take for ever."""
    log = written_log(tmp_path / "log")
    heads = [entry.head for entry in LogReader(log, on_damage=print).oldest_first(Filters())]
    notes = [
        FeedbackLine(interaction_id=head.id, label="meh", note="the tern", timestamp="2026-01-30T13:00:00.000000Z")
        for head in heads
    ]
    with (log / "interactions-2026-01-30.jsonl").open("wb") as file:
        for number, line in enumerate(notes, 1):
            file.write(encode_line(msgspec.structs.replace(line, writer="w", seq=number)))
    monkeypatch.setattr(LogReader, "find", None)

    hits = TextSearch(log, Query("tern"), Filters(session="s1"), on_damage=print).oldest_first()

    assert [hit.id for hit in hits] == [head.id for head in heads if head.session_id == "s1"]


@pytest.mark.parametrize("limit", [None, 5])
def test_a_note_of_a_later_day_is_found_by_the_day_of_its_call(tmp_path: Path, limit: int | None) -> None:
    """People judge a call days after it; `--date` asks when the call was."""
    log = written_log(tmp_path / "log", days=4)
    head = next(iter(LogReader(log, on_damage=print).oldest_first(Filters()))).head
    line = FeedbackLine(interaction_id=head.id, label="meh", note="the tern", timestamp="2026-01-31T13:00:00.000000Z")
    with (log / "interactions-2026-01-31.jsonl").open("ab") as file:
        file.write(encode_line(msgspec.structs.replace(line, writer="w", seq=9)))

    def found(start: str, end: str) -> list[str]:
        wanted = Filters(start=f"{start}T00:00:00.000000Z", end=f"{end}T00:00:00.000000Z", limit=limit)
        search = TextSearch(log, Query("tern"), wanted, on_damage=print)
        return [hit.id for hit in (search.newest_first() if limit else search.oldest_first())]

    assert found("2026-01-28", "2026-01-29") == [head.id]
    assert found("2026-01-29", "2026-01-30") == []
