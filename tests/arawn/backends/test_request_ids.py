"""The provider's id of a request, by which it finds the call in its own logs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arawn.errors import BackendError
from tests.arawn.backends.calling import ASK, complete_error, stream_error
from tests.fake_provider import FakeProvider, Fault, Reply, openai_stream, stream_reply
from tests.runtimes import configured, custom, records, running

WORDS = openai_stream("a", "b")


def with_id(*pieces: bytes | Fault) -> Reply:
    return replace(stream_reply(pieces), headers={"x-request-id": "req-77"})


async def leave(tmp_path: Path, reply: Reply) -> dict[str, Any]:
    """Leave a stream after its first delta, and return the record of it."""
    with FakeProvider(reply) as fake:
        async with (
            running(configured(tmp_path, {"default": custom(fake.address)})) as runtime,
            runtime.stream(ASK) as events,
        ):
            async for _ in events:
                break
    return records(tmp_path)[-1]


async def test_a_record_has_the_id_of_the_head_however_its_stream_ends(tmp_path: Path) -> None:
    """Whole, broken, or left by its reader; not that of the body, which is another."""
    with FakeProvider(with_id(*WORDS), with_id(*WORDS[:2], Fault.END)) as fake:
        async with running(configured(tmp_path, {"default": custom(fake.address)})) as runtime:
            async with runtime.stream(ASK) as events:
                _ = [event async for event in events]
            with pytest.raises(BackendError) as caught:
                async with runtime.stream(ASK) as events:
                    _ = [event async for event in events]
    await leave(tmp_path, with_id(*WORDS[:2], Fault.STALL))

    found = [(record["status"], record["request_id"]) for record in records(tmp_path)]
    assert found == [("ok", "req-77"), ("partial", "req-77"), ("cancelled", "req-77")]
    assert caught.value.request_id == "req-77"


async def test_without_one_in_the_head_a_stream_that_is_left_has_that_of_its_body(tmp_path: Path) -> None:
    """As one that ends has."""
    record = await leave(tmp_path, stream_reply([*WORDS[:2], Fault.STALL]))

    assert (record["status"], record["request_id"]) == ("cancelled", "chatcmpl-1")


async def test_a_stream_that_breaks_before_its_first_word_tells_the_id() -> None:
    """The head had come."""
    _, error = await stream_error(with_id(b": here\n\n", Fault.END))

    assert error.partial is None
    assert error.request_id == "req-77"


async def test_an_answer_that_cannot_be_read_tells_the_id() -> None:
    """Whether it is no reply at all, or an error inside a 200."""
    for body in (b"<html>", b'{"error": {"message": "no"}}'):
        error = await complete_error(Reply(body=body, headers={"x-request-id": "req-77"}))

        assert error.request_id == "req-77"
