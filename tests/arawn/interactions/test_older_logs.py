"""Logs that older versions wrote are whole to this one: every command takes them, and repair finds nothing to do.

`older_logs/` holds a log of each of five commits of this repository, under the commit's name.
"""

from __future__ import annotations

import json
import shutil
from itertools import combinations
from pathlib import Path

import msgspec
import pytest

from arawn.interactions.encode import encode_line
from arawn.interactions.files import day_files
from arawn.interactions.line_check import CheckedLine, check_line
from arawn.interactions.raw_lines import forward_lines
from arawn.interactions.record import FeedbackLine, GapLine, LogLine, MarkLine, ToolResultLine
from arawn.interactions.verify import check_directory
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.conftest import command as command  # noqa: PLC0414  # a fixture
from tests.arawn.cli.conftest import place as place  # noqa: PLC0414  # a fixture
from tests.arawn.cli.place import Place
from tests.arawn.interactions.samples import record

SAMPLES = Path(__file__).parent / "older_logs"
AT = "2026-01-28T12:00:00.000000Z"
ALWAYS = {"kind", "v", "writer", "seq"}
LINES: tuple[LogLine, ...] = (
    record(),
    ToolResultLine(interaction_id="i", tool_call_id="t", success=True, content="c", timestamp=AT),
    FeedbackLine(interaction_id="i", label="good", timestamp=AT),
    GapLine(count=1, reason="full", timestamp=AT),
    MarkLine(event="start", timestamp=AT),
)


@pytest.fixture(params=sorted(path.name for path in SAMPLES.iterdir()))
def older(request: pytest.FixtureRequest, place: Place) -> Path:
    """A log of an older version, where the commands look for theirs."""
    shutil.copytree(SAMPLES / request.param, place.log)
    for path in (place.log, *place.log.iterdir()):
        path.chmod(0o700 if path == place.log else 0o600)
    return place.log


def lines_of(log: Path) -> list[bytes]:
    files = day_files(path.name for path in log.iterdir())
    return [line for file in files for _, line in forward_lines(log / file.name)]


def contents(log: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in log.glob("interactions-2026-01-*")}


def numbered(line: LogLine) -> dict[str, msgspec.Raw]:
    text = encode_line(msgspec.structs.replace(line, writer="w", seq=1))
    return msgspec.json.decode(text, type=dict[str, msgspec.Raw])


def test_repair_changes_no_byte(older: Path, command: Command) -> None:
    """And `verify` finds nothing, with its two calls of each day that failed, and what was declared as lost."""
    before = contents(older)
    report = check_directory(older)
    repaired = command("interactions", "repair")

    assert [str(problem) for problem in report.problems] == []
    assert report.kinds == {"interaction": 10, "tool_result": 2, "feedback": 2, "gap": 2, "mark": 10}
    assert (repaired.code, repaired.out) == (0, "nothing had to be repaired\n")
    assert contents(older) == before
    assert command("interactions", "verify").code == 0


def test_readers_show_every_call(older: Path, command: Command) -> None:
    """With what came later of it; `warnings` is there for each, in lists and in SQL alike."""
    listed = command("interactions", "list", "-n", "100", "--json")
    calls = json.loads(listed.out)
    shown = json.loads(command("interactions", "show", calls[-1]["id"], "--json").out)
    query = "SELECT id, warnings FROM interactions ORDER BY timestamp"
    rows = json.loads(command("interactions", "sql", "--json", query).out)

    assert (listed.code, listed.err, len(calls)) == (0, "", 10)
    assert sum(call["status"] == "error" for call in calls) == 4
    assert {row["id"]: row["warnings"] for row in rows} == {call["id"]: call["warnings"] for call in calls}
    assert {str(call["warnings"]) for call in calls} == {"[]"}
    assert shown["id"] == calls[-1]["id"]
    for arguments in (["stats"], ["search", "capital"], ["tail", "-n", "3"]):
        result = command("interactions", *arguments)
        assert (result.code, result.err, bool(result.out)) == (0, "", True), arguments


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("parquet", "10 of 10 interactions written"),
        ("jsonl", "10 of 10 interactions written"),
        ("router", "10 of 10 interactions written"),
        ("openai-chat", "conversations written"),
        ("trl", "conversations written"),
        ("sharegpt", "conversations written"),
    ],
)
def test_exports_take_them(older: Path, command: Command, tmp_path: Path, form: str, said: str) -> None:
    """None of their lines is damaged or malformed to any format."""
    result = command("interactions", "export", "--format", form, "--output", str(tmp_path / "out"))
    manifest = json.loads((tmp_path / "out.manifest.json").read_text())

    assert result.code == 0, result.err
    assert said in result.err
    assert not {"damaged", "malformed"} & manifest["dropped"].keys()


def test_they_are_compressed_and_removed_from(older: Path, command: Command) -> None:
    """Every line stays as it was written, and the log is clean after each step."""
    before = lines_of(older)
    compacted = command("interactions", "compact")
    after = lines_of(older)[: len(before)]
    clean = command("interactions", "verify")
    removed = command("interactions", "rm", "--workstream", "travel", "--yes")

    assert (compacted.code, clean.code, removed.code) == (0, 0, 0), compacted.err + clean.out + removed.err
    assert after == before
    assert len(list(older.glob("*-2026-01-2*.jsonl.zst"))) == 2
    assert command("interactions", "verify").code == 0
    assert {call["workstream"] for call in json.loads(command("interactions", "list", "--json").out)} == {"other"}


@pytest.mark.parametrize("line", LINES, ids=lambda line: type(line).__name__)
def test_only_a_key_with_a_default_may_be_lacking(line: LogLine) -> None:
    """Any of those; without one of the others, or in another order, a line is damage."""
    fields = numbered(line)
    optional = {field.encode_name for field in msgspec.structs.fields(type(line)) if not field.required} - ALWAYS

    for size in range(1, 3):
        for lacking in combinations(fields, size):
            rest = {key: raw for key, raw in fields.items() if key not in lacking}
            checked = check_line(msgspec.json.encode(rest) + b"\n")
            assert isinstance(checked, CheckedLine) == (set(lacking) <= optional), lacking
    turned = msgspec.json.encode(dict(reversed(fields.items()))) + b"\n"
    assert isinstance(check_line(turned), str)


@pytest.mark.parametrize("line", LINES, ids=lambda line: type(line).__name__)
def test_a_bit_in_the_name_of_a_key_is_damage(line: LogLine) -> None:
    """Also in that of one that may be lacking: what it becomes is no key of an older or newer version."""
    fields = numbered(line)
    text = msgspec.json.encode(fields) + b"\n"

    for key in fields:
        name = text.index(f'"{key}":'.encode()) + 1
        for at in range(name, name + len(key)):
            for bit in range(8):
                damaged = bytearray(text)
                damaged[at] ^= 1 << bit
                assert isinstance(check_line(bytes(damaged)), str), (key, at - name, bit)


def test_an_empty_name_is_a_name() -> None:
    """As older versions took them from a request."""
    one = record()
    named = msgspec.structs.replace(one, writer="w", seq=1, model_requested="", model_used="", workstream="")

    assert isinstance(check_line(encode_line(named)), CheckedLine)
