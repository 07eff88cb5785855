from __future__ import annotations

import msgspec
import pytest
import trio

from arawn.config.schema import Profile
from arawn.routing.embeddings import EmbeddingFailed, OpenAIEmbeddings
from tests.arawn.routing.embedding_server import counted_closes
from tests.fake_provider import FakeProvider, Fault, Reply
from tests.runtimes import custom


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(status=500, body=b"secret"), "status 500"),
        (Reply(body=b"{}"), "no list of embeddings"),
        (Reply(body=b'{"data": []}'), "0 embeddings for 1 texts"),
        (Reply(body=b'{"data": [{"index": 0, "embedding": []}]}'), "1 embeddings for 1 texts, or of unequal"),
        (Reply(before=Fault.CUT), "Error"),
    ],
)
async def test_a_provider_that_fails_is_one_short_error(reply: Reply, why: str) -> None:
    """Nothing of its answer is in it, since it goes into a record."""
    with FakeProvider(reply) as server:
        embedder = OpenAIEmbeddings("e", custom(server.address), {})
        with pytest.raises(EmbeddingFailed) as caught:
            await embedder.embed(["hi"])
        await embedder.aclose()

    assert why in caught.value.why
    assert "secret" not in str(caught.value)


async def test_a_profile_without_its_key_is_the_same_error() -> None:
    """And says so in two words."""
    embedder = OpenAIEmbeddings("e", Profile(backend="openai", model="m"), {})
    with pytest.raises(EmbeddingFailed, match="profile `e` gave no embeddings: no key"):
        await embedder.embed(["hi"])
    await embedder.aclose()


async def test_a_query_of_the_address_stays_at_its_end() -> None:
    """As for every other call of the profile."""
    answer = b'{"data": [{"index": 0, "embedding": [1.0]}]}'
    with FakeProvider(Reply(body=answer)) as server:
        profile = msgspec.structs.replace(custom(server.address), base_url=f"{server.address}/v1?api-version=1")
        embedder = OpenAIEmbeddings("e", profile, {})
        assert await embedder.embed(["hi"]) == [[1.0]]
        await embedder.aclose()

    assert server.received[0].path == "/v1/embeddings?api-version=1"


async def test_the_last_request_under_way_closes_the_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the one that asks for it, and not before; a cancelled request closes them too."""
    closed = counted_closes(monkeypatch)
    with FakeProvider(Reply(before=Fault.STALL)) as server:
        embedder = OpenAIEmbeddings("e", custom(server.address), {})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(embedder.embed, ["hi"])
            while not server.received:  # noqa: ASYNC110  # a thread receives
                await trio.sleep(0.01)
            await embedder.aclose()
            assert not closed
            nursery.cancel_scope.cancel()

    assert len(closed) == 1
