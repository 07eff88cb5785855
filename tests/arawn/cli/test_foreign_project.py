"""Every command refuses a project's file that somebody else can write, before anything of it is done."""

from __future__ import annotations

import pytest

from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import Place


@pytest.mark.parametrize(
    "arguments",
    ["ask hello", "chat", "config show", "config check", "config path", "doctor", "start", "status", "backends list",
     "workstreams list", "interactions list", "route explain hello", "reload", "stop"],
)  # fmt: skip
def test_every_command_refuses_a_file_of_others(place: Place, command: Command, arguments: str) -> None:
    """With the same words; its `api_key_command` does not run, and its socket is not spoken to."""
    ran = place.directory / "ran"
    path = place.directory / "arawn.toml"
    path.write_text(f'[llm]\nbackend = "openai"\nmodel = "m"\napi_key_command = "touch {ran}"\n', encoding="utf-8")
    path.chmod(0o666)

    said = command(*arguments.split())

    assert said.code != 0
    assert "is not obeyed, since every user may write to it (mode 0666)" in " ".join((said.out + said.err).split())
    assert not ran.exists()
