"""Find the configuration files and read them; what cannot be read becomes a problem line, not an exception.

A project's file that another user wrote, or can write, is not obeyed.
"""

from __future__ import annotations

import ast
import errno
import os
import re
import select
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from arawn.config.keypath import KeyPath, dotted
from arawn.config.layers import Layer
from arawn.config.locate import key_lines
from arawn.config.paths import config_dir, expanded
from arawn.owners import stranger

__all__ = ["Reading", "read_files", "why_foreign"]

_SYNTAX_ERROR_LINE = re.compile(r" \(at line (\d+), column \d+\)| \(at end of document\)")
_KEY = re.compile(r"(?<= )\(['\"].*\)")  # how `tomllib` writes one

_DEEPEST = 100
_TOO_DEEP = f"{{name}}: nested too deeply: tables, arrays and dotted keys may be {_DEEPEST} deep in each other"

_FOREIGN = (
    "{name}: `{path}` is not obeyed, since {why}: such a file can run commands, and send your keys and prompts "
    "elsewhere; read it, and if you trust it, make it yours alone (`chown`, `chmod o-w`), or name it "
    "(`--config {name}`, or the argument of `open_runtime`)"
)


_NOTHING_CAME = (
    "{name}: nothing came through this pipe: what writes to it failed, or it has been read before, and can be read "
    "only once; name a file"
)


class Reading(msgspec.Struct, frozen=True):
    """One file that exists: its layer, or the problem that kept it from being one."""

    path: Path
    layer: Layer | None = None
    problem: str | None = None


def read_files(config_file: Path | None, environ: Mapping[str, str], cwd: Path) -> list[Reading]:
    """Read `config_file` alone, or without it the user's file and the one of the project, where they exist.

    Args:
        config_file: A file that must exist; a relative one starts at `cwd`.
        environ: Tells where the user's file is.
        cwd: The directory of the project.

    Raises:
        ConfigError: If the home directory is needed and cannot be found.
    """
    if config_file is not None:
        path = cwd / expanded(str(config_file), environ)
        return [
            _read(path, str(config_file))
            or Reading(path, problem=f"{config_file}: no such file; name one that is there")
        ]
    user_file = config_dir(environ) / "config.toml"
    readings = (_read(user_file, str(user_file)), _read(cwd / "arawn.toml", "arawn.toml", found=True))
    return [reading for reading in readings if reading is not None]


def _read(path: Path, name: str, *, found: bool = False) -> Reading | None:
    """Return the reading of the file at `path`, called `name` in messages; None if there is no such file.

    One that was only `found`, and that nobody named, is obeyed if it is this user's own.
    """
    try:
        with open(path, "rb", opener=_without_waiting if found else None) as file:
            why = _mistrusted(path, file.fileno()) if found else None
            content = b"" if why else _content_of(file)
            piped = stat.S_ISFIFO(os.fstat(file.fileno()).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return Reading(path, problem=f"{name}: cannot be read: {error.strerror}; {_remedy(error)}")
    if why is not None:
        return Reading(path, problem=_FOREIGN.format(path=path.absolute(), name=name, why=why))
    if piped and not content:
        return Reading(path, problem=_NOTHING_CAME.format(name=name))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return Reading(path, problem=f"{name}:{line}: not UTF-8: byte 0x{content[error.start]:02x}; save it as UTF-8")
    return _parsed(path, name, text)


def _remedy(error: OSError) -> str:
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return "raise the limit of open files (`ulimit -n`, `LimitNOFILE=`; of the machine: `fs.file-max`)"
    right = "make it a file that this user may read"
    if isinstance(error, PermissionError):
        return f"{right}; if it is another user's, set `HOME` or `ARAWN_CONFIG_DIR` to a directory of your own"
    return right


def _parsed(path: Path, name: str, text: str) -> Reading:
    try:
        tree = tomllib.loads(text)
    except ValueError as error:
        return Reading(path, problem=_syntax_problem(name, text, str(error)))
    except RecursionError:
        return Reading(path, problem=_TOO_DEEP.format(name=name))
    if _is_too_deep(tree):
        return Reading(path, problem=_TOO_DEEP.format(name=name))
    marks: dict[KeyPath, str] = {key: f"{name}:{line}" for key, line in key_lines(text).items()}
    return Reading(path, Layer(name, tree, marks))


def _is_too_deep(tree: Mapping[str, Any]) -> bool:
    """Say whether what reads the tree by calling itself could fail on it."""
    level: list[Any] = [tree]
    for _ in range(_DEEPEST + 1):
        parts = (each.values() if isinstance(each, dict) else each for each in level)
        level = [part for every in parts for part in every if isinstance(part, dict | list)]
    return bool(level)


def _syntax_problem(name: str, text: str, message: str) -> str:
    """Return the problem line of a syntax error; before Python 3.14 only the message of `tomllib` has its place."""
    place = _SYNTAX_ERROR_LINE.search(message)
    line = int(place[1]) if place and place[1] else text.rstrip().count("\n") + 1
    found = _KEY.sub(lambda key: f"`{dotted(ast.literal_eval(key[0]))}`", _SYNTAX_ERROR_LINE.sub("", message))
    return f"{name}:{line}: not TOML: {found}; see https://toml.io"


def _mistrusted(path: Path, descriptor: int) -> str | None:
    """Return why the file at `path`, open as `descriptor`, is not to be obeyed; None if it is this user's own.

    Raises:
        OSError: The file or its directory went away meanwhile.
    """
    if os.name != "posix":
        return None
    seen = (os.fstat(descriptor), path.lstat(), path.parent.stat())  # what is read, and what its name stands for
    return why_foreign(*seen, user=os.geteuid())


def why_foreign(file: os.stat_result, name: os.stat_result, directory: os.stat_result, *, user: int) -> str | None:
    """Return in words who else may say what stands in a file; None if nobody but `user` and root.

    Args:
        file: Of the file itself.
        name: Of what has its name, which is the file, or a symbolic link.
        directory: Of the directory that the name stands in.
        user: The user who is to obey it.
    """
    for owned, what in ((file, "it belongs"), (name, "the link to it belongs")):
        if owner := stranger(owned, user=user):
            return f"{what} to {owner}"
    if file.st_mode & stat.S_IWOTH:
        return f"every user may write to it (mode {stat.S_IMODE(file.st_mode):04o})"
    if directory.st_mode & stat.S_IWOTH and not directory.st_mode & stat.S_ISVTX:
        return f"every user may replace it (its directory has mode {stat.S_IMODE(directory.st_mode):04o})"
    return None


def _without_waiting(path: str, flags: int) -> int:
    """Open a file as `open` does, but a pipe without waiting for its other end, which somebody else may never open."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _content_of(file: BinaryIO) -> bytes:
    """Return all of a file that was opened `_without_waiting`; a pipe, which has to be one's own, is waited for."""
    if stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
        writer = select.poll()
        writer.register(file, select.POLLIN)
        writer.poll()  # until there is one: what is read before that is an end, and looks like an empty file
        os.set_blocking(file.fileno(), True)
    return file.read()
