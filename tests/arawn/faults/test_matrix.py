"""The fault matrix: every cell of the tables beside this file, through a whole runtime, on the virtual clock."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

import arawn.errors
from arawn.backends import http_provider
from arawn.config.schema import Profile, RetryConfig
from arawn.errors import BackendError
from arawn.messages import Completed, CompletionRequest, CompletionResponse, TextDelta, user
from arawn.runtime_door import Runtime
from tests.arawn.faults.answers import PATCHED_MAX, said_cells
from tests.arawn.faults.edge import NoNames, Peer, PlayedTransport, listening
from tests.arawn.faults.sockets import socket_cells
from tests.arawn.faults.statuses import status_cells
from tests.arawn.faults.told import ATTEMPTS, Cell
from tests.runtimes import configured, records, running

CELLS = [*status_cells(), *said_cells(), *socket_cells()]
ASK = CompletionRequest(messages=(user("hi"),))
_ARRIVES_S = 0.01  # real seconds that bytes on loopback have to arrive before virtual time goes on


def named(cell: Cell) -> str:
    return f"{cell.name}-{cell.dialect}-{cell.mode}".replace(" ", "_")


def profile_of(cell: Cell, address: str) -> Profile:
    path = "/v1" if cell.dialect == "openai" else ""
    retry = RetryConfig(attempts=ATTEMPTS)
    return Profile(backend="custom", dialect=cell.dialect, model="m", base_url=address + path, retry=retry)


@asynccontextmanager
async def provider_of(cell: Cell, patch: pytest.MonkeyPatch) -> AsyncIterator[tuple[str, PlayedTransport | None]]:
    """Have the provider of the cell answer, and yield its address."""
    if isinstance(cell.edge, Peer):
        trio.socket.set_custom_hostname_resolver(NoNames() if cell.edge.name != "127.0.0.1" else None)
        async with listening(cell.edge) as address:
            yield address, None
        return
    played = PlayedTransport(cell.edge)
    patch.setattr("arawn.backends.open.Transport", lambda _limits: played)
    yield "http://played.test", played


async def call(runtime: Runtime, cell: Cell) -> tuple[str, CompletionResponse | BackendError]:
    """Make the call of the cell; return the words that were passed on, and how it ended."""
    words: list[str] = []
    try:
        if cell.mode == "plain":
            return "", await runtime.complete(ASK)
        async with runtime.stream(ASK) as events:
            async for event in events:
                if isinstance(event, Completed):
                    return "".join(words), event.response
                words.extend([event.text] if isinstance(event, TextDelta) else [])
    except BackendError as error:
        return "".join(words), error
    raise AssertionError("a stream ended in silence")


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Leave what is part of a cycle where it is."""
    gc.disable()
    yield
    gc.enable()


QUICK = 7  # of so many cells one is tried in the fast tests, all in the slow ones; odd, so that all modes have a share


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    "cell",
    [
        pytest.param(cell, id=named(cell), marks=[] if number % QUICK == 0 else [pytest.mark.slow])
        for number, cell in enumerate(CELLS)
    ],
)
async def test_every_fault_is_told_tried_again_and_recorded_as_the_table_says(
    cell: Cell, tmp_path: Path, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outcome, attempts, waits, records and health: a row of the table is a promise.

    An error that nobody keeps is gone at once, with the frames that it passed, which have the request and the answer:
    in a cycle they would wait for a full collection, which is rare.
    """
    mock_clock.autojump_threshold = _ARRIVES_S if isinstance(cell.edge, Peer) else 0
    monkeypatch.setattr(http_provider, "_MAX_BODY_BYTES", PATCHED_MAX)
    async with provider_of(cell, monkeypatch) as (address, played):
        async with running(configured(tmp_path, {"default": profile_of(cell, address)})) as runtime:
            began = trio.current_time()
            words, ended = await call(runtime, cell)
            took = trio.current_time() - began
            (backend,) = runtime.status().backends

    written, told = records(tmp_path), cell.told
    waited = took - sum(record["duration_ms"] for record in written) / 1000
    errors = [told.error] * told.attempts
    assert type(ended) is (getattr(arawn.errors, told.error) if told.error else CompletionResponse), ended
    assert [record["status"] for record in written] == [told.status] * told.attempts
    assert [record["attempt"] for record in written] == list(range(1, told.attempts + 1))
    assert [record["error"] and record["error"]["type"] for record in written] == errors
    assert sum(low for low, _ in told.waits) <= waited + 0.001
    assert waited - 0.001 <= sum(high for _, high in told.waits)
    assert backend.health == told.health
    if told.error != "RateLimited":  # a quota is a reason, and no fault
        assert bool(backend.reason) == (told.health != "ready")
    assert ended.interaction_id == written[-1]["id"]
    assert "".join(block.get("text", "") for block in written[-1]["response_content"] or ()) == words or not words
    if isinstance(ended, BackendError):
        assert (ended.attempt, ended.retry_after_s) == (told.attempts, told.retry_after)
        assert told.says in ended.user_message
        assert "secret" not in ended.user_message
        assert (ended.partial is not None) == (told.status == "partial")
        gone = weakref.ref(ended)
        del ended
        assert gone() is None
    if played is not None:
        assert (played.requests, played.open_bodies) == (told.attempts, 0)


def test_the_matrix_is_as_large_as_it_says() -> None:
    """Each cell has a name of its own, and every dialect and mode has its share."""
    names = [named(cell) for cell in CELLS]

    assert len(set(names)) == len(names) >= 60
    for cells in (CELLS, CELLS[::QUICK]):
        assert {(cell.dialect, cell.mode) for cell in cells} == {
            (d, m) for d in ("openai", "anthropic") for m in ("plain", "stream")
        }
