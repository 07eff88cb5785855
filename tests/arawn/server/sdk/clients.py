"""The SDKs of OpenAI and Anthropic, each one call away: four clients that report what they understood."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest

from tests.arawn.server.sdk.doors import TOKEN, beside, beside_asyncio

anthropic: Any = pytest.importorskip("anthropic")
openai: Any = pytest.importorskip("openai")

__all__ = ["CLIENTS", "Said", "ask", "open_anthropic", "open_openai"]

OPENAI_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


class Said(msgspec.Struct):
    """An answer as a client understood it, in neutral words."""

    text: str = ""
    thinking: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    stop: str = ""
    usage: tuple[int, int] = (0, 0)
    model: str = ""


async def ask(client: str, url: str, *, stream: bool, retries: int = 0, **more: Any) -> Said:
    """Ask `auto` one question with the named client.

    Raises:
        openai.APIError, anthropic.APIError: As the client has it.
    """
    return await CLIENTS[client](url, stream, retries, more)


def open_openai(url: str, opened: ExitStack, **settings: Any) -> Any:
    """Return the synchronous client of OpenAI, which tries once and is closed with `opened`."""
    return opened.enter_context(
        openai.OpenAI(**{"base_url": f"{url}/v1", "api_key": TOKEN, "max_retries": 0, **settings})
    )


def open_anthropic(url: str, opened: ExitStack, **settings: Any) -> Any:
    """Return the synchronous client of Anthropic, which tries once and is closed with `opened`."""
    return opened.enter_context(
        anthropic.Anthropic(**{"base_url": url, "api_key": TOKEN, "max_retries": 0, **settings})
    )


def _openai_params(stream: bool, more: dict[str, Any]) -> dict[str, Any]:
    body = {"model": "auto", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}], **more}
    return {**body, "stream": True, "stream_options": {"include_usage": True}} if stream else body


def _anthropic_params(more: dict[str, Any]) -> dict[str, Any]:
    return {"model": "auto", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}], **more}


async def openai_sync(url: str, stream: bool, retries: int, more: dict[str, Any]) -> Said:
    def work() -> Said:
        with openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=retries) as client:
            answer = client.chat.completions.create(**_openai_params(stream, more))
            return _chunks(list(answer)) if stream else _completion(answer)

    return await beside(work)


async def openai_async(url: str, stream: bool, retries: int, more: dict[str, Any]) -> Said:
    async def work() -> Said:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=retries) as client:
            answer = await client.chat.completions.create(**_openai_params(stream, more))
            return _chunks([chunk async for chunk in answer]) if stream else _completion(answer)

    return await beside_asyncio(work)


async def anthropic_sync(url: str, stream: bool, retries: int, more: dict[str, Any]) -> Said:
    def work() -> Said:
        with anthropic.Anthropic(base_url=url, api_key=TOKEN, max_retries=retries) as client:
            if not stream:
                return _message(client.messages.create(**_anthropic_params(more)))
            with client.messages.stream(**_anthropic_params(more)) as events:
                return _message(events.get_final_message())

    return await beside(work)


async def anthropic_async(url: str, stream: bool, retries: int, more: dict[str, Any]) -> Said:
    async def work() -> Said:
        async with anthropic.AsyncAnthropic(base_url=url, auth_token=TOKEN, max_retries=retries) as client:
            if not stream:
                return _message(await client.messages.create(**_anthropic_params(more)))
            async with client.messages.stream(**_anthropic_params(more)) as events:
                return _message(await events.get_final_message())

    return await beside_asyncio(work)


CLIENTS: dict[str, Callable[[str, bool, int, dict[str, Any]], Awaitable[Said]]] = {
    "openai": openai_sync,
    "openai-async": openai_async,
    "anthropic": anthropic_sync,
    "anthropic-async": anthropic_async,
}


def _completion(answer: Any) -> Said:
    choice = answer.choices[0]
    calls = tuple((call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls or ())
    usage = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    thinking = getattr(choice.message, "reasoning_content", "")
    return Said(choice.message.content or "", thinking, calls, OPENAI_STOPS[choice.finish_reason], usage, answer.model)


def _chunks(chunks: Iterable[Any]) -> Said:
    said = Said()
    calls: dict[int, list[str]] = {}
    for chunk in chunks:
        said.model = chunk.model
        if chunk.usage is not None:
            said.usage = (chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
        for choice in chunk.choices:
            said.text += choice.delta.content or ""
            said.thinking += getattr(choice.delta, "reasoning_content", "")
            said.stop = OPENAI_STOPS[choice.finish_reason] if choice.finish_reason else said.stop
            for call in choice.delta.tool_calls or ():
                pieces = calls.setdefault(call.index, [call.function.name or "", ""])
                pieces[1] += call.function.arguments or ""
    said.calls = tuple((name, json.loads(arguments)) for name, arguments in calls.values())
    return said


def _message(message: Any) -> Said:
    said = Said(stop=message.stop_reason, usage=(message.usage.input_tokens, message.usage.output_tokens))
    said.model = message.model
    said.text = "".join(block.text for block in message.content if block.type == "text")
    said.thinking = "".join(block.thinking for block in message.content if block.type == "thinking")
    said.calls = tuple((block.name, block.input) for block in message.content if block.type == "tool_use")
    return said
