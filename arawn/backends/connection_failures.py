"""What a broken connection means: httpx exceptions to typed errors, with the cause named and nothing secret."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from typing import Literal

import httpx

from arawn.config.schema import TimeoutsConfig
from arawn.errors import BackendError, BadReply, ConnectionFailed, TimedOut
from arawn.wire.client_head import BrokenHead, CutHead, NoHttp

__all__ = ["broken_body", "from_httpx", "is_own_lack", "timed_out"]

_NO_DESCRIPTORS = {
    errno.EMFILE: "this process may open no more files; raise its limit (`ulimit -n`, `LimitNOFILE=`)",
    errno.ENFILE: "this machine may open no more files; end other programs, or raise its limit (`fs.file-max`)",
}
_SCHEME = "check that `base_url` begins with the right one of `http://` and `https://`"


def from_httpx(where: str, error: httpx.HTTPError, *, connect_s: float, proxy: str | None = None) -> BackendError:
    """Return the error for a request that got no answer; `proxy` is the variable whose proxy it went through.

    Texts of httpx are left out: some quote headers; those of our own transport do not. The original stays attached as
    the cause.
    """
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        message = (
            f"{where} gave no connection (TLS included, if it is `https://`) within `connect_s` = {connect_s:g} s; "
            f"check the network; {_SCHEME} and the right port"
        )
        if proxy is not None:
            message = (
                f"{where} gave no connection{_through(proxy)} within `connect_s` = {connect_s:g} s; {_look(proxy)}"
            )
        return TimedOut(message, which="connect", retryable=True)
    if isinstance(error, httpx.ConnectError):
        lasting = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error))
        message = f"{where} cannot be reached{_through(proxy)}: {_reason(error, proxy)}"
        return ConnectionFailed(message, retryable=not lasting)
    if isinstance(error, httpx.ProxyError):
        return ConnectionFailed(f"{where} cannot be reached{_through(proxy)}: the proxy refused; {_look(proxy)}")
    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        message = f"{where} cannot be asked: the request breaks HTTP; check `base_url`, `headers` and the key"
        return ConnectionFailed(message, retryable=False)
    if isinstance(error, CutHead):
        return BadReply(f"{where} broke off at the beginning of its answer; nobody knows what it did with the request")
    if isinstance(error, NoHttp):
        return BadReply(f"{where} sent no valid HTTP/1.1; {_SCHEME} and the right port")
    if isinstance(error, BrokenHead):
        return BadReply(f"{where} sent no valid HTTP/1.1: {error}; look at the server and at what stands before it")
    return ConnectionFailed(
        f"{where} closed the connection before it answered; try again; if it goes on, {_SCHEME} and the right port"
    )


def broken_body(where: str, error: httpx.HTTPError) -> BadReply:
    """Return the error for an answer that began well and then broke; the original stays attached as the cause."""
    if isinstance(error, httpx.DecodingError):
        return BadReply(
            f"{where} sent a reply that cannot be unpacked ({error}); check what stands between, such as a proxy"
        )
    return BadReply(f"{where} broke off its reply; what had arrived of a stream is partial")


def is_own_lack(error: BaseException) -> bool:
    """Say whether there is no connection because no file can be opened here: that tells nothing of the provider."""
    return any(isinstance(cause, OSError) and cause.errno in _NO_DESCRIPTORS for cause in _causes(error))


def _through(proxy: str | None) -> str:
    return "" if proxy is None else f" (through the proxy of `{proxy}`)"


def _look(proxy: str | None) -> str:
    variable = "the proxy variables" if proxy is None else f"`{proxy}`"
    return f"check that proxy and {variable}, or name the server's host in `NO_PROXY`"


def _reason(error: BaseException, proxy: str | None) -> str:
    """Return why there is no connection and what to look at: the first connection is to the proxy, if there is one."""
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror) and proxy is not None:
            return f"the proxy's name cannot be resolved; {_look(proxy)}"
        if isinstance(cause, socket.gaierror):
            return "its name cannot be resolved; check `base_url` and the network"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message}); check `base_url` and the system's clock"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed; {_SCHEME}"
        if isinstance(cause, ConnectionRefusedError) and proxy is not None:
            return f"connection refused, no proxy listens there; {_look(proxy)}"
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused, nothing listens there; check that the server runs and `base_url`"
        if isinstance(cause, OSError) and cause.errno in _NO_DESCRIPTORS:
            return _NO_DESCRIPTORS[cause.errno]
    return (
        f"the connection failed; {_look(proxy)}" if proxy else "the connection failed; check `base_url` and the network"
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and everything that led to it, members of groups included."""
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        cause = pending.pop()
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        pending += [cause.__cause__, cause.__context__]
        if isinstance(cause, BaseExceptionGroup):
            pending.extend(cause.exceptions)


def timed_out(where: str, timeouts: TimeoutsConfig, which: Literal["first_token", "idle", "total"]) -> TimedOut:
    """Return the error for a deadline of the profile that has passed."""
    seconds = getattr(timeouts, f"{which}_s")
    silence = {
        "first_token": "sent nothing within",
        "idle": "fell silent in the middle of its reply: nothing came for",
        "total": "did not finish within",
    }[which]
    return TimedOut(f"{where} {silence} `{which}_s` = {seconds:g} s", which=which)
