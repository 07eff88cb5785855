"""The page `docs/http-api.md` leaves out nothing that is served."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from actors.errors import HandlerFailed, MailboxFull, OutcomeUnknown, Restarting, Stopped
from arawn import errors
from arawn.backends import anthropic
from arawn.interactions.feedback import Judgement
from arawn.interactions.redact import MIN_SECRET_LENGTH
from arawn.reload import ReloadReport
from arawn.server import interactions, log_door, streaming
from arawn.server.call import BODY_BYTES
from arawn.server.interactions import COUNTED, LISTED, SEARCHED
from arawn.server.native import ChatReply, ChatRequest
from arawn.server.reply import FAILURES, error_reply
from arawn.server.workstreams import WorkstreamChange, WorkstreamSettings
from arawn.status import BackendStatus
from arawn.wire.asgi import Event
from arawn.wire.limits import Limits
from arawn.workstreams.store import Summary, WorkstreamState
from tests.memory_runtime import MemoryRuntime
from tests.serving import app_of

PAGE = Path("docs/http-api.md").read_text("utf-8")
ABSTRACT = {errors.ArawnError, errors.BackendError, errors.ConfigError}  # never what a call fails with
FAULTS = [kind for name in errors.__all__ if (kind := getattr(errors, name)) not in ABSTRACT]


async def routes() -> list[str]:
    """Return every route of the daemon's application, as its own document lists them."""
    sent: list[Event] = []

    async def receive() -> Event:
        raise AssertionError("no body is read")

    async def send(event: Event) -> None:
        sent.append(event)

    app = app_of(MemoryRuntime())
    scope = {"type": "http", "method": "GET", "path": "/openapi.json", "headers": [], "server": ("socket", None)}
    await app(scope, receive, send)
    paths = json.loads(sent[1]["body"])["paths"]
    return [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]


async def test_every_route_is_on_the_page() -> None:
    """With its method."""
    served = await routes()

    assert len(served) >= 9
    rows = {f"{method} {path}" for method, path in re.findall(r"^\| (\w+) \| `(/v1/[^`]*)` \|", PAGE, re.MULTILINE)}
    assert [route for route in served if route not in rows and f"`{route}`" not in PAGE] == []


async def test_the_page_shows_no_other_route() -> None:
    """What is not served is not promised."""
    shown = re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`]*)`", PAGE)

    assert set(shown) <= set(await routes())


@pytest.mark.parametrize(
    "kind",
    [
        ChatRequest,
        ChatReply,
        WorkstreamSettings,
        WorkstreamChange,
        WorkstreamState,
        Summary,
        BackendStatus,
        Judgement,
        ReloadReport,
    ],
)
def test_every_field_is_on_the_page(kind: type) -> None:
    """Of requests and of answers."""
    assert [name for name in kind.__struct_encode_fields__ if f"`{name}`" not in PAGE] == []  # type: ignore[attr-defined]


def test_every_filter_is_on_the_page() -> None:
    """By the name that the query takes."""
    assert [name for name in {**LISTED, **SEARCHED, **COUNTED} if f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize("kind", [*FAULTS, HandlerFailed, OutcomeUnknown, MailboxFull, Restarting, Stopped])
def test_every_error_is_on_the_page_with_its_status(kind: type[Exception]) -> None:
    """The row that names its type names its status."""
    error = _made(kind)
    assert isinstance(error, FAILURES)
    reply = error_reply(error)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()

    rows = [row for row in PAGE.splitlines() if row.startswith("| ") and f"`{name}`" in row]
    assert any(str(reply.status) in row for row in rows)


def _made(kind: type[Exception]) -> Exception:
    if kind is errors.UnknownProfile:
        return errors.UnknownProfile("x", ())
    return errors.TimedOut("x", which="total") if kind is errors.TimedOut else kind("x")


def test_the_page_has_the_limits_of_the_server() -> None:
    """Each number with its words, so that neither changes alone."""
    limits = Limits()

    for words in (
        f"431 when its headers are longer than {limits.header_bytes >> 10} KiB",
        f"503 `too_many_connections` beyond {limits.connections} open connections",
        f"the body is longer than {BODY_BYTES >> 20} MiB",
        f"When there is nothing to send for {streaming.KEEP_ALIVE_SECONDS:g} seconds, a comment",
        f"`limit` ({interactions._DEFAULT_LIMIT}, at most {interactions._MOST})",
        f"one that takes longer than {log_door._READ_SECONDS:g} s is given up",
        f"An answer has at most {log_door._ANSWER_BYTES >> 20} MiB, and at most {interactions._MOST_GROUPS:,} groups",
        f"secrets of at least {MIN_SECRET_LENGTH} characters",
        f"demands a limit, for at most {anthropic._MAX_TOKENS} tokens",
    ):
        assert words in PAGE
    assert log_door._READERS == 2
    assert "Two reads go on at a time" in PAGE
