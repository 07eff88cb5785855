"""An address with a query, such as Azure's, goes behind every path; a wrong one is told by the path that was asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.backends.endpoint import endpoint_url
from arawn.backends.open import open_provider
from arawn.config.load import load
from arawn.config.schema import Profile
from arawn.errors import BackendError, ModelNotFound
from arawn.messages import CompletionRequest, user
from tests.arawn.backends.calling import ASK, complete_error, stream
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.fake_provider import FakeProvider, Reply, anthropic_reply, openai_reply, openai_stream, stream_reply
from tests.runtimes import configured, custom, lines, running

VERSION = "api-version=2024-10-21"
KEY = "azure-key-0123456789"
PARTS = st.text("abcz09-_", min_size=1, max_size=5)
AZURE = Path("examples/azure.toml").read_text("utf-8")
SAID = {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


def azure(address: str, dialect: Any = "openai") -> Profile:
    profile = custom(address, headers={"api-key": KEY})
    return msgspec.structs.replace(profile, dialect=dialect, base_url=f"{address}/openai/deployments/d?{VERSION}")


async def asked(directory: Path, profile: Profile, path: str, **body: Any) -> httpx.Response:
    async with open_api(directory, {"demo": profile}) as url, httpx.AsyncClient() as client:
        return await client.post(url + path, json={"model": "demo", **body}, headers={"x-api-key": TOKEN})


@pytest.mark.parametrize(
    ("client", "body", "reply", "path"),
    [
        ("/v1/chat/completions", SAID, Reply(body=openai_reply("hi")), "/chat/completions"),
        ("/v1/chat/completions", {**SAID, "stream": True}, stream_reply(openai_stream("hi")), "/chat/completions"),
        ("/v1/messages", SAID, Reply(body=openai_reply("hi")), "/chat/completions"),
        ("/v1/messages?beta=true", SAID, Reply(body=openai_reply("hi")), "/chat/completions"),
        ("/v1/responses", {"input": "hi"}, Reply(body=openai_reply("hi")), "/chat/completions"),
        ("/v1/embeddings", {"input": "hi"}, Reply(body=b'{"object": "list", "data": []}'), "/embeddings"),
    ],
)
async def test_what_is_asked_of_azure_has_the_version_behind_its_path(
    tmp_path: Path, client: str, body: dict[str, Any], reply: Reply, path: str
) -> None:
    """With the key in Azure's own header, which the log never sees, and no other."""
    with FakeProvider(reply) as provider:
        response = await asked(tmp_path, azure(provider.address), client, **body)

    (received,) = provider.received
    assert response.status_code == 200
    assert received.path == f"/openai/deployments/d{path}?{VERSION}"
    assert received.headers["api-key"] == KEY
    assert "authorization" not in received.headers
    assert KEY not in str(lines(tmp_path))


@pytest.mark.parametrize(
    ("client", "path", "query"),
    [
        ("/v1/messages?beta=true", "/v1/messages", f"{VERSION}&beta=true"),
        ("/v1/messages", "/v1/messages", VERSION),
        ("/v1/messages/count_tokens?beta=%22a b", "/v1/messages/count_tokens", f"{VERSION}&beta=%22a%20b"),
    ],
)
async def test_the_query_of_a_client_comes_behind_that_of_the_address(
    tmp_path: Path, client: str, path: str, query: str
) -> None:
    """Both arrive, where the provider speaks the client's dialect."""
    with FakeProvider(Reply(body=anthropic_reply("hi"))) as provider:
        response = await asked(tmp_path, azure(provider.address, "anthropic"), client, **SAID)

    assert response.status_code == 200
    assert provider.received[0].path == f"/openai/deployments/d{path}?{query}"


@given(base=st.lists(PARTS), path=st.sampled_from(["/chat/completions", "/v1/messages"]), own=PARTS)
def test_an_address_is_the_same_with_and_without_its_query(base: list[str], path: str, own: str) -> None:
    """Nothing but the query is added, at the end."""
    address = "http://h/" + "/".join(base)
    plain, with_query = endpoint_url(address, path), endpoint_url(f"{address}?{own}=1", path)
    mixed = endpoint_url(f"{address}?{own}=1", path, b"beta=true")

    assert with_query.raw_path == plain.raw_path + f"?{own}=1".encode()
    assert mixed.raw_path == plain.raw_path + f"?{own}=1&beta=true".encode()
    assert endpoint_url(f"{address}?", path).raw_path == plain.raw_path


async def test_the_configuration_in_the_docs_works(tmp_path: Path) -> None:
    """As it stands, but for the place; the key may come from the environment instead."""
    with FakeProvider(Reply(body=openai_reply("hi"))) as provider:
        file = tmp_path / "azure.toml"
        file.write_text(AZURE.replace("https://NAME.openai.azure.com", provider.address))
        for environ in ({}, {"ARAWN_LLM__HEADERS": f'{{ api-key = "{KEY}" }}'}):
            loaded = load(config_file=file, environ=environ, flags={}, cwd=tmp_path)
            async with running(configured(tmp_path, loaded.config.profiles)) as runtime:
                assert (await runtime.complete(CompletionRequest(messages=(user("hi"),)))).text == "hi"

    assert [each.headers["api-key"] for each in provider.received] == ["KEY", KEY]
    assert {each.path for each in provider.received} == {f"/openai/deployments/DEPLOYMENT/chat/completions?{VERSION}"}


async def test_a_refusal_names_the_place_without_the_query(tmp_path: Path) -> None:
    """What is shown of an address is where it leads."""
    with FakeProvider(Reply(500, b"{}")) as provider:
        response = await asked(tmp_path, azure(provider.address), "/v1/messages", **SAID)

    assert response.status_code == 503
    assert VERSION not in response.text
    assert VERSION not in str(lines(tmp_path))


@pytest.mark.parametrize(
    ("path", "reply", "asked_for"),
    [
        ("", Reply(404, b"404 page not found"), "/chat/completions"),
        ("/v1/chat/completions?x=y", Reply(404, b"{}"), "/v1/chat/completions/chat/completions"),
        ("", Reply(body=b'{"error":"Unexpected endpoint or method. (POST /chat/completions)"}'), "/chat/completions"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_path_that_is_not_known_is_named_with_what_would_be_right(
    path: str, reply: Reply, asked_for: str, *, streamed: bool
) -> None:
    """Without its query: the path alone shows what is wrong with `base_url`. Trying again does not help."""
    with FakeProvider(reply) as fake, pytest.raises(ModelNotFound) as caught:
        profile = msgspec.structs.replace(custom(fake.address), base_url=fake.address + path)
        async with open_provider("p", profile, environ={}) as provider:
            await (stream(provider, []) if streamed else provider.complete(ASK))

    right = "`base_url` should be the address up to and including `/v1`"
    assert str(caught.value).endswith(f"check `model` and `base_url` of the profile: `{asked_for}` was asked; {right}")
    assert not caught.value.retryable


async def test_a_model_that_is_not_known_leaves_the_address_alone() -> None:
    """The path was right."""
    said = {"error": {"message": "model `m` not found", "type": "not_found_error"}}
    error: BackendError = await complete_error(Reply(404, msgspec.json.encode(said)))

    assert str(error).endswith("check `model` and `base_url` of the profile")
