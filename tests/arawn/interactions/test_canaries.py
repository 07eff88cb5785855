"""Twenty planted keys appear nowhere: not in the log, not on stderr, not in standard logging, not in the status."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from arawn.config.schema import Profile, RetryConfig
from arawn.errors import BackendError
from arawn.interactions.filters import Filters
from arawn.interactions.opening import open_day_log
from arawn.interactions.reader import LogReader
from arawn.messages import CompletionRequest, Message, Text, ToolDefinition, ToolResult, ToolUse, user
from tests.arawn.interactions.key_samples import SHAPES, Dice
from tests.arawn.interactions.mending_logs import CONFIG
from tests.fake_provider import FakeProvider, Reply, openai_reply, openai_stream, stream_reply
from tests.runtimes import configured, records, running

_WANTED = ("openai", "anthropic", "github", "gitlab", "aws", "google", "stripe", "jwt", "private_key", "slack")


def _canaries() -> dict[str, str]:
    """Return a key for every place; those of the first four have a shape that nothing knows."""
    held = {
        "key given": "Qw7-held-secret-given-in-config",
        "key in the environment": "zz/held/secret+in=environment",
        "secret header": "held secret header 4711 value",
        "base_url password": "s3cr3tpassw0rd",
    }
    places = (
        *("message", "system prompt", "tool description", "tool schema", "tool output", "tool arguments in history"),
        *("tag", "params", "stop", "session", "answer", "tool arguments of the answer", "error message", "error body"),
        *("streamed answer", "model name", "provider request id", "image url"),
    )
    makers = [(make, around) for rule, make, around in SHAPES if rule in _WANTED and around == "{}"]
    return held | {place: makers[n % len(makers)][0](Dice(f"canary {n}")) for n, place in enumerate(places)}


CANARIES = _canaries()


def _request() -> CompletionRequest:
    c = CANARIES
    tool = ToolDefinition("search", c["tool description"], {"type": "object", "default": c["tool schema"]})
    history = (
        user(f"my key is {c['message']}"),
        Message("assistant", (ToolUse("t1", "search", {"query": [c["tool arguments in history"]]}),)),
        Message("user", (ToolResult("t1", (Text(json.dumps({"env": c["tool output"]})),)),)),
    )
    return CompletionRequest(
        messages=history,
        system=f"use {c['system prompt']}",
        tools=(tool,),
        stop=(c["stop"],),
        extra={"metadata": {"note": c["params"]}},
    )


def _replies() -> list[Reply]:
    c = CANARIES
    call = {"id": "t2", "type": "function"}
    call["function"] = {"name": "search", "arguments": json.dumps({"q": c["tool arguments of the answer"]})}  # type: ignore[assignment]  # nested
    good = openai_reply(f"echo {c['answer']}", tool_calls=[call])
    named = json.loads(good) | {"model": f"m-{c['model name']}"}
    echo = f"Incorrect API key provided: {c['key given']} {c['error message']}"
    everything = " ".join(c.values())
    return [
        Reply(body=json.dumps(named).encode(), headers={"x-request-id": c["provider request id"]}),
        Reply(401, json.dumps({"error": {"message": echo, "code": c["error body"], "type": "x"}}).encode()),
        Reply(500, everything.replace("\n", " ").encode(), content_type="text/plain"),
        Reply(400, json.dumps({"error": {"message": everything, "code": everything}}).encode()),
        stream_reply(openai_stream("so ", c["streamed answer"], " it is")),
    ]


def _profile(address: str) -> Profile:
    c = CANARIES
    host = address.removeprefix("http://")
    return Profile(
        backend="custom",
        dialect="openai",
        model="m",
        base_url=f"http://anna:{c['base_url password']}@{host}/v1",
        api_key=c["key given"],
        headers={"x-secret": c["secret header"], "authorization-extra": c["secret header"]},
        retry=RetryConfig(attempts=1),
    )


async def _call(runtime: Any, **more: Any) -> None:
    request = _request()
    tags = {"team": CANARIES["tag"], CANARIES["tag"]: "key"}
    try:
        await runtime.complete(request, tags=tags, session_id=CANARIES["session"], **more)
    except BackendError as error:
        logging.getLogger("caller").info("status %s", error.status)


async def _stream(runtime: Any) -> None:
    async with runtime.stream(_request()) as events:
        async for _ in events:
            pass


def _everything(directory: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted((directory / "log").iterdir()))


async def test_no_canary_appears_anywhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Headers, URLs, error bodies, tool output, messages, prompts, arguments, tags, parameters, environment."""
    caplog.set_level(logging.DEBUG)
    with FakeProvider(*_replies()) as provider:
        config = configured(tmp_path, {"default": _profile(provider.address), "other": Profile(backend="openai")})
        environ = {"OPENAI_API_KEY": CANARIES["key in the environment"]}
        async with running(config, environ) as runtime:
            for _ in range(4):
                await _call(runtime)
            await _stream(runtime)
            status = runtime.status().to_json()

    data = _everything(tmp_path)
    found = [repr(entry.record()) for entry in LogReader(tmp_path / "log", on_damage=print).oldest_first(Filters())]
    ours = [
        record for record in caplog.records if not record.name.startswith("http")
    ]  # the client logs its URLs itself
    said = "".join(record.getMessage() + repr(record.__dict__) for record in ours)
    out, err = capfd.readouterr()
    places = {"log": data, "reader": repr(found).encode(), "status": status.encode(), "logging": said.encode()}
    places |= {"stderr": err.encode(), "stdout": out.encode()}
    assert len(records(tmp_path)) == 5
    assert len(CANARIES) >= 20
    leaks = [(name, where) for name, key in CANARIES.items() for where, text in places.items() if _leaks(key, text)]
    assert leaks == []
    assert data.count(b"[redacted:") > 20


def _leaks(key: str, text: bytes) -> bool:
    """Say whether the key, or a good part of it, stands in `text`, as JSON would write it too."""
    forms = {key, json.dumps(key)[1:-1], key[-12:], key[:-4]}
    return any(form.encode() in text for form in forms)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277])
def test_files_are_private_under_any_umask(tmp_path: Path, umask: int) -> None:
    """Directory 0700, files 0600: log, lock, torn tails."""
    before = os.umask(umask)
    try:
        log = open_day_log(tmp_path / "log", CONFIG)
        log.release_files()
        (day,) = (tmp_path / "log").glob("*.jsonl")
        with day.open("ab") as file:
            file.write(b"half a line")
        os.close(log._directory.lock)
        open_day_log(tmp_path / "log", CONFIG).close()
    finally:
        os.umask(before)

    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o700
    assert len(list((tmp_path / "log").glob("*.torn-*"))) == 1
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "log").iterdir()} == {0o600}
