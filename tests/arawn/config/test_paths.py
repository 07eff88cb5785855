from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

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


@pytest.mark.parametrize("place", [paths.config_dir, paths.state_dir, paths.runtime_dir])
@pytest.mark.parametrize("home", [None, "", "relative"])
def test_a_user_without_a_home_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch, home: str | None, place: Callable[[dict[str, str]], Path]
) -> None:
    """No home directory, or none that is one, is an error that names the variables which replace it."""

    def no_user(number: int) -> NoReturn:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", no_user)
    monkeypatch.delenv("HOME")
    if home is not None:
        monkeypatch.setenv("HOME", home)

    with pytest.raises(
        ConfigError, match="set `HOME` to an absolute path, or `ARAWN_CONFIG_DIR` and `ARAWN_STATE_DIR`"
    ):
        place({} if home is None else {"HOME": home})


@pytest.mark.parametrize("home", ["", "relative"])
def test_a_home_that_is_no_absolute_path_counts_as_none(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    """The user's own home directory is taken, as without `HOME`."""
    monkeypatch.setenv("HOME", home)
    own = Path(pwd.getpwuid(os.getuid()).pw_dir)

    assert paths.config_dir({"HOME": home}) == own / ".config" / "arawn"
    assert paths.expanded("~/x", {"HOME": home}) == own / "x"
    assert paths.state_dir({"HOME": home}).is_relative_to(own)


@pytest.mark.parametrize(
    ("place", "variable"),
    [
        (paths.config_dir, "ARAWN_CONFIG_DIR"),
        (paths.state_dir, "ARAWN_STATE_DIR"),
        (paths.runtime_dir, "ARAWN_RUNTIME_DIR"),
    ],
)
def test_a_path_that_is_no_utf_8_is_refused(place: Callable[[dict[str, str]], Path], variable: str) -> None:
    """It cannot stand in JSON, and so in no status; what to set is said before anything runs."""
    with pytest.raises(ConfigError, match=rf"the path `/bad\\xffx` is no UTF-8; set `{variable}`"):
        place({variable: os.fsdecode(b"/bad\xffx")})
