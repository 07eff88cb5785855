"""Who may come in: the access token and its file, and the check of `Host`, `Origin` and token."""

from __future__ import annotations

import hmac
import os
import re
import secrets
import stat
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from arawn.config import is_loopback
from arawn.config.schema import ServerConfig
from arawn.errors import ConfigError
from arawn.interactions.filesystem import Filesystem, make_directories
from arawn.server.call import came_through_socket
from arawn.server.reply import Reply, refusal
from arawn.wire.asgi import Scope

__all__ = ["TOKEN_FILE", "TOKEN_VARIABLE", "Door", "ensure_token", "open_door", "read_token"]

TOKEN_FILE = "token"  # noqa: S105 - the name of a file
TOKEN_VARIABLE = "ARAWN_TOKEN"  # noqa: S105 - the name of a variable

_TOKEN = re.compile(r"[!-~]+")
# For any `Host` and without a token: they tell little more than the port.
_PROBES = frozenset(("/", "/healthz", "/readyz"))
# The usual ones, which are known without being parsed.
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Of two, a proxy before the door may have looked at the other one.
_SINGLE = (b"authorization", b"x-api-key", b"origin", b"host")


def read_token(directory: Path, environ: Mapping[str, str]) -> str | None:
    """Return the token to use: `ARAWN_TOKEN` if set, else the one in `directory`, else None.

    Raises:
        ConfigError: The token or its file cannot be used as it is.
    """
    if TOKEN_VARIABLE in environ:
        return _checked(environ[TOKEN_VARIABLE], f"environment {TOKEN_VARIABLE}")
    path = directory / TOKEN_FILE
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        advice = "make it one that this user may read, or set `HOME` or `ARAWN_STATE_DIR` to a directory of this user's"
        raise ConfigError([f"{path}: the token file cannot be read: {error.strerror}; {advice}"]) from error
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        if mode & 0o077:
            raise ConfigError([f"{path}: others may read the token file (mode {mode:04o}); run `chmod 600 {path}`"])
        return _checked(file.read().strip(), str(path))


def ensure_token(directory: Path, environ: Mapping[str, str]) -> str:
    """Return the token to use, making one at the first start: 32 random bytes in a file of mode 0600.

    The file appears whole or not at all; of two processes that start at once, both get the same token.

    Args:
        directory: The state directory; made if it is missing, mode 0700.
        environ: The process environment.

    Raises:
        ConfigError: The token or its file cannot be used, or no file can be made.
    """
    token = read_token(directory, environ)
    if token is not None:
        return token
    try:
        make_directories(Filesystem(), directory)
        _create_token_file(directory)
    except OSError as error:
        advice = "make it writable, or set `ARAWN_STATE_DIR`"
        raise ConfigError([f"{directory}: no token file can be made there: {error.strerror}; {advice}"]) from error
    token = read_token(directory, environ)
    if token is None:
        raise ConfigError([f"{directory / TOKEN_FILE}: the token file was removed while Arawn started; start again"])
    return token


def _create_token_file(directory: Path) -> None:
    draft = directory / f".{TOKEN_FILE}.{secrets.token_hex(8)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            os.fchmod(descriptor, 0o600)  # whatever the umask
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(descriptor)
        (directory / TOKEN_FILE).hardlink_to(draft)
    except FileExistsError:
        pass  # another process was first; its token counts
    finally:
        draft.unlink()


def _checked(token: str, origin: str) -> str:
    if not _TOKEN.fullmatch(token):
        raise ConfigError([f"{origin}: the token must be one or more visible ASCII characters without spaces"])
    return token


class Door:
    """Decides which requests come in. Requests on a Unix socket always do: its file mode has decided already."""

    def __init__(self, *, token: str | None, hosts: Iterable[str]) -> None:
        """Set the rules.

        Args:
            token: What a request on TCP must carry; None asks for none.
            hosts: Accepted names in `Host` and `Origin`, besides the loopback ones. Config: `server.allowed_hosts`.
        """
        self._token = None if token is None else token.encode("ascii")
        self._hosts = {*_LOOPBACK, *(_one_spelling(host.lower().strip("[]")) for host in hosts)}

    def refuse(self, scope: Scope) -> Reply | None:
        """Return the answer to a request that may not come in, or None."""
        if came_through_socket(scope):
            return None
        headers = scope["headers"]
        fields: dict[bytes, bytes] = dict(headers)
        if len(fields) < len(headers) and (twice := _twice([name for name, _ in headers])):
            return refusal(400, "invalid_request", f"this request has more than one `{twice}` header; send one")
        probe = scope["path"] in _PROBES
        if not probe and not self.knows_host(fields):
            allow = "use a loopback name or list it in `server.allowed_hosts`"
            return refusal(403, "foreign_host", f"the `Host` of this request is not accepted; {allow}")
        if b"origin" in fields and not self._knows(_origin_name(fields[b"origin"])):
            allow = "list its host in `server.allowed_hosts` if a proxy serves the page and this API at one address"
            message = f"requests of this web page's `Origin` are not accepted; {allow}; other pages get no CORS headers"
            return refusal(403, "foreign_origin", message)
        if self._token is None or probe or self._holds_token(fields):
            return None
        found = "the token is wrong" if _offered(fields) else "no token was sent"
        where = f"it is what `{TOKEN_FILE}` of the state directory, or `{TOKEN_VARIABLE}`, held at the daemon's start"
        wanted = f"send it as `Authorization: Bearer` or `x-api-key`; {where}"
        challenge = [(b"www-authenticate", b"Bearer")]
        return refusal(401, "unauthorized", f"{found}; {wanted}", headers=challenge)

    def knows_host(self, fields: Mapping[bytes, bytes]) -> bool:
        """Say whether the `Host` of a request names this machine."""
        return self._knows(_host_name(fields.get(b"host", b"")))

    def _knows(self, name: str) -> bool:
        return name in self._hosts or _one_spelling(name) in self._hosts or is_loopback(name)

    def _holds_token(self, fields: dict[bytes, bytes]) -> bool:
        compare = partial(hmac.compare_digest, self._token or b"")
        return any([*map(compare, _offered(fields))])  # every offer is compared


def open_door(config: ServerConfig, token: str | None) -> Door:
    """Return the door that `[server]` asks for; `token` is not used with `auth = "none"`."""
    listen_host = config.listen.rpartition(":")[0]
    return Door(token=None if config.auth == "none" else token, hosts=(listen_host, *config.allowed_hosts))


def _twice(names: Sequence[bytes]) -> str | None:
    return next((name.decode() for name in _SINGLE if names.count(name) > 1), None)


def _offered(fields: dict[bytes, bytes]) -> list[bytes]:
    scheme, _, credentials = fields.get(b"authorization", b"").partition(b" ")
    bearer = [credentials.strip()] if scheme.lower() == b"bearer" else []
    return bearer + ([fields[b"x-api-key"]] if b"x-api-key" in fields else [])


def _one_spelling(name: str) -> str:
    """Return a name as it is, and an address as every spelling of it becomes."""
    try:
        return str(ip_address(name))
    except ValueError:
        return name


def _host_name(value: bytes) -> str:
    """Return the name in a `Host` value, lower-cased, without port and brackets."""
    host = value.decode("latin-1").lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _origin_name(value: bytes) -> str:
    """Return the name in an `Origin` value; empty for `null` and for what is no origin."""
    try:
        return urlsplit(value.decode("latin-1")).hostname or ""
    except ValueError:
        return ""
