"""The calls that many judgements are of, found in one pass over the log."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arawn.cli.interactions_feedback import Given, ids_of, whole_ids
from arawn.errors import BadInput
from arawn.interactions.feedback import Judgement
from arawn.interactions.reader import LogReader
from tests.arawn.interactions.samples import record

IDS = st.text("ab", min_size=1, max_size=4)


def log(directory: Path, ids: set[str]) -> LogReader:
    lines = [
        msgspec.json.encode(msgspec.structs.replace(record(), id=identity, writer="w", seq=number))
        for number, identity in enumerate(sorted(ids), 1)
    ]
    (directory / "interactions-2026-01-28.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    return LogReader(directory, on_damage=lambda damage: pytest.fail(str(damage)))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(IDS, min_size=1, max_size=8), st.sets(IDS | st.just(""), max_size=5))
def test_many_at_once_are_those_that_would_be_found_one_by_one(tmp_path: Path, ids: set[str], wanted: set[str]) -> None:
    """An id whole, or the beginning of one alone; what would be refused is left to be refused."""
    reader = log(tmp_path, ids)
    alone = {}
    for each in wanted:
        try:
            alone[each] = reader.find(each).head.id
        except BadInput:
            continue

    assert whole_ids(reader, wanted) == alone


def test_the_log_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many calls are judged: a pass for each made hundreds take seconds."""
    ids = [f"{number:04}" for number in range(500)]
    log(tmp_path, set(ids))
    monkeypatch.setattr(LogReader, "find", lambda *_: pytest.fail("a pass for one id alone"))

    assert ids_of(tmp_path, [Given(each, Judgement("good")) for each in [*ids, ids[0]]]) == [*ids, ids[0]]
