"""What readers say where there is nothing to show: no log, one that is off, one without calls."""

from __future__ import annotations

import json

import pytest

from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import SCRIPTED, Place

OFF = f"{SCRIPTED}[logging.interactions]\nenabled = false\n"
READERS = (["interactions", "list"], ["interactions", "tail"], ["interactions", "stats"], ["route", "replay"])


def test_a_log_that_is_off_is_not_said_to_begin_with_the_next_call(command: Command, place: Place) -> None:
    """Readers say that it is off."""
    place.configure(OFF)

    said = [command(*reader) for reader in READERS]

    off = "the interaction log is off (`logging.interactions.enabled = false`)"
    assert {(one.code, one.out) for one in said} == {(2, "")}
    assert {one.err for one in said} == {f"arawn: {off}, and there is none of before at `{place.log}`\n"}


def test_what_a_log_holds_is_shown_though_it_is_off_now(command: Command, place: Place) -> None:
    """It was on once."""
    command("ask", "hi")
    place.configure(OFF)

    assert len(json.loads(command("interactions", "list", "--json").out)) == 1


@pytest.mark.parametrize("reader", ["list", "tail", "stats"])
def test_a_log_without_calls_is_not_said_to_lack_what_nobody_asked_for(
    command: Command, place: Place, reader: str
) -> None:
    """With a filter there may be others."""
    place.log.mkdir()

    plain, filtered = command("interactions", reader), command("interactions", reader, "--model", "m")

    assert plain.err == f"the interaction log at `{place.log}` holds no call\n"
    assert filtered.err == f"no call in the interaction log at `{place.log}` is one of those asked for\n"
