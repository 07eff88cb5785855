"""Where exports go: whole or not at all, and never over what is not theirs."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arawn.errors import BadInput
from arawn.interactions.export.destination import Destination, remove_left, require_place, unfinished
from arawn.interactions.export.manifest import ExportManifest, read_export_manifest

MANIFEST = ExportManifest(
    format="trl",
    row="conversation",
    filters={},
    drop=(),
    interactions=0,
    conversations=0,
    rows=0,
    dropped={},
    left_out={},
    damages=0,
    sources=(),
    outputs=(),
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    directory = tmp_path / "log"
    directory.mkdir()
    return directory


def make(destination: Destination, content: bytes, manifest: ExportManifest = MANIFEST) -> None:
    with unfinished(destination) as place:
        if destination.is_directory:
            (place.data / "part").write_bytes(content)
        else:
            with place.open_data() as file:
                file.write(content)
        place.finish(manifest)


def names(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


def test_an_export_is_private_under_any_umask(tmp_path: Path) -> None:
    """As the log itself; nothing else is left beside it."""
    before = os.umask(0)
    try:
        make(Destination(tmp_path / "rows.jsonl", is_directory=False), b"rows")
        make(Destination(tmp_path / "table", is_directory=True), b"rows")
    finally:
        os.umask(before)

    assert names(tmp_path) == {"rows.jsonl", "rows.jsonl.manifest.json", "table", "table/part", "table.manifest.json"}
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes.pop("table") == 0o700
    assert set(modes.values()) == {0o600}
    assert read_export_manifest((tmp_path / "table.manifest.json").read_bytes()) == MANIFEST


def test_a_signal_while_the_room_is_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may come between any two steps, the first ones too."""
    real = Path.mkdir

    def make_and_be_interrupted(path: Path, *args: Any, **kwargs: Any) -> None:
        real(path, *args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "mkdir", make_and_be_interrupted)
    with pytest.raises(KeyboardInterrupt):
        make(Destination(tmp_path / "rows", is_directory=False), b"rows")

    assert names(tmp_path) == set()


@pytest.mark.parametrize("is_directory", [False, True])
def test_an_interrupted_export_leaves_nothing(tmp_path: Path, *, is_directory: bool) -> None:
    """And what stood there stands there still."""
    destination = Destination(tmp_path / "rows", is_directory=is_directory)
    make(destination, b"old")
    before = names(tmp_path)

    with pytest.raises(KeyboardInterrupt), unfinished(destination) as place:
        (place.scratch / "half").write_bytes(b"made")
        raise KeyboardInterrupt

    assert names(tmp_path) == before


def test_what_a_killed_export_left_goes_and_what_one_at_work_has_stays(tmp_path: Path) -> None:
    """Nor does anything go that is not of the same place, or was there before the killed one was to replace it."""
    destination = Destination(tmp_path / "r5.jsonl", is_directory=False)
    (tmp_path / ".r5.jsonl.mine.unfinished").mkdir()
    (tmp_path / ".r6.jsonl.abcdefgh.unfinished").mkdir()
    (tmp_path / ".r5.jsonl.replaced.unfinished" / "scratch" / "replaced").mkdir(parents=True)
    before = names(tmp_path)
    (tmp_path / ".r5.jsonl.killed_1.unfinished" / "scratch").mkdir(parents=True)

    with unfinished(destination) as place:
        gone, kept = remove_left(destination)
        assert place.scratch.is_dir()

    assert (".r5.jsonl.killed_1.unfinished" in gone, gone.startswith("removed")) == (True, True)
    assert (".r5.jsonl.replaced.unfinished" in kept, kept.startswith("removed")) == (True, False)
    assert names(tmp_path) == before


