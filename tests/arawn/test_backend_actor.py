"""The backend actor: attempts, retries, limits, and a record of every one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from arawn.backends.scripted import ScriptedProvider
from arawn.config.schema import Config, Profile, RetryConfig
from arawn.errors import (
    AuthFailed,
    BackendError,
    BadInput,
    BadRequest,
    ConfigError,
    LogWriteFailed,
    RateLimited,
)
from arawn.messages import (
    CompletionRequest,
    CompletionResponse,
    Message,
    Text,
    ToolResult,
    ToolUse,
    user,
)
from arawn.runtime import open_runtime
from tests.fake_provider import FakeProvider, Reply, openai_reply
from tests.runtimes import configured, custom, records, running, scripted

ASK = CompletionRequest(messages=(user("hello there"),))


async def test_an_answer_names_the_record_that_holds_it(tmp_path: Path) -> None:
    """`interaction_id` is the id of a line that is on disk when the answer arrives."""
    async with running(configured(tmp_path)) as runtime:
        response = await runtime.complete(ASK, tags={"job": "42"}, session_id="s1")
        on_disk = records(tmp_path)

    assert [record["id"] for record in on_disk] == [response.interaction_id]
    assert on_disk[0]["status"] == "ok"
    assert on_disk[0]["tags"] == {"job": "42", "routing_profile": "default"}
    assert on_disk[0]["session_id"] == "s1"
    assert on_disk[0]["messages"][0]["content"][0]["text"] == "hello there"
    assert on_disk[0]["response_content"][0]["text"] == response.text == "echo: hello there"


async def test_every_attempt_has_its_own_record(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Two failures and a success leave three records of one call, numbered, with rising waits between them."""
    busy = {"error": {"status": 503}}
    profile = scripted(tmp_path, [busy, busy, {"text": "at last"}])

    async with running(configured(tmp_path, {"default": profile})) as runtime:
        began = trio.current_time()
        response = await runtime.complete(ASK)
        waited = trio.current_time() - began

    written = records(tmp_path)
    assert response.text == "at last"
    assert [(record["attempt"], record["status"]) for record in written] == [(1, "error"), (2, "error"), (3, "ok")]
    assert len({record["call_id"] for record in written}) == 1
    assert written[0]["error"]["type"] == "Overloaded"
    assert 0.5 + 1.0 <= waited <= 0.5 + 1.0 + 2 * 0.5


async def test_a_refusal_is_not_tried_again(tmp_path: Path, autojump_clock: MockClock) -> None:
    """401 is final: one attempt, one record, an error that carries where it happened."""
    profile = scripted(tmp_path, [{"error": {"status": 401}}])

    async with running(configured(tmp_path, {"default": profile})) as runtime:
        with pytest.raises(AuthFailed) as caught:
            await runtime.complete(ASK)

    assert (caught.value.profile, caught.value.provider, caught.value.attempt) == ("default", "scripted", 1)
    assert [record["id"] for record in records(tmp_path)] == [caught.value.interaction_id]


async def test_a_wait_the_provider_asks_for_is_kept(tmp_path: Path, autojump_clock: MockClock) -> None:
    """`retry-after` within `max_s` is slept through exactly; above it the error comes back at once."""
    soon = scripted(tmp_path, [{"error": {"status": 429, "retry_after_s": 7}}, {"text": "ok"}])
    late = scripted(tmp_path, [{"error": {"status": 429, "retry_after_s": 21}}, {"text": "ok"}])

    async with running(configured(tmp_path, {"default": soon, "late": late})) as runtime:
        began = trio.current_time()
        await runtime.complete(ASK)
        waited = trio.current_time() - began
        with pytest.raises(RateLimited) as caught:
            await runtime.complete(ASK, profile="late")

    assert waited == pytest.approx(7)
    assert caught.value.retry_after_s == 21
    assert trio.current_time() - began == pytest.approx(7)


