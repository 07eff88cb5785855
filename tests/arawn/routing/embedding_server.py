"""A real HTTP server whose `/v1/embeddings` tells apart what is about code and what is about weather."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.fake_provider import FakeProvider, Received, Reply

CODE = ("code", "bug", "function", "test", "class", "loop")
WEATHER = ("rain", "sun", "wind", "snow", "cloud", "storm")


def vector(text: str) -> list[float]:
    """Return a vector that points to code, to weather, or to neither, with a part that all texts share."""
    words = text.lower().split()
    return [float(sum(word in kind for word in words)) for kind in (CODE, WEATHER)] + [10.0, 1.0]


class EmbeddingServer(FakeProvider):
    """Answers every text with `vector`."""

    def answer_to(self, request: Received) -> Reply:
        self.received.append(request)
        asked = request.json()["input"]
        data = [{"index": index, "embedding": vector(text)} for index, text in enumerate(asked)]
        return Reply(body=json.dumps({"object": "list", "data": data[::-1]}).encode())


def counted_closes(monkeypatch: pytest.MonkeyPatch) -> list[httpx.AsyncClient]:
    """Return the clients that are closed from now on, as they are."""
    closed: list[httpx.AsyncClient] = []
    close = httpx.AsyncClient.aclose

    async def aclose(client: httpx.AsyncClient) -> None:
        closed.append(client)
        await close(client)

    monkeypatch.setattr(httpx.AsyncClient, "aclose", aclose)
    return closed
