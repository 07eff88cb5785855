"""The backend actor: attempts, retries, limits, and a record of every one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors import OutcomeUnknown
from arawn.backends.scripted import ScriptedProvider
from arawn.config.schema import Config, Profile, RetryConfig
from arawn.errors import (
    AuthFailed,
    BackendError,
    BadInput,
    BadReply,
    BadRequest,
    ConfigError,
    LogWriteFailed,
    Overloaded,
    RateLimited,
    Unavailable,
)
from arawn.messages import (
    Completed,
    CompletionRequest,
    CompletionResponse,
    Message,
    Text,
    TextDelta,
    ToolResult,
    ToolUse,
    user,
)
from arawn.runtime import open_runtime, start_runtime
from arawn.runtime_door import Runtime
from tests.fake_provider import FakeProvider, Fault, Reply, openai_reply
from tests.runtimes import configured, custom, records, running, scripted

ASK = CompletionRequest(messages=(user("hello there"),))
ONCE = RetryConfig(attempts=1)


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


async def test_a_stream_is_not_tried_again_once_something_was_passed_on(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A stream that breaks after its first word is one `partial` record with that word in it."""
    profile = scripted(tmp_path, [{"text": "one two three", "cut_after": 1}, {"text": "never"}])
    seen = []

    async with running(configured(tmp_path, {"default": profile})) as runtime:
        with pytest.raises(BadReply) as caught:
            async with runtime.stream(ASK) as events:
                async for event in events:
                    seen.append(event)

    (record,) = records(tmp_path)
    assert len(seen) == 1
    assert (record["status"], record["stream"]) == ("partial", True)
    assert record["response_content"][0]["text"].strip() == "one"
    assert caught.value.partial is not None


async def test_a_stream_ends_with_its_whole_answer(tmp_path: Path) -> None:
    """The last event is `Completed`, its text is the deltas joined, and its record is on disk by then."""
    deltas, last, on_disk = [], None, []
    async with running(configured(tmp_path)) as runtime, runtime.stream(ASK) as events:
        async for event in events:
            if isinstance(event, Completed):
                last, on_disk = event.response, records(tmp_path)
            else:
                deltas.append(event)

    assert last is not None
    assert "".join(event.text for event in deltas if isinstance(event, TextDelta)) == last.text == "echo: hello there"
    assert [record["id"] for record in on_disk] == [last.interaction_id]
    assert on_disk[0]["ttft_ms"] is not None


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


