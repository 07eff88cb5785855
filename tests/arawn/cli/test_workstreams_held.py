"""The commands beside a program that has the workstream database and is no daemon that they could ask."""

from __future__ import annotations

import pytest

from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import Place
from tests.arawn.workstreams.held_store import held_elsewhere


@pytest.mark.slow
def test_commands_that_write_are_refused_and_those_that_read_are_not(place: Place, command: Command) -> None:
    """Nor is a question that belongs to no conversation."""
    command("workstreams", "new", "x")
    database = place.directory / "state" / "workstreams.db"
    with held_elsewhere(database) as child:
        refused = [command("workstreams", *words) for words in (["new", "y"], ["bind", "x", "fast"], ["rm", "-y", "x"])]
        asked = command("ask", "-w", "x", "hi")
        alone = command("ask", "-q", "--no-log", "hi")
        shown = [command("workstreams", *words) for words in (["list"], ["show", "x"])]

    said = f"arawn: cannot use the workstream database `{database}`: process {child.pid} "
    assert [(one.code, one.out, one.err.startswith(said)) for one in (*refused, asked)] == [(1, "", True)] * 4
    assert (alone.code, alone.out) == (0, "echo: hi\n")
    assert [one.code for one in shown] == [0, 0]
