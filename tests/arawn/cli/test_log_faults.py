"""What `verify` and `repair` say of files that cannot be read, and of what is no file at all."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
import zstandard

from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import Place
from tests.arawn.interactions.mending_logs import FIRST, SECOND, seal, written_log
from tests.system.unprivileged import Unprivileged


@pytest.mark.slow
def test_a_sealed_day_that_is_closed_to_us_is_not_lost(bound: Unprivileged) -> None:
    """It cannot be read, and the message says what to do; then all is well."""
    seal(bound.log, FIRST)
    path = bound.log / f"{FIRST}.zst"
    path.chmod(0)

    done = bound.run("interactions", "verify")

    named, last = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (1, "")
    right = f"it cannot be read: Permission denied; run `chmod 600 {path}` and try again"
    assert named == f"{FIRST}.zst: {right}"
    assert last.endswith(": 1 problem")
    path.chmod(0o600)
    assert bound.run("interactions", "verify").returncode == 0


@pytest.mark.slow
def test_a_day_that_is_closed_to_us_keeps_repair_from_nothing_else(bound: Unprivileged) -> None:
    """The other day is mended, the file is named, and nothing in it is declared as lost."""
    first, second = bound.log / FIRST, bound.log / SECOND
    lines = second.read_bytes()
    split = first.read_bytes().index(b"\n") + 1
    earlier, first_lines = first.read_bytes()[:split], first.read_bytes()[split:]
    first.write_bytes(first_lines)
    older = first.with_name("interactions-2026-01-27.jsonl")
    older.write_bytes(earlier.replace(b"2026-01-28T", b"2026-01-27T"))
    older.chmod(0)
    second.write_bytes(b"\0\0\0\n" + lines)

    done = bound.run("interactions", "repair")

    assert done.returncode == 1
    assert f"{SECOND}: 15 whole lines stay, 4 damaged bytes are kept in {SECOND}.damaged-" in done.stdout
    assert f"still wrong: {older.name}: it cannot be read: Permission denied; run `chmod 600 {older}`" in done.stdout
    assert "1 line is missing before this one: number 1 of writer" in done.stdout
    assert f"in {older.name} perhaps, which cannot be read" in done.stdout
    assert "lost" not in done.stdout
    assert "Permission denied; make it a directory" not in done.stdout + done.stderr
    assert second.read_bytes() == lines
    older.chmod(0o600)
    assert bound.run("interactions", "verify").returncode == 0


@pytest.mark.slow
def test_a_day_that_is_closed_to_us_holds_up_no_writer(bound: Unprivileged) -> None:
    """A question is asked and recorded beside it."""
    (bound.log / SECOND).chmod(0)

    assert bound.run("ask", "-q", "hi").returncode == 0

    assert b'"text":"hi"' in b"".join(p.read_bytes() for p in bound.log.glob("*.jsonl") if p.name != SECOND)


def test_a_file_of_the_log_itself_that_is_closed_to_us_is_named(bound: Unprivileged) -> None:
    """The directory is not what is wrong."""
    (bound.log / ".lock").chmod(0)

    done = bound.run("interactions", "repair")

    assert (done.returncode, f"in `{bound.log}`: `.lock`: Permission denied; " in done.stderr) == (1, True)


def test_a_link_keeps_repair_from_nothing_else(command: Command, place: Place) -> None:
    """The torn end of one day goes aside with a mark, damage of the other too; the link is named, and not followed."""
    written_log(place.log)
    victim = place.directory / "victim"
    victim.write_text("precious")
    link = place.log / "interactions-2026-01-20.jsonl"
    link.symlink_to(victim)
    (place.log / "interactions-2099-01-20.jsonl").symlink_to(victim)
    (place.log / SECOND).write_bytes((place.log / SECOND).read_bytes() + b'{"kind":"inter')
    (place.log / FIRST).write_bytes(b"\0\0\0\n" + (place.log / FIRST).read_bytes())

    done = command("interactions", "repair")

    assert done.code == 1
    assert f"{SECOND}.torn-" in done.out
    assert f"{FIRST}: 15 whole lines stay" in done.out
    assert f"still wrong: {link.name}: it is a symbolic link, which the log never makes; move it away" in done.out
    assert '"event":"recovery"' in "".join(path.read_text() for path in place.log.glob("*.jsonl"))
    assert victim.read_text() == "precious"
    assert len(list(place.log.glob("interactions-2099-*"))) == 1
    for path in filter(Path.is_symlink, place.log.glob("*.jsonl")):
        path.unlink()
    assert command("interactions", "verify").code == 0


def test_a_link_keeps_rm_from_nothing(command: Command, place: Place) -> None:
    """What it points to is no file of the log, and stays."""
    written_log(place.log)
    victim = place.directory / "victim"
    victim.write_bytes((place.log / FIRST).read_bytes())
    (place.log / "interactions-2026-01-20.jsonl").symlink_to(victim)
    (place.log / "interactions-2099-01-20.jsonl").symlink_to(victim)

    done = command("interactions", "rm", "--session", "s1", "--yes")

    assert done.code == 0, done.err
    assert not [path for path in place.log.glob("*.jsonl") if not path.is_symlink() and b'"s1"' in path.read_bytes()]
    assert b'"s1"' in victim.read_bytes()


def test_a_link_is_refused_before_anything_is_moved(command: Command, place: Place) -> None:
    """A writer that does not begin leaves no torn end without a mark."""
    written_log(place.log)
    torn = (place.log / FIRST).read_bytes() + b'{"kind":"inter'
    (place.log / FIRST).write_bytes(torn)
    (place.log / "interactions-2026-01-30.jsonl").symlink_to(place.directory / "elsewhere")

    assert command("ask", "hi").code == 1

    assert (place.log / FIRST).read_bytes() == torn
    assert not list(place.log.glob("*.torn-*"))


def test_what_no_repair_can_mend_is_not_promised(command: Command, place: Place) -> None:
    """A pipe, a directory, a day that no calendar has, a renamed day: no `chmod` for what should not be there."""
    written_log(place.log)
    os.mkfifo(place.log / "interactions-2026-01-10.jsonl", 0o644)
    os.mkfifo(place.log / "interactions-2026-01-10.manifest.json", 0o644)
    (place.log / "interactions-2026-01-11.jsonl").mkdir(mode=0o755)
    (place.log / "interactions-2026-02-30.jsonl").touch(0o600)
    (place.log / FIRST).rename(place.log / "interactions-2026-02-20.jsonl")

    done = command("interactions", "verify")

    assert done.code == 1
    assert "chmod" not in done.out
    assert "repair" not in done.out
    assert "interactions-2026-01-10.jsonl: it is a pipe, which the log never makes; move it away\n" in done.out
    assert "interactions-2026-01-11.jsonl: it is a directory, which the log never makes; move it away\n" in done.out
    assert command("interactions", "repair").code == 1


def test_what_repair_can_mend_is_counted(command: Command, place: Place) -> None:
    """Of all that is wrong."""
    written_log(place.log)
    (place.log / FIRST).write_bytes(b"\0\n" + (place.log / FIRST).read_bytes())

    assert command("interactions", "verify").out.endswith(
        ": 1 problem; `arawn interactions repair` mends damage or declares it\n"
    )
    (place.log / "interactions-2026-02-30.jsonl").touch(0o600)
    assert command("interactions", "verify").out.endswith(
        ": 2 problems; `arawn interactions repair` mends 1 of them or declares it\n"
    )


def test_one_file_of_garbage_does_not_hide_the_others(command: Command, place: Place) -> None:
    """Ten problems of a file are named, the rest of them counted; `--json` has all of them."""
    written_log(place.log)
    garbage = place.log / "interactions-2026-01-10.jsonl"
    garbage.write_bytes(b"x\n{\n" * 100)
    garbage.chmod(0o600)
    (place.log / FIRST).write_bytes(b"\0\n" + (place.log / FIRST).read_bytes())

    for arguments in (["verify"], ["repair", "--dry-run"]):
        lines = command("interactions", *arguments).out.splitlines()
        assert sum(line.startswith(garbage.name) for line in lines) <= 12
        assert f"{garbage.name}: 190 more problems, which `verify --json` names" in lines
        assert any(line.startswith(f"{FIRST}:1: ") for line in lines)
    named = json.loads(command("interactions", "verify", "--json").out)["problems"]
    assert sum(problem["file"] == garbage.name for problem in named) == 200


def test_a_compressed_day_that_lost_a_frame_says_how_to_see_more(command: Command, place: Place) -> None:
    """What `repair` cannot give back, another tool may show in part."""
    written_log(place.log)
    seal(place.log, FIRST, frame_bytes=2_000)
    path = place.log / f"{FIRST}.zst"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)

    done = command("interactions", "repair").out

    (kept,) = place.log.glob("*.zst.damaged-*")
    assert f"kept in {kept.name}; `zstd -dc {kept.name}` may show more of it" in done


@pytest.mark.parametrize("name", ["list", "verify", "repair", "stats", "compact"])
def test_a_directory_of_something_else_is_called_so(command: Command, place: Place, name: str) -> None:
    """A project's directory, set as `path` by mistake: nothing in it changes."""
    (place.log / ".git").mkdir(parents=True)
    (place.log / ".gitignore").touch(0o644)
    (place.log / "main.py").touch(0o644)
    place.log.chmod(0o755)
    before = {path.name: path.stat() for path in [place.log, *place.log.iterdir()]}

    result = command("interactions", name)

    assert (result.code, result.out) == (2, "")
    assert f"`{place.log}` is no log directory: it holds `.git` and 1 other, and no file of a log; " in result.err
    assert {path.name: path.stat() for path in [place.log, *place.log.iterdir()]} == before


