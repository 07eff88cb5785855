"""What is said of a configuration file that is there and cannot be read."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from arawn.config.read import read_files


@contextmanager
def no_more_files() -> Iterator[None]:
    """Let this process open nothing."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def problem_of(path: Path) -> str:
    (reading,) = read_files(path, {}, Path("/"))
    assert reading.problem is not None
    return reading.problem


def test_too_many_open_files_are_no_fault_of_the_file(tmp_path: Path) -> None:
    """The limit is named, and no mode of the file."""
    path = tmp_path / "arawn.toml"
    path.write_text("", encoding="utf-8")

    with no_more_files():
        problem = problem_of(path)

    assert problem.endswith(
        "cannot be read: Too many open files; raise the limit of open files (`ulimit -n`, `LimitNOFILE=`; "
        "of the machine: `fs.file-max`)"
    )


def test_a_file_of_another_user_is_told_with_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `su`, which keeps `HOME`."""
    monkeypatch.setattr("builtins.open", _refused)

    assert problem_of(tmp_path / "arawn.toml").endswith(
        "make it a file that this user may read; if it is another user's, set `HOME` or `ARAWN_CONFIG_DIR` to a "
        "directory of your own"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[llm]\n[llm]\n", "2: not TOML: Cannot declare `llm` twice; "),
        ("[a.\"it's ('x')\"]\n[a.\"it's ('x')\"]\n", "2: not TOML: Cannot declare `a.\"it's ('x')\"` twice; "),
        ("a = []\n[[a]]\n", "2: not TOML: Cannot mutate immutable namespace `a`; "),
        ("a = (\n", "1: not TOML: Invalid value; "),
    ],
)
def test_a_key_in_a_syntax_error_is_written_as_in_the_file(tmp_path: Path, text: str, said: str) -> None:
    """With its dots, and quotes where it needs them."""
    path = tmp_path / "arawn.toml"
    path.write_text(text, encoding="utf-8")

    assert problem_of(path) == f"{path}:{said}see https://toml.io"


def _refused(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")
