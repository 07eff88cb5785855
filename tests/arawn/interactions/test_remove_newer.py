"""`rm` beside lines of another version or with other keys: what was asked for goes, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arawn.errors import BadInput
from arawn.interactions.filters import Filters
from arawn.interactions.reader import LogReader
from arawn.interactions.remove import Target, plan_removal
from tests.arawn.interactions.mending_logs import FIRST, SECOND, seal, written_log
from tests.arawn.interactions.removing import everything, ids_of, lines_of, removed

pytestmark = pytest.mark.usefixtures("quiet")


def as_version_2(line: dict[str, Any]) -> str:
    return json.dumps({**line, "v": 2}, separators=(",", ":"))


def with_a_new_key(line: dict[str, Any]) -> str:
    return json.dumps({**line, "of_the_future": [1]}, separators=(",", ":"))


@pytest.mark.parametrize("form", [json.dumps, as_version_2, with_a_new_key], ids=lambda form: form.__name__)
def test_calls_that_readers_show_are_no_damage(tmp_path: Path, form: Callable[[Any], str]) -> None:
    """Of another version, written anew by a tool, with a key of the future: only the one asked for goes."""
    log = written_log(tmp_path / "log", days=1)
    lines = [form(json.loads(line)) + "\n" for line in lines_of(log)]
    (log / FIRST).write_text("".join(lines))
    shown = list(LogReader(log, on_damage=print).oldest_first(Filters()))

    removal = removed(log, shown[2].head.id)

    left = list(LogReader(log, on_damage=print).oldest_first(Filters()))
    assert [entry.head.id for entry in left] == [entry.head.id for entry in shown if entry is not shown[2]]
    assert (removal.lines, removal.pieces, removal.numbers[0][1:]) == (2, 0, (6, 7))
    assert shown[2].head.id.encode() not in everything(log)


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "compressed"])
def test_what_only_a_newer_arawn_can_read_stays_unless_it_names_what_goes(tmp_path: Path, *, sealed: bool) -> None:
    """Byte for byte beside what was removed; but a line of what was asked for goes, whoever can read it."""
    log = written_log(tmp_path / "log")
    identity = ids_of(log)[1]
    lines = [
        line.replace(b'"v":1', b'"v":2').replace(b'{"kind":"', b'{"kind":"new_')
        for line in (log / FIRST).read_bytes().splitlines(keepends=True)[5:]
    ]
    named = b'{"kind":"opinion","v":2,"interaction_id":"%s","writer":"w","seq":1}\n' % identity.encode()
    with (log / FIRST).open("ab") as file:
        file.write(b"".join([*lines, named]))
    if sealed:
        seal(log, FIRST)

    removal = removed(log, identity)

    assert [line for line in lines_of(log) if b'{"kind":"new_' in line] == lines
    assert identity.encode() not in everything(log)
    assert (removal.newer, removal.pieces) == (len(lines), 1)


def test_a_line_of_a_newer_arawn_goes_by_an_id_under_any_key(tmp_path: Path) -> None:
    """Also where it alone, in a later file, is of the call; nobody knows what the newer one calls its keys."""
    log = written_log(tmp_path / "log")
    identity = ids_of(log)[1]
    with (log / SECOND).open("ab") as file:
        file.write(b'{"kind":"rating","v":1,"about":"%s","text":"SECRET","writer":"w","seq":1}\n' % identity.encode())

    removed(log, identity)

    assert b"SECRET" not in everything(log)


def test_rm_says_that_lines_of_a_newer_arawn_may_be_of_the_days_asked_for(tmp_path: Path) -> None:
    """Where it can read none of them: "nothing is there" would be no answer to whoever wants a day gone."""
    log = written_log(tmp_path / "log")
    data = (log / FIRST).read_bytes()
    (log / FIRST).write_bytes(data.replace(b'"v":1', b'"v":2').replace(b'"duration_ms":', b'"duration_us":'))
    first_day = Filters(start="2026-01-28T00:00:00.000000Z", end="2026-01-28T13:00:00.000000Z")

    with pytest.raises(BadInput, match="only a newer Arawn can read may be"):
        plan_removal(log, Target(wanted=first_day))
