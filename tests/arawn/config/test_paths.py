from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from arawn.config import paths
from arawn.config.schema import Config
from arawn.errors import ConfigError

HOME = {"HOME": "/home/me"}


@pytest.mark.parametrize(
    ("environ", "directory"),
    [
        ({}, "/home/me/.config/arawn"),
        ({"XDG_CONFIG_HOME": "/xdg"}, "/xdg/arawn"),
        ({"XDG_CONFIG_HOME": "relative"}, "/home/me/.config/arawn"),
        ({"ARAWN_CONFIG_DIR": "/c", "XDG_CONFIG_HOME": "/xdg"}, "/c"),
        ({"ARAWN_CONFIG_DIR": "~/c"}, "/home/me/c"),
        ({"ARAWN_CONFIG_DIR": ""}, "/home/me/.config/arawn"),
    ],
)
def test_the_config_directory_is_found_in_order(environ: dict[str, str], directory: str) -> None:
    """Arawn's own variable wins, then the platform's, then the home directory."""
    assert paths.config_dir(HOME | environ) == Path(directory)


def test_the_state_directory_is_found_in_order() -> None:
    """Arawn's own variable wins, then the platform's; without both there still is one."""
    assert paths.state_dir({"ARAWN_STATE_DIR": "/s", "XDG_STATE_HOME": "/xdg"}) == Path("/s")
    assert paths.state_dir({"XDG_STATE_HOME": "/xdg"}) == Path("/xdg/arawn")
    assert paths.state_dir({}).name == "arawn"


def test_the_runtime_directory_falls_back_to_the_state_directory() -> None:
    """Where the system offers no private runtime directory, the socket lives beside the state."""
    environ = {"ARAWN_STATE_DIR": "/s"}

    assert paths.runtime_dir(environ | {"ARAWN_RUNTIME_DIR": "/r", "XDG_RUNTIME_DIR": "/xdg"}) == Path("/r")
    assert paths.runtime_dir(environ | {"XDG_RUNTIME_DIR": "/xdg"}) == Path("/xdg/arawn")
    assert paths.runtime_dir(environ) == Path("/s")


def test_files_have_default_places() -> None:
    """An empty configuration puts the log beside the user's file, the database and the socket where they belong."""
    environ = {"ARAWN_CONFIG_DIR": "/c", "ARAWN_STATE_DIR": "/s", "ARAWN_RUNTIME_DIR": "/r"}

    assert paths.interactions_dir(Config(), environ) == Path("/c/interactions")
    assert paths.database_path(Config(), environ) == Path("/s/workstreams.db")
    assert paths.socket_path(Config(), environ) == Path("/r/arawn.sock")


def test_configured_places_win_and_may_begin_with_the_home_directory() -> None:
    """`~` is the home of the given environment; an empty socket means none."""
    config = msgspec.convert(
        {
            "logging": {"interactions": {"path": "~/log"}},
            "workstreams": {"database": "~"},
            "server": {"socket": ""},
        },
        Config,
    )

    assert paths.interactions_dir(config, HOME) == Path("/home/me/log")
    assert paths.database_path(config, HOME) == Path("/home/me")
    assert paths.socket_path(config, HOME) is None


def test_only_a_leading_tilde_is_the_home_directory() -> None:
    """A tilde elsewhere, or in a name, is a character like any other."""
    assert paths.expanded("a/~/b", HOME) == Path("a/~/b")
    assert paths.expanded("~b/c", HOME) == Path("~b/c")


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No home directory is an error that names the variables which replace it."""

    def no_home() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", no_home)

    with pytest.raises(ConfigError, match="ARAWN_CONFIG_DIR"):
        paths.config_dir({})
