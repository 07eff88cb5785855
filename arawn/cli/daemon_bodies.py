"""What the command line sends to the daemon and what errors come back, as bytes. Pure.

Daemon and command line may be of different versions: what is sent is as little as says it.
"""

from __future__ import annotations

from types import UnionType
from typing import Any, TypeVar, overload

import msgspec
from msgspec.structs import FieldInfo

from arawn.cli.door import DaemonFault
from arawn.errors import ArawnError, BadInput
from arawn.server.probes import Probe
from arawn.server.reply import ErrorBody
from arawn.version import VERSION

__all__ = ["decoded", "encoded", "error_in", "is_alive", "kind_of_error", "misfit_of"]

T = TypeVar("T")

_MISUSE = frozenset({"unknown_profile", "bad_input", "invalid_request", "not_found", "already_exists"})


class _Versioned(msgspec.Struct):
    """What every version says of itself in `GET /status`."""

    version: str


def encoded(body: msgspec.Struct) -> bytes:
    """Return a body as JSON, without what is as by default: an older daemon refuses a key that it does not know."""
    values = [(field, getattr(body, field.name)) for field in msgspec.structs.fields(body)]
    return msgspec.json.encode({field.encode_name: value for field, value in values if value != _usual(field)})


def _usual(field: FieldInfo) -> object:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


@overload
def decoded(body: bytes | str, kind: type[T]) -> T: ...


@overload
def decoded(body: bytes | str, kind: UnionType) -> Any: ...


def decoded(body: bytes | str, kind: Any) -> Any:
    """Return an answer as what it should be.

    Raises:
        DaemonFault: It is something else.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DaemonFault(
            f"what answers on the daemon's socket is no daemon of Arawn, or one of another version than {VERSION}: its "
            f"answer cannot be read ({error}); of a daemon, `arawn stop && arawn start` runs one of this version"
        ) from error


def error_in(body: bytes) -> ArawnError:
    """Return the error that an error answer stands for."""
    try:
        detail = msgspec.json.decode(body, type=ErrorBody).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return DaemonFault(f"the daemon answered with an error that cannot be read: {body[:200]!r}")
    return BadInput(detail.message) if detail.type in _MISUSE else DaemonFault(detail.message)


def is_alive(body: bytes) -> bool:
    """Say whether this is what a daemon answers to `GET /healthz`."""
    try:
        return msgspec.json.decode(body, type=Probe).status == "ok"
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def kind_of_error(body: bytes) -> str | None:
    """Return the type of an error of Arawn's; None if the answer is none."""
    try:
        return msgspec.json.decode(body, type=ErrorBody).error.type
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def misfit_of(error: ArawnError, status: bytes) -> ArawnError:
    """Return what to say when the daemon does not know the form of a request of this command.

    Args:
        error: What it said.
        status: Its answer to `GET /status`.
    """
    running = decoded(status, _Versioned).version
    return BadInput(
        f"{error}; the daemon was started from other code than this command (version {running}, here {VERSION}): "
        "`arawn stop && arawn start` brings it up to date"
    )
