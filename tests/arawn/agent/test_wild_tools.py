"""Tools and answers that no one planned for: the turn goes on, and what is kept can be sent."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import trio
from trio.testing import MockClock

from arawn.agent import tool
from arawn.agent.mcp_server import ToolServerFailed
from arawn.agent.tool import ToolAnswer
from arawn.messages import Text, ToolUse
from tests.arawn.agent.turns import LOOK, history, look, playing, results, step

HANGING = """
import sys, time, trio, arawn
from pathlib import Path
Path("script.json").write_text('{"steps": [{"tool_calls": [{"name": "hang", "arguments": {}}]}]}')
def hang() -> str:
    print("hanging", flush=True)
    time.sleep(600)
    return "never"
async def main() -> None:
    config = arawn.Config(profiles={"default": arawn.Profile(backend="scripted", script="script.json")})
    async with arawn.open_runtime(config) as runtime:
        with trio.move_on_after(2):
            await runtime.workstream("w").send("go", tools=[hang])
        await runtime.workstream("w").bind(None)
        stored = await runtime.stored_workstream("w")
        print(stored.history[-1].content[0].content[0].text, flush=True)
trio.run(main)
"""


@tool(deadline_s=1)
async def untidy(at: str) -> str:
    """Fail while it is cancelled, in a nursery of its own."""

    async def child() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("no tidying up")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(child)
        await trio.sleep_forever()
    return at


def leaves(at: str) -> str:
    """Be a command line in disguise."""
    sys.exit(f"usage: leaves {at}")


async def leaves_at_once(at: str) -> str:
    """Do so on the event loop."""
    return leaves(at)


class Own(BaseException):
    """Of the user's own."""


def raising(kind: type[BaseException], *, on_trio: bool = False) -> Callable[..., object]:
    """Return a tool that raises what no `except Exception` catches."""

    def plain(at: str) -> str:
        raise kind(at)

    async def slow(at: str) -> str:
        raise kind(at)

    async def grouped(at: str) -> str:
        raise BaseExceptionGroup(at, [kind(at), ValueError(at)])

    return (grouped if kind is Own else slow) if on_trio else plain


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (raising(asyncio.CancelledError), "`plain` failed: CancelledError('x')"),
        (raising(GeneratorExit), "`plain` failed: GeneratorExit('x')"),
        (raising(KeyboardInterrupt), "`plain` failed: KeyboardInterrupt('x')"),
        (raising(Own), "`plain` failed: Own('x')"),
        (raising(StopIteration), "`plain` failed: "),
        (raising(asyncio.CancelledError, on_trio=True), "`slow` failed: CancelledError('x')"),
        (raising(GeneratorExit, on_trio=True), "`slow` failed: GeneratorExit('x')"),
        (raising(StopIteration, on_trio=True), "`slow` failed: "),
        (raising(Own, on_trio=True), "`grouped` failed: BaseExceptionGroup('x', [Own('x'), ValueError('x')])"),
        (untidy, "`untidy` failed: ValueError('no tidying up')"),
        (leaves, "`leaves` failed: SystemExit('usage: leaves x')"),
        (leaves_at_once, "`leaves_at_once` failed: SystemExit('usage: leaves x')"),
    ],
)
async def test_a_tool_ends_nothing_but_itself(tmp_path: Path, function: Callable[..., object], words: str) -> None:
    """Whatever it raises, and whenever: real time, since one runs in a thread."""
    name = getattr(function, "__name__", "")
    async with playing(tmp_path, step({"name": name, "arguments": {"at": "x"}}), {"text": "I see"}) as runtime:
        reply = await runtime.workstream("w").send("go", tools=[function])
        found = results(await history(runtime))

    assert reply.text == "I see"
    ((is_error, said),) = found
    assert is_error
    assert said == words or (words.endswith(": ") and said.startswith(words))


async def test_ctrl_c_in_an_async_tool_goes_on_as_it_is(tmp_path: Path) -> None:
    """On trio it may be the user's: it ends the program, not the tool."""
    tool = raising(KeyboardInterrupt, on_trio=True)
    with pytest.raises(KeyboardInterrupt):
        async with playing(tmp_path, step({"name": "slow", "arguments": {"at": "x"}})) as runtime:
            await runtime.workstream("w").send("go", tools=[tool])


