from __future__ import annotations

import sys
import tracemalloc
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from arawn.backends.open import open_provider
from arawn.backends.script import ScriptedCall, ScriptedFault, Step
from arawn.backends.scripted import ScriptedProvider
from arawn.config.schema import Profile
from arawn.errors import BadReply, BadRequest, ConfigError, RateLimited, TimedOut
from arawn.messages import (
    Begun,
    CompletionRequest,
    CompletionResponse,
    StreamEvent,
    Text,
    TextDelta,
    Thinking,
    ToolUse,
    Usage,
    user,
)

ASK = CompletionRequest(messages=(user("one"), user("two words")), system="be brief")


def scripted(*steps: Step) -> ScriptedProvider:
    return ScriptedProvider("p", Profile(backend="scripted"), steps)


async def play(provider: ScriptedProvider, events: list[StreamEvent]) -> CompletionResponse:
    async def emit(event: StreamEvent | Begun) -> None:
        if not isinstance(event, Begun):
            events.append(event)

    return await provider.stream(ASK, emit)


async def test_without_a_script_the_last_user_text_comes_back() -> None:
    """The echo is the same plain and streamed, word by word, with words for tokens."""
    events: list[StreamEvent] = []
    provider = scripted(Step())

    streamed = await play(provider, events)
    plain = await provider.complete(ASK)

    assert events == [TextDelta(0, "echo:"), TextDelta(0, " two"), TextDelta(0, " words")]
    assert plain.text == streamed.text == "echo: two words"
    assert plain.usage == Usage(input_tokens=5, output_tokens=3)
    assert (plain.model, plain.stop_reason, plain.profile) == ("scripted", "end_turn", "p")


async def test_a_whole_answer_takes_no_step_for_each_word() -> None:
    """A long message holds up nobody: its echo is made at once, not word by word."""

    async def calls_for(words: int) -> int:
        events: list[str] = []
        request = CompletionRequest(messages=(user("x " * words),))
        sys.setprofile(lambda _frame, event, _arg: events.append(event))
        try:
            await scripted(Step()).complete(request)
        finally:
            sys.setprofile(None)
        return len(events)

    await calls_for(1)

    assert await calls_for(10_000) < await calls_for(10) + 100


async def test_the_words_of_a_stream_are_found_as_they_are_said() -> None:
    """So its first word does not wait for the others."""
    text = "word " * 50_000
    request = CompletionRequest(messages=(user(text),))
    most: list[int] = []
    tracemalloc.start()
    try:
        with pytest.raises(BadReply):
            await scripted(Step(cut_after=1)).stream(request, lambda _: most.append(tracemalloc.get_traced_memory()[1]))
    finally:
        tracemalloc.stop()

    assert max(most) < 5 * len(text)


async def test_steps_are_used_in_order_over_and_over() -> None:
    """The script cycles, and a call that fails uses its step up too."""
    provider = scripted(Step(text="a"), Step(error=ScriptedFault(status=400)), Step(text="c"))

    assert (await provider.complete(ASK)).text == "a"
    with pytest.raises(BadRequest):
        await provider.complete(ASK)
    assert [(await provider.complete(ASK)).text for _ in range(2)] == ["c", "a"]


async def test_an_answer_can_hold_everything() -> None:
    """Thinking, text and calls make the same blocks plain and streamed."""
    calls = (ScriptedCall("f", {"a": 1}), ScriptedCall("g", invalid_arguments="{x", id="mine"))
    step = Step(text=" two\n words ", thinking="hm", tool_calls=calls, usage=Usage(1, 2))

    streamed = await play(scripted(step), [])
    plain = await scripted(step).complete(ASK)

    assert plain == streamed
    assert plain.content == (
        Thinking("hm"),
        Text(" two\n words "),
        ToolUse("call_0_2", "f", {"a": 1}),
        ToolUse("mine", "g", {}, "{x"),
    )
    assert (plain.stop_reason, plain.usage) == ("tool_use", Usage(1, 2))


async def test_delays_take_their_time(autojump_clock: MockClock) -> None:
    """The first word waits `delay_s`, each further one `token_delay_s`."""
    started = trio.current_time()

    await play(scripted(Step(text="a b c", delay_s=5, token_delay_s=2)), [])

    assert trio.current_time() - started == 9


