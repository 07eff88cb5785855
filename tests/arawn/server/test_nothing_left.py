"""A failed call leaves nothing behind: requests and answers have megabytes, and the collector looks rarely."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from arawn.backends.attempt import Attempt
from arawn.config.schema import Profile, RetryConfig
from arawn.errors import BackendError
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.fake_provider import FakeProvider, Fault, Reply, events, openai_chunk, openai_reply, stream_reply
from tests.runtimes import records

BEGUN = events(openai_chunk(role="assistant", content="Pa"))
SAID = events({"error": {"message": "no", "type": "server_error", "code": 500}})
LATER = Reply(status=503, body=b'{"error":{"message":"later"}}')
FAILURES = {
    "refused": Reply(status=400, body=b'{"error":{"message":"no"}}'),
    "overloaded": LATER,
    "no JSON": Reply(body=b"<html>"),
    "an error in a 200": Reply(body=b'{"error":{"message":"no","code":500}}'),
    "cut at once": Reply(before=Fault.CUT),
    "cut in the body": Reply(pieces=[b'{"choices"', Fault.CUT]),
    "an error at first": stream_reply(SAID),
    "an error midway": stream_reply([*BEGUN, *SAID]),
    "cut midway": Reply(content_type="text/event-stream", pieces=[*BEGUN, Fault.CUT]),
    "a stream of nonsense": stream_reply([b"data: nonsense\n\n"]),
}


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Leave what is part of a cycle where it is."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    ("route", "stream"),
    [
        ("/v1/chat/completions", True),
        ("a conversation", False),
        pytest.param("/v1/chat/completions", False, marks=pytest.mark.slow),
        pytest.param("/v1/messages", False, marks=pytest.mark.slow),
        pytest.param("/v1/messages", True, marks=pytest.mark.slow),
        pytest.param("/chat", False, marks=pytest.mark.slow),
        pytest.param("/chat", True, marks=pytest.mark.slow),
        pytest.param("a conversation", True, marks=pytest.mark.slow),
    ],
)
async def test_failed_calls_leave_no_error_and_no_attempt(route: str, stream: bool, tmp_path: Path) -> None:
    """Whatever fails, in the provider's dialect, in the other one and in our own: no frame of the call is kept."""
    retry = RetryConfig(attempts=2, initial_s=0.001, max_s=0.001)
    with ExitStack() as stack:
        profiles = {"default": Profile(backend="scripted")}
        answered = Reply(body=openai_reply("ok"))
        for number, replies in enumerate([*([reply] for reply in FAILURES.values()), [LATER, answered]]):
            address = stack.enter_context(FakeProvider(*replies)).address
            settings: dict[str, Any] = {"dialect": "openai", "base_url": address, "model": "m", "retry": retry}
            profiles[f"p{number}"] = Profile(backend="custom", **settings)
        async with open_api(tmp_path, profiles) as url, httpx.AsyncClient() as client:
            for name in profiles:
                body: dict[str, Any] = {"message": "hi", "routing_profile": name, "stream": stream}
                if route.startswith("/v1"):
                    said = [{"role": "user", "content": "hi"}]
                    body = {"messages": said, "model": name, "max_tokens": 9, "stream": stream}
                elif route == "a conversation":
                    body["workstream"] = name
                path = "/chat" if route == "a conversation" else route
                await client.post(url + path, json=body, headers={"authorization": f"Bearer {TOKEN}"})
            kept = [each for each in gc.get_objects() if isinstance(each, BackendError | Attempt)]

    assert kept == []
    assert len(records(tmp_path)) > len(profiles)  # some were tried again
