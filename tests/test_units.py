"""The systemd units of docs/operations.md: each line does what the page says of it."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from arawn.cli.root import root
from arawn.config.environment import RESERVED
from arawn.config.schema import ServerConfig
from arawn.wire.limits import Limits
from tests.arawn.cli.place import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
UNITS = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)


def service(unit: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for line in unit.partition("[Service]\n")[2].partition("\n\n")[0].splitlines():
        key, _, value = line.partition("=")
        found[key].append(value)
    return found


def test_there_is_a_unit_for_a_user_and_one_for_the_machine() -> None:
    """The second one runs as a user of its own."""
    assert ["User" in service(unit) for unit in UNITS] == [False, True]


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_leaves_the_end_to_the_daemon(unit: str) -> None:
    """SIGTERM goes to it alone, and systemd is more patient than it is."""
    lines = service(unit)

    assert lines["KillMode"] == ["mixed"]
    assert float(lines["TimeoutStopSec"][0]) > ServerConfig().shutdown_grace_s
    assert lines["RestartPreventExitStatus"] == ["2"]


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_has_room_for_both_doors(unit: str) -> None:
    """A crowd at one of them leaves files to open for the other, and for calls."""
    assert int(service(unit)["LimitNOFILE"][0]) > 2 * Limits().connections + 1024


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_runs_commands_that_there_are(unit: str) -> None:
    """Start and reload of one program, with options and variables that it knows."""
    lines = service(unit)
    (start,), (reload,) = lines["ExecStart"], lines["ExecReload"]

    assert start.split()[0] == reload.split()[0]
    for command, words in (("start", start.split()[1:]), ("reload", reload.split()[1:])):
        context = root.make_context("arawn", [*words], resilient_parsing=True)
        name, found, rest = root.resolve_command(context, words)
        assert (name, found is not None) == (command, True)
        assert found is not None
        found.make_context(command, [*rest])
    assert {each.partition("=")[0] for each in lines["Environment"]} <= RESERVED