async def test_a_key_in_an_error_is_masked_as_a_provider_s_is() -> None:
    """What a caller is told goes where no log redacts it."""
    with pytest.raises(BadRequest) as caught:
        await play(scripted(Step(error=ScriptedFault(400, "odd", "no such key: AKIAIOSFODNN7EXAMPL2"))), [])

    assert "AKIA" not in str(caught.value)
    assert "no such key: [redacted:" in caught.value.user_message


async def test_an_error_is_the_one_of_a_provider() -> None:
    """Status, code and invitation to retry are as if a provider had sent them."""
    with pytest.raises(RateLimited) as caught:
        await play(scripted(Step(error=ScriptedFault(429, "slow", "too fast", 3))), [])

    error = caught.value
    assert (error.status, error.code, error.retry_after_s, error.retryable) == (429, "slow", 3, True)


async def test_a_cut_stream_keeps_what_was_sent() -> None:
    """After `cut_after` words the stream breaks; the error holds them without an end, and is not retryable."""
    events: list[StreamEvent] = []

    with pytest.raises(BadReply) as caught:
        await play(scripted(Step(text="a b c", cut_after=2)), events)

    assert len(events) == 2
    assert caught.value.partial is not None
    assert caught.value.partial.text == "a b"
    assert (caught.value.partial.stop_reason, caught.value.partial.stop_reason_raw) == (None, None)
    assert not caught.value.retryable


@pytest.mark.parametrize(("step", "which"), [(Step(hang=True), "first_token"), (Step(hang=True, cut_after=1), "idle")])
async def test_a_stream_that_hangs_runs_into_its_deadline(step: Step, which: str, autojump_clock: MockClock) -> None:
    """The profile's deadlines hold here too."""
    with pytest.raises(TimedOut) as caught:
        await play(scripted(step), [])

    assert caught.value.which == which


async def test_a_call_that_hangs_can_be_cancelled_and_ends(autojump_clock: MockClock) -> None:
    """`total_s` bounds a plain call; a caller may leave before."""
    provider = scripted(Step(hang=True))

    with trio.move_on_after(1) as scope:
        await provider.complete(ASK)
    with pytest.raises(TimedOut) as caught:
        await provider.complete(ASK)

    assert scope.cancelled_caught
    assert caught.value.which == "total"


async def open_script(path: Path) -> str:
    profile = Profile(backend="scripted", script=str(path))
    async with open_provider("p", profile, environ={}) as provider:
        return (await provider.complete(ASK)).text


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.toml", '[[steps]]\ntext = "hi"\ndelay_s = 0\n'), ("a.json", '{"steps": [{"text": "hi"}]}')],
)
async def test_a_script_is_read_from_a_file(tmp_path: Path, name: str, text: str) -> None:
    """TOML and JSON say the same."""
    path = tmp_path / name
    path.write_text(text)

    assert await open_script(path) == "hi"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.toml", "steps = [", "what is accepted is"),
        ("a.json", "{", "what is accepted is"),
        ("a.toml", "steps = []", "length >= 1"),
        ("a.toml", '[[steps]]\ntxt = "hi"', r"unknown field `txt` - at `\$.steps\[0\]`.*`text`"),
        ("a.toml", "[[steps]]\ndelay_s = -1", "steps"),
        ("gone/a.toml", None, "cannot be read"),
    ],
)
async def test_a_wrong_script_is_refused_at_the_start(tmp_path: Path, name: str, text: str | None, words: str) -> None:
    """One line names the file, the place and what is accepted."""
    path = tmp_path / name
    if text is not None:
        path.write_text(text)

    with pytest.raises(ConfigError, match=words) as caught:
        await open_script(path)

    assert str(path) in str(caught.value)


async def test_a_fault_of_the_reader_is_passed_on() -> None:
    """What `emit` raises is not the provider's doing."""

    async def leave(_: StreamEvent | Begun) -> None:
        raise trio.BrokenResourceError

    with pytest.raises(trio.BrokenResourceError):
        await scripted(Step()).stream(ASK, leave)
