"""The page of the interaction log cannot lie: proofs exist, and tables are those of the code."""

from __future__ import annotations

import ast
import errno
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import trio
from click.testing import CliRunner
from trio.testing import MockClock

from arawn.cli.interactions import schema
from arawn.config.schema import InteractionLogConfig
from arawn.errors import LogWriteFailed
from arawn.interactions.housekeeping import open_housekeeper
from arawn.interactions.manifest import Manifest
from arawn.interactions.record import LogLine, MarkEvent, MarkLine
from arawn.interactions.remove import Target, remove
from arawn.interactions.repair import repair
from arawn.reload import ReloadReport, configuration_mark
from tests.arawn.interactions.mending_logs import CONFIG, FIRST, written_log
from tests.arawn.interactions.samples import Clock, log_files, note, whole_lines
from tests.arawn.interactions.simulated_filesystem import SimulatedFilesystem, no_fault, os_error
from tests.arawn.interactions.simulated_log import on, opened
from tests.runtimes import in_place

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "interaction-log.md").read_text("utf-8")
ROW = re.compile(r"^\| ([\w` ]+) \| .+ \| (\[test_.+) \|$", re.MULTILINE)
PROOF = re.compile(r"\[[\w.]+\]\(([\w./]+)\): ((?:`\w+`(?:, )?)+)")


def names_in(file: Path) -> set[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, functions)}


def table(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading or line of the page."""
    rows = re.search(r"^\| --- .*\n((?:\|.*\n)+)", PAGE.partition(heading)[2], re.MULTILINE)
    assert rows, f"there is no table below {heading!r}"
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[1].splitlines()]


def words(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


@pytest.mark.parametrize(("promise", "proofs"), ROW.findall(PAGE))
def test_every_test_that_a_promise_names_exists(promise: str, proofs: str) -> None:
    """A renamed test cannot leave a promise with a proof that nobody can find."""
    named = PROOF.findall(proofs)

    assert PROOF.sub("", proofs).strip("; ") == "", f"{promise}: unreadable proofs"
    for link, names in named:
        assert set(words(names)) <= names_in(DOCS / link), f"{promise}: {link}"


def test_every_promise_has_a_proof() -> None:
    """P1 to P13, in order."""
    rows = ROW.findall(PAGE)

    assert [name for name, _ in rows][:13] == [f"P{number}" for number in range(1, 14)]
    assert sum(len(PROOF.findall(proofs)) for _, proofs in rows) == PAGE.count("](../tests/")


def test_the_schema_file_is_current() -> None:
    """`arawn interactions schema > docs/interaction-log.schema.json` renews it."""
    printed = CliRunner().invoke(schema)

    assert (DOCS / "interaction-log.schema.json").read_text("utf-8") == printed.output


def test_the_table_of_a_manifest_has_its_keys() -> None:
    """In their order."""
    assert [key for row in table("| key of the manifest") for key in words(row[0])] == [*Manifest.__struct_fields__]


def test_every_event_of_a_mark_is_listed() -> None:
    """And no other."""
    assert {words(row[0])[0] for row in table("### Events of marks")} == {*get_args(MarkEvent)}


async def test_marks_have_the_details_that_are_listed(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Each mark that is ever written, written once."""
    listed = {(words(event)[0], frozenset(words(detail))) for event, _, detail in table("### Events of marks")}

    found = {(mark.event, frozenset(mark.detail)) for mark in (*mended_marks(tmp_path), *part_marks())}
    found |= {(mark.event, frozenset(mark.detail)) for mark in (*await house_marks(tmp_path / "house"), reload_mark())}

    assert found <= listed
    assert {event for event, _ in found} == {*get_args(MarkEvent)}


def reload_mark() -> MarkLine:
    """Return the mark of a configuration that was read again."""
    report = ReloadReport(
        started=("fast",),
        replaced=(),
        stopped=(),
        unchanged=(),
        needs_restart=("server.listen",),
        draining=0,
        config_sha256="0" * 64,
    )
    return configuration_mark(report, datetime.now(UTC))


def mended_marks(directory: Path) -> list[MarkLine]:
    """Return the marks of a log that was torn, damaged, repaired, and had a call removed."""
    log = written_log(directory / "mended")
    text = (log / FIRST).read_bytes()
    (log / FIRST).write_bytes(text[:300] + b"\0" + text[301:] + b"half a line")
    repair(log, CONFIG, clock=Clock())
    chosen = next(line["id"] for line in whole_lines(log_files(log)) if line["kind"] == "interaction")
    remove(log, CONFIG, Target(frozenset((chosen,))), clock=Clock())
    return marks(whole_lines(log_files(log)))


def part_marks() -> list[MarkLine]:
    """Return the marks of a log whose disk failed to sync."""
    filesystem = SimulatedFilesystem()
    log = opened(filesystem)
    log.append([note(1)])
    filesystem.fault = on("fdatasync", os_error(errno.EIO))
    with pytest.raises(LogWriteFailed):
        log.sync()
    filesystem.fault = no_fault
    log.close()
    return marks(whole_lines(filesystem.files()))


async def house_marks(directory: Path) -> list[MarkLine]:
    """Return the marks of a day that was deleted and one that was compressed."""
    written_log(directory, days=3)
    told: list[LogLine] = []

    async def tell(line: LogLine) -> None:
        told.append(line)

    config = InteractionLogConfig(retention_days=3)
    clock = Clock(datetime(2026, 2, 1, 12, tzinfo=UTC))
    async with open_housekeeper(directory, config, tell, clock=clock, run_in_thread=in_place):
        await trio.sleep(60)
    return [line for line in told if isinstance(line, MarkLine)]


def marks(lines: list[dict[str, Any]]) -> list[MarkLine]:
    return [msgspec.convert(line, MarkLine) for line in lines if line["kind"] == "mark"]
