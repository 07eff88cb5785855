"""What `arawn doctor` says of files that other users can read, change or own."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from arawn.cli.places import exposed_directories, readable_keys
from arawn.config import load
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import SCRIPTED, Place
from tests.runtimes import configured
from tests.strangers import give_away

KEYS = {
    "llm.api_key": '[llm]\nbackend = "openai"\nmodel = "m"\napi_key = "k-12345678"\n',
    "llm_profiles.b.api_key": '[llm_profiles.b]\napi_key = "k-1"\nbackend = "openai"\nmodel = "m"\n',
    "llm.extra.a.token": '[llm]\nbackend = "openai"\nmodel = "m"\nextra = { a = { token = "k-1" } }\n',
    "llm.extra.a": '[llm]\nbackend = "openai"\nmodel = "m"\nextra = { a = [{ token = "k-1" }] }\n',
    "llm.extra.user": f'[llm]\nbackend = "openai"\nmodel = "m"\nextra = {{ user = "sk-{"k-1" * 9}" }}\n',
    "tools.x.command": f'{SCRIPTED}[tools.x]\ncommand = ["serve", "--token", "k-1-of-a-tool-server"]\n',
    "tools.x.url": f'{SCRIPTED}[tools.x]\nurl = "http://h?token=k-1-of-a-tool-server"\n',
    "llm.headers.x-api-key": '[llm]\nbackend = "openai"\nmodel = "m"\nheaders = { x-api-key = "k-12345678" }\n',
}
DIRECTORIES = {
    "the state directory": "state",
    "the runtime directory": "run",
    "the directory of the log": "log",
    "the directory of the workstreams": "db",
}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(("mode", "exposed"), [(0o644, True), (0o640, True), (0o604, True), (0o600, False)])
@pytest.mark.parametrize("named", [None, Path("other.toml")])
def test_a_key_in_a_file_that_others_may_read_is_told(
    tmp_path: Path, key: str, mode: int, exposed: bool, named: Path | None
) -> None:
    """With its line and what to run; the key itself is not shown."""
    path = tmp_path / (named or "arawn.toml")
    path.write_text(KEYS[key], encoding="utf-8")
    path.chmod(mode)
    environ = {"ARAWN_CONFIG_DIR": str(tmp_path / "none"), "OPENAI_API_KEY": "x"}

    told = list(readable_keys(load(config_file=named, environ=environ, cwd=tmp_path), environ, tmp_path))

    assert bool(told) is exposed
    if exposed:
        assert told[0].startswith(f"{path.name}:")
        assert told[0].endswith(f"others may read `{key}` (mode {mode:04o}); run `chmod go= {path}`")
        assert "k-1" not in told[0]


@pytest.mark.parametrize("environ", [{}, {"ARAWN_LLM__API_KEY": "k-12345678"}])
def test_a_file_without_a_key_may_be_read(tmp_path: Path, environ: dict[str, str]) -> None:
    """Also where a key comes from the environment."""
    (tmp_path / "arawn.toml").write_text(SCRIPTED, encoding="utf-8")
    (tmp_path / "arawn.toml").chmod(0o644)
    environ = {"ARAWN_CONFIG_DIR": str(tmp_path / "none"), **environ}

    assert list(readable_keys(load(environ=environ, cwd=tmp_path), environ, tmp_path)) == []


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    for name in DIRECTORIES.values():
        (tmp_path / name).mkdir(mode=0o700)
    return tmp_path, {"ARAWN_STATE_DIR": str(tmp_path / "state"), "ARAWN_RUNTIME_DIR": str(tmp_path / "run")}


def found(places: tuple[Path, dict[str, str]]) -> list[str]:
    directory, environ = places
    config = configured(directory)
    log = msgspec.structs.replace(config.logging.interactions, path=str(directory / "log"))
    stored = msgspec.structs.replace(config.workstreams, database=str(directory / "db" / "w.db"))
    logging = msgspec.structs.replace(config.logging, interactions=log)
    return list(exposed_directories(msgspec.structs.replace(config, logging=logging, workstreams=stored), environ))


@pytest.mark.parametrize("called", DIRECTORIES)
@pytest.mark.parametrize(("mode", "remedy"), [(0o777, "run `chmod o-w {}`"), (0o1777, "give a place of your own")])
def test_a_directory_that_every_user_may_write_to_is_told(
    places: tuple[Path, dict[str, str]], called: str, mode: int, remedy: str
) -> None:
    """Also with the sticky bit: others can be there first with a socket or a link. One of a group is left alone."""
    path = places[0] / DIRECTORIES[called]
    path.chmod(0o770)
    assert found(places) == []
    path.chmod(mode)
    says = f"{called}, `{path}`, can be written to by every user (mode {mode:04o}); {remedy.format(path)}"

    assert found(places) == [says]


@pytest.mark.parametrize("called", DIRECTORIES)
def test_a_directory_of_another_user_is_told(
    places: tuple[Path, dict[str, str]], called: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who owns it can replace what is in it."""
    path = places[0] / DIRECTORIES[called]
    owner = give_away(path, monkeypatch)

    assert f"{called}, `{path}`, belongs to {owner}, who can replace what is in it" in "\n".join(found(places))


def test_what_is_not_there_yet_is_not_judged(tmp_path: Path) -> None:
    """Arawn makes it, with mode 0700."""
    environ = {"ARAWN_STATE_DIR": str(tmp_path / "state"), "ARAWN_RUNTIME_DIR": str(tmp_path / "run")}

    assert list(exposed_directories(configured(tmp_path), environ)) == []


def test_doctor_has_a_row_for_each(place: Place, command: Command) -> None:
    """Exit code 1, and no row says that the files are well."""
    config = place.directory / "config" / "config.toml"
    place.configure(KEYS["llm.api_key"])
    config.chmod(0o644)
    runtime = Path(place.environ["ARAWN_RUNTIME_DIR"])
    runtime.chmod(0o777)

    said = command("doctor", "--json")

    wrong = [one["found"] for one in json.loads(said.out) if one["what"] == "files"]
    assert said.code == 1
    assert [text.split(",")[0].split(":")[0] for text in wrong] == [str(config), "the runtime directory"]
