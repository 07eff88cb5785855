"""What `repair` has to work on, by what a check has found.

While a file cannot be read, nobody can tell which numbers are lost, so none can be declared: until then the manifests,
which alone prove the last numbers of a writer, stay where they are, and so do the sealed parts that they describe.
"""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

from arawn.interactions.files import DayFile, day_files, kind_of_name
from arawn.interactions.findings import Problem, Report
from arawn.interactions.manifest import manifest_name

__all__ = ["damaged_parts", "lacking_parts", "left_alone", "open_to_others", "orphans", "undescribed_parts"]


def damaged_parts(directory: Path, found: Report) -> list[DayFile]:
    """Return the parts from which damaged bytes go aside, but for those of `lacking_parts`."""
    names = {problem.file for problem in found.problems if problem.kind == "damaged"}
    twins = lacking_parts(directory, found)
    files = [file for file in _parts(directory) if file.name in names and file not in twins]
    if _has_unread(found):
        files = [file for file in files if not file.compressed]
    return [file for file in files if _is_file(directory, file)]


def lacking_parts(directory: Path, found: Report) -> list[DayFile]:
    """Return the plain parts beside which a compressed file holds more."""
    if _has_unread(found):
        return []
    names = {problem.file for problem in found.problems if problem.kind == "twin"}
    return [file for file in _parts(directory) if file.name in names]


def _is_file(directory: Path, file: DayFile) -> bool:
    path = directory / file.name
    return path.is_file() and not path.is_symlink()


def undescribed_parts(directory: Path, found: Report) -> list[DayFile]:
    """Return the sealed, intact files whose manifest is missing or wrong."""
    if _has_unread(found):
        return []
    names = {problem.file for problem in found.problems if problem.kind == "manifest"}
    files = [file for file in _parts(directory) if file.compressed]
    return [file for file in files if names & {file.name, manifest_name(file)} and _is_file(directory, file)]


def orphans(found: Report) -> list[str]:
    """Return the manifests whose file is gone."""
    if _has_unread(found):
        return []
    lost = dict.fromkeys(problem.file for problem in found.problems if problem.kind == "lost")
    return [name for name in lost if kind_of_name(name) == "manifest"]


def open_to_others(found: Report) -> list[str]:
    """Return the names of the files that others may reach."""
    return [problem.file for problem in found.problems if problem.kind == "mode" and problem.file != "."]


def left_alone(directory: Path, found: Report) -> list[Problem]:
    """Return what will be wrong still when `repair` has done its work, as far as that can be told before it."""
    parts = [*lacking_parts(directory, found), *damaged_parts(directory, found), *undescribed_parts(directory, found)]
    mended = {name for file in parts for name in (file.name, file.sealed.name, manifest_name(file))}
    unread = _has_unread(found)
    return [problem for problem in found.problems if _stays(problem, mended, unread=unread)]


def _stays(problem: Problem, mended: Container[str], *, unread: bool) -> bool:
    if problem.kind in ("damaged", "manifest"):
        return problem.file not in mended
    return not problem.is_mendable or (unread and problem.kind in ("twin", "lost", "gone"))


def _has_unread(found: Report) -> bool:
    return any(problem.kind == "unreadable" for problem in found.problems)


def _parts(directory: Path) -> list[DayFile]:
    return day_files(path.name for path in directory.iterdir())
