"""What `repair` has to work on, by what a check has found.

While something cannot be read, nobody can tell which numbers are lost, so none can be declared: until then a manifest
that alone proves lines which are missing stays where it is, and so does the sealed part that it describes.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import msgspec

from arawn.interactions.files import DayFile, day_files, kind_of_name
from arawn.interactions.filesystem import Filesystem, is_regular
from arawn.interactions.findings import Problem, Report
from arawn.interactions.manifest import manifest_name

__all__ = ["ToMend", "to_mend"]


class ToMend(msgspec.Struct, frozen=True):
    """What there is to do, and what stays wrong.

    Attributes:
        lacking: The plain parts beside which a compressed file holds more.
        damaged: The others from which damaged bytes go aside.
        undescribed: The sealed, intact parts whose manifest is missing or wrong.
        orphans: The manifests whose file is gone.
        open_to_others: The files that others may reach.
        left: What will be wrong still when all this is done, as far as that can be told before it.
    """

    lacking: list[DayFile]
    damaged: list[DayFile]
    undescribed: list[DayFile]
    orphans: list[str]
    open_to_others: list[str]
    left: list[Problem]


def to_mend(directory: Path, found: Report) -> ToMend:
    """Sort what was found in `directory` by what is done about it.

    Raises:
        OSError: The directory cannot be read.
    """
    names: dict[str, set[str]] = defaultdict(set)
    for problem in found.problems:
        names[problem.kind].add(problem.file)
    system, unread = Filesystem(), "unreadable" in names
    proving = {problem.file for problem in found.problems if problem.kind == "unreadable" and not problem.line}
    parts = day_files(path.name for path in directory.iterdir())
    kept = {file for file in parts if proving & {file.plain.name, file.sealed.name}}
    lacking = [file for file in parts if file.name in names["twin"] and file not in kept]
    regular = [file for file in parts if is_regular(system, directory / file.name)]
    files = [file for file in regular if not (file.compressed and file in kept)]
    damaged = [file for file in files if file.name in names["damaged"] and file not in lacking]
    undescribed = [file for file in files if file.compressed and names["manifest"] & {file.name, manifest_name(file)}]
    orphans = [] if unread else sorted(name for name in names["lost"] if kind_of_name(name) == "manifest")
    mended = {
        name for file in lacking + damaged + undescribed for name in (file.name, file.sealed.name, manifest_name(file))
    }
    left = [problem for problem in found.problems if _stays(problem, mended, unread=unread)]
    return ToMend(lacking, damaged, undescribed, orphans, sorted(names["mode"] - {"."}), left)


def _stays(problem: Problem, mended: set[str], *, unread: bool) -> bool:
    if problem.kind in ("damaged", "manifest", "twin"):
        return problem.file not in mended
    return not problem.is_mendable or (unread and problem.kind in ("lost", "gone"))
