"""The one place that turns an error into a message for a person and an exit code."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from actors.errors import ActorError
from arawn.errors import ArawnError, BadInput, ConfigError, UnknownProfile
from arawn.owners import way_in

__all__ = ["Failure", "explained", "sentence", "system_words"]

FAILED = 1
MISUSED = 2

# What a device says that takes no more. Everything else that writes names its file, or wraps such an error in its own.
_OUTPUT_FAULTS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO))

_NO_THREAD = "can't start new thread"  # Python gives it no type of its own
_THREAD_LIMITS = (
    "raise that of processes and threads (`ulimit -u`, `LimitNPROC=`, `TasksMax=`) or of memory (`ulimit -v`, "
    "`LimitAS=`, `MemoryMax=`)"
)


class Failure(msgspec.Struct, frozen=True):
    """What is printed on stderr, and how the program ends; `output_lost`: stdout cannot be written to."""

    lines: tuple[str, ...]
    exit_code: int
    output_lost: bool = False


def explained(error: BaseException) -> Failure:
    """Return the message and exit code for `error`; of a group, for the first error in it that is Arawn's own."""
    leaves = list(_leaves(error))
    known = [leaf for leaf in leaves if isinstance(leaf, ArawnError | ActorError)]
    return _explained_leaf(known[0] if known else leaves[0])


def sentence(error: ArawnError | ActorError) -> str:
    """Return what `error` says; what the actor runtime says has the cause that a person can act on."""
    cause = error.__cause__
    if isinstance(error, ActorError) and isinstance(cause, ArawnError):
        return str(cause)
    return str(error) or type(error).__name__


def system_words(error: OSError) -> str:
    """Return what the system said of a file, and what lets this user at it where that is refused."""
    right = way_in(Path(os.fsdecode(error.filename))) if isinstance(error, PermissionError) else None
    return f"`{error.filename}`: {error.strerror}" + (f"; {right}" if right else "")


def _explained_leaf(error: BaseException) -> Failure:
    if isinstance(error, ConfigError):
        return _listed(error)
    if isinstance(error, ArawnError | ActorError):
        code = MISUSED if isinstance(error, BadInput | UnknownProfile) else FAILED
        return Failure((f"arawn: {sentence(error)}",), code)
    if isinstance(error, OSError) and error.filename is None and error.errno in _OUTPUT_FAULTS:
        return Failure((f"arawn: cannot write the output: {error.strerror}",), FAILED, output_lost=True)
    if isinstance(error, OSError) and error.filename is not None:
        return Failure((f"arawn: {system_words(error)}",), FAILED)
    if isinstance(error, RuntimeError) and _NO_THREAD in str(error):
        return Failure(
            (f"arawn: no thread can be started, since this process is at a limit; {_THREAD_LIMITS}",), FAILED
        )
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    ask = "please report it, with what `ARAWN_TRACEBACK=1` adds to the same command"
    return Failure((f"arawn: unexpected error, {what}; {ask}",), FAILED)


def _listed(error: ConfigError) -> Failure:
    if len(error.problems) == 1:
        return Failure((f"arawn: {error.problems[0]}",), MISUSED)
    return Failure(("arawn: the configuration cannot be used:", *(f"  {line}" for line in error.problems)), MISUSED)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
