from __future__ import annotations

import json

import pytest

from arawn.backends.verbatim_reply import ProviderAnswer
from arawn.errors import (
    AuthFailed,
    BadReply,
    Overloaded,
    RateLimited,
)
from arawn.messages import CompletionRequest, StreamEvent, Text, TextDelta, Thinking, Usage, user
from arawn.messages import Message as Turn
from tests.arawn.backends.calling import ASK, complete_error, opened, stream, stream_error
from tests.fake_provider import (
    FakeProvider,
    Fault,
    Reply,
    anthropic_reply,
    anthropic_stream,
    events,
    openai_chunk,
    openai_reply,
    openai_stream,
    stream_reply,
)

SOMEBODYS = "sk-proj-" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5bC7d"


@pytest.mark.parametrize(
    ("dialect", "body", "path", "key_header"),
    [
        ("openai", openai_reply("hello"), "/v1/chat/completions", ("authorization", "Bearer k")),
        ("anthropic", anthropic_reply("hello"), "/v1/messages", ("x-api-key", "k")),
    ],
)
async def test_a_plain_call_asks_and_answers(dialect: str, body: bytes, path: str, key_header: tuple[str, str]) -> None:
    """Key, headers and body arrive; the answer carries the provider's request id and the profile's name."""
    with FakeProvider(Reply(body=body, headers={"request-id": "r1"})) as fake:
        async with opened(fake.address, dialect, api_key="k", headers={"X-Mine": "1"}) as provider:
            response = await provider.complete(ASK)

    (received,) = fake.received
    assert (received.method, received.path) == ("POST", path)
    assert received.headers["x-mine"] == "1"
    assert received.headers[key_header[0]] == key_header[1]
    assert received.json()["model"] == "asked"
    assert response.content == (Text("hello"),)
    assert (response.model, response.request_id, response.profile) == ("fake-1", "r1", "p")
    assert response.usage == Usage(7, 3)


@pytest.mark.parametrize(
    ("dialect", "pieces"), [("openai", openai_stream("a", " b")), ("anthropic", anthropic_stream("a", " b"))]
)
async def test_a_stream_equals_the_plain_answer(dialect: str, pieces: list[bytes]) -> None:
    """Every delta is emitted in order, then the whole answer returned."""
    sink: list[StreamEvent] = []
    plain_body = openai_reply("a b") if dialect == "openai" else anthropic_reply("a b")
    with FakeProvider(stream_reply(pieces), Reply(body=plain_body)) as fake:
        async with opened(fake.address, dialect) as provider:
            streamed = await stream(provider, sink)
            plain = await provider.complete(ASK)

    assert sink == [TextDelta(0, "a"), TextDelta(0, " b")]
    assert streamed == plain
    assert [request.json().get("stream", False) for request in fake.received] == [True, False]


async def test_one_connection_serves_stream_after_stream() -> None:
    """A finished stream gives its connection back."""
    with FakeProvider(stream_reply(openai_stream("a"))) as fake:
        async with opened(fake.address) as provider:
            for _ in range(3):
                await stream(provider, [])

    assert fake.connections == 1


async def test_a_stream_is_complete_although_its_connection_breaks_after_the_end() -> None:
    """What comes after the terminal event cannot spoil the answer, nor hold it up."""
    for fault in (Fault.CUT, Fault.STALL):
        with FakeProvider(stream_reply([*openai_stream("a"), fault])) as fake:
            async with opened(fake.address) as provider:
                assert (await stream(provider, [])).text == "a"


async def test_bytes_may_be_cut_anywhere() -> None:
    """Events arrive whole however the network cuts them."""
    whole = b"".join(openai_stream("é", "😀"))
    with FakeProvider(stream_reply([whole[at : at + 7] for at in range(0, len(whole), 7)])) as fake:
        async with opened(fake.address) as provider:
            assert (await stream(provider, [])).text == "é😀"


