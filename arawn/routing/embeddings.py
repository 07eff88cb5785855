"""Texts to vectors: what the classifier asks of a provider, and the provider that speaks OpenAI's dialect."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import Protocol

import httpx
import msgspec
import trio

from arawn.backends.endpoint import endpoint_url
from arawn.backends.keys import resolve_key
from arawn.backends.openai import OpenAIDialect
from arawn.backends.presets import PRESETS
from arawn.backends.proxied import open_client
from arawn.config.schema import Profile
from arawn.errors import ArawnError, Unavailable

__all__ = ["EmbeddingFailed", "EmbeddingProvider", "OpenAIEmbeddings"]


class EmbeddingProvider(Protocol):
    """Turns texts into vectors of one length."""

    async def embed(self, texts: Sequence[str], /) -> Sequence[Sequence[float]]:
        """Return one vector a text, in the order of the texts; whoever asks bounds the wait.

        Raises:
            EmbeddingFailed: There are none.

        Checkpoint: always. If cancelled: the request is cancelled.
        """
        ...


class EmbeddingFailed(ArawnError):
    """There are no vectors. `why` is short and holds nothing that was sent, so that it can stand in a record."""

    def __init__(self, profile: str, why: str) -> None:
        super().__init__(f"profile `{profile}` gave no embeddings: {why}")
        self.why = why


class _Vector(msgspec.Struct, frozen=True):
    index: int
    embedding: list[float]


class _Answer(msgspec.Struct, frozen=True):
    data: list[_Vector]


class OpenAIEmbeddings:
    """The `/v1/embeddings` of one profile; the profile's own limits, retries and time-outs do not apply."""

    def __init__(self, name: str, profile: Profile, environ: Mapping[str, str]) -> None:
        """Make the client; nothing is sent yet.

        Args:
            name: The profile's name.
            profile: A profile whose provider speaks OpenAI's dialect.
            environ: Where its key may stand.

        Raises:
            Unavailable: The variables for proxies are wrong.
        """
        self._name = name
        self._profile = profile
        self._environ = environ
        self._http = open_client(f"profile `{name}` ({profile.backend})", os.environ, limits=httpx.Limits())
        self._headers: dict[str, str] | None = None
        self._users = 0
        self._closing = False

    async def start(self) -> None:
        """Have the key ready; without one nothing fails here, and each request looks for it anew.

        Checkpoint: only if a command prints the key, at most 10 s.
        If cancelled: the command is killed.
        """
        with contextlib.suppress(EmbeddingFailed):  # said in the reason of every decision
            await self._head()

    async def embed(self, texts: Sequence[str], /) -> list[list[float]]:
        """Return one vector a text.

        Raises:
            EmbeddingFailed: The provider was not reached, refused, or answered with something else.

        Checkpoint: always.
        If cancelled: the request is cancelled.
        """
        self._users += 1
        try:
            return await self._asked(texts)
        finally:
            self._users -= 1
            if self._closing and not self._users:
                with trio.CancelScope(shield=True):  # bounded: it closes sockets that nobody uses
                    await self._http.aclose()

    async def _asked(self, texts: Sequence[str]) -> list[list[float]]:
        preset = PRESETS[self._profile.backend]
        url = endpoint_url(self._profile.base_url or preset.base_url or "", "/embeddings")
        body = {**self._profile.extra, "model": self._profile.model, "input": list(texts)}
        try:
            reply = await self._http.post(url, content=msgspec.json.encode(body), headers=await self._head())
        except httpx.HTTPError as error:
            raise EmbeddingFailed(self._name, type(error).__name__) from error
        if reply.status_code != httpx.codes.OK:
            raise EmbeddingFailed(self._name, f"status {reply.status_code}")
        return self._vectors(reply.content, len(texts))

    async def aclose(self) -> None:
        """Close the connections, or have the last request that is under way close them.

        Checkpoint: only if they are closed here. If cancelled: they are closed all the same.
        """
        self._closing = True
        if not self._users:
            await self._http.aclose()

    async def _head(self) -> dict[str, str]:
        """Return the headers of every request; a key that a command prints is asked for once."""
        if self._headers is None:
            preset = PRESETS[self._profile.backend]
            try:
                key = await resolve_key(self._name, self._profile, preset, environ=self._environ)
            except Unavailable as error:
                raise EmbeddingFailed(self._name, "no key") from error
            own = OpenAIDialect().headers(key, bearer=preset.bearer)
            self._headers = {"content-type": "application/json", **own, **self._profile.headers}
        return self._headers

    def _vectors(self, content: bytes, wanted: int) -> list[list[float]]:
        try:
            found = sorted(msgspec.json.decode(content, type=_Answer).data, key=lambda vector: vector.index)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise EmbeddingFailed(self._name, "an answer that is no list of embeddings") from error
        vectors = [vector.embedding for vector in found]
        if len(vectors) != wanted or not vectors[0] or any(len(each) != len(vectors[0]) for each in vectors):
            raise EmbeddingFailed(self._name, f"{len(vectors)} embeddings for {wanted} texts, or of unequal lengths")
        return vectors
