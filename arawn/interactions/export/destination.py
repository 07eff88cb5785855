"""Where an export goes: made beside its place under a name of no meaning, and moved there when it is whole."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from arawn.errors import BadInput
from arawn.interactions.export.manifest import ExportManifest, read_export_manifest
from arawn.interactions.filesystem import DIRECTORY_MODE, FILE_MODE

__all__ = ["Destination", "Unfinished", "remove_left", "require_place", "unfinished"]

_BUFFER = 1 << 20
_UNFINISHED = ".unfinished"


class Destination(msgspec.Struct, frozen=True):
    """A file or a directory that is to be made, and the manifest beside it."""

    path: Path
    is_directory: bool

    @property
    def manifest(self) -> Path:
        """The path of the manifest."""
        return self.path.with_name(f"{self.path.name}.manifest.json")

    @property
    def room_prefix(self) -> str:
        """What the name begins with of the directory in which the export is made."""
        return f".{self.path.name[:64]}."


class Unfinished(msgspec.Struct, frozen=True):
    """An export being made: `data` is what becomes the file or directory, `scratch` goes away."""

    destination: Destination
    data: Path
    scratch: Path

    def open_data(self) -> BinaryIO:
        """Open the file that becomes the export, readable by its owner alone under any umask."""
        file = self.data.open("xb", buffering=_BUFFER)
        self.data.chmod(FILE_MODE)
        return file

    def finish(self, manifest: ExportManifest) -> None:
        """Put data and manifest where they belong, each in one step; what stood there goes.

        Between the steps the data stands without a manifest, never with a wrong one. On a failure, or Ctrl-C, before
        the data has its place, what stood there is moved back.

        Raises:
            OSError: It cannot be moved.
        """
        target = self.destination
        written = self.scratch / "manifest.json"
        written.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        written.chmod(FILE_MODE)
        for path in (written, *(path for path in (self.data, *self.data.rglob("*")) if path.is_file())):
            _sync(path)
        replaced = [(target.manifest, self.scratch / "replaced-manifest")]
        if target.is_directory:  # a file is replaced in one step
            replaced.append((target.path, self.scratch / "replaced"))
        try:
            for old, aside in replaced:
                if old.exists():
                    old.rename(aside)
            self.data.replace(target.path)
            written.replace(target.manifest)
        except BaseException:
            if self.data.exists():
                _move_back(replaced)
            raise
        _sync(target.path.parent)


def require_place(destination: Destination, log: Path, *, overwrite: bool) -> None:
    """Check that an export may go there, before anything is read.

    Raises:
        BadInput: Something stands there that was not given up with `overwrite`, or that no export has made; the parent
            directory is missing; or it is in the log's own directory.
    """
    path = destination.path
    if not path.name:
        raise BadInput(f"cannot export to `{path}`: it has no name of its own; name the file or directory to make")
    if not path.parent.is_dir():
        raise BadInput(f"cannot export to `{path}`: there is no directory `{path.parent}`; make it first")
    if path.parent.resolve().is_relative_to(log.resolve()):
        raise BadInput(f"cannot export to `{path}`: that is inside the interaction log; choose a place outside of it")
    for place, wants_directory in ((path, destination.is_directory), (destination.manifest, False)):
        _require_free(place, overwrite=overwrite, wants_directory=wants_directory)
    if destination.is_directory and path.exists() and not _is_export(destination):
        raise BadInput(
            f"cannot replace `{path}`: no export made this directory (`{destination.manifest.name}` is not beside it); "
            "choose another, or remove it first"
        )


def _require_free(path: Path, *, overwrite: bool, wants_directory: bool) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    wanted, test = ("a directory", stat.S_ISDIR) if wants_directory else ("a regular file", stat.S_ISREG)
    if not test(mode):
        raise BadInput(f"cannot export to `{path}`: it is there, and is not {wanted}; choose another place")
    if not overwrite:
        raise BadInput(f"cannot export to `{path}`: it is there already; `--overwrite` replaces it")


def _is_export(destination: Destination) -> bool:
    manifest = destination.manifest
    return manifest.is_file() and read_export_manifest(manifest.read_bytes()) is not None


def remove_left(destination: Destination) -> Iterator[str]:
    """Remove what exports to the same place left there that were killed; yield a sentence about each.

    One at work keeps its own. What was to be replaced when it was killed, and has its place no more, is only named.

    Raises:
        OSError: The directory cannot be read, or what was left not be removed.
    """
    shape = re.compile(re.escape(destination.room_prefix) + r"\w{8,16}" + re.escape(_UNFINISHED))
    for room in sorted(destination.path.parent.iterdir()):
        if shape.fullmatch(room.name) and room.is_dir() and not room.is_symlink():
            with suppress(BlockingIOError), _held(room):
                if any(room.glob("*/replaced*")):
                    yield f"`{room}` holds the export that one which was killed was to replace; remove it by hand"
                    continue
                shutil.rmtree(room)
                yield f"removed `{room}`, which an export that was killed had left"


@contextmanager
def _held(room: Path) -> Iterator[None]:
    """Hold a directory for the block: as long as the process lives, it is nobody's rubbish.

    Raises:
        BlockingIOError: Another process holds it.
    """
    descriptor = os.open(room, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def unfinished(destination: Destination) -> Iterator[Unfinished]:
    """Make room for an export beside its place; whatever is left there goes when the block is left.

    Raises:
        BadInput: The directory beside it cannot be written to.
        OSError: What is in it cannot be removed.
    """
    path = destination.path
    room = path.with_name(f"{destination.room_prefix}{secrets.token_hex(8)}{_UNFINISHED}")
    try:  # from before it is there: a signal may come at any moment
        _make_room(room, path)
        with _held(room):
            data, scratch = room / "data", room / "scratch"
            scratch.mkdir(mode=DIRECTORY_MODE)
            if destination.is_directory:
                data.mkdir(mode=DIRECTORY_MODE)
            yield Unfinished(destination, data, scratch)
    finally:
        if room.exists():
            shutil.rmtree(room)


def _make_room(room: Path, path: Path) -> None:
    try:
        room.mkdir(mode=DIRECTORY_MODE)
    except OSError as error:
        where = f"`{path.parent}` takes no new directory ({error.strerror}), in which it would be made"
        raise BadInput(f"cannot export to `{path}`: {where}; name a place that this user can write to") from error


def _move_back(replaced: Sequence[tuple[Path, Path]]) -> None:
    for old, aside in reversed(replaced):
        if aside.exists():
            aside.rename(old)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
