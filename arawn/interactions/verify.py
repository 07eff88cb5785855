"""Checks a whole log directory, while it is being written or not, in memory that does not grow with it."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Callable
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from arawn.interactions.counted import counted
from arawn.interactions.files import IGNORE, DayFile, day_files, kind_of_name, part_of_name
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.findings import Findings, Report
from arawn.interactions.heads import UNREADABLE
from arawn.interactions.line_check import CheckedLine, NewerLine, Placing, check_line
from arawn.interactions.line_numbers import Place
from arawn.interactions.lock_file import LOCK, read_owner, writer_is_active
from arawn.interactions.manifest import Manifest, SealMeasure, manifest_name, read_manifest
from arawn.interactions.raw_lines import DamagedFile, lines_and_damage
from arawn.interactions.retention import read_last_run
from arawn.interactions.scan import require_regular
from arawn.interactions.twins import holds_all, twins

__all__ = ["OnFile", "check_directory"]

OnFile = Callable[[str, int, int], None]  # a file's name, its place among the files read so far, how many there are


class _Reading(msgspec.Struct):
    """How far one part has been read; `name` is the one it was found under."""

    name: str
    placing: Placing
    offset: int = 0
    lines: int = 0
    is_whole: bool = True
    unfinished: int = 0  # bytes of a last line without its newline


def check_directory(directory: Path, *, on_file: OnFile | None = None) -> Report:
    """Return everything that is wrong in `directory`, and what was declared as lost or removed.

    Takes no lock. What a writer adds meanwhile is no damage, nor is the line that it is writing.

    Raises:
        OSError: The directory itself cannot be listed.
    """
    return _Verification(directory, on_file).run()


class _Verification:
    """One check of one directory."""

    def __init__(self, directory: Path, on_file: OnFile | None) -> None:
        self._directory = directory
        self._on_file = on_file
        self._findings = Findings()
        self._readings: dict[DayFile, _Reading] = {}
        self._described: set[DayFile] = set()  # parts that are gone, as the manifest beside them says
        self._going: frozenset[str] = frozenset()  # files that retention was removing when its process died

    def run(self) -> Report:
        """Check names and modes, then lines, then what remains open."""
        self._check_names()
        self._take_note_of_retention()
        newest: DayFile | None = None
        while new := [file for file in self._files() if file.plain not in self._readings]:
            if newest is not None:  # it may have grown until its writer turned to the new one
                self._read(newest)
            files = len(self._readings) + len(new)
            for file in new:
                if self._on_file is not None:
                    self._on_file(file.name, len(self._readings) + 1, files)
                self._read(file)
            newest = new[-1]
        self._check_twins()
        self._check_ends()
        self._check_manifests()
        self._findings.miss_parts(self._readings.keys() | self._described)
        return self._findings.report(self._files()[0].day if self._readings else "")

    def _files(self) -> list[DayFile]:
        return day_files(path.name for path in self._directory.iterdir())

    def _check_names(self) -> None:
        self._check_mode(self._directory, ".")
        owner = read_owner(Filesystem(), self._directory)
        if owner is not None and owner.unwritten is not None:
            lost = counted(owner.unwritten.count, "record")
            what = f"{lost} never written: {owner.unwritten.reason}; the next writer declares this in a gap"
            self._findings.add(LOCK, 0, "lost", what)
        for path in sorted(self._directory.iterdir()):
            kind = kind_of_name(path.name)
            if kind == "foreign":
                self._findings.note(f"{path.name}: not a file of the log; left alone")
                continue
            if kind == "misnamed":
                self._findings.add(path.name, 0, "name", "no reader takes it for a day of the log; rename or move it")
            elif kind in ("torn", "damaged"):
                self._findings.kept_aside += 1
            elif kind == "unfinished":
                self._findings.note(f"{path.name}: was being written when its writer died; nothing needs it")
            if path.name != IGNORE:  # it may have been there before, and says nothing of anybody
                self._check_mode(path, path.name)

    def _take_note_of_retention(self) -> None:
        """Take into account what a process was removing when it died: the next one ends that, and says so in a mark."""
        with contextlib.suppress(OSError):  # what cannot be read is named with the others
            run = read_last_run(Filesystem(), self._directory)
            if run is not None and run.removing:
                self._going = frozenset(run.removing)
                self._findings.take_removed(run.removing)

    def _check_mode(self, path: Path, name: str) -> None:
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:  # gone since it was listed
            return
        if stat.S_ISLNK(mode) or not (stat.S_ISREG(mode) or name == "."):
            self._findings.add(name, 0, "name", f"it is {_thing(mode)}, which the log never makes; move it away")
        elif mode & 0o077:
            wanted = "700" if stat.S_ISDIR(mode) else "600"
            found = f"others may reach it (mode {stat.S_IMODE(mode):04o}); run `chmod {wanted} {path}`"
            self._findings.add(name, 0, "mode", found)

    def _read(self, file: DayFile) -> None:
        """Check a part from where it was left the last time, its manifest too when it is sealed."""
        self._read_part(file, self._readings.setdefault(file.plain, _Reading(file.name, Placing(file))))

    def _read_part(self, file: DayFile, reading: _Reading) -> None:
        path = self._directory / file.name
        measure = SealMeasure() if file.compressed and not reading.offset else None
        try:
            if not stat.S_ISREG(path.lstat().st_mode):  # named already
                return
            self._read_lines(path, file, reading, measure)
        except FileNotFoundError:
            if not file.compressed:  # it may have been compressed since it was listed
                self._read_part(file.sealed, reading)
                return
            self._findings.note(f"{reading.name}: went away while it was being checked")  # retention, or a hand
        except OSError as error:
            self._findings.add_unreadable(file.name, _why_unreadable(error, path))
            return
        else:
            if measure is not None and reading.is_whole:
                self._check_seal(path, file, measure)
        if measure is None or not reading.is_whole:  # beside a plain part: what was compressed of it once
            self._take_proof(manifest_name(file), file.name)

    def _read_lines(self, path: Path, file: DayFile, reading: _Reading, measure: SealMeasure | None) -> None:
        numbers = count(reading.lines + 1)
        for item in lines_and_damage(path, reading.offset):
            if isinstance(item, DamagedFile):
                reading.is_whole = False
                self._findings.add(file.name, reading.lines + 1, "damaged", item.strerror or str(item))
                continue
            offset, line = item
            if measure is not None:
                measure.add(line)
            reading.unfinished = 0 if line.endswith(b"\n") else len(line)
            if reading.unfinished and not file.compressed and _is_last(path, offset + len(line)):
                reading.offset = offset
                return
            reading.offset, reading.lines = offset + len(line), next(numbers)
            self._check_line(line, file, reading)

    def _check_line(self, line: bytes, file: DayFile, reading: _Reading) -> None:
        place = Place(file.name, reading.lines)
        checked = check_line(line)
        self._findings.size += len(line)
        if isinstance(checked, str):
            self._findings.add(place.file, place.line, "damaged", checked)
        elif isinstance(checked, NewerLine):
            self._findings.take_newer(checked, place)
        elif (why := reading.placing.misfit(checked)) is not None:
            self._findings.add(place.file, place.line, "damaged", why)
        else:
            self._findings.take(checked, place)
            if place.line == 1 and file.part == 1 and _days_early(checked, file) > 1:
                day = checked.line.timestamp[:10]
                what = f"it begins with a line of {day}: it was renamed, and lines of other days may go into it"
                self._findings.add(file.name, 0, "name", what)

    def _check_twins(self) -> None:
        """Compare plain files with their compressed form, and read that too where it holds more."""
        for file in twins(path.name for path in self._directory.iterdir()):
            try:
                whole = holds_all(self._directory, file)
            except OSError:  # gone since, or named already
                continue
            if not whole:
                what = f"it does not hold all of {file.sealed.name} beside it; `repair` makes one whole file of both"
                self._findings.add(file.name, 0, "twin", what)
                self._read_part(file.sealed, _Reading(file.sealed.name, Placing(file.sealed)))

    def _check_ends(self) -> None:
        """Judge the files that end in half a line: it may be on its way."""
        ends = [reading for reading in self._readings.values() if reading.unfinished]
        if not ends or writer_is_active(self._directory):
            return
        for reading in ends:
            if _is_last(self._directory / reading.name, reading.offset + reading.unfinished):
                what = f"the last line has no end ({counted(reading.unfinished, 'byte')}); `repair` moves it aside"
                self._findings.add(reading.name, reading.lines + 1, "damaged", what)

    def _check_seal(self, path: Path, file: DayFile, measure: SealMeasure) -> None:
        name = manifest_name(file)
        try:
            require_regular(self._directory / name)
            found = msgspec.json.decode((self._directory / name).read_bytes(), type=dict[str, Any])
        except FileNotFoundError:
            self._findings.add(name, 0, "manifest", f"it is missing, and {file.name} is sealed; `repair` makes it anew")
            return
        except (OSError, *UNREADABLE) as error:
            why = getattr(error, "strerror", None) or error
            self._findings.add(name, 0, "manifest", f"it cannot be read: {why}; `repair` makes it anew")
            return
        misfits = _misfits(found, measure.manifest(path, file))
        if misfits:
            self._findings.add(name, 0, "manifest", f"it does not fit {file.name}: {'; '.join(misfits)}")
        if any(misfit.startswith("`sha256`") for misfit in misfits):  # some of its text is gone, or other text is there
            self._take_proof(name, file.name)

    def _take_proof(self, name: str, file: str) -> None:
        """Have the manifest `name` say which numbers there were in `file`, which is damaged or gone."""
        with contextlib.suppress(OSError):  # that there is none, or none that can be read, is said elsewhere
            require_regular(self._directory / name)
            self._findings.prove(file, read_manifest(self._directory / name).writers)

    def _check_manifests(self) -> None:
        """Name the manifests whose part is gone."""
        known = {manifest_name(file) for file in self._files()}
        for path in sorted(self._directory.glob("interactions-*.manifest.json")):
            if path.name not in known and path.name not in self._going:
                self._findings.add(path.name, 0, "lost", "the file that it describes is gone")
                self._take_proof(path.name, path.name)
                if (part := part_of_name(path.name)) is not None:
                    self._described.add(part)


def _thing(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    return "a directory" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "no regular file"


def _why_unreadable(error: OSError, path: Path) -> str:
    right = f"; run `chmod 600 {path}` and try again" if isinstance(error, PermissionError) else ""
    return f"it cannot be read: {error.strerror or error}{right}"


def _days_early(checked: CheckedLine, file: DayFile) -> int:
    return (date.fromisoformat(file.day) - date.fromisoformat(checked.line.timestamp[:10])).days


def _is_last(path: Path, end: int) -> bool:
    """Say whether nothing stands behind `end`."""
    try:
        return path.stat().st_size <= end
    except FileNotFoundError:
        return False


def _misfits(found: dict[str, Any], right: Manifest) -> list[str]:
    """Return what a manifest says and what would be right, key by key."""
    wanted = msgspec.to_builtins(right)
    keys = dict.fromkeys([*wanted, *found])
    differing = [key for key in keys if found.get(key) != wanted.get(key)]
    return [f"`{key}` {_differs(found.get(key), wanted.get(key))}" for key in differing]


def _differs(found: Any, wanted: Any) -> str:
    if isinstance(found, dict) and isinstance(wanted, dict):
        names = [str(name) for name in dict.fromkeys([*wanted, *found]) if found.get(name) != wanted.get(name)]
        more = f" and {counted(len(names) - 1, 'other')}" if names[1:] else ""
        return f"says otherwise than the file of `{names[0]:.40}`{more}"
    return f"is {_in_words(found)} and would be {_in_words(wanted)}"


def _in_words(value: Any) -> str:
    return "missing" if value is None else f"`{msgspec.json.encode(value).decode():.80}`"
