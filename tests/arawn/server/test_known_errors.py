"""What Arawn knows of a failure is said in the words that the clients of each dialect look for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from arawn.config.schema import Profile, RetryConfig
from arawn.errors import (
    AuthFailed,
    BackendError,
    BadRequest,
    ContextTooLong,
    ModelNotFound,
    Overloaded,
    RateLimited,
)
from arawn.server.reply import error_reply, refusal
from arawn.server.v1.envelope import error_in_stream, in_envelope
from arawn.server.v1.target import DialectName
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.fake_provider import FakeProvider, Reply, anthropic_stream, events, openai_stream, stream_reply
from tests.runtimes import records

BODY = {"model": "p", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "input": "hi"}

# What failed -> status and code for clients of OpenAI; status, type and message for those of Anthropic.
WORDS: list[tuple[BackendError, tuple[int, str], tuple[int, str, str]]] = [
    (
        ContextTooLong("w", status=413, code="some_error"),
        (400, "context_length_exceeded"),
        (400, "invalid_request_error", "prompt is too long: w"),
    ),
    (
        RateLimited("w", status=429, code="rate_limit_error"),
        (429, "rate_limit_exceeded"),
        (429, "rate_limit_error", "w"),
    ),
    (RateLimited("w"), (429, "rate_limit_exceeded"), (429, "rate_limit_error", "w")),
    (RateLimited("w", status=429, code="insufficient_quota"), (429, "insufficient_quota"), (402, "billing_error", "w")),
    (BadRequest("w", status=400, code="billing_error"), (400, "insufficient_quota"), (402, "billing_error", "w")),
    (BadRequest("w", status=402), (402, "insufficient_quota"), (402, "billing_error", "w")),
    (Overloaded("w", status=529), (503, "server_is_overloaded"), (529, "overloaded_error", "w")),
    (Overloaded("w", code="overloaded_error"), (503, "server_is_overloaded"), (529, "overloaded_error", "w")),
    (Overloaded("w", status=503, code="slow_down"), (503, "server_is_overloaded"), (529, "overloaded_error", "w")),
    (Overloaded("w", status=500, code="api_error"), (503, "api_error"), (503, "api_error", "w")),
    (ModelNotFound("w", status=404, code="not_found_error"), (404, "model_not_found"), (404, "not_found_error", "w")),
    (AuthFailed("w", status=401, code="authentication_error"), (502, "invalid_api_key"), (502, "api_error", "w")),
    (AuthFailed("w", status=403, code="permission_error"), (502, "permission_error"), (502, "api_error", "w")),
    (BadRequest("w", status=400, code="some_error"), (400, "some_error"), (400, "invalid_request_error", "w")),
]


@pytest.mark.parametrize(("error", "openai", "anthropic"), WORDS)
def test_each_dialect_has_its_own_word(
    error: BackendError, openai: tuple[int, str], anthropic: tuple[int, str, str]
) -> None:
    """Where the meaning is certain; else the provider's word stays."""
    ours, theirs = (in_envelope(error_reply(error), dialect, "r-1") for dialect in ("openai", "anthropic"))
    said, told = json.loads(ours.body)["error"], json.loads(theirs.body)["error"]

    assert (ours.status, said["code"], said["message"]) == (*openai, "w")
    assert (theirs.status, told["type"], told["message"]) == anthropic


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
@pytest.mark.parametrize("error", [row[0] for row in WORDS])
def test_a_stream_ends_with_the_same_word(error: BackendError, dialect: DialectName) -> None:
    """As the refusal would have had."""
    whole = in_envelope(error_reply(error), dialect, "r-1").body

    assert json.loads(error_in_stream(error, dialect, "r-1")) == json.loads(whole)


def test_a_wrong_token_for_arawn_is_a_wrong_key() -> None:
    """Clients of OpenAI know the code."""
    body = json.loads(in_envelope(refusal(401, "unauthorized", "w"), "openai", "r-1").body)

    assert body["error"]["code"] == "invalid_api_key"


async def ask(path: str, dialect: Any, reply: Reply, directory: Path, **more: Any) -> httpx.Response:
    with FakeProvider(reply) as provider:
        once = RetryConfig(attempts=1)
        backend = Profile(backend="custom", dialect=dialect, base_url=provider.address, model="m", retry=once)
        async with open_api(directory, {"p": backend}) as url, httpx.AsyncClient() as client:
            return await client.post(url + path, json={**BODY, **more}, headers={"x-api-key": TOKEN})


TOO_LONG = {
    "anthropic": b'{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 8"}}',
    "openai": b'{"error":{"code":400,"type":"exceed_context_size_error","message":"exceeds the context window"}}',
}
NO_CREDIT = b'{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low."}}'


@pytest.mark.parametrize("dialect", TOO_LONG)
async def test_responses_say_in_the_stream_what_agents_look_for_there(dialect: str, tmp_path: Path) -> None:
    """A whole stream that has failed, known by its record, as of OpenAI itself; servers that have no such code too."""
    response = await ask("/v1/responses", dialect, Reply(400, TOO_LONG[dialect]), tmp_path, stream=True)

    said = [json.loads(line.removeprefix("data: ")) for line in response.text.splitlines() if line.startswith("data:")]
    assert response.status_code == 200
    assert [event["type"] for event in said] == ["response.created", "response.in_progress", "error", "response.failed"]
    assert {said[2]["code"], said[2]["error"]["code"]} == {"context_length_exceeded"}
    assert said[-1]["response"]["error"]["code"] == "context_length_exceeded"
    assert response.headers["x-arawn-profile"] == "p"
    assert response.headers["x-request-id"] == records(tmp_path)[0]["id"]


