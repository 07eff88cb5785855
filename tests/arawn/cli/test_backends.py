"""The profiles, and whether they answer."""

from __future__ import annotations

import json

from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import Place


def test_profiles_are_listed(command: Command) -> None:
    """Kind and model; there is no health without a daemon."""
    listed = json.loads(command("backends", "list", "--json").out)

    assert [(one["profile"], one["kind"], one["model"], one["health"]) for one in listed] == [
        ("default", "scripted", "echo", None),
        ("fast", "scripted", "fast-echo", None),
    ]


def test_each_is_tested_by_itself(command: Command, place: Place) -> None:
    """A default profile without a key fails alone; the exit code says that one did."""
    place.configure('[llm]\nbackend = "openai"\nmodel = "m"\n[llm_profiles.fast]\nbackend = "scripted"\n')

    result = command("backends", "test", "--json")

    default, fast = json.loads(result.out)
    assert result.code == 1
    assert "OPENAI_API_KEY" in default["error"]
    assert (fast["profile"], fast["answer"], fast["error"]) == ("fast", "echo: Say OK", None)
    assert command("backends", "test", "fast").code == 0


def test_an_unknown_name_is_wrong_use(command: Command) -> None:
    """Nothing is sent."""
    result = command("backends", "test", "fast", "nope")

    assert (result.code, result.out) == (2, "")
    assert "unknown profile `nope`" in result.err
