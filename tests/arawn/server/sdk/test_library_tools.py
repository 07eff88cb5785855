"""What the libraries on top of the SDKs do beside the plain answer: streamed tools, other routes, schemas, errors."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.arawn.server.sdk.doors import TOKEN, beside, beside_asyncio, open_api
from tests.arawn.server.sdk.faults import seen_status
from tests.arawn.server.sdk.test_libraries import CALL, MODELS, TEXT, agent, city, langchain, llm_chat
from tests.arawn.server.sdk.upstreams import KINDS, Answer, Refusal, upstream
from tests.runtimes import records

pytestmark = [
    pytest.mark.slow,  # importing the libraries takes seconds, so it is done in the tests
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),  # the libraries keep their clients open
]

PARIS = Answer('{"name": "Paris", "people": 2}')
STREAM = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
BY_KIND = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Let go of what a library left open here, not in a later test."""
    yield
    gc.collect()


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@BY_KIND
@pytest.mark.parametrize("dialect", MODELS)
async def test_pydantic_ai_streams_through_a_tool(dialect: str, kind: str, tmp_path: Path) -> None:
    """The call comes in pieces, is run, and the second answer is streamed."""
    with upstream(kind, tmp_path, *CALL, stream=True) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:

            async def work() -> str:
                async with agent(dialect, url, tools=[add]).run_stream("2 + 3?") as result:
                    return str(await result.get_output())

            assert await beside_asyncio(work) == "It is 5."
    assert len(records(tmp_path)) == 2


@BY_KIND
async def test_pydantic_ai_gets_an_object_by_a_strict_schema(kind: str, tmp_path: Path) -> None:
    """`NativeOutput` asks for the schema itself, without a tool."""
    native: Any = pytest.importorskip("pydantic_ai").NativeOutput
    wanted = city()
    with upstream(kind, tmp_path, PARIS, stream=False) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:

            async def work() -> Any:
                return (await agent("openai", url, output_type=native(wanted)).run("hi")).output

            assert await beside_asyncio(work) == wanted(name="Paris", people=2)


@BY_KIND
async def test_pydantic_ai_speaks_responses(kind: str, tmp_path: Path) -> None:
    """A tool and its answer, by the other route."""
    library: Any = pytest.importorskip("pydantic_ai")
    models: Any = pytest.importorskip("pydantic_ai.models.openai")
    providers: Any = pytest.importorskip("pydantic_ai.providers.openai")
    with upstream(kind, tmp_path, *CALL, stream=False) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:

            async def work() -> str:
                provider = providers.OpenAIProvider(base_url=f"{url}/v1", api_key=TOKEN)
                model = models.OpenAIResponsesModel("auto", provider=provider)
                return str((await library.Agent(model, tools=[add]).run("2 + 3?")).output)

            assert await beside_asyncio(work) == "It is 5."


@BY_KIND
@pytest.mark.parametrize("dialect", MODELS)
async def test_pydantic_ai_raises_a_fault(dialect: str, kind: str, tmp_path: Path) -> None:
    """With the status and the provider's sentence."""
    raised: Any = pytest.importorskip("pydantic_ai").ModelHTTPError
    with upstream(kind, tmp_path, Refusal(400), stream=False) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:

            async def work() -> Any:
                with pytest.raises(raised) as caught:
                    await agent(dialect, url).run("hi")
                return caught.value

            error = await beside_asyncio(work)

    assert error.status_code == seen_status(dialect, kind, 400)
    assert "the provider's own words" in str(error)


@BY_KIND
async def test_langchain_puts_a_streamed_call_together(kind: str, tmp_path: Path) -> None:
    """From the pieces of its chunks."""

    def work(url: str) -> Any:
        chunks = list(langchain(url).bind_tools([add]).stream("2 + 3?"))
        return sum(chunks[1:], chunks[0])

    with upstream(kind, tmp_path, *CALL, stream=True) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            whole = await beside(lambda: work(url))

    assert [(call["name"], call["args"]) for call in whole.tool_calls] == [("add", {"a": 2, "b": 3})]


@STREAM
@BY_KIND
async def test_langchain_speaks_responses(kind: str, stream: bool, tmp_path: Path) -> None:
    """The other route, plain and streamed."""
    library: Any = pytest.importorskip("langchain_openai")

    def work(url: str) -> str:
        model = library.ChatOpenAI(model="auto", base_url=f"{url}/v1", api_key=TOKEN, use_responses_api=True)
        return "".join(chunk.text for chunk in model.stream("hi")) if stream else str(model.invoke("hi").text)

    with upstream(kind, tmp_path, TEXT, stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            assert await beside(lambda: work(url)) == "Paris it is"


@STREAM
@BY_KIND
async def test_langchain_reads_an_answer_without_waiting(kind: str, stream: bool, tmp_path: Path) -> None:
    """The same on asyncio."""
    with upstream(kind, tmp_path, TEXT, stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:

            async def work() -> str:
                if stream:
                    return "".join([chunk.content async for chunk in langchain(url).astream("hi")])
                return str((await langchain(url).ainvoke("hi")).content)

            assert await beside_asyncio(work) == "Paris it is"


@STREAM
@BY_KIND
async def test_llm_runs_a_tool(kind: str, stream: bool, tmp_path: Path) -> None:
    """Its chain goes on with what the tool answered."""
    library: Any = pytest.importorskip("llm")

    def work(url: str) -> str:
        model = llm_chat(url, supports_tools=True)
        return str(model.chain("2 + 3?", tools=[library.Tool.function(add)], stream=stream, key=TOKEN).text())

    with upstream(kind, tmp_path, *CALL, stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            assert (await beside(lambda: work(url))).strip() == "It is 5."
    assert len(records(tmp_path)) == 2


@BY_KIND
async def test_llm_gets_an_object(kind: str, tmp_path: Path) -> None:
    """By a schema."""
    wanted = city()

    def work(url: str) -> Any:
        answer = llm_chat(url, supports_schema=True).prompt("hi", schema=wanted, stream=False, key=TOKEN)
        return wanted.model_validate_json(answer.text())

    with upstream(kind, tmp_path, PARIS, stream=False) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            assert await beside(lambda: work(url)) == wanted(name="Paris", people=2)
