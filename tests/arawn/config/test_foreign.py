"""A project's file that another user wrote, or can write, is not obeyed."""

from __future__ import annotations

import os
import re
import stat
from functools import partial
from pathlib import Path
from threading import Thread

import pytest
import trio

from arawn import open_runtime
from arawn.config.load import load
from arawn.config.read import why_foreign
from arawn.config.search import read_config
from arawn.errors import ConfigError

ME, ROOT, OTHER = 1000, 0, 4_000_000_000
THEIRS = f"belongs to the user with the number {OTHER}"
TOML = '[llm]\nbackend = "scripted"\n[server]\nsocket = "/theirs.sock"\n'


def of(uid: int = ME, mode: int = stat.S_IFREG | 0o644) -> os.stat_result:
    return os.stat_result((mode, 0, 0, 1, uid, uid, 0, 0, 0, 0))


HERE = of(mode=stat.S_IFDIR | 0o755)


@pytest.mark.parametrize(
    ("file", "name", "directory", "words"),
    [
        (of(OTHER), of(OTHER), HERE, f"it {THEIRS}"),
        (of(ME), of(OTHER, stat.S_IFLNK | 0o777), HERE, f"the link to it {THEIRS}"),
        (of(mode=0o100646), of(), HERE, r"every user may write to it \(mode 0646\)"),
        (of(), of(), of(mode=0o40777), r"every user may replace it \(its directory has mode 0777\)"),
    ],
)
def test_what_somebody_else_can_say_is_told(
    file: os.stat_result, name: os.stat_result, directory: os.stat_result, words: str
) -> None:
    """The owner of the file or of the link to it is another one; or everybody may write to the file or beside it."""
    why = why_foreign(file, name, directory, user=ME)

    assert why is not None
    assert re.fullmatch(words, why)


@pytest.mark.parametrize("uid", [ME, ROOT])
@pytest.mark.parametrize("directory", [HERE, of(mode=0o41777), of(OTHER, 0o40755), of(mode=0o40775)])
def test_the_own_files_and_those_of_root_are_obeyed(uid: int, directory: os.stat_result) -> None:
    """Also in a directory like /tmp, where nobody can replace them, and in one of a group or of somebody else."""
    assert why_foreign(of(uid, 0o100664), of(uid), directory, user=ME) is None
    assert why_foreign(of(uid), of(uid, stat.S_IFLNK | 0o777), directory, user=ME) is None


def problems(project: Path, config_file: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(config_file=config_file, environ={"ARAWN_CONFIG_DIR": str(project / "none")}, cwd=project)
    return caught.value.problems


def test_a_file_that_everybody_may_write_to_is_refused(tmp_path: Path) -> None:
    """The message names the file, why, and what to do; nothing of it is read, so nothing else is wrong."""
    path = tmp_path / "arawn.toml"
    path.write_text("this is = = no TOML\n", encoding="utf-8")
    path.chmod(0o666)

    (problem,) = problems(tmp_path)

    assert problem.startswith(f"arawn.toml: `{path}` is not obeyed, since every user may write to it (mode 0666): ")
    assert problem.endswith(
        "make it yours alone (`chown`, `chmod o-w`), or name it "
        "(`--config arawn.toml`, or the argument of `open_runtime`)"
    )


def test_a_file_in_a_directory_that_everybody_may_write_to_is_refused(tmp_path: Path) -> None:
    """With the sticky bit it is obeyed: there nobody else can put another file into its place."""
    (tmp_path / "arawn.toml").write_text(TOML, encoding="utf-8")
    tmp_path.chmod(0o777)
    assert "every user may replace it" in problems(tmp_path)[0]

    tmp_path.chmod(0o1777)
    assert load(environ={"ARAWN_CONFIG_DIR": str(tmp_path / "none")}, cwd=tmp_path).files == (tmp_path / "arawn.toml",)


def test_a_file_that_was_named_is_obeyed_whosever_it_is(tmp_path: Path) -> None:
    """To name it is to trust it."""
    path = tmp_path / "arawn.toml"
    path.write_text(TOML, encoding="utf-8")
    path.chmod(0o666)

    assert load(config_file=Path("arawn.toml"), environ={}, cwd=tmp_path).files == (path,)


def test_a_pipe_of_that_name_holds_nobody_up(tmp_path: Path) -> None:
    """Who put it there may never open its other end."""
    os.mkfifo(tmp_path / "arawn.toml")
    (tmp_path / "arawn.toml").chmod(0o666)

    assert "every user may write to it" in problems(tmp_path)[0]


def test_a_pipe_of_ones_own_is_read_to_its_end(tmp_path: Path) -> None:
    """As password managers give out a file: what they write when it is opened is neither missed nor read in part."""
    os.mkfifo(tmp_path / "arawn.toml")
    (tmp_path / "arawn.toml").chmod(0o600)

    give = partial((tmp_path / "arawn.toml").write_text, TOML, encoding="utf-8")
    writer = Thread(target=give, daemon=True)  # it would wait for ever for a reader that came too early
    writer.start()
    loaded = load(environ={"ARAWN_CONFIG_DIR": str(tmp_path / "none")}, cwd=tmp_path)

    assert str(loaded.config.server.socket) == "/theirs.sock"
    writer.join()


def test_a_pipe_that_gives_nothing_is_refused(tmp_path: Path) -> None:
    """The program that should write failed, or it was read before: an empty configuration would have another model."""
    reader, writer = os.pipe()
    os.write(writer, TOML.encode())
    os.close(writer)
    path = Path(f"/dev/fd/{reader}")

    assert load(config_file=path, environ={}, cwd=tmp_path).files == (path,)
    assert problems(tmp_path, path)[0].startswith(f"{path}: nothing came through this pipe: ")
    os.close(reader)


@pytest.mark.parametrize("named", [False, True])
async def test_a_pipe_that_nobody_writes_to_can_be_left(named: bool, tmp_path: Path) -> None:
    """In the place of the user's file or named: what cancels a command, as a signal does, ends the wait for it."""
    pipe = tmp_path / "config.toml"
    os.mkfifo(pipe)
    config_file = pipe if named else None
    environ = {"ARAWN_CONFIG_DIR": str(tmp_path)}

    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(read_config, config_file, environ=environ, cwd=tmp_path))
        writer = await trio.to_thread.run_sync(os.open, pipe, os.O_WRONLY)  # once it is being read
        nursery.cancel_scope.cancel()
    assert nursery.cancel_scope.cancelled_caught  # before the writer closed its end
    os.close(writer)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    """With the owner's name or number."""
    path = tmp_path / "arawn.toml"
    path.write_text(TOML, encoding="utf-8")
    os.chown(path, OTHER, OTHER)

    assert f"since it {THEIRS}" in problems(tmp_path)[0]


async def test_a_runtime_refuses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library program that searches for its configuration is protected as the commands are."""
    (tmp_path / "arawn.toml").write_text(TOML, encoding="utf-8")
    (tmp_path / "arawn.toml").chmod(0o666)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError, match="is not obeyed, since every user may write to it"):
        async with open_runtime():
            pass
