"""`[tools.NAME]`: what is accepted, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from arawn.config.keypath import dotted
from arawn.config.load import load
from arawn.config.rules import tool_findings
from arawn.config.schema import ToolSource
from arawn.errors import ConfigError
from tests.arawn.config.test_rules import NO_VARIABLES


def found(source: ToolSource) -> list[str]:
    return [f"{dotted(finding.path)}: {finding.text}" for finding in tool_findings({"x": source})]


@pytest.mark.parametrize(
    "source",
    [
        ToolSource(python="my.tools:search"),
        ToolSource(command=("uvx", "server"), env=("TOKEN",)),
        ToolSource(url="https://host:8/mcp?a=b", bearer_env="TOKEN"),
    ],
)
def test_one_kind_of_source_is_right(source: ToolSource) -> None:
    """With the keys that belong to it."""
    assert found(source) == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (ToolSource(), "tools.x: says not where its tools are; accepted: one of `python`, `command` or `url`"),
        (ToolSource(env=("A",)), "tools.x: says not where its tools are"),
        (ToolSource(python="a:b", url="http://h"), "tools.x.url: its tools are given by `python` already"),
        (ToolSource(python="a:b", env=("A",)), "tools.x.env: only beside `command`; remove it"),
        (ToolSource(command=("a",), bearer_env="A"), "tools.x.bearer_env: only beside `url`; remove it"),
        *(
            (ToolSource(url="http://h", bearer_env=text), "tools.x.bearer_env: not the name of an environment variable")
            for text in NO_VARIABLES
        ),
        (ToolSource(python="my-tools"), "tools.x.python: found `my-tools`; accepted: `module:attribute`"),
        (ToolSource(command=()), "tools.x.command: empty; accepted: a program and its arguments"),
        (ToolSource(url="ftp://h"), "tools.x.url: not the address of a server"),
        (ToolSource(url="http://me:word@h"), "tools.x.url: not the address of a server"),
        (ToolSource(url="http://[::1"), "tools.x.url: not the address of a server"),
    ],
)
def test_what_cannot_work_is_found(source: ToolSource, words: str) -> None:
    """With the key, and what would be right; never the address, which may hold a password."""
    (said,) = found(source)

    assert said.startswith(words)
    assert "word" not in said


def test_a_command_that_is_no_array_is_one_problem(tmp_path: Path) -> None:
    """Not also that there is none, or that `env` has nothing to stand beside."""
    file = tmp_path / "arawn.toml"
    file.write_text('[tools.x]\ncommand = "npx foo"\nenv = ["TOKEN"]\n')

    with pytest.raises(ConfigError) as caught:
        load(config_file=file, environ={}, cwd=tmp_path)

    (problem,) = caught.value.problems
    assert "tools.x.command: found" in problem


def test_the_example_configuration_is_right() -> None:
    """`examples/agent.toml`, which `docs/agent.md` shows, has every kind of source."""
    loaded = load(config_file=Path("examples/agent.toml"), environ={}, cwd=Path.cwd())

    assert list(loaded.config.tools) == ["house", "files", "search"]