async def test_a_reader_that_leaves_a_stream_leaves_a_partial_record(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Leaving the block early cancels the provider call; what had arrived is in the record."""
    profile = scripted(tmp_path, [{"text": "a b c d e f", "token_delay_s": 1}])

    async with running(configured(tmp_path, {"default": profile})) as runtime:
        async with runtime.stream(ASK) as events:
            async for _ in events:
                break
        await trio.sleep(0.1)

    (record,) = records(tmp_path)
    assert record["status"] == "partial"
    assert record["response_content"][0]["text"].strip() == "a"
    assert record["duration_ms"] < 3000


async def test_a_reader_sets_the_pace_of_the_provider(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Nothing is buffered: while the reader sleeps, the stream stands still."""
    profile = scripted(tmp_path, [{"text": "a b c"}])
    gaps = []

    async with running(configured(tmp_path, {"default": profile})) as runtime, runtime.stream(ASK) as events:
        async for _ in events:
            gaps.append(trio.current_time())
            await trio.sleep(10)

    assert records(tmp_path)[0]["duration_ms"] >= 20_000


async def test_a_backend_without_a_key_answers_with_the_reason(tmp_path: Path) -> None:
    """A profile without its key starts as `unavailable`, says why at once, and leaves a record of each refusal."""
    keyless = Profile(backend="groq", model="m", retry=ONCE)
    config = configured(tmp_path, {"default": scripted(tmp_path, [{"text": "ok"}]), "fast": keyless})

    async with running(config) as runtime:
        state = next(backend for backend in runtime.status().backends if backend.profile == "fast")
        with pytest.raises(Unavailable, match="GROQ_API_KEY") as caught:
            await runtime.complete(ASK, profile="fast")

    assert state.health == "unavailable"
    assert "GROQ_API_KEY" in (state.reason or "")
    (record,) = records(tmp_path)
    assert (record["status"], record["error"]["type"]) == ("error", "Unavailable")
    assert caught.value.interaction_id == record["id"]


async def test_a_default_without_a_key_does_not_start(tmp_path: Path) -> None:
    """Without its key the default profile aborts the start, naming the variable."""
    with pytest.raises(Unavailable, match="GROQ_API_KEY"):
        async with running(configured(tmp_path, {"default": Profile(backend="groq", model="m")})):
            pass


async def test_a_key_that_comes_later_is_found(tmp_path: Path, autojump_clock: MockClock) -> None:
    """An unavailable backend looks again for what it lacked, and is then ready."""
    environ: dict[str, str] = {}
    keyless = Profile(backend="groq", model="m")
    config = configured(tmp_path, {"default": scripted(tmp_path, [{"text": "ok"}]), "fast": keyless})

    async with running(config, environ) as runtime:
        environ["GROQ_API_KEY"] = "key"
        await trio.sleep(20)
        states = {backend.profile: backend.health for backend in runtime.status().backends}

    assert states["fast"] == "ready"


async def test_waiting_for_a_key_is_no_restart(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A profile that lacks its key is `unavailable` and says what is missing; finding it ends that, in place."""
    environ: dict[str, str] = {}
    keyless = Profile(backend="groq", model="m")
    config = configured(tmp_path, {"default": scripted(tmp_path, [{"text": "ok"}]), "fast": keyless})

    async with running(config, environ) as runtime:
        await trio.sleep(100)
        waiting = runtime.status().backends[1]
        environ["GROQ_API_KEY"] = "key"
        await trio.sleep(20)
        found = runtime.status().backends[1]

    assert (waiting.health, waiting.actor, waiting.restarts) == ("unavailable", "running", 0)
    assert "set the environment variable `GROQ_API_KEY`" in (waiting.reason or "")
    assert (found.health, found.reason, found.actor, found.restarts) == ("ready", None, "running", 0)


@asynccontextmanager
async def found_late(
    directory: Path, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Runtime]:
    """Run a profile `late` whose key is there only when the runtime has started."""
    monkeypatch.setattr("arawn.backends.stand_in.RETRY_START_S", 0.02)
    environ: dict[str, str] = {}
    profiles = {"default": scripted(directory, [{"text": "ok"}]), "late": custom(provider.address, api_key_env="LATE")}
    async with running(configured(directory, profiles), environ) as runtime:
        with pytest.raises(Unavailable, match="LATE"):
            await runtime.complete(ASK, profile="late")
        environ["LATE"] = "key"
        with trio.fail_after(2):
            while runtime.status().backends[1].health != "ready":  # noqa: ASYNC110
                await trio.sleep(0.01)
        yield runtime


async def test_what_is_found_late_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls go to the provider as soon as it is there."""
    with FakeProvider(Reply(body=openai_reply("hello"))) as provider:
        async with found_late(tmp_path, provider, monkeypatch) as runtime:
            answer = await runtime.complete(ASK, profile="late")

    assert answer.text == "hello"
    assert provider.received[0].headers["authorization"] == "Bearer key"


async def test_what_is_found_late_ends_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call under way at the end is cancelled and recorded, and the caller is told."""
    told: list[Exception] = []
    with FakeProvider(Reply(before=Fault.STALL)) as provider:
        async with trio.open_nursery() as nursery:
            async with found_late(tmp_path, provider, monkeypatch) as runtime:

                async def ask() -> None:
                    try:
                        await runtime.complete(ASK, profile="late")
                    except OutcomeUnknown as error:
                        told.append(error)

                nursery.start_soon(ask)
                with trio.fail_after(2):
                    while not provider.received:  # noqa: ASYNC110
                        await trio.sleep(0.01)
                await runtime.end_calls()

    assert len(told) == 1
    assert [record["status"] for record in records(tmp_path)] == ["error", "cancelled"]


async def test_health_follows_the_last_call(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A failure of the retryable kind shows as `degraded` with its reason; the next success clears it."""
    profile = scripted(tmp_path, [{"error": {"status": 503}}, {"text": "ok"}], retry=ONCE)

    async with running(configured(tmp_path, {"default": profile})) as runtime:
        with pytest.raises(Overloaded):
            await runtime.complete(ASK)
        (after_failure,) = runtime.status().backends
        await runtime.complete(ASK)
        (after_success,) = runtime.status().backends

    assert after_failure.health == "degraded"
    assert after_failure.reason
    assert (after_success.health, after_success.reason) == ("ready", None)


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


async def test_since_when_a_profile_is_unavailable(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Looking for the key again and again does not begin the time anew."""
    profiles = {"default": scripted(tmp_path, [{"text": "hi"}]), "keyless": Profile(backend="groq", model="m")}
    async with running(configured(tmp_path, profiles)) as runtime:
        before = runtime.status().backends[1].since
        await trio.sleep(100)
        after = runtime.status().backends[1].since

    assert before == after is not None


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


async def test_a_provider_that_only_fails_is_left_alone(tmp_path: Path, autojump_clock: MockClock) -> None:
    """After five calls that failed in a row calls fail at once and say when to come back, until one succeeds."""
    down = {"error": {"status": 503, "message": "out of order"}}
    profile = scripted(tmp_path, [*[down] * 5, {"text": "up again"}], retry=ONCE)

    async with running(configured(tmp_path, {"default": profile})) as runtime:
        for _ in range(5):
            with pytest.raises(Overloaded):
                await runtime.complete(ASK)
        began = trio.current_time()
        with pytest.raises(
            Unavailable, match=r"rests for 5 s: 5 calls in a row failed, the last with `Overloaded` \(503\)"
        ) as no:
            await runtime.complete(ASK)
        health = runtime.status().backends[0]
        assert trio.current_time() == began
        await trio.sleep(5)
        answer = await runtime.complete(ASK)
        after = runtime.status().backends[0]

    assert (health.health, no.value.retry_after_s, no.value.retryable) == ("open", 5, True)
    assert (answer.text, after.health, after.reason) == ("up again", "ready", None)
    assert [record["status"] for record in records(tmp_path)] == ["error"] * 6 + ["ok"]
    assert records(tmp_path)[5]["error"]["type"] == "Unavailable"


async def test_a_provider_that_refuses_the_probe_is_up(tmp_path: Path, autojump_clock: MockClock) -> None:
    """400 is an answer: the breaker is closed, and the health says so."""
    script: list[dict[str, Any]] = [*[{"error": {"status": 503}}] * 5, {"error": {"status": 400}}, {"text": "x"}]
    async with running(configured(tmp_path, {"default": scripted(tmp_path, script, retry=ONCE)})) as runtime:
        for _ in range(5):
            with pytest.raises(Overloaded):
                await runtime.complete(ASK)
        await trio.sleep(5)
        with pytest.raises(BadRequest):
            await runtime.complete(ASK)

        assert runtime.status().backends[0].health == "ready"


async def test_a_refusal_shows_no_words_of_other_callers(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A provider may quote a prompt in its error; whoever is refused because of it does not read that."""
    quoting = {"error": {"status": 500, "message": "cannot handle `my diagnosis is X`"}}
    async with running(configured(tmp_path, {"default": scripted(tmp_path, [quoting], retry=ONCE)})) as runtime:
        for _ in range(5):
            with pytest.raises(Overloaded):
                await runtime.complete(ASK)
        with pytest.raises(Unavailable) as refused:
            await runtime.complete(ASK)

    assert "diagnosis" not in str(refused.value)


async def test_the_first_word_of_a_stream_says_that_the_provider_is_up(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """While a probe streams for minutes the others are not kept out."""
    slow = {"text": "one two three", "token_delay_s": 60}
    profile = scripted(tmp_path, [*[{"error": {"status": 503}}] * 5, slow, {"text": "me too"}], retry=ONCE)

    async with running(configured(tmp_path, {"default": profile})) as runtime:
        for _ in range(5):
            with pytest.raises(Overloaded):
                await runtime.complete(ASK)
        await trio.sleep(5)
        async with runtime.stream(ASK) as events:
            await anext(events)
            answer = await runtime.complete(ASK)

    assert answer.text == "me too"


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


@pytest.mark.parametrize(
    ("step", "health"),
    [
        ({"error": {"status": 401}}, "degraded"),
        ({"error": {"status": 503}}, "degraded"),
        ({"hang": True}, "degraded"),
        ({"text": "x", "cut_after": 0}, "degraded"),
        ({"error": {"status": 400}}, "ready"),
    ],
)
async def test_health_tells_the_providers_faults_from_the_callers(
    tmp_path: Path, autojump_clock: MockClock, step: dict[str, Any], health: str
) -> None:
    """What the provider does wrong shows; what the caller does wrong does not."""
    profile = scripted(tmp_path, [step], retry=ONCE)
    async with running(configured(tmp_path, {"default": profile})) as runtime:
        with pytest.raises(BackendError):
            await runtime.complete(ASK)

        assert runtime.status().backends[0].health == health


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


async def test_a_stream_never_ends_in_silence(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A reader cancelled at any step, that then goes on reading, gets `Completed` or an error, never just the end."""
    steps = 0
    for cut in range(1, 40):
        async with running(configured(tmp_path)) as runtime, runtime.stream(ASK) as events:
            last = None
            with trio.CancelScope() as scope:
                for _ in range(cut):
                    await trio.lowlevel.checkpoint()
                scope.cancel(reason="sweep")
                async for event in events:
                    last = event
            with trio.fail_after(60):
                async for event in events:
                    last = event
            steps += isinstance(last, Completed)

    assert steps == 39


async def test_unavailable_is_said_once_and_at_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    """What is not there is not tried again and again: one record, no wait."""
    profile = scripted(tmp_path, [{"text": "ok"}])
    config = configured(tmp_path, {"default": profile, "fast": Profile(backend="groq", model="m")})
    async with running(config) as runtime:
        began = trio.current_time()
        with pytest.raises(Unavailable) as caught:
            await runtime.complete(ASK, profile="fast")

    assert trio.current_time() == began
    assert not caught.value.retryable
    assert len(records(tmp_path)) == 1


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


async def test_a_default_without_a_key_need_not_stop_those_who_ask_another(tmp_path: Path) -> None:
    """Who does not require the default profile can use another, and the default says why it cannot when it is asked."""
    config = configured(tmp_path, {"default": Profile(backend="groq", model="m"), "mine": Profile(backend="scripted")})
    async with start_runtime(config, {}) as runtime:
        assert (await runtime.complete(ASK, profile="mine")).text
        with pytest.raises(Unavailable, match="GROQ_API_KEY"):
            await runtime.complete(ASK)
