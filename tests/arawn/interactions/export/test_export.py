"""Exports as a whole: the lines, the manifest, and logs in any state."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from arawn.interactions.compact import compact_file
from arawn.interactions.encode import encode_line
from arawn.interactions.export.rules import CONVERSATION_FORMATS, FORMATS, Format
from arawn.interactions.files import day_files
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.filters import Filters
from arawn.interactions.reader import LogReader
from arawn.interactions.record import FeedbackLine, GapLine, InteractionRecord, timestamp_text
from arawn.interactions.shed import without_bodies
from arawn.messages import CallContext, RoutingMetadata, user
from tests.arawn.interactions.export.logs import ASKED, FOUND, LOOKED, call, made, turns, write_log
from tests.arawn.interactions.mending_logs import FIRST, seal
from tests.arawn.interactions.samples import NOON
from tests.arawn.interactions.test_reader import result

LINE_FORMATS = [name for name in FORMATS if name != "parquet"]
ROUTED = CallContext(routing=RoutingMetadata("fast", "rule:short", 0.5, {"message_length": 11, "candidates": ["fast"]}))

HINTED = RoutingMetadata("fast", "CallerHint")


def shed(record: InteractionRecord) -> InteractionRecord:
    bare = without_bodies(record)
    assert isinstance(bare, InteractionRecord)
    return bare


def feedback(about: InteractionRecord, label: str) -> FeedbackLine:
    return FeedbackLine(interaction_id=about.id, label=label, value=1.0, timestamp=timestamp_text(NOON))


def test_jsonl_is_the_log_with_results_joined_and_doubles_dropped(tmp_path: Path) -> None:
    """Other kinds of lines are no rows."""
    logged = call(1, ASKED, LOOKED)
    write_log(tmp_path, [logged, result(logged.id, "t1"), call(2, (*ASKED, LOOKED, FOUND))])
    path = next(tmp_path.glob("*.jsonl"))
    path.write_bytes(path.read_bytes() * 2)

    exported = made(tmp_path, "jsonl")

    assert [row["tool_calls"][0]["result_content"] for row in exported.rows[:1]] == ["found"]
    records = [entry.record() for entry in LogReader(tmp_path, on_damage=lambda _: None).oldest_first(Filters())]
    assert exported.data == b"".join(encode_line(record) for record in records)
    assert len(records) == 2


def test_a_router_row_says_what_was_chosen_and_how_it_went(tmp_path: Path) -> None:
    """The last judgement wins, wherever it stands; a call that was not routed has nothing to say."""
    logged = call(1, (*ASKED, LOOKED, FOUND), context=ROUTED)
    late = feedback(logged, "bad")
    write_log(tmp_path, [call(2, ASKED), logged, feedback(logged, "good"), late])

    exported = made(tmp_path, "router")

    (row,) = exported.rows
    assert (row["prompt"], row["profile"], row["candidates"]) == ("what is it?", "fast", ["fast"])
    assert (row["outcome"], row["feedback_label"], row["feedback_value"]) == ("ok", "bad", 1.0)
    assert row["features"] == {"message_length": 11}
    assert exported.manifest.dropped == {"not_routed": 1}


def test_a_router_row_has_the_features_of_a_call_that_was_decided_without_any(tmp_path: Path) -> None:
    """Those of the first call of its turn, as in the record of one that rules decided; null where the log lacks it."""
    hinted = {iteration: CallContext(routing=HINTED, iteration=iteration) for iteration in (1, 2, 3)}
    asked = (*ASKED, LOOKED, FOUND, user("Now DEBUG it"))
    lines = [
        call(1, asked, context=hinted[1]),
        call(2, (*asked, LOOKED, FOUND), context=hinted[2], tools=(), system=None),
        call(3, (*ASKED, LOOKED, FOUND), context=hinted[3]),
    ]
    write_log(tmp_path, lines)

    first, second, lost = (row["features"] for row in made(tmp_path, "router").rows)

    assert first == {
        "message_length": 12,
        "message_count": 4,
        "has_tools": True,
        "tool_count": 1,
        "has_system_prompt": True,
        "keyword_signals": ["debug"],
        "estimated_complexity": "moderate",
    }
    assert second == first | {"has_tools": False, "tool_count": 0, "has_system_prompt": False}
    assert lost is None


def test_a_router_row_of_a_policy_that_says_no_features_has_them_too(tmp_path: Path) -> None:
    """The profiles that it could choose are a column of their own."""
    of_policy = RoutingMetadata("fast", "Always", 0.5, {"candidates": ["fast", "slow"]})
    write_log(tmp_path, [call(1, ASKED, context=CallContext(routing=of_policy))])

    (row,) = made(tmp_path, "router").rows

    assert row["candidates"] == ["fast", "slow"]
    assert (row["features"]["message_length"], "candidates" in row["features"]) == (11, False)


@pytest.mark.parametrize("export_format", ["router", "trl"])
def test_calls_whose_bodies_were_shed_are_dropped(tmp_path: Path, export_format: Format) -> None:
    """A full buffer kept their scalars; `jsonl` has those."""
    write_log(tmp_path, [shed(call(1, ASKED, context=ROUTED)), call(2, ASKED, context=ROUTED)])

    assert made(tmp_path, export_format).manifest.dropped == {"not_logged": 1}
    assert len(made(tmp_path, "jsonl").rows) == 2


def test_the_manifest_names_both_ends_by_hash(tmp_path: Path) -> None:
    """What was asked for, what was read, what was written."""
    write_log(tmp_path, turns(2))

    exported = made(tmp_path, "trl", wanted=Filters(workstream="research", tags={}))

    manifest = exported.manifest
    (source,), (output,) = manifest.sources, manifest.outputs
    path = next(tmp_path.glob("*.jsonl"))
    assert (source.file, source.bytes) == (path.name, path.stat().st_size)
    assert source.sha256 == sha256(path.read_bytes()).hexdigest()
    assert (output.rows, output.bytes) == (1, len(exported.data))
    assert output.sha256 == sha256(exported.data).hexdigest()
    assert manifest.filters == {"workstream": "research"}
    assert manifest.drop == ("cancelled", "cut_answer", "error", "partial", "redacted", "truncated")


def test_the_same_log_gives_the_same_bytes_compressed_or_not(tmp_path: Path) -> None:
    """Rows and manifest alike."""
    later = [call(9, (*ASKED, LOOKED, FOUND), at=NOON + timedelta(days=1), context=ROUTED)]
    looked = call(8, ASKED, LOOKED, session="s-2", workstream=None)
    write_log(tmp_path, [*turns(3), looked, result(looked.id, "t1"), *later])
    before = [made(tmp_path, export_format) for export_format in LINE_FORMATS]

    for file in day_files(path.name for path in tmp_path.iterdir()):
        list(compact_file(Filesystem(), tmp_path, file, frame_bytes=4096))
    after = [made(tmp_path, export_format) for export_format in LINE_FORMATS]

    assert not list(tmp_path.glob("interactions-*.jsonl"))
    for old, new in zip(before, after, strict=True):
        assert new.data == old.data != b""
        assert msgspec.json.encode(new.manifest) == msgspec.json.encode(old.manifest)


@pytest.mark.parametrize("export_format", LINE_FORMATS)
def test_damage_is_named_counted_and_passed_over(tmp_path: Path, export_format: Format) -> None:
    """A line that is no JSON, one whose bodies are no bodies, a foreign file, an empty one."""
    whole = call(1, ASKED, context=ROUTED)
    write_log(tmp_path, [whole, GapLine(count=3, reason="full", timestamp=timestamp_text(NOON))])
    path = next(tmp_path.glob("*.jsonl"))
    bad = encode_line(call(2, ASKED, context=ROUTED)).replace(b'"messages":[', b'"messages":[[[')
    path.write_bytes(b"\x00\xff no\n" + path.read_bytes() + bad + encode_line(call(3, ASKED, context=ROUTED)))
    (tmp_path / "interactions-2026-01-29.jsonl").write_bytes(b"")
    (tmp_path / "interactions-2026-01-30.jsonl.zst").write_bytes(b"no zstd")
    (tmp_path / "notes.txt").write_text("mine")

    exported = made(tmp_path, export_format)

    manifest = exported.manifest
    assert len(exported.rows) == manifest.rows == 2
    assert manifest.dropped == {"damaged": 1}
    assert manifest.damages == 2
    assert len(exported.damages) == 3
    assert [source.sha256 is None for source in manifest.sources] == [False, False, True]


@pytest.mark.parametrize(
    ("export_format", "per_call"),
    [*((name, False) for name in LINE_FORMATS), *((name, True) for name in sorted(CONVERSATION_FORMATS))],
)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_byte_that_is_no_utf_8_costs_its_call_alone(
    tmp_path: Path, export_format: Format, per_call: bool, number: int
) -> None:
    """In a message of any call of a conversation: of three calls the last one that can be read ends it."""
    calls = turns(3, context=CallContext(workstream="w", routing=ROUTED.routing))
    write_log(tmp_path, calls)
    path = next(tmp_path.glob("*.jsonl"))
    lines = path.read_bytes().splitlines(keepends=True)
    before, key, messages = lines[number].partition(b'"messages":[')
    lines[number] = before + key + messages.replace(b"question 1 0", b"question 1 \x80")
    path.write_bytes(b"".join(lines))

    exported = made(tmp_path, export_format, per_call=per_call)

    by_conversation = export_format in CONVERSATION_FORMATS and not per_call
    assert len(exported.rows) == (1 if by_conversation else 2)
    assert (exported.manifest.dropped, exported.manifest.interactions) == ({"damaged": 1}, 3)
    (damage,) = exported.damages
    assert calls[number - 1].id in str(damage)
    if export_format == "trl":
        assert exported.rows[-1]["id"] == calls[1 if number == 3 else 2].id


@pytest.mark.parametrize("export_format", LINE_FORMATS)
def test_calls_behind_a_damaged_frame_are_exported(tmp_path: Path, export_format: Format) -> None:
    """As many as the readers show; the file has no hash, and the damage is counted."""
    write_log(tmp_path, [call(number, (user(f"{number}"),), context=ROUTED) for number in range(6)])
    seal(tmp_path, FIRST, frame_bytes=3_000)
    path = tmp_path / f"{FIRST}.zst"
    data = bytearray(path.read_bytes())
    data[20] ^= 0xFF
    path.write_bytes(data)
    shown = len(list(LogReader(tmp_path, on_damage=lambda _: None).oldest_first(Filters())))

    exported = made(tmp_path, export_format)

    assert 0 < shown < 6
    assert (len(exported.rows), exported.manifest.interactions) == (shown, shown)
    assert (exported.manifest.dropped, exported.manifest.damages) == ({}, 1)
    assert exported.manifest.sources[0].sha256 is None


def test_what_was_not_surely_there_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails while the files are hashed and works again later makes no call vanish without a word."""
    write_log(tmp_path, turns(2))

    def failing(_: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("arawn.interactions.export.sources.require_regular", failing)
    single, whole = made(tmp_path, "jsonl").manifest, made(tmp_path, "trl").manifest

    assert (single.interactions, single.rows, single.dropped) == (2, 0, {"damaged": 2})
    assert (whole.conversations, whole.rows, whole.dropped) == (2, 0, {"damaged": 2})


def test_lines_that_another_program_wrote_anew_are_exported(tmp_path: Path) -> None:
    """With spaces, or keys in another order: what readers show is exported."""
    write_log(tmp_path, turns(2))
    path = next(tmp_path.glob("*.jsonl"))
    path.write_text(
        "".join(json.dumps(json.loads(line), sort_keys=True) + "\n" for line in path.read_bytes().splitlines())
    )

    assert len(made(tmp_path, "jsonl").rows) == 2


def test_a_pipe_with_the_name_of_a_day_holds_up_nothing(tmp_path: Path) -> None:
    """It is named as damage; nobody waits for who would write to it."""
    write_log(tmp_path, turns(2))
    os.mkfifo(tmp_path / "interactions-2026-01-27.jsonl")

    exported = made(tmp_path, "jsonl")

    assert (len(exported.rows), exported.manifest.damages) == (2, 1)


def test_what_is_written_while_it_runs_is_no_part_of_it(tmp_path: Path) -> None:
    """The sources in the manifest are all that the rows come from."""
    write_log(tmp_path, turns(2))
    path = next(tmp_path.glob("*.jsonl"))
    alone = made(tmp_path, "jsonl")
    last = path.read_bytes().splitlines(keepends=True)[-2]  # a mark ends the log
    later = last.replace(b'"seq":3', b'"seq":30').replace(b'"id":"', b'"id":"later-')

    def write_on(calls: int) -> None:
        if calls == 1:
            with path.open("ab") as file:
                file.write(later)

    beside = made(tmp_path, "jsonl", on_calls=write_on)

    assert path.read_bytes().endswith(later)
    assert beside.data == alone.data
    assert len(made(tmp_path, "jsonl").rows) == 3


def test_filters_choose_the_calls_and_the_sources(tmp_path: Path) -> None:
    """Days that cannot hold what is wanted are not read."""
    write_log(tmp_path, [call(day, ASKED, at=NOON + timedelta(days=day), context=ROUTED) for day in range(5)])

    wanted = Filters(start="2026-01-29T00:00:00.000000Z", end="2026-01-29T23:59:59.000000Z")
    exported = made(tmp_path, "jsonl", wanted=wanted)

    assert [row["timestamp"][:10] for row in exported.rows] == ["2026-01-29"]
    assert [source.file[13:23] for source in exported.manifest.sources] == ["2026-01-29", "2026-01-30"]


def test_an_empty_log_is_an_empty_export(tmp_path: Path) -> None:
    """With a manifest that says so."""
    manifest = made(tmp_path, "trl").manifest

    assert (manifest.rows, manifest.conversations, manifest.dropped, manifest.sources) == (0, 0, {}, ())
