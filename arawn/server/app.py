"""The HTTP door of the daemon as one ASGI application: a table of routes, and what every call has in common."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from difflib import get_close_matches
from functools import partial

from arawn.config.describe import any_of
from arawn.metrics.exposition import CONTENT_TYPE, written
from arawn.metrics.families import families
from arawn.reload import ReloadReport
from arawn.runtime_door import Runtime
from arawn.server.auth import Door
from arawn.server.call import Call, Route
from arawn.server.interactions import FEEDBACK, INTERACTION, SEARCH, STATS, interaction_routes
from arawn.server.native import chat
from arawn.server.openapi import openapi_document
from arawn.server.operations import NATIVE_OPERATIONS
from arawn.server.probes import healthz, readyz
from arawn.server.reply import FAILURES, Headers, Refused, Reply, error_reply, json_reply, refusal
from arawn.server.routing import explain
from arawn.server.v1.envelope import called_dialect, in_envelope
from arawn.server.v1.models import MODEL
from arawn.server.v1.operations import V1_OPERATIONS
from arawn.server.v1.routes import v1_routes
from arawn.server.workstreams import WORKSTREAM, workstream_routes
from arawn.wire.asgi import ASGIApp, Receive, Scope, Send

__all__ = ["build_app", "server_words"]

OPENAPI = ("GET", "/openapi.json")

Routes = Mapping[tuple[str, str], Route]
AskReload = Callable[[], Awaitable[ReloadReport]]


def build_app(runtime: Runtime, *, door: Door, reload: AskReload) -> ASGIApp:
    """Return the ASGI application that serves `runtime`.

    Args:
        runtime: The running Arawn.
        door: Decides which requests come in.
        reload: Has the configuration read again, for `POST /reload`.
    """
    routes: Routes = {
        ("GET", "/"): healthz,  # programs ask for its head to see whether anybody is there
        ("GET", "/healthz"): healthz,
        ("GET", "/readyz"): partial(readyz, runtime, door),
        ("GET", "/status"): partial(_status, runtime),
        ("GET", "/backends"): partial(_backends, runtime),
        ("GET", "/metrics"): partial(_metrics, runtime),
        ("POST", "/reload"): partial(_reload, runtime, reload),
        ("POST", "/chat"): partial(chat, runtime),
        ("POST", "/routing/explain"): partial(explain, runtime),
        **v1_routes(runtime),
        **workstream_routes(runtime),
        **interaction_routes(runtime),
    }
    routes = {**routes, OPENAPI: partial(_openapi, (*routes, OPENAPI))}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"this application serves `http`, not `{scope['type']}`")
        call = Call(scope, receive, send)
        try:
            await _route(routes, door, scope, call)(call)
        except Refused as refused:
            await _respond_error(call, refused.reply)
        except FAILURES as error:
            await _respond_error(call, error_reply(error))

    return app


async def _respond_error(call: Call, reply: Reply) -> None:
    """Send an error in the envelope of the dialect that was called."""
    await call.respond(in_envelope(reply, called_dialect(call.path, call.headers), call.request_id))


def server_words(status: int, kind: str, message: str, path: str | None) -> tuple[Headers, bytes]:
    """Return how an answer of this application words what the server refuses in its place: the headers and the body."""
    request_id = secrets.token_hex(16)
    reply = in_envelope(refusal(status, kind, message), called_dialect(path or "", {}), request_id)
    return (*reply.headers, (b"x-request-id", request_id.encode())), reply.body


def _route(routes: Routes, door: Door, scope: Scope, call: Call) -> Route:
    reply = door.refuse(scope)
    if reply is not None:
        raise Refused(reply)
    method = "GET" if call.method == "HEAD" else call.method
    route = routes.get((method, call.path)) or routes.get((method, _pattern(call.path)))
    if route is None:
        raise Refused(_no_route(routes, call))
    return route


def _pattern(path: str) -> str:
    """Return the path as the routes spell it: names and ids in it are parameters."""
    if path.startswith("/v1/models/"):  # a model's name may hold slashes
        return MODEL
    collection, slash, name = path.rpartition("/")
    if collection.startswith("/interactions/") and collection.count("/") == 2 and name == "feedback":
        return FEEDBACK
    if collection == "/interactions" and name and path not in (SEARCH, STATS):
        return INTERACTION
    return WORKSTREAM if collection == "/workstreams" and slash and name else path


def _no_route(routes: Routes, call: Call) -> Reply:
    allowed = sorted(method for method, path in routes if path == _pattern(call.path))
    if not allowed:
        near = _near({pattern for _, pattern in routes}, call.path)
        more = f"; did you mean {any_of(near)}?" if near else ""
        message = f"there is no `{call.path}` here; the routes are in `{OPENAPI[1]}`{more}"
        return refusal(404, "not_found", message)
    if b"websocket" in call.headers.get(b"upgrade", b"").lower():
        message = f"`{call.path}` is not served as a WebSocket; send the same as an HTTP {any_of(allowed)}"
        upgrade = [(b"connection", b"upgrade"), (b"upgrade", b"HTTP/1.1")]  # RFC 9110, sections 7.8 and 15.5.22
        return refusal(426, "upgrade_required", message, headers=upgrade)
    methods = ", ".join([*allowed, *(["HEAD"] if "GET" in allowed else [])])
    message = f"`{call.path}` does not take {call.method}; it takes {methods}"
    return refusal(405, "method_not_allowed", message, headers=[(b"allow", methods.encode())])


def _near(patterns: Collection[str], path: str) -> list[str]:
    """Return the path that differs by a slash at the end or a `/v1`, else those of at most three routes like it."""
    known = path.rstrip("/")
    likely = (known, f"/v1{known}", known.removeprefix("/v1"))
    meant = [each for each in likely if _pattern(each) in patterns]
    return meant[:1] or get_close_matches(path, sorted(patterns), n=3)


async def _status(runtime: Runtime, call: Call) -> None:
    await call.respond(Reply(200, runtime.status().to_json().encode()))


async def _backends(runtime: Runtime, call: Call) -> None:
    await call.respond(json_reply(200, runtime.status().backends))


async def _metrics(runtime: Runtime, call: Call) -> None:
    await call.respond(Reply(200, written(families(runtime.status(), runtime.counts)), content_type=CONTENT_TYPE))


async def _reload(runtime: Runtime, reload: AskReload, call: Call) -> None:
    """Only through the socket, if there is one: whoever may use that may do it."""
    if not call.through_socket and runtime.config.server.socket != "":
        message = "the configuration is reloaded through the Unix socket only; use `arawn reload`, or send SIGHUP"
        raise Refused(refusal(403, "socket_only", message))
    await call.respond(json_reply(200, await reload()))


async def _openapi(served: Collection[tuple[str, str]], call: Call) -> None:
    await call.respond(json_reply(200, openapi_document({**NATIVE_OPERATIONS, **V1_OPERATIONS}, served)))