async def test_a_caller_that_leaves_cancels_the_call(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A plain call cut short is recorded as `cancelled`, and the worker is free again."""
    profile = scripted(tmp_path, [{"hang": True}, {"text": "next"}], max_concurrency=1)

    async with running(configured(tmp_path, {"default": profile})) as runtime:
        with trio.move_on_after(3) as scope:
            await runtime.complete(ASK)
        response = await runtime.complete(ASK)

    assert scope.cancelled_caught
    assert response.text == "next"
    assert [record["status"] for record in records(tmp_path)] == ["cancelled", "ok"]
    assert records(tmp_path)[0]["duration_ms"] == 3000


async def test_what_a_provider_cannot_do_is_not_tried_again(tmp_path: Path) -> None:
    """llama.cpp answers a picture with 500: that is the request's fault, not the provider's, whose health it leaves."""
    said = b'{"error": {"code": 500, "message": "image input is not supported - hint: ...", "type": "server_error"}}'
    with FakeProvider(*[Reply(500, body=said)] * 6, Reply(body=openai_reply("still here"))) as provider:
        profile = custom(provider.address, retry=RetryConfig())
        async with running(configured(tmp_path, {"default": profile})) as runtime:
            for _ in range(6):
                with pytest.raises(BadRequest, match="cannot do this") as refused:
                    await runtime.complete(ASK)
            answer = await runtime.complete(ASK)

    assert (refused.value.attempt, refused.value.retryable, answer.text) == (1, False, "still here")


async def test_what_was_dropped_is_in_the_record(tmp_path: Path) -> None:
    """What the provider's dialect has no place for is not sent, and the record and the answer say so."""
    failed = ToolResult("t1", (Text("no chart"),), is_error=True)
    asked = CompletionRequest(
        messages=(user("draw"), Message("assistant", (ToolUse("t1", "draw"),)), Message("user", (failed,)))
    )
    with FakeProvider(Reply(body=openai_reply("nice"))) as provider:
        async with running(configured(tmp_path, {"default": custom(provider.address)})) as runtime:
            answer = await runtime.complete(asked)

    dropped = "the error mark of tool results was dropped: the openai dialect cannot say it"
    assert answer.warnings == (dropped,)
    assert [record["warnings"] for record in records(tmp_path) if record["kind"] == "interaction"] == [[dropped]]


async def test_the_log_may_be_off(tmp_path: Path) -> None:
    """With the log off a call works and no file appears."""
    async with running(configured(tmp_path, enabled=False)) as runtime:
        response = await runtime.complete(ASK)

    assert response.interaction_id is None
    assert not (tmp_path / "log").exists()


async def test_a_local_limit_frees_itself(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A caller that waits as long as it was told is let in; being refused costs nothing."""
    profile = scripted(tmp_path, [{"text": "ok"}], requests_per_minute=2, retry=RetryConfig(max_s=1))
    async with running(configured(tmp_path, {"default": profile})) as runtime:
        for _ in range(2):
            await runtime.complete(ASK)
        for _ in range(5):
            with pytest.raises(RateLimited) as caught:
                await runtime.complete(ASK)
        assert caught.value.retryable
        await trio.sleep(caught.value.retry_after_s or 0)

        assert (await runtime.complete(ASK)).text == "ok"


async def test_a_fault_inside_one_call_hurts_no_other(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug in the provider's code is one caller's typed error with its record; calls beside it go on."""
    complete = ScriptedProvider.complete

    async def faulty(self: ScriptedProvider, request: CompletionRequest) -> CompletionResponse:
        if request.model == "faulty":
            raise KeyError("secret content")
        return await complete(self, request)

    monkeypatch.setattr(ScriptedProvider, "complete", faulty)
    profile = scripted(tmp_path, [{"delay_s": 5}])
    answers = []
    async with running(configured(tmp_path, {"default": profile})) as runtime, trio.open_nursery() as nursery:

        async def beside() -> None:
            answers.append(await runtime.complete(ASK))

        nursery.start_soon(beside)
        await trio.sleep(1)
        with pytest.raises(BackendError, match="KeyError") as caught:
            await runtime.complete(CompletionRequest(messages=ASK.messages, model="faulty"))

    assert "secret content" not in str(caught.value)
    assert len(answers) == 1
    assert [record["status"] for record in records(tmp_path)] == ["error", "ok"]
    assert "failed inside Arawn" in caplog.text


async def test_a_record_that_cannot_be_built_does_not_cost_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer arrives, and the log says that a record is lost."""

    def broken(**_facts: object) -> None:
        raise KeyError("broken")

    monkeypatch.setattr("arawn.backends.attempt.build_record", broken)
    with pytest.raises(LogWriteFailed, match="1 record is not"):
        async with running(configured(tmp_path)) as runtime:
            response = await runtime.complete(ASK)
            health = runtime.status().log.health

    assert response.text
    assert (health.state, health.count) == ("lost", 1)


async def test_a_config_built_in_python_is_checked_like_a_file() -> None:
    """Every problem is listed, before anything starts."""
    config = Config(profiles={"default": Profile(backend="grog"), "x": Profile(backend="groq", model="m", top_p=7.0)})

    with pytest.raises(ConfigError) as caught:
        async with open_runtime(config, environ={}):
            pass

    assert "top_p" in str(caught.value)


@pytest.mark.parametrize(
    ("request_", "tags"),
    [
        ("hi", None),
        (CompletionRequest(messages=()), None),
        (CompletionRequest(messages=ASK.messages, max_tokens=0), None),
        (ASK, {"job": 42}),
    ],
)
async def test_a_request_that_is_none_is_refused_before_it_is_sent(tmp_path: Path, request_: Any, tags: Any) -> None:
    """The error says what would be right; nothing was sent, so there is no record."""
    async with running(configured(tmp_path)) as runtime:
        with pytest.raises(BadInput):
            await runtime.complete(request_, tags=tags)

    assert records(tmp_path) == []