async def test_a_tool_that_fails_beside_its_cancellation_is_cancelled(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Whatever else it raises then, the deadline of its caller holds, and nothing else dies."""

    async def both(at: str) -> str:
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            raise BaseExceptionGroup(at, [cancelled, GeneratorExit(), Own()]) from None
        return at

    asked = step({"name": "both", "arguments": {"at": "x"}})
    async with playing(tmp_path, asked, {"text": "still here"}) as runtime:
        with trio.move_on_after(1) as leaving:
            await runtime.workstream("w").send("go", tools=[both])
        after = await runtime.workstream("w").send("and?")

    assert leaving.cancelled_caught
    assert after.text == "still here"


async def test_what_is_said_of_a_failure_is_cut(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """At 4 kB, as a result is at its limit: an exception may quote a whole file."""

    async def fails() -> str:
        raise ValueError("x" * 1_000_000)

    async with playing(tmp_path, step("fails"), {"text": "ok"}) as runtime:
        await runtime.workstream("w").send("go", tools=[fails])
        ((is_error, said),) = results(await history(runtime))

    assert is_error
    assert said.startswith("`fails` failed: ValueError('xxx")
    assert said.endswith("xxx[cut: this answer has 1,000,030 bytes of text, of which you see the first 4,096]")


async def test_what_a_tool_tells_readers_is_one_line_of_the_log(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as that its server is dead: a hundred lines of traceback say no more."""
    caplog.set_level(logging.INFO, "arawn.agent")

    async def dead() -> str:
        raise ToolServerFailed("the tool server `x` has gone") from OSError("refused")

    async with playing(tmp_path, step("dead"), {"text": "ok"}) as runtime:
        await runtime.workstream("w").send("go", tools=[dead])

    (line,) = [record for record in caplog.records if record.name == "arawn.agent"]
    assert (line.getMessage(), line.exc_info) == ("tool `dead` failed: the tool server `x` has gone", None)


def numbers() -> Text:
    """Answer with text that is none."""
    return Text(cast("str", 5))


def letters() -> ToolAnswer:
    """Answer with a string where blocks belong."""
    return ToolAnswer(cast("tuple[Text, ...]", "hello"))


@pytest.mark.parametrize("function", [numbers, letters])
async def test_an_answer_of_the_wrong_type_is_the_tools_failure(
    tmp_path: Path, function: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    """The model is told, the turn goes on, and no actor has crashed for it."""
    name = getattr(function, "__name__", "")
    async with playing(tmp_path, step({"name": name, "arguments": {}}), {"text": "I see"}) as runtime:
        reply = await runtime.workstream("w").send("go", tools=[function])
        ((is_error, said),) = results(await history(runtime))

    assert reply.text == "I see"
    assert is_error
    assert said.startswith(f"`{name}` failed: ")
    assert not [record for record in caplog.records if record.name == "actors" and record.levelname == "ERROR"]


async def test_a_tool_that_fails_while_its_caller_leaves_fails_alone(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The conversation goes on, and nothing crashed for it."""
    asked = step({"name": "untidy", "arguments": {"at": "x"}})
    async with playing(tmp_path, asked, {"text": "still here"}) as runtime:
        talk = runtime.workstream("w")
        with trio.move_on_after(0.5):
            await talk.send("go", tools=[untidy])
        after = await talk.send("and?", tools=[untidy])
        found = results(await history(runtime))

    assert after.text == "still here"
    assert found == [(True, "the turn was cut short before this call had a result; it may have had effects")]
    assert not [record for record in caplog.records if record.name == "actors" and record.levelname == "ERROR"]


@pytest.mark.parametrize("arguments", ["", '{"at": "/"}', '{"at": "/ho'])
@pytest.mark.parametrize("reason", ["max_tokens", "refusal"])
async def test_a_call_in_which_the_answer_was_cut_off_is_not_run(
    tmp_path: Path, autojump_clock: MockClock, arguments: str, reason: str
) -> None:
    """What is missing cannot be known, and no arguments at all look like a whole call; the calls before it are run."""
    ran: list[str] = []

    async def wipe(at: str = "/") -> str:
        ran.append(at)
        return "wiped"

    cut = {"name": "wipe", "invalid_arguments": arguments}
    whole = {"name": "wipe", "arguments": {"at": "/tmp/mine"}}
    async with playing(tmp_path, step(whole, cut, stop_reason=reason), {"text": "I see"}) as runtime:
        reply = await runtime.workstream("w").send("go", tools=[wipe])
        found = results(await history(runtime))

    assert (reply.text, ran) == ("I see", ["/tmp/mine"])
    assert found[0] == (False, "wiped")
    assert found[1] == (True, f"not run: your answer was cut off in this call (`{reason}`); ask again, in fewer words")


async def test_calls_of_one_answer_have_ids_of_their_own(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Also when the model numbers badly: providers refuse a history with the same id twice."""
    twins = step(*[{**LOOK, "id": "a", "arguments": {"at": at}} for at in ("sky", "sea", "hut")])
    async with playing(tmp_path, twins, {"text": "ok"}) as runtime:
        await runtime.workstream("w").send("go", tools=[look])
        kept = await history(runtime)

    assert [call.id for call in kept[1].content if isinstance(call, ToolUse)] == ["a", "a_2", "a_3"]
    assert [text for _, text in results(kept)] == ["sky is blue", "sea is blue", "hut is blue"]


@pytest.mark.parametrize("text", ["", None])
async def test_an_answer_without_words_ends_the_turn(
    tmp_path: Path, autojump_clock: MockClock, text: str | None
) -> None:
    """After its tools a model may have nothing to say; the conversation goes on all the same."""
    silent = {"thinking": "done", "text": text}
    async with playing(tmp_path, step(LOOK), silent, {"text": "yes"}) as runtime:
        talk = runtime.workstream("w")
        reply = await talk.send("look", tools=[look])
        after = await talk.send("there?", tools=[look])
        await history(runtime)

    assert (reply.text, reply.iterations, after.text) == ("", 2, "yes")


@pytest.mark.slow
def test_a_thread_that_never_ends_holds_nothing_up(tmp_path: Path) -> None:
    """Neither the caller, nor the runtime, nor the program's end; the conversation says that it was cut short."""
    ended = subprocess.run(
        [sys.executable, "-c", HANGING],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [
        "hanging",
        "the turn was cut short before this call had a result; it may have had effects",
    ]
