"""The files that tell which daemons run."""

from __future__ import annotations

import resource
from pathlib import Path

import msgspec
import pytest

from arawn.errors import LogWriteFailed
from arawn.running_daemons import RunningDaemon, announced, last_words, running_daemons
from tests.strangers import give_away

ONE = RunningDaemon(1, "/run/one.sock", ("/etc/one.toml",))
TWO = RunningDaemon(2, None, ())


def test_daemons_are_found_while_they_live(tmp_path: Path) -> None:
    """All of one runtime directory, and nothing afterwards."""
    directory = tmp_path / "run"
    assert running_daemons(directory) == []
    with announced(directory, ONE):
        with announced(directory, TWO):
            assert running_daemons(directory) == [ONE, TWO]
        assert running_daemons(directory) == [ONE]
    assert list(directory.iterdir()) == []


def test_a_file_that_nobody_holds_tells_of_no_daemon(tmp_path: Path) -> None:
    """It is removed; what is held and says nothing is passed over."""
    left = tmp_path / "daemon-7.json"
    left.write_text('{"pid": 7, "socket": null, "files": []}')

    assert running_daemons(tmp_path) == []
    assert not left.exists()


def test_what_another_user_says_is_no_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`arawn stop` sends signals to the process that such a file names."""
    with announced(tmp_path, ONE):
        give_away(tmp_path / "daemon-1.json", monkeypatch)

        assert running_daemons(tmp_path) == []


def test_a_daemon_that_cannot_tell_runs_all_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With a warning that says what is missing."""
    (tmp_path / "file").write_text("")
    with announced(tmp_path / "file" / "run", ONE):
        assert "cannot be written" in caplog.text


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (LogWriteFailed("3 records are lost"), "3 records are lost"),
        (
            ExceptionGroup("parts", [ExceptionGroup("more", [LogWriteFailed("3 records are lost")])]),
            "3 records are lost",
        ),
        (RuntimeError(), "RuntimeError"),
        (LogWriteFailed("x" * 10_000), "x" * 1000),
    ],
    ids=["plain", "in groups", "without words", "too many words"],
)
def test_a_daemon_that_fails_leaves_word(tmp_path: Path, error: Exception, told: str) -> None:
    """Whoever listens hears it when the file is gone; nothing stays."""
    with last_words(tmp_path, ONE.pid) as before_it_was_there:
        pass
    with pytest.raises(type(error)), announced(tmp_path, ONE):
        listening = last_words(tmp_path, ONE.pid)
        failed = listening.__enter__()
        raise error

    assert failed() == told
    assert before_it_was_there() is None
    assert list(tmp_path.iterdir()) == []
    listening.__exit__(None, None, None)


def test_a_daemon_that_ends_in_order_has_no_last_words(tmp_path: Path) -> None:
    """Also if it has left no file at all."""
    with announced(tmp_path, ONE), last_words(tmp_path, ONE.pid) as failed, last_words(tmp_path, 7) as unknown:
        assert running_daemons(tmp_path) == [ONE]

        assert (failed(), unknown()) == (None, None)


def test_a_daemon_that_stops_is_found_as_such(tmp_path: Path) -> None:
    """From the moment on at which it says so."""
    with announced(tmp_path, ONE) as tell_end:
        before = running_daemons(tmp_path)
        tell_end()
        after = running_daemons(tmp_path)

    assert (before, after) == ([ONE], [msgspec.structs.replace(ONE, stopping=True)])


@pytest.mark.parametrize("more", [0, 3])
def test_a_daemon_that_cannot_say_that_it_stops_is_found_all_the_same(tmp_path: Path, more: int) -> None:
    """Where there is room for nothing more, or for a part of it."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with announced(tmp_path, ONE) as tell_end:
        (file,) = tmp_path.iterdir()
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + more, limits[1]))
            tell_end()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert running_daemons(tmp_path) == [ONE]


@pytest.mark.parametrize("room", [0, 20])
def test_a_daemon_that_cannot_leave_word_shows_that_it_failed(tmp_path: Path, room: int) -> None:
    """A disk that takes nothing, or a part of it."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(LogWriteFailed), announced(tmp_path, ONE):
            listening = last_words(tmp_path, ONE.pid)
            failed = listening.__enter__()
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
            raise LogWriteFailed("lost")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert failed() == "it could not leave word why; its stderr says"
    listening.__exit__(None, None, None)


def test_a_daemon_that_just_writes_that_it_stops_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader may see the half of what is written: it reads again."""
    with announced(tmp_path, ONE) as tell_end:
        (file,) = tmp_path.iterdir()
        with file.open("r+b") as begun:
            begun.seek(-1, 2)
            begun.write(b',"stop')
        decode = msgspec.json.decode

        def decode_and_let_it_end(content: bytes, type: object) -> object:  # noqa: A002  # as it is called
            tell_end()
            return decode(content, type=type)

        monkeypatch.setattr(msgspec.json, "decode", decode_and_let_it_end)
        assert running_daemons(tmp_path) == [msgspec.structs.replace(ONE, stopping=True)]
