"""What is configured, where, and whether it is right."""

from __future__ import annotations

import json

from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import Place


def test_every_value_is_shown_with_its_source(command: Command, place: Place) -> None:
    """File and line, or default."""
    rows = {row["key"]: row for row in json.loads(command("config", "show", "--json").out)}

    assert rows["llm.model"]["value"] == "echo"
    assert rows["llm.model"]["origin"].endswith("config.toml:4")
    assert rows["server.auth"]["origin"] == "default"
    assert "llm.model" in command("config", "show").out


def test_secrets_are_not_shown(command: Command, place: Place) -> None:
    """Not in the table, not in JSON."""
    place.configure('[llm]\nbackend = "openai"\nmodel = "m"\napi_key = "sk-very-secret"\n')

    shown = command("config", "show").out + command("config", "show", "--json").out

    assert "sk-very-secret" not in shown
    assert "(hidden)" in shown


def test_a_right_configuration_is_said_to_be(command: Command) -> None:
    """With its files and profiles."""
    result = command("config", "check")

    assert result.code == 0
    assert "config.toml" in result.out
    assert "`default`, `fast`" in result.out


def test_every_place_is_shown(command: Command, place: Place) -> None:
    """Whether or not there is anything yet."""
    places = json.loads(command("config", "path", "--json").out)

    assert places["user's file"] == str(place.directory / "config" / "config.toml")
    assert places["interaction log"] == str(place.log)
    assert "not there" in command("config", "path").out


def test_a_reload_has_its_name_here_too(command: Command) -> None:
    """It is the same command."""
    assert command("config", "reload") == command("reload")
