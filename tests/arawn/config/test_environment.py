from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from arawn.config.environment import RESERVED, environment_layers, flag_layers, misread
from arawn.config.layers import merged
from arawn.config.load import load
from arawn.errors import ConfigError


def tree(**environ: str) -> dict[str, Any]:
    return merged(environment_layers(environ))


def test_two_underscores_stand_between_the_parts_of_a_key() -> None:
    """`ARAWN_LLM__MODEL` is `llm.model`; one underscore belongs to the key."""
    assert tree(ARAWN_LLM_PROFILES__FAST__API_KEY_ENV="X") == {"llm_profiles": {"fast": {"api_key_env": "X"}}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4),
        ("0.5", 0.5),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ("{ a = 1 }", {"a": 1}),
        ("'x'", "x"),
        ("x", "x"),
        ("", ""),
        ("1\nother = 2", "1\nother = 2"),
        ("[1", "[1"),
    ],
)
def test_a_value_is_read_as_toml_where_it_is_toml(text: str, value: object) -> None:
    """Numbers, arrays and tables need no other syntax than in a file; the rest is text."""
    assert tree(ARAWN_LLM__EXTRA__X=text) == {"llm": {"extra": {"x": value}}}


@pytest.mark.parametrize(("text", "value"), [("4", "4"), ("true", "true"), ("2024-01-01", "2024-01-01"), ("'4'", "4")])
def test_a_key_that_wants_a_string_takes_what_looks_like_a_number(text: str, value: str) -> None:
    """A model called `4` or a key made of digits needs no quotes."""
    assert tree(ARAWN_LLM__MODEL=text) == {"llm": {"model": value}}


def test_reserved_and_foreign_variables_set_no_key() -> None:
    """The directories, the token and everything without the prefix are left alone."""
    environ = dict.fromkeys(RESERVED, "x") | {"PATH": "/bin", "arawn_llm__model": "x"}

    assert environment_layers(environ) == []


def test_a_variable_names_itself_as_the_origin() -> None:
    """The origin is the variable as it is spelled in the environment."""
    (layer,) = environment_layers({"ARAWN_LLM__MODEL": "x"})

    assert layer.origin(("llm", "model")) == "environment ARAWN_LLM__MODEL"


def test_a_variable_for_a_table_gives_way_to_one_for_a_key_in_it() -> None:
    """The more special variable wins, whatever the order of the environment."""
    assert tree(ARAWN_LLM__RETRY__ATTEMPTS="2", ARAWN_LLM="{ retry = { attempts = 1 } }") == {
        "llm": {"retry": {"attempts": 2}}
    }


def test_flags_that_were_not_used_set_nothing() -> None:
    """A flag is a layer of its own, named as a person types it; None is no value."""
    (layer,) = flag_layers({"server.listen": None, "server.shutdown_grace_s": 1})

    assert layer.tree == {"server": {"shutdown_grace_s": 1}}
    assert layer.origin(("server", "shutdown_grace_s")) == "flag --shutdown-grace-s"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ARAWN_LLM_MODEL", "ARAWN_LLM__MODEL"),
        ("ARAWN_LLM_MAX_TOKENS", "ARAWN_LLM__MAX_TOKENS"),
        ("ARAWN_LLM__TIMEOUTS_IDLE_S", "ARAWN_LLM__TIMEOUTS__IDLE_S"),
        ("ARAWN_LLM_PROFILES_FAST_MODEL", "ARAWN_LLM_PROFILES__FAST__MODEL"),
        ("ARAWN_SERVER_LISTEN", "ARAWN_SERVER__LISTEN"),
        ("ARAWN_CONFIG", "`ARAWN_CONFIG_DIR`"),
        ("ARAWN_CONFIG_FILE", "`--config`"),
    ],
)
def test_a_variable_that_names_no_key_is_told_the_one_that_is_meant(name: str, meant: str, tmp_path: Path) -> None:
    """At the end of the line that says so."""
    with pytest.raises(ConfigError) as caught:
        load(environ={"ARAWN_CONFIG_DIR": str(tmp_path), name: "1"}, cwd=tmp_path)

    (problem,) = caught.value.problems
    assert problem.startswith(f"environment {name}: ")
    assert meant in problem.rpartition(" (")[2]


@pytest.mark.parametrize("name", ["ARAWN_LOG", "ARAWN_LLM__MAX_TOKENS", "ARAWN_", "ARAWN_LLM", "ARAWN_LLM__RETRY"])
def test_no_variable_is_guessed(name: str) -> None:
    """Where no reading of the name gives a key, and where it names one already."""
    (layer,) = environment_layers({name: "many"})

    assert misread(layer) == ""
