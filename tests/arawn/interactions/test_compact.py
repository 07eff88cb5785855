"""Closed days are compressed: the same lines, whole or not at all, whatever fails and whenever."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Callable
from datetime import date
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.errors import LogWriteFailed
from arawn.interactions import compact
from arawn.interactions.compact import closed_files, compact_file, remove_unfinished
from arawn.interactions.encode import encode_line
from arawn.interactions.files import DayFile, day_files
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.manifest import Manifest, SeqSpan, manifest_name, read_manifest
from arawn.interactions.raw_lines import backward_lines, forward_lines
from tests.arawn.interactions.samples import record
from tests.arawn.interactions.sealed_files import numbered
from tests.arawn.interactions.simulated_filesystem import Node, SimulatedFilesystem, os_error
from tests.arawn.interactions.simulated_log import LOG, on, once

FILE = DayFile("2026-01-20", 2)
SEALED = DayFile("2026-01-20", 2, compressed=True)
TEXT = b"".join(b'{"number":%d}\n' % number for number in range(40))


class Crash(BaseException):
    """The process dies here: nothing after it has any effect."""


class CrashingFilesystem(SimulatedFilesystem):
    """Dies at one operation."""

    crash_at: int | None = None

    def _begin(self, name: str) -> int | None:
        if self.crash_at is not None and len(self.operations) + 1 >= self.crash_at:
            raise Crash
        return super()._begin(name)


def with_text(text: bytes = TEXT) -> CrashingFilesystem:
    """Return a log directory with one closed part, all on the disk."""
    filesystem = CrashingFilesystem()
    for path in [*reversed(LOG.parents), LOG]:
        filesystem.nodes[path] = Node(stat.S_IFDIR | 0o700)
    filesystem.nodes[LOG / FILE.name] = Node(stat.S_IFREG | 0o600, bytearray(text), text)
    filesystem.durable = dict(filesystem.nodes)
    return filesystem


def compacted(filesystem: SimulatedFilesystem, frame_bytes: int = 100) -> Manifest:
    *_, last = compact_file(filesystem, LOG, FILE, frame_bytes=frame_bytes)
    assert last.manifest is not None
    return last.manifest


def text_of(filesystem: SimulatedFilesystem, directory: Path) -> bytes:
    """Return what readers find in the one part of a simulated log."""
    names = [path.name for path in filesystem.nodes if path.parent == LOG]
    (file,) = day_files(names)
    copy = directory / file.name
    copy.write_bytes(filesystem.nodes[LOG / file.name].data)
    return b"".join(line for _, line in forward_lines(copy))


def names(filesystem: SimulatedFilesystem) -> set[str]:
    return set(filesystem.files("interactions-*"))


@given(st.binary(max_size=300) | st.text("ab\n", max_size=300).map(str.encode), st.integers(1, 40))
def test_every_byte_is_kept(tmp_path_factory: pytest.TempPathFactory, text: bytes, frame_bytes: int) -> None:
    """Lines written are lines read, in both directions, whatever they hold and however they fall into frames."""
    directory = tmp_path_factory.mktemp("log")
    (directory / FILE.name).write_bytes(text)

    *_, last = compact_file(Filesystem(), directory, FILE, frame_bytes=frame_bytes)

    assert list(forward_lines(directory / SEALED.name)) == numbered(text)
    assert list(backward_lines(directory / SEALED.name)) == numbered(text)[::-1]
    assert last.manifest is not None
    assert (last.manifest.lines, last.manifest.bytes) == (len(numbered(text)), len(text))


def test_the_source_goes_and_the_manifest_tells_all(tmp_path: Path) -> None:
    """Counts by kind and status, numbers by writer, sizes and hashes of both forms, damaged lines; modes 0600."""
    lines = [encode_line(record(number)) for number in range(3)] + [b"torn\n"]
    text = b"".join(lines).replace(b'"writer":null,"seq":null', b'"writer":"w-1","seq":7', 1)
    (tmp_path / FILE.name).write_bytes(text)

    *_, last = compact_file(Filesystem(), tmp_path, FILE)

    manifest = read_manifest(tmp_path / manifest_name(SEALED))
    stored = (tmp_path / SEALED.name).read_bytes()
    assert manifest == last.manifest
    assert not list(tmp_path.glob("*.new"))
    assert manifest.file == "interactions-2026-01-20.part2.jsonl.zst"
    assert (manifest.day, manifest.part, manifest.lines, manifest.damaged) == ("2026-01-20", 2, 4, 1)
    assert (manifest.kinds, manifest.statuses) == ({"interaction": 3}, {"ok": 3})
    assert manifest.writers == {"w-1": SeqSpan(7, 7, 1)}
    assert (manifest.bytes, manifest.sha256) == (len(text), hashlib.sha256(text).hexdigest())
    assert (manifest.compressed_bytes, manifest.compressed_sha256) == (len(stored), hashlib.sha256(stored).hexdigest())
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        SEALED.name: 0o600,
        manifest_name(SEALED): 0o600,
    }


def test_a_last_line_without_its_end_is_damaged(tmp_path: Path) -> None:
    """Readers do not show it, so the manifest does not count it as an interaction."""
    (tmp_path / FILE.name).write_bytes(encode_line(record(1)) + encode_line(record(2)).rstrip(b"\n"))

    *_, last = compact_file(Filesystem(), tmp_path, FILE)

    assert last.manifest is not None
    assert (last.manifest.lines, last.manifest.damaged, last.manifest.kinds) == (2, 1, {"interaction": 1})


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_nobody_else_can_read_it_even_while_it_is_written(tmp_path: Path, umask: int) -> None:
    """The unfinished file is private from the first byte, whatever the umask."""
    (tmp_path / FILE.name).write_bytes(TEXT)
    before = os.umask(umask)
    try:
        steps = compact_file(Filesystem(), tmp_path, FILE)
        next(steps)
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("*.new")}
        steps.close()
    finally:
        os.umask(before)

    assert modes == {f"{SEALED.name}.new": 0o600}


def operations_of_a_run() -> int:
    filesystem = with_text()
    compacted(filesystem)
    return len(filesystem.operations)


@pytest.mark.parametrize("ending", [SimulatedFilesystem.kill, SimulatedFilesystem.power_loss])
def test_a_crash_at_any_operation_leaves_the_log_complete(
    tmp_path: Path, ending: Callable[[SimulatedFilesystem], None]
) -> None:
    """Whatever the last operation was, readers find every line once, and the next run ends the work."""
    for number in range(1, operations_of_a_run() + 2):
        filesystem = with_text()
        filesystem.crash_at = number
        with contextlib.suppress(Crash):
            compacted(filesystem)
        filesystem.crash_at = None
        ending(filesystem)

        assert text_of(filesystem, tmp_path) == TEXT, f"operation {number}"

        finish(filesystem)
        assert names(filesystem) == {SEALED.name, manifest_name(SEALED)}, f"operation {number}"
        assert text_of(filesystem, tmp_path) == TEXT


def finish(filesystem: SimulatedFilesystem) -> None:
    """Do what the next run does."""
    remove_unfinished(filesystem, LOG)
    for file in closed_files([path.name for path in filesystem.nodes], date(2026, 1, 28), 1, "2026-01-28"):
        *_, _ = compact_file(filesystem, LOG, file, frame_bytes=100)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_no_single_failure_loses_a_line(tmp_path: Path, code: int) -> None:
    """Any operation may fail: the error is told, every line is there, nothing half done is in the way."""
    for number in range(1, operations_of_a_run() + 1):
        filesystem = with_text()
        filesystem.fault = once(number, os_error(code))
        with contextlib.suppress(OSError):
            compacted(filesystem)
        filesystem.fault = lambda current, _: None
        filesystem.power_loss()

        assert text_of(filesystem, tmp_path) == TEXT, f"operation {number}"
        finish(filesystem)
        assert names(filesystem) == {SEALED.name, manifest_name(SEALED)}, f"operation {number}"


@pytest.mark.parametrize("operation", ["write", "fdatasync"])
def test_a_full_disk_leaves_no_rubbish(operation: str) -> None:
    """The room that was taken is given back at once."""
    filesystem = with_text()
    filesystem.fault = on(operation, os_error(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        compacted(filesystem)

    assert names(filesystem) == {FILE.name}


def test_short_writes_are_gone_on_with() -> None:
    """A system call that takes only a few bytes is no failure."""
    filesystem = with_text()
    filesystem.fault = on("write", 3)

    assert compacted(filesystem).bytes == len(TEXT)


@pytest.mark.parametrize("place", [10, -30, -3])
def test_what_does_not_read_back_is_refused(place: int) -> None:
    """A byte that changed between memory and disk keeps the source, and says so."""
    filesystem = with_text()

    def flip(_: int, name: str) -> None:
        if name == "fdatasync":
            (node,) = (node for path, node in filesystem.nodes.items() if path.name.endswith(".new"))
            node.data[place] ^= 1

    filesystem.fault = flip

    with pytest.raises(LogWriteFailed, match="does not read back as it should"):
        compacted(filesystem)

    assert names(filesystem) == {FILE.name}


@pytest.mark.parametrize("change", [b"more\n", None])
def test_a_source_that_changes_meanwhile_is_kept(change: bytes | None) -> None:
    """A part that was not closed after all is not removed: it grew, or a byte of it changed."""
    filesystem = with_text()

    def write(_: int, name: str) -> None:
        if name == "fdatasync":
            node = filesystem.nodes[LOG / FILE.name]
            node.data[:] = node.data + change if change else node.data.replace(b"7", b"8", 1)

    filesystem.fault = write

    with pytest.raises(LogWriteFailed, match="does not read back"):
        compacted(filesystem)

    assert names(filesystem) == {FILE.name}


def test_it_stops_between_two_frames(tmp_path: Path) -> None:
    """Closing the iterator at any step leaves the part as it was, and no descriptor open."""
    steps = operations = 0
    while True:
        filesystem = with_text()
        work = compact_file(filesystem, LOG, FILE, frame_bytes=100)
        taken = list(islice(work, steps))
        work.close()
        if taken and taken[-1].manifest is not None:
            break
        assert names(filesystem) == {FILE.name}
        assert filesystem.descriptors == {}
        steps, operations = steps + 1, len(filesystem.operations)

    assert steps > 5
    assert operations


def test_progress_grows_to_its_end() -> None:
    """Every step says how far it is; the last one is at the end."""
    steps = list(compact_file(with_text(), LOG, FILE, frame_bytes=100))

    done = [step.done for step in steps]
    assert done == sorted(done)
    assert {step.total for step in steps} == {2 * len(TEXT)}
    assert done[-1] == 2 * len(TEXT)


def test_checking_is_done_in_small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """No step keeps the interpreter busy with many lines: others have their turn in between."""
    monkeypatch.setattr(compact, "_LINES_A_STEP", 10)

    checks = [step for step in compact_file(with_text(), LOG, FILE) if step.done > len(TEXT)]

    assert len(checks) == 5