def test_foreign_files_in_a_log_keep_their_modes(command: Command, place: Place) -> None:
    """They are noted, and neither `verify` nor `repair` asks for more; the log's own files become private."""
    written_log(place.log)
    for name in (".git", ".gitignore", "notes", FIRST):
        (place.log / name).touch()
        (place.log / name).chmod(0o644)

    verified = command("interactions", "verify")
    mended = command("interactions", "repair")

    assert [line for line in verified.out.splitlines() if "chmod" in line] == [
        f"{FIRST}: others may reach it (mode 0644); run `chmod 600 {place.log / FIRST}`"
    ]
    assert "arawn: .git: not a file of the log; left alone\n" in verified.err
    assert mended.out == f"{FIRST}: readable by its owner alone now\n"
    assert {(place.log / name).stat().st_mode & 0o777 for name in (".git", ".gitignore", "notes")} == {0o644}


@pytest.mark.parametrize(
    ("fault", "right"),
    [
        (errno.ENOSPC, "a file needs room for a second one beside it: make room"),
        (errno.EACCES, "have this user allowed to make files in `"),
        (errno.EPERM, "have this user allowed to make files in `"),
        (errno.EROFS, "make the file system writable"),
        (errno.EIO, "check the disk"),
    ],
)
def test_rm_that_cannot_write_says_what_it_was_doing(
    command: Command, place: Place, monkeypatch: pytest.MonkeyPatch, fault: int, right: str
) -> None:
    """And that nothing was removed, and what helps against that; it is not the output that failed."""
    written_log(place.log)
    before = (place.log / FIRST).read_bytes()

    def full(*_: object) -> None:
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr("arawn.interactions.whole_file._write", full)
    result = command("interactions", "rm", "--session", "s1", "--yes")

    assert (result.code, len(result.err.splitlines())) == (1, 1)
    assert f"cannot write `{place.log / FIRST}` anew without what is to be removed: {os.strerror(fault)}" in result.err
    assert f"; nothing was removed; {right}" in result.err
    assert "then run this command again" in result.err
    assert (place.log / FIRST).read_bytes() == before


def test_a_sealed_file_that_is_damaged_is_kept_whole_and_said_so(
    asked: list[str], command: Command, place: Place
) -> None:
    """Its size is named, since bytes of it that are damaged cannot be counted."""
    (plain,) = place.log.glob("*.jsonl")
    day = plain.with_name("interactions-2026-01-01.jsonl.zst")
    day.write_bytes(zstandard.compress(plain.read_bytes())[:-9])
    day.chmod(0o600)
    size = day.stat().st_size

    foretold = command("interactions", "repair", "--dry-run").out
    done = command("interactions", "repair").out

    assert f"the damaged file ({size:,} bytes) would be set aside" in foretold
    assert f"the damaged file ({size:,} bytes) is kept in {day.name}.damaged-" in done
