"""What is found wrong with the tools of a configuration before any is used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import trio

from arawn.agent.mcp_server import not_started
from arawn.agent.modules import imported
from arawn.agent.servers import tool_obstacles
from arawn.config.schema import Config, ToolSource
from arawn.errors import ConfigError

VOICES = "tests.arawn.agent.my_tools:voices"


def found(source: ToolSource, **environ: str) -> list[str]:
    return trio.run(tool_obstacles, Config(tools={"x": source}), environ)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (ToolSource(python="tests.no.such:thing"), "tools.x.python: cannot use `tests.no.such:thing`: "),
        (ToolSource(python="tests.arawn.agent.leaving_tools:x"), "tools.x.python: cannot use "),
        *(
            (
                ToolSource(python=f"tests.arawn.agent.ending_tools:{kind}"),
                f"tools.x.python: cannot use `tests.arawn.agent.ending_tools:{kind}`: {kind}: at import",
            )
            for kind in ("CancelledError", "GeneratorExit", "KeyboardInterrupt", "Own")
        ),
        (ToolSource(python=VOICES, only=("shot",)), "tools.x.only: there is no tool `shot`; accepted: `shout`"),
        (ToolSource(command=("no-such",)), "tools.x.command: there is no program `no-such` in `PATH`; install it"),
        (ToolSource(command=("/no/such",)), "tools.x.command: there is no program `/no/such`; install it"),
        (ToolSource(url="http://h", bearer_env="T"), "tools.x.bearer_env: the environment variable `T` is not set"),
    ],
)
def test_what_cannot_be_used_is_found(source: ToolSource, words: str) -> None:
    """With its key, and what would be right."""
    (said,) = found(source, PATH="/nowhere")

    assert said.startswith(words)


def test_what_can_be_used_is_not(tmp_path: Path) -> None:
    """A program is looked for as a shell would."""
    program = tmp_path / "serve"
    program.touch(mode=0o755)

    assert found(ToolSource(python=VOICES, only=("shout",))) == []
    assert found(ToolSource(command=("serve",)), PATH=str(tmp_path)) == []
    assert found(ToolSource(command=(str(program),)), PATH="/nowhere") == []
    assert found(ToolSource(url="http://h", bearer_env="T"), T="token") == []


def test_a_missing_package_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of the protocol need one."""
    monkeypatch.setattr("arawn.agent.mcp_server.find_spec", lambda _: None)

    (said,) = found(ToolSource(url="http://h"))

    assert "pip install 'arawn[mcp]'" in said


def test_a_missing_module_says_where_it_was_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The current directory is named only if it is not searched: that is what surprises."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "/srv/house")
    source = ToolSource(python="my_house:tools")

    with pytest.raises(ConfigError) as outside:
        imported("x", source)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError) as inside:
        imported("x", source)

    looked = f"looked for in `PYTHONPATH`, which is `/srv/house`, and the packages of `{sys.executable}`"
    assert str(outside.value).endswith(f"{looked}, but not in the current directory `{tmp_path}`")
    assert str(inside.value).endswith(looked)


def test_the_last_words_of_a_server_are_bounded() -> None:
    """A line may be anything."""
    source = ToolSource(command=("serve",))
    words = ["", "no entry", "x" * 9_000]

    said = not_started("x", source, "it ended", words)

    assert said.startswith(
        "the tool server `x` cannot be used: it ended; check `tools.x.command`; the end of its stderr:\n"
    )
    assert "\n  no entry\n" in said
    assert len(said) < 500
