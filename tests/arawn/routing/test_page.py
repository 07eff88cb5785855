"""`docs/routing.md` cannot lie: what it prints is printed, what it lists is all there is."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

from arawn.config.schema import ClassifierConfig, RoutingConfig
from arawn.routing.conditions import CONDITION_KEYS
from arawn.routing.evaluation import SIGNIFICANCE, sign_test
from arawn.routing.features import SCANNED_CHARACTERS
from arawn.routing.prototypes import EMBEDDED_CHARACTERS
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.conftest import command as command  # noqa: PLC0414  # a fixture
from tests.arawn.cli.conftest import place as place  # noqa: PLC0414  # a fixture

PAGE = Path("docs/routing.md").resolve().read_text("utf-8")
CONFIG = Path("examples/routing.toml").resolve()
PRINTS = re.compile(r"<!-- prints: (.+) -->\n```text\n(.*?)```", re.DOTALL)


def test_a_command_prints_what_the_page_shows(command: Command) -> None:
    """To the letter, with the configuration of the page."""
    shown = PRINTS.findall(PAGE)

    assert shown
    for arguments, printed in shown:
        assert command(*shlex.split(arguments), "--config", str(CONFIG)).out == printed


def test_the_numbers_are_those_of_the_code() -> None:
    """Defaults, caps, and the least that training takes."""
    routing, classifier = RoutingConfig(), ClassifierConfig()

    for name in ("complex_tools_gt", "complex_length_gt", "moderate_length_gt"):
        assert f"`routing.{name}` ({getattr(routing, name)})" in PAGE
    assert f"first {SCANNED_CHARACTERS:,} characters" in PAGE
    assert f"first {EMBEDDED_CHARACTERS:,} characters" in PAGE
    assert sign_test(5, 0) <= SIGNIFICANCE < sign_test(4, 0)
    (block,) = re.findall(r"```toml\n(\[routing\.classifier\].*?)```", PAGE, re.DOTALL)
    settings = tomllib.loads(block)["routing"]["classifier"]
    assert (settings["threshold"], settings["deadline_s"]) == (classifier.threshold, classifier.deadline_s)


def test_every_condition_is_on_the_page() -> None:
    """And no other."""
    table = PAGE.partition("| condition |")[2].partition("\n\n")[0]
    named = re.findall(r"`([a-z_]+)(?: = [^`]+)?`", "".join(row.split("|")[1] for row in table.splitlines()[2:]))

    assert sorted(named) == sorted(CONDITION_KEYS)
