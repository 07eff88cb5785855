"""The SDKs raise what they raise for the provider itself, and try again where that can help."""

from __future__ import annotations

from pathlib import Path

import pytest

from arawn.config.schema import Profile
from tests.arawn.server.sdk.clients import CLIENTS, anthropic, ask, openai  # skips without the SDKs
from tests.arawn.server.sdk.doors import open_api
from tests.arawn.server.sdk.faults import seen_status
from tests.arawn.server.sdk.upstreams import KINDS, Answer, Refusal, upstream
from tests.runtimes import ECHO, records

pytestmark = pytest.mark.slow  # hundreds of cases; CI runs them

FAULTS = (400, 401, 404, 413, 422, 429, 500, 529)
RAISED = {
    "openai": {
        400: openai.BadRequestError,
        401: openai.AuthenticationError,
        404: openai.NotFoundError,
        413: openai.APIStatusError,
        422: openai.UnprocessableEntityError,
        429: openai.RateLimitError,
        500: openai.InternalServerError,
        502: openai.InternalServerError,
        503: openai.InternalServerError,
        529: openai.InternalServerError,
    },
    "anthropic": {
        400: anthropic.BadRequestError,
        401: anthropic.AuthenticationError,
        404: anthropic.NotFoundError,
        413: anthropic.RequestTooLargeError,
        422: anthropic.UnprocessableEntityError,
        429: anthropic.RateLimitError,
        500: anthropic.InternalServerError,
        502: anthropic.InternalServerError,
        503: anthropic.ServiceUnavailableError,
        529: anthropic.OverloadedError,
    },
}

OTHER_WORDS = {  # for clients of a dialect, how a provider of the other says that a conversation is too long
    "openai": ("anthropic", "prompt is too long: 200001 tokens > 200000 maximum"),
    "anthropic": ("openai", "This model's maximum context length is 8192 tokens."),
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", FAULTS)
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_fault_is_raised_as_its_kind(client: str, status: int, kind: str, stream: bool, tmp_path: Path) -> None:
    """The class, the status, the provider's sentence, and the id of the record."""
    dialect = client.removesuffix("-async")
    seen = seen_status(dialect, kind, status)
    with upstream(kind, tmp_path, Refusal(status, "the provider's own words"), stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            with pytest.raises(RAISED[dialect][seen]) as caught:
                await ask(client, url, stream=stream)

    assert caught.value.status_code == seen
    assert "the provider's own words" in str(caught.value)
    assert caught.value.request_id == records(tmp_path)[0]["id"]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("client", CLIENTS)
async def test_what_passes_is_tried_again(client: str, kind: str, stream: bool, tmp_path: Path) -> None:
    """After a refusal that asks for a wait, the second answer counts."""
    said = (Refusal(429, retry_after=0), Answer("Paris"))
    with upstream(kind, tmp_path, *said, stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            understood = await ask(client, url, stream=stream, retries=1)

    assert understood.text == "Paris"
    assert [record["status"] for record in records(tmp_path)] == ["error", "ok"]


@pytest.mark.parametrize("client", CLIENTS)
async def test_what_cannot_pass_is_not_tried_again(client: str, tmp_path: Path) -> None:
    """A key that the provider refuses is a 502 in the other dialect: clients would try again, but for the header."""
    with upstream("openai", tmp_path, Refusal(401), stream=False) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)):
                await ask(client, url, stream=False, retries=3)

    assert len(records(tmp_path)) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("status", [400, 413])
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_conversation_that_is_too_long_is_known(client: str, status: int, stream: bool, tmp_path: Path) -> None:
    """A provider of the other dialect says so: clients find the code, or the words, by which they shorten it."""
    dialect = client.removesuffix("-async")
    other, words = OTHER_WORDS[dialect]
    with upstream(other, tmp_path, Refusal(status, words), stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            with pytest.raises(RAISED[dialect][400]) as caught:
                await ask(client, url, stream=stream)

    assert words in str(caught.value)
    if dialect == "openai":
        assert caught.value.code == "context_length_exceeded"
    else:
        assert caught.value.body["error"]["message"].startswith("prompt is too long")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_stream_that_breaks_is_raised(client: str, kind: str, tmp_path: Path) -> None:
    """It is never taken for a whole answer."""
    with upstream(kind, tmp_path, Answer("one two three"), stream=True, cut=True) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            with pytest.raises((openai.APIError, anthropic.APIError)):
                await ask(client, url, stream=True)

    assert [record["status"] for record in records(tmp_path)] == ["partial"]


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_model_that_is_not_there_is_not_found(client: str, tmp_path: Path) -> None:
    """With the names that there are."""
    async with open_api(tmp_path, {"default": ECHO, "fast": ECHO}) as url:
        with pytest.raises((openai.NotFoundError, anthropic.NotFoundError), match="`default`, `fast`"):
            await ask(client, url, stream=False, model="gpt-9")


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_profile_without_a_key_is_unavailable(client: str, tmp_path: Path) -> None:
    """503 with what to do, and no second try."""
    profiles = {"default": ECHO, "keyless": Profile(backend="openai", model="m")}
    async with open_api(tmp_path, profiles) as url:
        with pytest.raises((openai.InternalServerError, anthropic.ServiceUnavailableError), match="OPENAI_API_KEY"):
            await ask(client, url, stream=False, retries=3, model="keyless")

    assert len(records(tmp_path)) == 1
