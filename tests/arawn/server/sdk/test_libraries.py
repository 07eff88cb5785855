"""Libraries on top of the SDKs: pydantic-ai, langchain-openai and llm work unchanged."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.arawn.server.sdk.doors import TOKEN, beside, beside_asyncio, open_api
from tests.arawn.server.sdk.upstreams import KINDS, Answer, upstream

pytestmark = [
    pytest.mark.slow,  # importing the libraries takes seconds, so it is done in the tests
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),  # the libraries keep their clients open
]

TEXT = Answer("Paris it is")
CALL = (Answer(calls=(("add", {"a": 2, "b": 3}),), stop="tool_use"), Answer("It is 5."))


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Let go of what a library left open here, not in a later test."""
    yield
    gc.collect()


def city() -> Any:
    pydantic: Any = pytest.importorskip("pydantic")
    return pydantic.create_model("City", name=(str, ...), people=(int, ...))


def agent(dialect: str, url: str, **settings: Any) -> Any:
    return pytest.importorskip("pydantic_ai").Agent(MODELS[dialect](url), **settings)


def openai_model(url: str) -> Any:
    provider = pytest.importorskip("pydantic_ai.providers.openai").OpenAIProvider
    model = pytest.importorskip("pydantic_ai.models.openai").OpenAIChatModel
    return model("auto", provider=provider(base_url=f"{url}/v1", api_key=TOKEN))


def anthropic_model(url: str) -> Any:
    provider = pytest.importorskip("pydantic_ai.providers.anthropic").AnthropicProvider
    model = pytest.importorskip("pydantic_ai.models.anthropic").AnthropicModel
    return model("auto", provider=provider(base_url=url, api_key=TOKEN))


MODELS: dict[str, Callable[[str], Any]] = {"openai": openai_model, "anthropic": anthropic_model}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dialect", MODELS)
async def test_pydantic_ai_reads_an_answer(dialect: str, kind: str, stream: bool, tmp_path: Path) -> None:
    """Its text and its counts."""
    with upstream(kind, tmp_path, TEXT, stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:

            async def work() -> tuple[str, int | None]:
                asked = agent(dialect, url)
                if not stream:
                    done = await asked.run("hi")
                    return done.output, done.usage.output_tokens
                async with asked.run_stream("hi") as result:
                    return await result.get_output(), result.usage.output_tokens

            assert await beside_asyncio(work) == ("Paris it is", 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dialect", MODELS)
async def test_pydantic_ai_calls_a_tool(dialect: str, kind: str, tmp_path: Path) -> None:
    """And goes on with what it answered."""

    def add(a: int, b: int) -> int:
        added.append((a, b))
        return a + b

    added: list[tuple[int, int]] = []
    with upstream(kind, tmp_path, *CALL, stream=False) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:

            async def work() -> str:
                return str((await agent(dialect, url, tools=[add]).run("2 + 3?")).output)

            assert await beside_asyncio(work) == "It is 5."
    assert added == [(2, 3)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dialect", MODELS)
async def test_pydantic_ai_gets_an_object(dialect: str, kind: str, tmp_path: Path) -> None:
    """By the tool that it makes for it."""
    said = Answer(calls=(("final_result", {"name": "Paris", "people": 2}),), stop="tool_use")
    with upstream(kind, tmp_path, said, stream=False) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            wanted = city()

            async def work() -> Any:
                return (await agent(dialect, url, output_type=wanted).run("hi")).output

            assert await beside_asyncio(work) == wanted(name="Paris", people=2)


def langchain(url: str) -> Any:
    library: Any = pytest.importorskip("langchain_openai")
    return library.ChatOpenAI(model="auto", base_url=f"{url}/v1", api_key=TOKEN, max_retries=0)


def llm_chat(url: str, kind: str = "Chat", **settings: Any) -> Any:
    library: Any = pytest.importorskip("llm.default_plugins.openai_models")
    return getattr(library, kind)("arawn", model_name="auto", api_base=f"{url}/v1", **settings)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
async def test_langchain_reads_an_answer(kind: str, stream: bool, tmp_path: Path) -> None:
    """Its text and its counts."""

    def work(url: str) -> tuple[str, int]:
        model = langchain(url)
        if not stream:
            whole: Any = model.invoke("hi")
            return whole.content, whole.usage_metadata["total_tokens"]
        chunks: list[Any] = list(model.stream("hi", stream_usage=True))
        counts = [chunk.usage_metadata["total_tokens"] for chunk in chunks if chunk.usage_metadata]
        return "".join(chunk.content for chunk in chunks), sum(counts)

    with upstream(kind, tmp_path, TEXT, stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            assert await beside(lambda: work(url)) == ("Paris it is", 10)


@pytest.mark.parametrize("kind", KINDS)
async def test_langchain_calls_a_tool(kind: str, tmp_path: Path) -> None:
    """The call has its name and its arguments."""

    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    with upstream(kind, tmp_path, *CALL, stream=False) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            answer = await beside(lambda: langchain(url).bind_tools([add]).invoke("2 + 3?"))

    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("add", {"a": 2, "b": 3})]


@pytest.mark.parametrize("kind", KINDS)
async def test_langchain_gets_an_object(kind: str, tmp_path: Path) -> None:
    """By a schema."""
    wanted = city()
    with upstream(kind, tmp_path, Answer('{"name": "Paris", "people": 2}'), stream=False) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            answer = await beside(lambda: langchain(url).with_structured_output(wanted).invoke("hi"))

    assert answer == wanted(name="Paris", people=2)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
async def test_llm_reads_an_answer(kind: str, stream: bool, tmp_path: Path) -> None:
    """Its text and its counts, as its command `llm` does it."""

    def work(url: str) -> tuple[str, int | None]:
        answer = llm_chat(url).prompt("hi", stream=stream, key=TOKEN)
        return answer.text(), answer.usage().output

    with upstream(kind, tmp_path, TEXT, stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            assert await beside(lambda: work(url)) == ("Paris it is", 3)


@pytest.mark.parametrize("kind", KINDS)
async def test_llm_reads_an_answer_without_waiting(kind: str, tmp_path: Path) -> None:
    """The same on asyncio, streamed."""
    with upstream(kind, tmp_path, TEXT, stream=True) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:

            async def work() -> str:
                return str(await llm_chat(url, "AsyncChat").prompt("hi", key=TOKEN).text())

            assert await beside_asyncio(work) == "Paris it is"
