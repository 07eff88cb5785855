"""What people get wrong, through the real command: one clear message, the right exit code, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.arawn.cli.place import Place
from tests.fake_provider import FakeProvider, Reply
from tests.system.unprivileged import Unprivileged, read_only

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


SLOW_START = pytest.param(["start"], marks=pytest.mark.slow)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["ask", "hi"], SLOW_START, ["config", "check"]])
def test_every_problem_of_a_configuration_is_listed(place: Place, arguments: list[str]) -> None:
    """Each has its line with file, line and key; code 2."""
    place.configure(WRONG)

    lines = said(place, 2, *arguments).splitlines()

    problems = [line for line in lines if "config.toml:" in line]
    keys = ("llm.backend", "llm.modle", "llm.max_tokens", "llm.model", "server.listen")
    assert all(any(f": {key}: " in problem for problem in problems) for key in keys)
    assert "did you mean `openai`?" in "\n".join(problems)


@pytest.mark.slow
def test_a_configuration_that_cannot_be_read(place: Place) -> None:
    """Not TOML, and not there."""
    place.configure("[llm\n")

    assert "config.toml:1: not TOML" in said(place, 2, "ask", "hi")
    assert "nowhere.toml: no such file" in said(place, 2, "ask", "--config", "nowhere.toml", "hi")


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["ask", "hi"], SLOW_START])
def test_a_missing_key(place: Place, arguments: list[str]) -> None:
    """The variable to set is named; code 1."""
    place.configure('[llm]\nbackend = "openai"\nmodel = "m"\n')

    assert "set the environment variable `OPENAI_API_KEY`" in said(place, 1, *arguments)


@pytest.mark.slow
def test_a_wrong_address(place: Place) -> None:
    """It is found before anything is sent."""
    place.configure(CUSTOM.format(url="htp:/here"))

    assert "llm.base_url: not an address" in said(place, 2, "ask", "hi")


@pytest.mark.slow
def test_a_refused_connection(place: Place) -> None:
    """The message says that nothing listens there; code 1."""
    place.configure(CUSTOM.format(url="http://127.0.0.1:9/v1"))

    assert "connection refused" in said(place, 1, "ask", "hi")


@pytest.mark.slow
def test_a_provider_that_answers_with_a_web_page(place: Place) -> None:
    """The message shows what came and asks to check the address."""
    page = Reply(body=b"<html><title>Router</title></html>", content_type="text/html")
    with FakeProvider(page) as provider:
        place.configure(CUSTOM.format(url=provider.address))

        message = said(place, 1, "ask", "hi")

    assert "html" in message.lower()
    assert "base_url" in message


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["ask", "-q", "hi"], SLOW_START])
def test_a_model_file_that_is_not_there(place: Place, arguments: list[str]) -> None:
    """Named with its path; code 2, since no waiting mends it."""
    place.configure('[llm]\nbackend = "local"\nmodel = "/nowhere/model.gguf"\n')

    assert "there is no file `/nowhere/model.gguf`" in said(place, 2, *arguments)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["ask", "hi"], SLOW_START])
def test_a_log_directory_that_cannot_be(place: Place, arguments: list[str]) -> None:
    """A path below a file."""
    (place.directory / "file").write_text("")
    _log_to(place, place.directory / "file" / "log")

    assert "cannot open the interaction log" in said(place, 1, *arguments)


@pytest.mark.slow
def test_a_log_directory_that_may_not_be_written_to(place: Place) -> None:
    """Named, with what would be right."""
    bound = Unprivileged(place.directory, Path(place.environ["ARAWN_RUNTIME_DIR"]))
    forbidden = place.directory / "forbidden"
    _log_to(bound, forbidden / "log")

    with read_only(forbidden):
        assert "cannot open the interaction log" in said(bound, 1, "ask", "hi")


def _log_to(place: Place, path: Path) -> None:
    place.configure(f'[llm]\nbackend = "scripted"\n[logging.interactions]\npath = "{path}"\n')


@pytest.mark.slow
def test_an_unknown_profile(place: Place) -> None:
    """The message lists those there are."""
    assert "unknown profile `nope`; the profiles are: `default`, `fast`" in said(place, 2, "ask", "-p", "nope", "hi")


@pytest.mark.parametrize(
    "arguments",
    [
        ["ask", "-w", "a/b", "hi"],
        pytest.param(["chat", "-w", "a/b"], marks=pytest.mark.slow),
        pytest.param(["workstreams", "show", "a/b"], marks=pytest.mark.slow),
    ],
)
def test_a_bad_workstream_name(place: Place, arguments: list[str]) -> None:
    """The message says what a name may be."""
    assert "cannot name a workstream" in said(place, 2, *arguments)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["stop"], ["status"]])
def test_no_daemon(place: Place, arguments: list[str]) -> None:
    """The message says how to run one."""
    assert "`arawn start` runs one" in said(place, 1, *arguments)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["status"], ["doctor"], ["ask", "hi"]])
def test_a_home_of_another_user(place: Place, arguments: list[str]) -> None:
    """As after `su`, which keeps `HOME`: what to set is said, by `doctor` in a row of its table."""
    closed = Unprivileged(place.directory, Path(place.environ["ARAWN_RUNTIME_DIR"]))
    state = place.directory / ".local"
    state.mkdir(mode=0)
    for variable in ("ARAWN_STATE_DIR", "ARAWN_RUNTIME_DIR"):
        del closed.environ[variable]
    closed.configure()

    child = closed.run(*arguments)
    state.chmod(0o700)  # so that it can be removed

    where = f"a daemon cannot be looked for at `{state}/state/arawn/arawn.sock`: Permission denied; set `HOME` to your "
    shown, before = (child.stdout, "daemon         wrong   ") if arguments == ["doctor"] else (child.stderr, "arawn: ")
    assert child.returncode == 1
    assert any(" ".join(line.split()).startswith(" ".join(f"{before}{where}".split())) for line in shown.splitlines())
