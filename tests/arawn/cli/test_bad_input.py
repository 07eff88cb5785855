"""What people get wrong, through the real command: one clear message, the right exit code, no traceback."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.arawn.cli.place import Place
from tests.fake_provider import FakeProvider, Reply

CUSTOM = """
[llm]
backend = "custom"
dialect = "openai"
model = "m"
base_url = "{url}"
retry = {{ attempts = 1 }}
"""
WRONG = """
[llm]
backend = "opena"
modle = "m"
max_tokens = "many"
[server]
listen = "nowhere"
"""


def said(place: Place, code: int, *arguments: str) -> str:
    """Run the command, check how it failed, and return its message."""
    child = place.run(*arguments)

    assert (child.returncode, child.stdout) == (code, ""), child.stderr
    assert "Traceback" not in child.stderr
    assert child.stderr.startswith("arawn: ")
    return child.stderr


@pytest.mark.parametrize("arguments", [["ask", "hi"], ["start"], ["config", "check"]])
def test_every_problem_of_a_configuration_is_listed(place: Place, arguments: list[str]) -> None:
    """Each has its line with file, line and key; code 2."""
    place.configure(WRONG)

    lines = said(place, 2, *arguments).splitlines()

    problems = [line for line in lines if "config.toml:" in line]
    keys = ("llm.backend", "llm.modle", "llm.max_tokens", "llm.model", "server.listen")
    assert all(any(f": {key}: " in problem for problem in problems) for key in keys)
    assert "did you mean `openai`?" in "\n".join(problems)


def test_a_configuration_that_cannot_be_read(place: Place) -> None:
    """Not TOML, and not there."""
    place.configure("[llm\n")

    assert "config.toml:1: not TOML" in said(place, 2, "ask", "hi")
    assert "nowhere.toml: no such file" in said(place, 2, "ask", "--config", "nowhere.toml", "hi")


def test_a_missing_key(place: Place) -> None:
    """The variable to set is named; code 1."""
    place.configure('[llm]\nbackend = "openai"\nmodel = "m"\n')

    for arguments in (["ask", "hi"], ["start"]):
        assert "set the environment variable `OPENAI_API_KEY`" in said(place, 1, *arguments)


def test_a_wrong_address(place: Place) -> None:
    """It is found before anything is sent."""
    place.configure(CUSTOM.format(url="htp:/here"))

    assert "llm.base_url: not an address" in said(place, 2, "ask", "hi")


def test_a_refused_connection(place: Place) -> None:
    """The message says that nothing listens there; code 1."""
    place.configure(CUSTOM.format(url="http://127.0.0.1:9/v1"))

    assert "connection refused" in said(place, 1, "ask", "hi")


def test_a_provider_that_answers_with_a_web_page(place: Place) -> None:
    """The message shows what came and asks to check the address."""
    page = Reply(body=b"<html><title>Router</title></html>", content_type="text/html")
    with FakeProvider(page) as provider:
        place.configure(CUSTOM.format(url=provider.address))

        message = said(place, 1, "ask", "hi")

    assert "html" in message.lower()
    assert "base_url" in message


def test_a_model_file_that_is_not_there(place: Place) -> None:
    """Named with its path; code 2, since no waiting mends it."""
    place.configure('[llm]\nbackend = "local"\nmodel = "/nowhere/model.gguf"\n')

    assert "there is no file `/nowhere/model.gguf`" in said(place, 2, "ask", "-q", "hi")
    assert "there is no file `/nowhere/model.gguf`" in said(place, 2, "start")


def test_a_log_directory_that_cannot_be(place: Place) -> None:
    """A path below a file, for whoever runs this; a directory that may not be written to, for all but root."""
    (place.directory / "file").write_text("")
    _log_to(place, place.directory / "file" / "log")

    for arguments in (["ask", "hi"], ["start"]):
        assert "cannot open the interaction log" in said(place, 1, *arguments)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_log_directory_that_may_not_be_written_to(place: Place) -> None:
    """Named, with what would be right."""
    forbidden = place.directory / "forbidden"
    forbidden.mkdir(mode=0o500)
    _log_to(place, forbidden / "log")

    assert "cannot open the interaction log" in said(place, 1, "ask", "hi")


def _log_to(place: Place, path: Path) -> None:
    place.configure(f'[llm]\nbackend = "scripted"\n[logging.interactions]\npath = "{path}"\n')


def test_an_unknown_profile(place: Place) -> None:
    """The message lists those there are."""
    assert "unknown profile `nope`; the profiles are: `default`, `fast`" in said(place, 2, "ask", "-p", "nope", "hi")


def test_a_bad_workstream_name(place: Place) -> None:
    """The message says what a name may be."""
    for arguments in (["ask", "-w", "a/b", "hi"], ["chat", "-w", "a/b"], ["workstreams", "show", "a/b"]):
        assert "cannot name a workstream" in said(place, 2, *arguments)


@pytest.mark.parametrize("arguments", [["stop"], ["status"]])
def test_no_daemon(place: Place, arguments: list[str]) -> None:
    """The message says how to run one."""
    assert "`arawn start` runs one" in said(place, 1, *arguments)
