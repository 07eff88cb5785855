from __future__ import annotations

import json

from tests.arawn.cli.conftest import Command
from tests.arawn.cli.conftest import command as command  # noqa: PLC0414  # a fixture
from tests.arawn.cli.conftest import place as place  # noqa: PLC0414  # a fixture
from tests.arawn.cli.place import ROUTED, Place


def test_a_question_is_routed_without_a_daemon(place: Place, command: Command) -> None:
    """Every profile that a rule may choose is started."""
    place.configure(ROUTED)

    assert json.loads(command("ask", "hi", "--json").out)["reason"] == "HeuristicRule(short)"
