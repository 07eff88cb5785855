"""The page of the command line, and the tables it is made from."""

from __future__ import annotations

import click
import pytest

from arawn.cli.group import LazyGroup
from arawn.cli.reference import commands, renewed
from tests.arawn.cli.place import ROOT

COMMANDS = dict(commands())


def test_the_page_is_current() -> None:
    """`python -m arawn.cli.reference docs/cli.md` renews it."""
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")

    assert renewed(page) == page
    assert renewed("# Head\n\n## `arawn gone`\n") == "# Head\n" + page[page.index("\n## ") :]


def test_every_command_is_there() -> None:
    """And no stub of one to come."""
    assert {name for name, command in COMMANDS.items() if not isinstance(command, click.Group)} == {
        *(f"arawn {name}" for name in ("init", "ask", "chat", "start", "stop", "status", "doctor", "reload")),
        *(f"arawn config {name}" for name in ("show", "check", "path", "reload")),
        *(f"arawn backends {name}" for name in ("list", "test")),
        *(f"arawn route {name}" for name in ("explain", "replay", "evaluate", "train")),
        *(f"arawn workstreams {name}" for name in ("list", "show", "new", "bind", "archive", "rm")),
        *(f"arawn interactions {name}" for name in ("list", "show", "search", "tail", "stats")),
        *(f"arawn interactions {name}" for name in ("sql", "schema", "path")),
        *(f"arawn interactions {name}" for name in ("export", "verify", "repair", "compact", "rm", "feedback")),
    }


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "arawn"])
def test_a_command_is_called_what_its_group_calls_it(name: str) -> None:
    """The line in the listing, which is written apart from the command, has not drifted from its help."""
    parent, _, last = name.rpartition(" ")
    group = COMMANDS[parent]
    assert isinstance(group, LazyGroup)

    assert COMMANDS[name].name == last
    assert COMMANDS[name].help
    assert group.places[last][1].endswith(".")


@pytest.mark.parametrize("name", [name for name, one in COMMANDS.items() if not isinstance(one, click.Group)])
def test_every_command_takes_quiet(name: str) -> None:
    """Once, and in both spellings."""
    assert [set(one.opts) for one in COMMANDS[name].params if "--quiet" in one.opts] == [{"-q", "--quiet"}]


@pytest.mark.parametrize("name", [name for name in COMMANDS if name.endswith(" list")])
def test_every_listing_has_json(name: str) -> None:
    """For programs."""
    assert "--json" in COMMANDS[name].get_help(click.Context(COMMANDS[name]))