async def test_warnings_of_the_request_are_in_the_answer() -> None:
    """What the dialect could not say is told."""
    turns = (user("a"), Turn("assistant", (Thinking("hm"), Text("b"))), user("c"))
    asked = CompletionRequest(messages=turns, model="m")
    with FakeProvider() as fake:
        async with opened(fake.address) as provider:
            response = await provider.complete(asked)

    (warning,) = response.warnings
    assert warning.startswith("thinking blocks were dropped: in the openai dialect they are sent only with tool calls")


async def test_errors_keep_status_code_and_request_id_and_hide_the_key() -> None:
    """A refusal says who, what and why; a key that the server quotes is taken out."""
    body = json.dumps({"error": {"message": "Incorrect API key: s3cret-key", "code": "invalid_api_key"}}).encode()
    reply = Reply(401, body, headers={"x-request-id": "r1"})

    plain = await complete_error(reply, api_key="s3cret-key")
    _, streamed = await stream_error(reply, api_key="s3cret-key")

    for error in (plain, streamed):
        assert isinstance(error, AuthFailed)
        assert (error.status, error.code, error.request_id) == (401, "invalid_api_key", "r1")
        assert "profile `p` (custom at 127.0.0.1:" in str(error)
        assert "s3cret-key" not in str(error)


@pytest.mark.parametrize("key", ["error", "k", "seven77"])
async def test_a_short_key_mangles_no_answer(key: str) -> None:
    """A dummy key for a local server may be any word of an answer, or a part of one."""
    body = json.dumps({"error": {"message": f"check that {key} first"}}).encode()

    error = await complete_error(Reply(503, body), api_key=key)

    assert f"check that {key} first; try again later" in str(error)
    assert isinstance(error.__cause__, ProviderAnswer)
    assert error.__cause__.body == body


async def test_any_key_in_a_message_is_taken_out() -> None:
    """What `arawn status`, `arawn doctor` and the caller are shown holds no key that the log would redact."""
    body = json.dumps({"error": {"message": f"slow down, {SOMEBODYS}"}}).encode()

    plain = await complete_error(Reply(429, body))
    _, streamed = await stream_error(Reply(429, body))

    for error in (plain, streamed):
        assert SOMEBODYS not in f"{error} {error.user_message}"
        assert "slow down, [redacted:" in error.user_message


async def test_an_invitation_to_retry_is_passed_on() -> None:
    """The caller learns how long to wait."""
    error = await complete_error(Reply(429, b"{}", headers={"retry-after-ms": "250"}))

    assert isinstance(error, RateLimited)
    assert (error.retry_after_s, error.retryable) == (0.25, True)


@pytest.mark.parametrize(
    ("content_type", "body", "words"),
    [
        ("text/html", b"<html><body>Welcome</body></html>", "text/html, `<html><body>Welcome"),
        ("application/json", b'{"hello": "world"}', "`choices` is missing"),
        ("application/json", b"", "an empty body"),
    ],
)
async def test_a_reply_of_another_shape_says_what_was_found(content_type: str, body: bytes, words: str) -> None:
    """A wrong `base_url` is told from a fault, plain and streamed."""
    reply = Reply(200, body, content_type)

    plain = await complete_error(reply)
    _, streamed = await stream_error(reply)

    for error in (plain, streamed):
        assert isinstance(error, BadReply)
        assert words in str(error)
        assert "`base_url` should be" in str(error)
        assert "if that is so, look at the server" in str(error)
        assert not error.retryable


async def test_a_redirect_is_not_followed() -> None:
    """The key never goes to an address that was not configured."""
    error = await complete_error(Reply(307, headers={"location": "https://elsewhere.test/v1"}), api_key="k")

    assert isinstance(error, BadReply)
    assert "elsewhere.test/v1" in str(error)


async def test_an_error_without_an_envelope_is_told_in_its_words() -> None:
    """Older servers of vLLM end a stream so."""
    said = b'data: {"object":"error","message":"CUDA out of memory","type":"InternalServerError","code":500}\n\n'

    sink, error = await stream_error(stream_reply([*events(openai_chunk(content="hi")), said]))

    assert isinstance(error, Overloaded)
    assert "CUDA out of memory" in str(error)
    assert error.partial is not None
    assert sink == [TextDelta(0, "hi")]