@pytest.mark.parametrize("is_directory", [False, True])
def test_an_export_replaces_an_earlier_one_when_asked(tmp_path: Path, log: Path, *, is_directory: bool) -> None:
    """Not otherwise."""
    destination = Destination(tmp_path / "rows", is_directory=is_directory)
    make(destination, b"old")

    with pytest.raises(BadInput, match="--overwrite"):
        require_place(destination, log, overwrite=False)
    require_place(destination, log, overwrite=True)
    make(destination, b"new")

    assert b"new" in {path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("is_directory", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_an_export_cut_off_at_any_step_leaves_the_old_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_directory: bool, after: bool
) -> None:
    """Ctrl-C just before or just after any of the renames; never with the manifest of the other."""
    for last in range(6):
        destination = Destination(tmp_path / str(last) / "rows", is_directory=is_directory)
        destination.path.parent.mkdir()
        make(destination, b"old")
        with monkeypatch.context() as patch:
            count_renames(patch, last, after=after)
            with suppress(KeyboardInterrupt):
                make(destination, b"new", msgspec.structs.replace(MANIFEST, rows=1))
        content = (destination.path / "part" if is_directory else destination.path).read_bytes()
        manifest = read_export_manifest(destination.manifest.read_bytes()) if destination.manifest.exists() else None
        assert (content, manifest and manifest.rows) in [(b"old", 0), (b"new", 1), (b"new", None)], last
        assert not list(tmp_path.rglob(".*"))


def count_renames(patch: pytest.MonkeyPatch, last: int, *, after: bool) -> None:
    """Have rename number `last` interrupted, before or after it was done."""
    counts = itertools.count()

    def counted(rename: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
        def act(self: Path, target: Path) -> Path:
            is_last = next(counts) == last
            if is_last and not after:
                raise KeyboardInterrupt
            renamed = rename(self, target)
            if is_last:
                raise KeyboardInterrupt
            return renamed

        return act

    patch.setattr(Path, "rename", counted(Path.rename))
    patch.setattr(Path, "replace", counted(Path.replace))


def test_a_directory_that_no_export_made_is_never_replaced(tmp_path: Path, log: Path) -> None:
    """A manifest of something else does not make it one."""
    mine = tmp_path / "mine"
    mine.mkdir()
    destination = Destination(mine, is_directory=True)

    with pytest.raises(BadInput, match="no export made"):
        require_place(destination, log, overwrite=True)
    destination.manifest.write_bytes(msgspec.json.encode({"kind": "other"}))
    with pytest.raises(BadInput, match="no export made"):
        require_place(destination, log, overwrite=True)


def test_places_that_cannot_be_are_refused(tmp_path: Path, log: Path) -> None:
    """Each with what would be right; the log itself above all."""
    (tmp_path / "link").symlink_to(log)
    (tmp_path / "file").write_bytes(b"")
    refused = [
        (Destination(log / "interactions-2026-01-28.jsonl", is_directory=False), "inside the interaction log"),
        (Destination(tmp_path / "link" / "rows", is_directory=True), "inside the interaction log"),
        (Destination(tmp_path / "nowhere" / "rows", is_directory=False), "make it first"),
        (Destination(tmp_path / "link", is_directory=True), "not a directory"),
        (Destination(log, is_directory=False), "not a regular file"),
        (Destination(tmp_path / "file", is_directory=True), "not a directory"),
        (Destination(Path("/dev/null"), is_directory=False), "not a regular file"),
        (Destination(Path(), is_directory=True), "no name of its own"),
    ]

    for destination, why in refused:
        with pytest.raises(BadInput, match=why):
            require_place(destination, log, overwrite=True)


def test_a_place_that_takes_nothing_is_named_as_it_was_asked_for(tmp_path: Path) -> None:
    """Not by the name of what would have been made beside it."""
    place = Path("/proc/rows")

    with pytest.raises(BadInput, match=r"^cannot export to `/proc/rows`: `/proc` takes no new directory"):
        with unfinished(Destination(place, is_directory=False)):
            pytest.fail("nothing can be made there")