async def test_responses_say_in_the_stream_that_there_is_no_credit(tmp_path: Path) -> None:
    """Anthropic calls it an invalid request, and only its words tell."""
    response = await ask("/v1/responses", "anthropic", Reply(400, NO_CREDIT), tmp_path, stream=True)

    assert '"code":"insufficient_quota"' in response.text


@pytest.mark.parametrize("dialect", TOO_LONG)
@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions"])
async def test_a_refusal_has_the_code(path: str, dialect: str, tmp_path: Path) -> None:
    """Unless client and provider speak one dialect: then the provider's own bytes are what the client gets."""
    response = await ask(path, dialect, Reply(400, TOO_LONG[dialect]), tmp_path)

    assert response.status_code == 400
    if (path, dialect) == ("/v1/chat/completions", "openai"):
        assert response.content == TOO_LONG["openai"]
    else:
        assert response.json()["error"]["code"] == "context_length_exceeded"
        assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("stream", [False, True])
async def test_messages_say_it_in_the_words_that_agents_look_for(stream: bool, tmp_path: Path) -> None:
    """Whatever the provider's status was."""
    response = await ask("/v1/messages", "openai", Reply(413, TOO_LONG["openai"]), tmp_path, stream=stream)

    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (400, "invalid_request_error")
    assert error["message"].startswith("prompt is too long: ")
    assert "exceeds the context window" in error["message"]


VLLM = (
    "'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context length is 16384 "
    "tokens and your request has 50 input tokens (32000 > 16384 - 50)."
)
OPENAI = (
    "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens ({} in the messages, "
    "{} in the completion). Please reduce the length of the messages or completion."
)


@pytest.mark.parametrize(
    ("said", "begins"),
    [
        (VLLM, "input length and `max_tokens` exceed context limit: 50 + 32000 > 16384: "),
        (OPENAI.format(1000, 8000), "input length and `max_tokens` exceed context limit: 1000 + 8000 > 8192: "),
        (OPENAI.format(8900, 100), "prompt is too long: "),
    ],
)
async def test_a_limit_that_is_too_high_is_no_prompt_that_is_too_long(said: str, begins: str, tmp_path: Path) -> None:
    """Claude Code asks 32000 tokens of every model: it lowers that for these words, and compacts for the other ones."""
    body = json.dumps({"error": {"message": said, "type": "BadRequestError", "code": 400}}).encode()
    response = await ask("/v1/messages", "openai", Reply(400, body), tmp_path)

    assert response.json()["error"]["message"].startswith(begins)


OVERLOADED = events({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, named=True)
BUSY = events({"error": {"message": "busy", "type": "odd", "code": "server_is_overloaded"}})
ODD = events({"error": {"message": "boom", "type": "server_error", "code": "weird"}})
FULL = events({"error": {"message": "maximum context length is 8", "type": "odd", "code": "context_length_exceeded"}})


@pytest.mark.parametrize(
    ("path", "dialect", "pieces", "wanted"),
    [
        ("/v1/chat/completions", "anthropic", [*anthropic_stream("hi")[:4], *OVERLOADED], "server_is_overloaded"),
        ("/v1/responses", "anthropic", [*anthropic_stream("hi")[:4], *OVERLOADED], "overloaded_error"),
        ("/v1/responses", "openai", [*openai_stream("hi")[:2], *BUSY], "overloaded_error"),
        ("/v1/responses", "openai", [*openai_stream("hi")[:2], *FULL], "context_length_exceeded"),
        ("/v1/messages", "openai", [*openai_stream("hi")[:2], *FULL], "prompt is too long: "),
        ("/v1/messages", "openai", [*openai_stream("hi")[:2], *ODD], "api_error"),
    ],
)
async def test_an_error_after_the_first_words_has_the_word_too(
    path: str, dialect: str, pieces: list[bytes], wanted: str, tmp_path: Path
) -> None:
    """In the event that ends the stream."""
    response = await ask(path, dialect, stream_reply(pieces), tmp_path, stream=True)

    end = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: {")][-1]
    error = end["response"]["error"] if path == "/v1/responses" else end["error"]
    assert wanted in (error.get("code", error.get("type")), error["message"][: len(wanted)])


@pytest.mark.parametrize(
    ("path", "field", "named"),
    [
        ("/v1/chat/completions", {"response_format": {"type": "json_object"}}, "response_format"),
        ("/v1/responses", {"text": {"format": {"type": "json_object"}}}, "text.format"),
        ("/v1/responses", {"text": {"format": {"type": "json_object", "x": 1}}}, "text.format"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_json_object_is_asked_for_by_the_prompt_alone(
    path: str, field: dict[str, Any], named: str, stream: bool, tmp_path: Path
) -> None:
    """Where the provider has no word for it: the call is answered, and its head says so."""
    pieces = stream_reply(anthropic_stream("{}"))
    whole = Reply(body=b'{"content":[{"type":"text","text":"{}"}],"model":"x","stop_reason":"end_turn","usage":{}}')
    response = await ask(path, "anthropic", pieces if stream else whole, tmp_path, stream=stream, **field)

    assert response.status_code == 200
    assert named in response.headers["x-arawn-ignored"].split(", ")
    assert "json_object" not in response.text


@pytest.mark.parametrize("word", sorted({row[1][1] for row in WORDS[:8]} | {row[2][1] for row in WORDS[:8]}))
def test_the_words_are_on_the_page(word: str) -> None:
    """In the table of what clients look for."""
    page = Path("docs/http-api.md").read_text("utf-8")
    table = page[page.index("| what is known |") : page.index("Any other failure has")]

    assert f"`{word}`" in table
