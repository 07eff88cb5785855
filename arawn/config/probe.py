"""Find out what this machine offers when no profile is configured: keys, an Ollama, a local model."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

import httpx
import msgspec
import trio

from arawn.config.discover import LOCAL_MODEL, OLLAMA, Facts
from arawn.config.profiles import keys_set

__all__ = ["first_ollama_model", "gather_facts"]

_PROBE_SECONDS = 0.3


class _OllamaDetails(msgspec.Struct):
    family: str | None = None
    families: list[str] | None = None


class _OllamaModel(msgspec.Struct):
    name: str
    details: _OllamaDetails | None = None

    def embeds(self) -> bool:
        """Say whether it is of a family that has embeddings and no answers, such as `bert` and `nomic-bert`."""
        details = self.details or _OllamaDetails()
        return any("bert" in family for family in (details.family or "", *(details.families or ())))


class _OllamaModels(msgspec.Struct):
    models: list[_OllamaModel]


async def gather_facts(environ: Mapping[str, str], *, ollama: str = OLLAMA) -> Facts:
    """Find out what this machine offers.

    **Checkpoint:** always; at most 0.3 s, for Ollama to answer. **If cancelled:** nothing has changed.

    Args:
        environ: The process environment.
        ollama: The address of Ollama.
    """
    return Facts(
        keys=keys_set(environ),
        ollama_model=await first_ollama_model(ollama),
        local_engine=_is_installed("xllamacpp"),
        local_model=_is_installed(LOCAL_MODEL.replace("-", "_")),
    )


async def first_ollama_model(address: str) -> str | None:
    """Return the first model that the Ollama at `address` lists, of those that answer.

    None if it has none, or does not answer within 0.3 s.

    **Checkpoint:** always. **If cancelled:** the connection is closed.
    """
    listed = _OllamaModels([])
    with trio.move_on_after(_PROBE_SECONDS):
        listed = await _ollama_models(address)
    return next((model.name for model in listed.models if not model.embeds()), None)


async def _ollama_models(address: str) -> _OllamaModels:
    # Not through a proxy: the question is what answers on this machine. Nothing, or no Ollama, is an answer too.
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            reply = (await client.get(f"{address}/api/tags")).raise_for_status()
        except httpx.HTTPError:
            return _OllamaModels([])
    try:
        return msgspec.json.decode(reply.content, type=_OllamaModels)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _OllamaModels([])


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
